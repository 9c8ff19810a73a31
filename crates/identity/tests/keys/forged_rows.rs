//! Somebody can write the database and does not have the key ring.

use portcullis_core::{Role, Timestamp};
use portcullis_identity::{AuthnErrorKind, FreshnessSettings};

use super::house::{Forgery, House, grants, user_key};

#[tokio::test]
async fn a_key_whose_row_was_changed_is_not_accepted() {
    let forgeries: [(&str, Forgery); 10] = [
        ("role", |row| row.role = Role::Admin),
        ("grants", |row| row.grants.all = true),
        ("servers", |row| {
            row.grants.servers = grants(&["payroll"]).servers;
        }),
        ("a server as a group", |row| {
            let servers = std::mem::take(&mut row.grants.servers);
            row.grants.access_groups = servers.iter().map(ToString::to_string).collect();
        }),
        ("scopes", |row| row.scopes = "tools:admin".parse().unwrap()),
        ("expiry", |row| {
            row.expires_at = Some(Timestamp::from_millis(i64::MAX));
        }),
        ("user", |row| row.user_id = Some("bob".to_owned())),
        ("team in place of user", |row| row.team = row.user_id.take()),
        ("maker", |row| row.created_by = "master".to_owned() + "x"),
        ("seal", |row| row.seal = [0; 32]),
    ];
    let house = House::open().await;
    let (key, _) = house.mint(user_key()).await;
    for (what, forgery) in forgeries {
        *house.store.forgery.lock().unwrap() = Some(forgery);
        let replica = house.replica(FreshnessSettings::default());
        replica.index.refresh().await.unwrap();
        let answer = replica.knock(&key).await;
        assert_eq!(answer.unwrap_err(), AuthnErrorKind::Unknown, "{what}");
        assert_eq!(replica.index.rejected(), 1, "{what}");
    }
    *house.store.forgery.lock().unwrap() = None;
    let replica = house.replica(FreshnessSettings::default());
    replica.index.refresh().await.unwrap();
    assert_eq!(replica.knock(&key).await.unwrap().role, Role::User);
    assert_eq!(replica.index.rejected(), 0);
}

#[tokio::test]
async fn a_running_replica_forgets_a_key_whose_row_no_longer_holds() {
    let house = House::open().await;
    let (key, id) = house.mint(user_key()).await;
    let replica = house.replica(FreshnessSettings::default());
    replica.index.refresh().await.unwrap();
    replica.knock(&key).await.unwrap();
    *house.store.forgery.lock().unwrap() = Some(|row| {
        row.role = Role::Admin;
        row.revoked_at = None;
    });
    // Any change makes the row news.
    let clock: &dyn portcullis_core::Clock = &*house.clock;
    let store: &dyn portcullis_store::ApiKeyStore = &*house.store;
    store.revoke(&id, clock.now()).await.unwrap();
    replica.index.refresh().await.unwrap();
    assert_eq!(
        replica.knock(&key).await.unwrap_err(),
        AuthnErrorKind::Unknown
    );
    assert!(!replica.index.stands(&id), "its open streams end too");
}

#[tokio::test]
async fn one_row_that_cannot_be_read_refuses_that_key_and_no_other() {
    let house = House::open().await;
    let (broken, broken_id) = house.mint(user_key()).await;
    let (sound, _) = house.mint(user_key()).await;
    let running = house.replica(FreshnessSettings::default());
    running.index.refresh().await.unwrap();
    running.knock(&broken).await.unwrap();

    *house.store.damaged.lock().unwrap() = Some(broken_id.clone());
    // Any change makes the row news.
    let now = portcullis_core::Clock::now(&*house.clock);
    let store: &dyn portcullis_store::ApiKeyStore = &*house.store;
    store.revoke(&broken_id, now).await.unwrap();
    for replica in [&running, &house.replica(FreshnessSettings::default())] {
        replica.index.refresh().await.unwrap();
        assert_eq!(
            replica.knock(&broken).await.unwrap_err(),
            AuthnErrorKind::Unknown
        );
        assert!(!replica.index.stands(&broken_id));
        replica.knock(&sound).await.unwrap();
        assert_eq!(replica.index.rejected(), 1);
    }
}
