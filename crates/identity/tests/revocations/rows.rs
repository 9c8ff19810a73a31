//! Whoever can write the database, and what nobody can read.

use super::*;

/// Whoever can write the database makes a row name somebody else, so that the administrator who lifts
/// that lets the real one in.
#[tokio::test]
async fn lifting_an_altered_row_lifts_nothing_that_it_did_not_name() {
    let house = House::open();
    let running = house.replica().await;
    let alice = bearer("alice", None);
    let made = running.revoke(token("alice")).await;
    *house.line.forgery.lock().unwrap() = Some(|row| {
        row.target = RevokedTarget::Key {
            id: KeyId::from("nobody"),
        };
    });
    let refused = running.lift(&made.id).await.unwrap_err();
    assert!(matches!(refused, RevocationError::Altered), "{refused:?}");
    assert_eq!(refused.error_kind(), ErrorKind::Conflict);
    assert_eq!(running.knock(&alice).await, Err(AuthnErrorKind::Revoked));
    let admin = MasterKey::principal();
    let lifted = running.admin.lift(&made.id, Altered::Lift, &admin).await;
    assert!(lifted.unwrap().lifted.is_some());
    running.list.refresh().await.unwrap();
    assert_eq!(running.knock(&alice).await, Err(AuthnErrorKind::Revoked));
}

#[tokio::test]
async fn whoever_writes_the_database_cannot_take_a_revocation_back_by_editing_its_row() {
    let forgeries: [(&str, Forgery); 4] = [
        ("lifted", |row| {
            row.lifted = Some(Lifted {
                at: Timestamp::from_millis(1),
                by: "master".to_owned(),
            });
        }),
        ("ended", |row| row.until = Some(Timestamp::from_millis(1))),
        ("reason", |row| row.reason = Some("other".to_owned())),
        ("seal", |row| row.seal = [0; 32]),
    ];
    let house = House::open();
    let running = house.replica().await;
    running.revoke(token("alice")).await;
    let alice = bearer("alice", None);
    for (what, forgery) in forgeries {
        *house.line.forgery.lock().unwrap() = Some(forgery);
        let started = house.replica().await;
        let answer = started.knock(&alice).await;
        assert_eq!(answer, Err(AuthnErrorKind::Revoked), "{what}");
        assert_eq!(started.list.rejected(), 1, "{what}");
    }
    // Only what it named can be lost, and not by those who have read it before.
    *house.line.forgery.lock().unwrap() = Some(|row| {
        row.target = RevokedTarget::Key {
            id: KeyId::from("nobody"),
        };
    });
    running.list.refresh().await.unwrap();
    assert_eq!(running.knock(&alice).await, Err(AuthnErrorKind::Revoked));
    let page = PageRequest::first(10);
    let listed = running.admin.list(&page, &MasterKey::principal()).await;
    let items = listed.unwrap().items;
    assert!(
        matches!(items[..], [ListedRevocation::Altered(_)]),
        "{items:?}"
    );
}

#[tokio::test]
async fn a_row_that_cannot_be_read_or_is_gone_is_noticed_and_stays_in_force_where_it_was_known() {
    let house = House::open();
    let running = house.replica().await;
    let (alice, bob) = (bearer("alice", None), bearer("bob", None));
    let first = running.revoke(token("alice")).await;
    let second = running.revoke(token("bob")).await;
    assert_eq!(running.list.keep_house().await.unwrap(), 0);
    *house.line.damaged.lock().unwrap() = Some(first.id.clone());
    *house.line.deleted.lock().unwrap() = Some(second.id.clone());
    assert_eq!(running.list.keep_house().await.unwrap(), 1);
    for caller in [&alice, &bob] {
        assert_eq!(running.knock(caller).await, Err(AuthnErrorKind::Revoked));
    }
    let started = house.replica().await;
    assert_eq!(started.list.rejected(), 1);
    let page = PageRequest::first(10);
    let listed = started.admin.list(&page, &MasterKey::principal()).await;
    let unreadable = ListedRevocation::Unreadable(first.id);
    assert_eq!(listed.unwrap().items, [unreadable]);
}

/// A row that was not to be seen when the changes around it were read is found when the house is kept.
#[tokio::test]
async fn an_entry_that_the_changes_passed_over_is_read_when_the_store_is_compared() {
    let house = House::open();
    let (here, elsewhere) = (house.replica().await, house.replica().await);
    let alice = bearer("alice", None);
    let first = here.revoke(token("alice")).await;
    here.revoke(token("bob")).await;
    *house.line.late.lock().unwrap() = Some(first.id.clone());
    elsewhere.list.refresh().await.unwrap();
    *house.line.late.lock().unwrap() = None;
    elsewhere.list.refresh().await.unwrap();
    elsewhere.knock(&alice).await.unwrap();
    assert_eq!(elsewhere.list.keep_house().await.unwrap(), 0);
    assert_eq!(elsewhere.knock(&alice).await, Err(AuthnErrorKind::Revoked));
    let asked = house.line.asked.load(Ordering::SeqCst);
    assert_eq!(elsewhere.list.keep_house().await.unwrap(), 0);
    assert_eq!(house.line.asked.load(Ordering::SeqCst), asked + 1, "once");
}
