//! Obligations of the store of keys that sign our own access tokens: a [`crate::SigningKeyStore`]
//! of its own.

use portcullis_core::Timestamp;

use crate::{SigningKeyRecord, Stores};

pub(super) async fn keys_for_tokens_are_not_those_for_upstream_servers(stores: Stores) {
    let key = |kid: &str, at| SigningKeyRecord {
        kid: kid.to_owned(),
        algorithm: "ES256".to_owned(),
        sealed_key: (0..=255).collect(),
        signs_from: Timestamp::from_millis(at),
    };
    let (tokens, upstream) = (&stores.authorization_keys, &stores.signing_keys);
    assert!(tokens.append(&key("one", 1), None).await.unwrap());
    assert_eq!(upstream.list().await.unwrap(), []);
    assert!(upstream.append(&key("one", 2), None).await.unwrap());
    assert!(!tokens.append(&key("two", 3), None).await.unwrap());
    assert!(tokens.append(&key("two", 3), Some("one")).await.unwrap());
    assert_eq!(tokens.list().await.unwrap(), [key("one", 1), key("two", 3)]);
    tokens.remove("one").await.unwrap();
    assert_eq!(tokens.list().await.unwrap(), [key("two", 3)]);
    assert_eq!(upstream.list().await.unwrap(), [key("one", 2)]);
}
