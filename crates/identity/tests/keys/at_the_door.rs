//! Keys of every kind at the door: who is let in, who is not, and why.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::house::{FILE_KEY, House, MASTER, file_key, nobody_revoked, user_key};
use portcullis_core::{
    ApiKey, KeyId, ManualClock, PrincipalKind, Role, SystemEntropy, Timestamp, hex, sha256,
};
use portcullis_identity::{
    AuthnErrorKind, CredentialSource, EmptyMasterKey, FileKeyError, FileKeySecret, FileKeys,
    FreshnessSettings, MasterKey, NewKey, Presented, follow, key_seal, mint,
};
use portcullis_store::ApiKeyStore;
use portcullis_vault::KeyRing;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[tokio::test]
async fn the_master_key_is_the_administrator() {
    let house = House::open().await;
    let caller = house.here.knock(MASTER).await.unwrap();
    assert_eq!(caller.id.as_str(), "master");
    assert_eq!(caller.kind, PrincipalKind::MasterKey);
    assert_eq!(caller.role, Role::Admin);
    assert!(caller.grants.all);
}

#[tokio::test]
async fn a_key_from_the_file_is_known_whatever_it_looks_like() {
    let house = House::open().await;
    let caller = house.here.knock(FILE_KEY).await.unwrap();
    assert_eq!(caller.id.as_str(), "key:file:ci");
    assert_eq!(caller.team.as_deref(), Some("platform"));
    assert_eq!(caller.grants, crate::house::grants(&["github"]));
}

#[tokio::test]
async fn a_minted_key_is_its_own_principal() {
    let house = House::open().await;
    let (key, id) = house.mint(user_key()).await;
    let caller = house.here.knock(&key).await.unwrap();
    assert_eq!(caller.id.as_str(), format!("key:{id}"));
    assert_eq!(caller.key_id, Some(id));
    assert_eq!(caller.user_id.as_deref(), Some("alice"));
    assert_eq!(caller.role, Role::User);
    assert_eq!(caller.kind, PrincipalKind::ApiKey);
}

#[tokio::test]
async fn auth_02_a_forged_credential_is_nobody() {
    let house = House::open().await;
    let jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.";
    let long = "a".repeat(4096);
    for forged in [
        "garbage", "x", "sk-12345", "sk-123", "SK-1234", "sk-", jwt, &long,
    ] {
        let answer = house.here.knock(forged).await;
        assert_eq!(answer.unwrap_err(), AuthnErrorKind::Unknown, "{forged}");
    }
    let stranger = mint(&SystemEntropy, &house.ring).unwrap();
    let answer = house.here.knock(stranger.key.expose()).await;
    assert_eq!(answer.unwrap_err(), AuthnErrorKind::Unknown);
}

#[tokio::test]
async fn auth_04_metacharacters_reach_no_query() {
    let house = House::open().await;
    house.cut(true);
    for forged in [
        "sk-'OR'1'='1",
        "';DROP/**/TABLE",
        "$ne",
        "{\"$gt\":\"\"}",
        "%00",
    ] {
        // The store is cut off: an answer other than `Unavailable` shows that nobody asked it.
        let answer = house.here.knock(forged).await;
        assert_eq!(answer.unwrap_err(), AuthnErrorKind::Unknown, "{forged}");
    }
}

#[tokio::test]
async fn a_typo_in_one_of_our_keys_is_told_without_a_look_up() {
    let house = House::open().await;
    let (key, _) = house.mint(user_key()).await;
    house.cut(true);
    let (head, last) = key.split_at(key.len() - 1);
    let typo = format!("{head}{}", if last == "a" { 'b' } else { 'a' });
    for text in [typo.as_str(), head, "sk-pc-", "sk-pc-x-y-z"] {
        let answer = house.here.knock(text).await;
        assert_eq!(answer.unwrap_err(), AuthnErrorKind::Malformed, "{text}");
    }
}

#[tokio::test]
async fn auth_19_expired_revoked_and_unknown_differ_only_in_the_reason() {
    let house = House::open().await;
    let (mortal, mortal_id) = house
        .mint(NewKey {
            expires_in: Some(Duration::from_secs(10)),
            ..user_key()
        })
        .await;
    house.clock.advance(Duration::from_millis(9_999));
    house.here.knock(&mortal).await.unwrap();
    assert!(house.here.index.stands(&mortal_id));
    house.clock.advance(Duration::from_millis(1));
    assert!(!house.here.index.stands(&mortal_id), "its streams end too");
    let expired = house.here.knock(&mortal).await.unwrap_err();
    assert_eq!(expired, AuthnErrorKind::Expired);
    for kind in [expired, AuthnErrorKind::Revoked, AuthnErrorKind::Unknown] {
        assert_eq!(kind.error_kind(), AuthnErrorKind::Missing.error_kind());
    }
}

