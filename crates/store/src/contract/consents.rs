//! Obligations of [`crate::ConsentStore`] and [`crate::IdTokenStore`].

use std::sync::Arc;

use portcullis_core::{Timestamp, sha256};

use super::at_once;
use crate::{ConsentRecord, IdTokenRecord, Stores};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn consent(number: u8, principal: u8, client: u8, given: i64) -> ConsentRecord {
    ConsentRecord {
        id: sha256(&[number]),
        principal: sha256(&[1, principal]),
        client: sha256(&[2, principal, client]),
        sealed: vec![number, 0, 255],
        given_at: at(given),
        expires_at: at(given + 1000),
    }
}

pub(super) async fn a_consent_stands_until_its_time_is_over(stores: Stores) {
    let given = consent(1, 1, 1, 0);
    stores.consents.give(&given).await.unwrap();
    let get = async |now| stores.consents.get(&given.id, at(now)).await.unwrap();
    assert_eq!(get(999).await, Some(given.clone()));
    assert_eq!(get(1000).await, None);
    let other = stores.consents.get(&sha256(&[9]), at(1)).await.unwrap();
    assert_eq!(other, None);
}

pub(super) async fn a_consent_given_again_is_as_it_was_given_last(stores: Stores) {
    at_once(|number| {
        let consents = Arc::clone(&stores.consents);
        async move {
            let given = consent(1, 1, 1, i64::try_from(number).unwrap());
            consents.give(&given).await.unwrap();
        }
    })
    .await;
    let all = stores
        .consents
        .of_principal(&consent(1, 1, 1, 0).principal, at(1), 100)
        .await
        .unwrap();
    let last = i64::try_from(super::CONTENDERS).unwrap() - 1;
    assert_eq!(all, [consent(1, 1, 1, last)]);
}

pub(super) async fn a_principals_consents_are_listed_latest_first(stores: Stores) {
    for (number, principal, given) in [(1, 1, 10), (2, 1, 30), (3, 2, 40), (4, 1, 20)] {
        let given = consent(number, principal, number, given);
        stores.consents.give(&given).await.unwrap();
    }
    let list = async |now, limit| {
        let whose = consent(1, 1, 1, 0).principal;
        let found = stores.consents.of_principal(&whose, at(now), limit).await;
        let found = found.unwrap();
        found.iter().map(|one| one.sealed[0]).collect::<Vec<_>>()
    };
    assert_eq!(list(50, 100).await, [2, 4, 1]);
    assert_eq!(list(50, 2).await, [2, 4]);
    assert_eq!(list(1015, 100).await, [2, 4]);
    assert!(list(9999, 100).await.is_empty());
}

pub(super) async fn a_withdrawal_takes_all_of_one_client_and_nothing_else(stores: Stores) {
    for (number, principal, client) in [(1, 1, 1), (2, 1, 1), (3, 1, 2), (4, 2, 1)] {
        let given = consent(number, principal, client, 0);
        stores.consents.give(&given).await.unwrap();
    }
    let client = consent(1, 1, 1, 0).client;
    assert_eq!(stores.consents.withdraw(&client).await.unwrap(), 2);
    assert_eq!(stores.consents.withdraw(&client).await.unwrap(), 0);
    for (number, stands) in [(1, false), (2, false), (3, true), (4, true)] {
        let found = stores.consents.get(&sha256(&[number]), at(1)).await;
        assert_eq!(found.unwrap().is_some(), stands, "{number}");
    }
}

pub(super) async fn purging_forgets_only_what_is_over(stores: Stores) {
    for (number, given) in [(1, 0), (2, 1)] {
        let given = consent(number, 1, number, given);
        stores.consents.give(&given).await.unwrap();
        let token = token(number, 1000 + i64::from(number) - 1);
        stores.id_tokens.keep(&token).await.unwrap();
    }
    assert_eq!(stores.consents.purge(at(1001)).await.unwrap(), 1);
    assert_eq!(stores.consents.purge(at(1001)).await.unwrap(), 0);
    assert_eq!(stores.id_tokens.purge(at(1001)).await.unwrap(), 1);
    assert_eq!(stores.id_tokens.purge(at(1001)).await.unwrap(), 0);
    let kept = stores.id_tokens.get(&sha256(&[2]), at(0)).await.unwrap();
    assert_eq!(kept, Some(token(2, 1001)));
}

fn token(number: u8, expires: i64) -> IdTokenRecord {
    IdTokenRecord {
        digest: sha256(&[number]),
        sealed: vec![number, 0, 255],
        expires_at: at(expires),
    }
}

pub(super) async fn an_id_token_is_there_until_it_ends_or_is_forgotten(stores: Stores) {
    stores.id_tokens.keep(&token(1, 500)).await.unwrap();
    stores.id_tokens.keep(&token(1, 1000)).await.unwrap();
    let get = async |now| {
        let found = stores.id_tokens.get(&sha256(&[1]), at(now)).await;
        found.unwrap()
    };
    assert_eq!(get(999).await, Some(token(1, 1000)));
    assert_eq!(get(1000).await, None);
    for _ in 0..2 {
        stores.id_tokens.forget(&sha256(&[1])).await.unwrap();
        assert_eq!(get(1).await, None);
    }
}
