//! Obligations of [`crate::SigningKeyStore`].

use std::sync::Arc;

use portcullis_core::Timestamp;

use super::at_once;
use crate::{SigningKeyRecord, Stores};

fn key(kid: &str, algorithm: &str) -> SigningKeyRecord {
    SigningKeyRecord {
        kid: kid.to_owned(),
        algorithm: algorithm.to_owned(),
        sealed_key: (0..=255).collect(),
        signs_from: Timestamp::from_millis(1_795_000_000_123),
    }
}

async fn kids(stores: &Stores) -> Vec<String> {
    let keys = stores.signing_keys.list().await.unwrap();
    keys.into_iter().map(|key| key.kid).collect()
}

pub(super) async fn keys_come_back_as_they_were_stored_in_order(stores: Stores) {
    let keys = &stores.signing_keys;
    assert_eq!(keys.list().await.unwrap(), []);
    // Neither names nor moments decide about the order.
    let (first, second) = (key("z", "RS256"), key("a", "RS256"));
    assert!(keys.append(&first, None).await.unwrap());
    assert!(keys.append(&second, Some("z")).await.unwrap());
    assert_eq!(keys.list().await.unwrap(), [first, second]);
}

pub(super) async fn of_many_first_keys_exactly_one_is_stored(stores: Stores) {
    let attempts = at_once(|number| {
        let keys = Arc::clone(&stores.signing_keys);
        let record = key(&format!("key {number}"), "RS256");
        async move {
            let appended = keys.append(&record, None).await.unwrap();
            appended.then_some(record.kid)
        }
    })
    .await;
    let stored: Vec<String> = attempts.into_iter().flatten().collect();
    assert_eq!(stored.len(), 1);
    assert_eq!(kids(&stores).await, stored);
}

pub(super) async fn of_many_successors_exactly_one_is_stored(stores: Stores) {
    let first = key("first", "ES256");
    assert!(stores.signing_keys.append(&first, None).await.unwrap());
    let attempts = at_once(|number| {
        let keys = Arc::clone(&stores.signing_keys);
        let record = key(&format!("key {number}"), "ES256");
        async move { keys.append(&record, Some("first")).await.unwrap() }
    })
    .await;
    assert_eq!(attempts.iter().filter(|appended| **appended).count(), 1);
    assert_eq!(kids(&stores).await.len(), 2);
}

pub(super) async fn algorithms_follow_each_their_own(stores: Stores) {
    let keys = &stores.signing_keys;
    assert!(keys.append(&key("rsa", "RS256"), None).await.unwrap());
    assert!(keys.append(&key("ec", "ES256"), None).await.unwrap());
    assert!(
        !keys
            .append(&key("ec 2", "ES256"), Some("rsa"))
            .await
            .unwrap()
    );
    assert!(!keys.append(&key("ec 2", "ES256"), None).await.unwrap());
    assert!(
        !keys
            .append(&key("ed", "EdDSA"), Some("absent"))
            .await
            .unwrap()
    );
    assert!(
        keys.append(&key("ec 2", "ES256"), Some("ec"))
            .await
            .unwrap()
    );
    assert_eq!(kids(&stores).await, ["rsa", "ec", "ec 2"]);
}

pub(super) async fn a_kid_stands_for_one_key_only(stores: Stores) {
    let keys = &stores.signing_keys;
    assert!(keys.append(&key("k", "RS256"), None).await.unwrap());
    assert!(keys.append(&key("k", "ES256"), None).await.is_err());
    assert_eq!(keys.list().await.unwrap(), [key("k", "RS256")]);
}

pub(super) async fn a_key_that_was_removed_is_gone(stores: Stores) {
    let keys = &stores.signing_keys;
    assert!(keys.append(&key("one", "RS256"), None).await.unwrap());
    assert!(
        keys.append(&key("two", "RS256"), Some("one"))
            .await
            .unwrap()
    );
    for _ in 0..2 {
        keys.remove("one").await.unwrap();
        assert_eq!(kids(&stores).await, ["two"]);
    }
    assert!(
        keys.append(&key("three", "RS256"), Some("two"))
            .await
            .unwrap()
    );
}