#[tokio::test]
async fn a_revocation_on_one_replica_reaches_the_others_by_the_feed() {
    let house = House::open().await;
    let elsewhere = house.replica(FreshnessSettings::default());
    elsewhere.index.refresh().await.unwrap();
    let (key, id) = house.mint(user_key()).await;
    assert_eq!(
        elsewhere.knock(&key).await.unwrap_err(),
        AuthnErrorKind::Unknown
    );
    elsewhere.index.refresh().await.unwrap();
    elsewhere.knock(&key).await.unwrap();
    house
        .store
        .revoke(&id, Timestamp::from_millis(5))
        .await
        .unwrap();
    elsewhere.index.refresh().await.unwrap();
    assert_eq!(
        elsewhere.knock(&key).await.unwrap_err(),
        AuthnErrorKind::Revoked
    );
}

/// A standby that took over without the latest commits gives their numbers out once more.
#[tokio::test]
async fn a_revocation_under_a_number_that_was_given_out_twice_is_found() {
    let house = House::open().await;
    let elsewhere = house.replica(FreshnessSettings::default());
    let (key, id) = house.mint(user_key()).await;
    for _ in 0..3 {
        house.mint(user_key()).await;
    }
    elsewhere.index.refresh().await.unwrap();
    house
        .store
        .revoke(&id, Timestamp::from_millis(5))
        .await
        .unwrap();
    house.store.fallen_back.store(3, Ordering::SeqCst);
    elsewhere.index.refresh().await.unwrap();
    elsewhere.knock(&key).await.unwrap();
    house.clock.advance(Duration::from_mins(5));
    elsewhere.index.refresh().await.unwrap();
    let refused = elsewhere.knock(&key).await.unwrap_err();
    assert_eq!(refused, AuthnErrorKind::Revoked);
}

#[tokio::test]
async fn the_background_task_follows_the_feed_and_stops_when_told() {
    let house = House::open().await;
    let elsewhere = house.replica(FreshnessSettings::default());
    let (tracker, token) = (TaskTracker::new(), CancellationToken::new());
    follow(
        vec![Arc::clone(&elsewhere.index) as _],
        &portcullis_store::memory::MemoryAnnouncements::default(),
        FreshnessSettings {
            refresh_every: Duration::from_millis(1),
            ..FreshnessSettings::default()
        },
        &tracker,
        &token,
    );
    let (key, _) = house.mint(user_key()).await;
    let seen = async {
        while elsewhere.knock(&key).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), seen)
        .await
        .unwrap();
    token.cancel();
    tracker.close();
    tokio::time::timeout(Duration::from_secs(30), tracker.wait())
        .await
        .unwrap();
}

#[tokio::test]
async fn before_the_first_load_store_keys_are_refused() {
    let house = House::open().await;
    let (key, _) = house.mint(user_key()).await;
    let cold = house.replica(FreshnessSettings::default());
    assert_eq!(
        cold.knock(&key).await.unwrap_err(),
        AuthnErrorKind::Unavailable
    );
    cold.knock(MASTER).await.unwrap();
}

#[tokio::test]
async fn r_12_a_store_outage_bridges_a_minute_then_closes_store_keys_alone() {
    let house = House::open().await;
    let (key, _) = house.mint(user_key()).await;
    house.cut(true);
    house.here.index.refresh().await.unwrap_err();
    house.clock.advance(Duration::from_mins(1));
    house.here.knock(&key).await.unwrap();
    // A wall clock that is set back does not stretch the bridge.
    house.clock.jump_millis(-3_600_000);
    house.clock.advance(Duration::from_millis(1));
    let answer = house.here.knock(&key).await;
    assert_eq!(answer.unwrap_err(), AuthnErrorKind::Unavailable);
    house.here.knock(MASTER).await.unwrap();
    house.here.knock(FILE_KEY).await.unwrap();
    house.cut(false);
    house.here.index.refresh().await.unwrap();
    house.here.knock(&key).await.unwrap();
}

#[tokio::test]
async fn a_database_row_does_not_let_a_key_act_as_another_id() {
    let house = House::open().await;
    let stranger = mint(&SystemEntropy, &house.ring).unwrap();
    let (_, id) = house.mint(user_key()).await;
    let mut planted = house.store.get(&id).await.unwrap().unwrap();
    planted.id = KeyId::from("aaaaaaaaaaaa");
    planted.mac = stranger.mac;
    planted.seal = key_seal(&house.ring, &planted);
    house.store.insert(&planted).await.unwrap();
    house.here.index.refresh().await.unwrap();
    let answer = house.here.knock(stranger.key.expose()).await;
    assert_eq!(answer.unwrap_err(), AuthnErrorKind::Unknown);
}

