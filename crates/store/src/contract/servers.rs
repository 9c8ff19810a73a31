//! Obligations of [`crate::ServerStore`].

use std::sync::Arc;

use portcullis_core::ServerId;

use super::at_once;
use crate::{Defined, ServerRecord, Stores};

const NEWEST: u64 = i64::MAX as u64;
const ROOM: usize = 100;

fn record(id: &str, version: u64) -> ServerRecord {
    ServerRecord {
        id: id.into(),
        sealed: [version.to_be_bytes().as_slice(), &[0, 255]].concat(),
        version,
    }
}

async fn define(stores: &Stores, record: &ServerRecord) {
    let outcome = stores.servers.define(record, ROOM).await.unwrap();
    assert_eq!(outcome, Defined::Stored, "{}", record.id);
}

async fn last(stores: &Stores) -> u64 {
    stores.servers.last_change().await.unwrap()
}

pub(super) async fn a_server_comes_back_as_it_was_defined_in_order_of_names(stores: Stores) {
    assert!(stores.servers.all().await.unwrap().is_empty());
    let (b, a, odd) = (record("b", NEWEST), record("a", 1), record("größe'\"%", 2));
    for one in [&b, &a, &odd] {
        define(&stores, one).await;
        let found = stores.servers.get(&one.id).await.unwrap();
        assert_eq!(found.as_ref(), Some(one));
    }
    assert_eq!(stores.servers.all().await.unwrap(), [a, b, odd]);
    for nobody in ["A", "", "a%"] {
        let found = stores.servers.get(&ServerId::from(nobody)).await.unwrap();
        assert_eq!(found, None);
    }
}

pub(super) async fn of_many_who_define_one_name_exactly_one_does(stores: Stores) {
    let outcomes = at_once(|number| {
        let servers = Arc::clone(&stores.servers);
        async move {
            let own = record("a", 100 + number as u64);
            servers.define(&own, ROOM).await.unwrap()
        }
    })
    .await;
    let stored = outcomes.iter().filter(|one| **one == Defined::Stored);
    assert_eq!(stored.count(), 1, "{outcomes:?}");
    let taken = outcomes.iter().filter(|one| **one == Defined::Taken);
    assert_eq!(taken.count(), outcomes.len() - 1, "{outcomes:?}");
    assert_eq!(last(&stores).await, 1);
}

pub(super) async fn of_many_who_define_there_are_never_more_than_the_room(stores: Stores) {
    let outcomes = at_once(|number| {
        let servers = Arc::clone(&stores.servers);
        async move {
            let own = record(&format!("server-{number}"), 1);
            servers.define(&own, 3).await.unwrap()
        }
    })
    .await;
    let stored = outcomes.iter().filter(|one| **one == Defined::Stored);
    assert_eq!(stored.count(), 3, "{outcomes:?}");
    assert_eq!(stores.servers.all().await.unwrap().len(), 3);
    // A name that is taken is said to be, also where nothing has room.
    let first = stores.servers.all().await.unwrap().remove(0);
    let again = stores.servers.define(&first, 3).await.unwrap();
    assert_eq!(again, Defined::Taken);
}

pub(super) async fn of_many_who_follow_one_state_of_a_server_exactly_one_replaces_it(
    stores: Stores,
) {
    define(&stores, &record("a", 1)).await;
    let replaced = at_once(|number| {
        let servers = Arc::clone(&stores.servers);
        async move {
            let next = record("a", 100 + number as u64);
            servers
                .replace(&next, 1)
                .await
                .unwrap()
                .then_some(next.version)
        }
    })
    .await;
    let winners: Vec<u64> = replaced.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    let found = stores.servers.get(&"a".into()).await.unwrap().unwrap();
    assert_eq!(found, record("a", winners[0]));
    assert_eq!(last(&stores).await, 2);
    assert!(!stores.servers.replace(&record("a", 7), 1).await.unwrap());
    assert!(!stores.servers.replace(&record("b", 7), 1).await.unwrap());
    assert_eq!(last(&stores).await, 2, "what changes nothing is no change");
}

pub(super) async fn a_removal_is_a_change_and_takes_the_state_that_was_seen(stores: Stores) {
    define(&stores, &record("a", 1)).await;
    define(&stores, &record("b", 2)).await;
    let a = ServerId::from("a");
    assert!(!stores.servers.remove(&a, 2).await.unwrap());
    assert_eq!(last(&stores).await, 2);
    let removed = at_once(|_| {
        let (servers, a) = (Arc::clone(&stores.servers), a.clone());
        async move { servers.remove(&a, 1).await.unwrap() }
    })
    .await;
    assert_eq!(removed.into_iter().filter(|done| *done).count(), 1);
    assert_eq!(last(&stores).await, 3);
    assert_eq!(stores.servers.all().await.unwrap(), [record("b", 2)]);
    // The name is free again; a state of before is none of it.
    define(&stores, &record("a", 9)).await;
    assert!(!stores.servers.replace(&record("a", 10), 1).await.unwrap());
    assert_eq!(last(&stores).await, 4);
}
