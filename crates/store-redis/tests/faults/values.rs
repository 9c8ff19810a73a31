//! What others put in the place of what is ours.

use portcullis_core::hex;
use portcullis_store::StoreErrorKind;
use portcullis_store_redis::testing::Place;

use super::{CODE, NOW, PATIENCE, record, redeem, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_another_type_is_a_fault_and_no_answer() {
    let Some(place) = Place::fresh() else { return };
    let stores = place.open().await;
    assert!(stores.one_time.put(&record(1)).await.unwrap());
    let digest = hex(&record(1).digest);
    let keys = place.keys();
    let key = keys.iter().find(|key| key.ends_with(&digest)).unwrap();
    for poison in [
        vec!["SET", key, "value"],
        vec!["RPUSH", key, "a", "b"],
        vec!["HSET", key, "sealed", "x", "expires", "soon", "used", "0"],
        vec!["HSET", key, "sealed", "x", "expires", "9e99"],
        vec!["HSET", key, "sealed", "x", "expires", "9e99", "used", "no"],
        vec!["HSET", key, "expires", "9e99", "used", "0"],
        vec!["HSET", key, "used", "0"],
    ] {
        place.run(&["DEL", key]);
        place.run(&poison);
        refused(redeem(&stores, 1).await, StoreErrorKind::Corrupt);
        let looked = stores.one_time.peek(CODE, &record(1).digest, NOW).await;
        refused(looked, StoreErrorKind::Corrupt);
        // And it is nobody's to replace.
        assert!(!stores.one_time.put(&record(1)).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_another_type_keeps_no_value() {
    let Some(place) = Place::fresh() else { return };
    let stores = place.open().await;
    assert!(stores.one_time.put(&record(1)).await.unwrap());
    for end in [":waiting", ":all"] {
        let keys = place.keys();
        let list = keys.iter().find(|key| key.ends_with(end)).unwrap();
        place.run(&["DEL", list]);
        place.run(&["SET", list, "value"]);
        refused(
            stores.one_time.put(&record(2)).await,
            StoreErrorKind::Corrupt,
        );
        let found = redeem(&stores, 2).await.unwrap();
        assert_eq!(found, portcullis_store::Redeemed::Unknown);
        place.run(&["DEL", list]);
        assert!(stores.one_time.put(&record(3)).await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_and_a_token_of_another_type_are_faults() {
    let Some(place) = Place::fresh() else { return };
    let stores = place.open().await;
    let until = NOW.after(PATIENCE);
    place.run(&["SET", "{}:lease:a", "value"]);
    place.run(&["HSET", "{}:lease:b", "holder", "one"]);
    place.run(&["HSET", "{}:lease:c", "holder", "one", "until", "never"]);
    for name in ["a", "b", "c"] {
        let leased = stores.leases.acquire(name, "two", NOW, until).await;
        refused(leased, StoreErrorKind::Corrupt);
    }
    let key = [7; 32];
    let token = format!("{{}}:token:{}", hex(&key));
    place.run(&["HSET", &token, "sealed", "x"]);
    let got = stores.shared_tokens.get(&key, NOW).await;
    refused(got, StoreErrorKind::Corrupt);
}

/// Nothing is left to a server for ever, whether anybody tidies or not.
#[tokio::test(flavor = "multi_thread")]
async fn every_key_ends_by_itself() {
    let Some(place) = Place::fresh() else { return };
    let stores = place.open().await;
    assert!(stores.one_time.put(&record(1)).await.unwrap());
    let until = NOW.after(PATIENCE);
    assert!(stores.leases.acquire("a", "one", NOW, until).await.unwrap());
    let token = portcullis_store::SharedTokenRecord {
        key: [7; 32],
        sealed: vec![1],
        expires_at: until,
    };
    stores.shared_tokens.put(&token, NOW).await.unwrap();
    let keys = place.keys();
    assert_eq!(keys.len(), 5, "{keys:?}");
    for key in keys {
        let left = place.run(&["PTTL", &key]);
        assert!(
            matches!(left, redis::Value::Int(left) if left > 0),
            "{key}: {left:?}"
        );
    }
}