#[tokio::test]
async fn a_hundred_thousand_keys_are_all_known() {
    let house = House::open().await;
    let (_, id) = house.mint(user_key()).await;
    let template = house.store.get(&id).await.unwrap().unwrap();
    for number in 0..100_000_u32 {
        let mut record = template.clone();
        record.id = KeyId::from(format!("bulk-{number}"));
        record.mac = sha256(&number.to_be_bytes());
        record.seal = key_seal(&house.ring, &record);
        house.store.insert(&record).await.unwrap();
    }
    let (key, _) = house.mint(user_key()).await;
    house.here.index.refresh().await.unwrap();
    assert_eq!(house.here.index.len(), 100_002);
    house.here.knock(&key).await.unwrap();
}

#[tokio::test]
async fn auth_22_an_empty_master_key_is_refused() {
    for empty in ["", " ", "\n"] {
        assert_eq!(
            MasterKey::new(&ApiKey::new(empty)).unwrap_err(),
            EmptyMasterKey
        );
    }
}

fn door_of(keys: FileKeys, clock: &Arc<ManualClock>) -> portcullis_identity::Authentication {
    let ring = Arc::new(KeyRing::in_memory(Arc::new(SystemEntropy)).unwrap());
    let revocations = nobody_revoked(clock, &ring);
    portcullis_identity::Authentication::new(vec![Arc::new(keys)], revocations)
}

#[tokio::test]
async fn a_file_may_hold_the_hash_instead_of_the_key() {
    let clock = Arc::new(ManualClock::at_millis(0));
    let hashed = format!("sha256:{}", hex(&sha256(b"sk-hashed")));
    let keys = FileKeys::new(vec![file_key("h", &hashed)], Arc::clone(&clock) as _).unwrap();
    let door = door_of(keys, &clock);
    let present = |text: &str| Presented::new(CredentialSource::Bearer, ApiKey::new(text));
    door.recognise(&present("sk-hashed")).await.unwrap();
    let replayed = door.recognise(&present(&hashed)).await.unwrap_err();
    assert_eq!(
        replayed.kind,
        AuthnErrorKind::Unknown,
        "the hash is not the key"
    );
    let no_digits = format!("sha256:{}", "x".repeat(64));
    for bad in ["sha256:", "sha256:00", &format!("{hashed}0"), &no_digits] {
        assert!(FileKeySecret::parse(bad).is_none(), "{bad}");
    }
}

#[tokio::test]
async fn a_file_key_expires() {
    let clock = Arc::new(ManualClock::at_millis(0));
    let mut key = file_key("k", "sk-short-lived");
    key.expires_at = Some(Timestamp::from_millis(100));
    let keys = FileKeys::new(vec![key], Arc::clone(&clock) as _).unwrap();
    let door = door_of(keys, &clock);
    let presented = Presented::new(CredentialSource::Bearer, ApiKey::new("sk-short-lived"));
    door.recognise(&presented).await.unwrap();
    clock.advance(Duration::from_millis(100));
    let late = door.recognise(&presented).await.unwrap_err();
    assert_eq!(late.kind, AuthnErrorKind::Expired);
}

#[test]
fn file_keys_that_contradict_each_other_are_refused() {
    let build = |keys| FileKeys::new(keys, Arc::new(ManualClock::at_millis(0))).unwrap_err();
    let (a, b) = (KeyId::from("a"), KeyId::from("b"));
    assert_eq!(
        build(vec![file_key("a", " ")]),
        FileKeyError::Empty(a.clone())
    );
    let same_name = vec![file_key("a", "sk-1"), file_key("a", "sk-2")];
    assert_eq!(build(same_name), FileKeyError::DuplicateName(a.clone()));
    let hashed = format!("sha256:{}", hex(&sha256(b"sk-1")));
    let same_value = vec![file_key("a", "sk-1"), file_key("b", &hashed)];
    assert_eq!(build(same_value), FileKeyError::DuplicateValue(a, b));
}

#[tokio::test]
async fn no_key_is_ever_printed() {
    let house = House::open().await;
    let (key, _) = house.mint(user_key()).await;
    let secret = key.rsplit('-').nth(1).unwrap();
    let caller = house.here.knock(&key).await.unwrap();
    let error = house.here.knock("sk-pc-canary").await.unwrap_err();
    let file = file_key("ci", "sk-canary-file");
    let printed = format!(
        "{:?} {:?} {:?} {:?} {caller:?} {error:?} {file:?}",
        house.here.door, house.here.index, house.here.admin, house.ring
    );
    for leaked in [secret, MASTER, FILE_KEY, "canary"] {
        assert!(!printed.contains(leaked), "{leaked} in {printed}");
    }
}
