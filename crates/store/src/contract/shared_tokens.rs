//! Obligations of [`crate::SharedTokenStore`].

use portcullis_core::{Timestamp, sha256};

use crate::{SharedTokenRecord, Stores};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn record(number: u8, sealed: &[u8]) -> SharedTokenRecord {
    SharedTokenRecord {
        key: sha256(&[number]),
        sealed: sealed.to_vec(),
        expires_at: at(1000),
    }
}

async fn there(stores: &Stores, number: u8, now: i64) -> Option<Vec<u8>> {
    let key = sha256(&[number]);
    stores.shared_tokens.get(&key, at(now)).await.unwrap()
}

pub(super) async fn a_token_is_there_until_its_time_is_over(stores: Stores) {
    let token = record(1, &[0, 255, 10, 13]);
    assert_eq!(there(&stores, 1, 1).await, None);
    stores.shared_tokens.put(&token, at(1)).await.unwrap();
    assert_eq!(there(&stores, 1, 999).await, Some(token.sealed.clone()));
    assert_eq!(there(&stores, 1, 1000).await, None);
    assert_eq!(there(&stores, 2, 1).await, None);
}

pub(super) async fn a_token_is_replaced_by_the_next(stores: Stores) {
    for sealed in [b"one".as_slice(), b"two"] {
        let token = record(1, sealed);
        stores.shared_tokens.put(&token, at(1)).await.unwrap();
        assert_eq!(there(&stores, 1, 1).await, Some(sealed.to_vec()));
    }
}

/// Two replicas whose token was refused: the second must not take away what the first brought.
pub(super) async fn only_the_token_that_was_meant_is_forgotten(stores: Stores) {
    let tokens = &stores.shared_tokens;
    tokens.put(&record(1, b"old"), at(1)).await.unwrap();
    tokens.put(&record(2, b"old"), at(1)).await.unwrap();
    let key = sha256(&[1]);
    tokens.forget(&key, b"another").await.unwrap();
    assert!(there(&stores, 1, 1).await.is_some());
    tokens.forget(&key, b"old").await.unwrap();
    tokens.forget(&key, b"old").await.unwrap();
    assert_eq!(there(&stores, 1, 1).await, None);
    assert!(there(&stores, 2, 1).await.is_some());
    tokens.put(&record(1, b"new"), at(1)).await.unwrap();
    tokens.forget(&key, b"old").await.unwrap();
    assert_eq!(there(&stores, 1, 1).await, Some(b"new".to_vec()));
}
