//! Obligations of [`crate::ReplicaStore`] and [`crate::SessionHomeStore`].

use std::sync::Arc;

use portcullis_core::{ReplicaId, Timestamp, sha256};

use super::at_once;
use crate::{ReplicaRecord, SessionHomeRecord, Stores};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn replica(id: &str, sealed: &str, expires: i64) -> ReplicaRecord {
    ReplicaRecord {
        id: ReplicaId::from(id),
        sealed: sealed.to_owned(),
        expires_at: at(expires),
    }
}

async fn running(stores: &Stores, now: i64) -> Vec<ReplicaRecord> {
    stores.replicas.running(at(now)).await.unwrap()
}

pub(super) async fn a_replica_runs_until_it_is_silent_for_too_long(stores: Stores) {
    let (one, two) = (replica("a1", "here", 1000), replica("b2", "there", 2000));
    stores.replicas.announce(&two).await.unwrap();
    stores.replicas.announce(&one).await.unwrap();
    assert_eq!(running(&stores, 999).await, [one, two.clone()]);
    assert_eq!(running(&stores, 1000).await, std::slice::from_ref(&two));
    let again = replica("a1", "elsewhere", 3000);
    stores.replicas.announce(&again).await.unwrap();
    assert_eq!(running(&stores, 1000).await, [again.clone(), two]);
    assert_eq!(running(&stores, 2000).await, [again]);
}

pub(super) async fn a_replica_that_leaves_runs_no_more(stores: Stores) {
    let (one, two) = (replica("a1", "here", 1000), replica("b2", "there", 1000));
    for record in [&one, &two] {
        stores.replicas.announce(record).await.unwrap();
    }
    for _ in 0..2 {
        stores.replicas.leave(&one.id).await.unwrap();
        assert_eq!(running(&stores, 0).await, std::slice::from_ref(&two));
    }
}

pub(super) async fn purging_forgets_only_replicas_that_are_gone(stores: Stores) {
    for (id, expires) in [("a1", 999), ("b2", 1000), ("c3", 1001)] {
        let record = replica(id, "here", expires);
        stores.replicas.announce(&record).await.unwrap();
    }
    assert_eq!(stores.replicas.purge(at(1000)).await.unwrap(), 1);
    assert_eq!(stores.replicas.purge(at(1000)).await.unwrap(), 0);
    assert_eq!(running(&stores, 0).await.len(), 2);
}

fn home(number: u8, of: &str, version: u64, expires: i64) -> SessionHomeRecord {
    SessionHomeRecord {
        digest: sha256(&[number]),
        home: ReplicaId::from(of),
        sealed: format!("state {version} of {number}"),
        version,
        expires_at: at(expires),
    }
}

async fn there(stores: &Stores, number: u8) -> Option<SessionHomeRecord> {
    stores.session_homes.get(&sha256(&[number])).await.unwrap()
}

pub(super) async fn a_session_is_found_as_it_was_put_last(stores: Stores) {
    let (first, other) = (home(1, "a1", 1, 1000), home(2, "a1", 1, 1000));
    let second = home(1, "b2", 2, 2000);
    assert_eq!(there(&stores, 1).await, None);
    assert!(stores.session_homes.put(&first, None).await.unwrap());
    assert!(stores.session_homes.put(&other, None).await.unwrap());
    assert_eq!(there(&stores, 1).await, Some(first));
    assert!(stores.session_homes.put(&second, Some(1)).await.unwrap());
    assert_eq!(there(&stores, 1).await, Some(second));
    assert_eq!(there(&stores, 2).await, Some(other));
}

pub(super) async fn of_many_who_take_a_session_exactly_one_does(stores: Stores) {
    for follows in [None, Some(1)] {
        let version = follows.map_or(1, |version| version + 1);
        let taken = at_once(|number| {
            let homes = Arc::clone(&stores.session_homes);
            async move {
                let own = home(1, &format!("{number:02x}"), version, 1000);
                homes.put(&own, follows).await.unwrap().then_some(own)
            }
        })
        .await;
        let winners: Vec<_> = taken.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1);
        assert_eq!(there(&stores, 1).await, winners.first().cloned());
    }
}

pub(super) async fn a_state_that_is_not_there_is_not_followed(stores: Stores) {
    let next = home(1, "b2", 3, 1000);
    assert!(!stores.session_homes.put(&next, Some(2)).await.unwrap());
    assert_eq!(there(&stores, 1).await, None);
    let first = home(1, "a1", 1, 1000);
    assert!(stores.session_homes.put(&first, None).await.unwrap());
    for follows in [None, Some(2)] {
        assert!(!stores.session_homes.put(&next, follows).await.unwrap());
    }
    assert_eq!(there(&stores, 1).await, Some(first));
    stores.session_homes.remove(&next.digest).await.unwrap();
    assert_eq!(there(&stores, 1).await, None);
    assert!(!stores.session_homes.put(&next, Some(1)).await.unwrap());
}

pub(super) async fn purging_forgets_only_sessions_that_are_over(stores: Stores) {
    for (number, expires) in [(1, 999), (2, 1000), (3, 1001)] {
        let record = home(number, "a1", 1, expires);
        assert!(stores.session_homes.put(&record, None).await.unwrap());
    }
    assert_eq!(stores.session_homes.purge(at(1000)).await.unwrap(), 1);
    assert_eq!(stores.session_homes.purge(at(1000)).await.unwrap(), 0);
    for (number, kept) in [(1, false), (2, true), (3, true)] {
        assert_eq!(there(&stores, number).await.is_some(), kept);
    }
}
