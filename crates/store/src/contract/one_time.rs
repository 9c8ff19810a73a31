//! Obligations of [`crate::OneTimeStore`].

use std::sync::Arc;

use portcullis_core::{Timestamp, sha256};

use super::at_once;
use crate::{OneTimeRecord, OneTimeUse, Put, Redeemed, Stores};

const CODE: OneTimeUse = OneTimeUse::AuthorizationCode;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn record(number: u8, expires: i64) -> OneTimeRecord {
    OneTimeRecord {
        usage: CODE,
        digest: sha256(&[number]),
        sealed: vec![number, 0, 255],
        expires_at: at(expires),
    }
}

pub(super) async fn of_many_who_redeem_exactly_one_gets_the_value(stores: Stores) {
    let record = record(1, 1000);
    assert!(stores.one_time.put(&record).await.unwrap());
    let digest = record.digest;
    let got = at_once(|_| {
        let values = Arc::clone(&stores.one_time);
        async move { values.redeem(CODE, &digest, at(10)).await.unwrap() }
    })
    .await;
    let value = Redeemed::Value(record.sealed.clone());
    assert_eq!(got.iter().filter(|one| **one == value).count(), 1);
    let late = Redeemed::AlreadyUsed(record.sealed.clone());
    assert_eq!(
        got.iter().filter(|one| **one == late).count(),
        got.len() - 1
    );
    // Also when its time is over: a late replay is still a replay.
    let again = stores.one_time.redeem(CODE, &digest, at(5000)).await;
    assert_eq!(again.unwrap(), late);
}

pub(super) async fn of_many_who_put_exactly_one_keeps_its_value(stores: Stores) {
    let kept = at_once(|number| {
        let values = Arc::clone(&stores.one_time);
        async move {
            let record = OneTimeRecord {
                sealed: number.to_be_bytes().to_vec(),
                ..record(1, 1000)
            };
            (values.put(&record).await.unwrap(), record.sealed)
        }
    })
    .await;
    let winners: Vec<_> = kept.iter().filter(|(kept, _)| *kept).collect();
    assert_eq!(winners.len(), 1);
    let digest = record(1, 0).digest;
    let found = stores.one_time.redeem(CODE, &digest, at(10)).await;
    assert_eq!(found.unwrap(), Redeemed::Value(winners[0].1.clone()));
    assert!(!stores.one_time.put(&record(1, 9000)).await.unwrap());
}

/// What anybody may have kept does not fill the house.
pub(super) async fn there_is_room_for_so_many_of_one_use(stores: Stores) {
    let put = async |number: u8, now| {
        let record = record(number, 1000);
        let put = stores.one_time.put_within(&record, 2, at(now)).await;
        put.unwrap()
    };
    let other = OneTimeRecord {
        usage: OneTimeUse::SignInState,
        ..record(9, 1000)
    };
    assert!(stores.one_time.put(&other).await.unwrap());
    assert_eq!(put(1, 1).await, Put::Kept);
    assert_eq!(put(1, 1).await, Put::Taken);
    assert_eq!(put(2, 1).await, Put::Kept);
    assert_eq!(put(3, 1).await, Put::Full);
    // What was used, and what is over, leaves its room.
    let digest = record(1, 0).digest;
    stores.one_time.redeem(CODE, &digest, at(2)).await.unwrap();
    assert_eq!(put(3, 2).await, Put::Kept);
    assert_eq!(put(4, 999).await, Put::Full);
    assert_eq!(put(4, 1000).await, Put::Kept);
}

pub(super) async fn of_many_who_put_there_are_never_more_than_the_room(stores: Stores) {
    let put = at_once(|number| {
        let values = Arc::clone(&stores.one_time);
        async move {
            let record = OneTimeRecord {
                digest: sha256(&number.to_be_bytes()),
                ..record(1, 1000)
            };
            values.put_within(&record, 3, at(1)).await.unwrap()
        }
    })
    .await;
    let kept = put.iter().filter(|put| **put == Put::Kept).count();
    assert_eq!(kept, 3, "{put:?}");
    assert!(!put.contains(&Put::Taken), "{put:?}");
}

pub(super) async fn a_value_is_good_until_its_time_is_over(stores: Stores) {
    for number in 1..=2 {
        stores.one_time.put(&record(number, 1000)).await.unwrap();
    }
    let redeem = async |number: u8, now| {
        let digest = record(number, 0).digest;
        stores
            .one_time
            .redeem(CODE, &digest, at(now))
            .await
            .unwrap()
    };
    assert_eq!(redeem(1, 999).await, Redeemed::Value(record(1, 0).sealed));
    assert_eq!(redeem(2, 1000).await, Redeemed::Expired);
    assert_eq!(redeem(3, 0).await, Redeemed::Unknown);
}

pub(super) async fn a_value_is_unknown_to_other_uses(stores: Stores) {
    let code = record(1, 1000);
    stores.one_time.put(&code).await.unwrap();
    for usage in [
        OneTimeUse::AuthorizationRequest,
        OneTimeUse::SignInState,
        OneTimeUse::UpstreamState,
        OneTimeUse::AssertionId,
    ] {
        let found = stores.one_time.redeem(usage, &code.digest, at(1)).await;
        assert_eq!(found.unwrap(), Redeemed::Unknown, "{}", usage.as_str());
        let other = OneTimeRecord {
            usage,
            ..code.clone()
        };
        assert!(stores.one_time.put(&other).await.unwrap());
    }
}

pub(super) async fn looking_uses_nothing_and_sees_what_redeeming_would_give(stores: Stores) {
    let record = record(1, 1000);
    stores.one_time.put(&record).await.unwrap();
    let peek = async |now| {
        let found = stores.one_time.peek(CODE, &record.digest, at(now)).await;
        found.unwrap()
    };
    assert_eq!(peek(1).await, Some(record.sealed.clone()));
    assert_eq!(peek(999).await, Some(record.sealed.clone()));
    assert_eq!(peek(1000).await, None);
    let used = stores.one_time.redeem(CODE, &record.digest, at(2)).await;
    assert_eq!(used.unwrap(), Redeemed::Value(record.sealed.clone()));
    assert_eq!(peek(3).await, None);
}

pub(super) async fn purging_forgets_only_what_is_over(stores: Stores) {
    for (number, expires) in [(1, 999), (2, 1000)] {
        stores.one_time.put(&record(number, expires)).await.unwrap();
    }
    assert_eq!(stores.one_time.purge(at(1000)).await.unwrap(), 1);
    assert_eq!(stores.one_time.purge(at(1000)).await.unwrap(), 0);
    assert!(stores.one_time.put(&record(1, 5000)).await.unwrap());
    assert!(!stores.one_time.put(&record(2, 5000)).await.unwrap());
}
