//! Obligations of [`crate::ClientStore`].

use std::sync::Arc;

use portcullis_core::Timestamp;

use super::at_once;
use crate::{ClientRecord, Registered, Stores};

fn client(id: &str, at: i64) -> ClientRecord {
    ClientRecord {
        id: id.to_owned(),
        sealed: (0..=255).collect(),
        registered_at: Timestamp::from_millis(at),
        used_at: None,
    }
}

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(super) async fn a_client_comes_back_as_it_was_registered(stores: Stores) {
    let clients = &stores.clients;
    assert_eq!(clients.get("a").await.unwrap(), None);
    let one = client("a", 7);
    assert_eq!(clients.register(&one, 10).await.unwrap(), Registered::Kept);
    assert_eq!(clients.get("a").await.unwrap(), Some(one));
    let other = client("a", 8);
    assert_eq!(
        clients.register(&other, 10).await.unwrap(),
        Registered::Duplicate
    );
    assert_eq!(clients.get("a").await.unwrap(), Some(client("a", 7)));
    assert_eq!(clients.get("A").await.unwrap(), None);
}

pub(super) async fn who_was_never_used_makes_room_the_oldest_first(stores: Stores) {
    let clients = &stores.clients;
    for (id, registered_at) in [("old", 1), ("used", 0), ("new", 2)] {
        let record = client(id, registered_at);
        clients.register(&record, 3).await.unwrap();
    }
    clients.used("used", at(9)).await.unwrap();
    clients.used("used", at(5)).await.unwrap();
    clients.used("nobody", at(5)).await.unwrap();
    let used = clients.get("used").await.unwrap().unwrap();
    assert_eq!(used.used_at, Some(at(9)), "the latest use counts");
    let fourth = client("fourth", 3);
    assert_eq!(
        clients.register(&fourth, 3).await.unwrap(),
        Registered::Kept
    );
    assert_eq!(clients.get("old").await.unwrap(), None);
    for id in ["new", "fourth"] {
        clients.used(id, at(4)).await.unwrap();
    }
    let fifth = client("fifth", 4);
    assert_eq!(clients.register(&fifth, 3).await.unwrap(), Registered::Full);
    assert_eq!(clients.get("fifth").await.unwrap(), None);
    assert!(clients.get("nobody").await.unwrap().is_none());
}

pub(super) async fn however_many_register_there_are_no_more_than_there_is_room_for(stores: Stores) {
    at_once(|number| {
        let clients = Arc::clone(&stores.clients);
        let record = client(&format!("client {number}"), 1);
        async move { clients.register(&record, 5).await.unwrap() }
    })
    .await;
    let purged = stores.clients.purge(at(2)).await.unwrap();
    assert_eq!(purged, 5);
}

pub(super) async fn who_was_not_used_for_long_is_forgotten(stores: Stores) {
    let clients = &stores.clients;
    for (id, registered_at) in [("never", 1), ("used", 1), ("new", 10)] {
        let record = client(id, registered_at);
        clients.register(&record, 10).await.unwrap();
    }
    clients.used("used", at(10)).await.unwrap();
    assert_eq!(clients.purge(at(10)).await.unwrap(), 1);
    assert_eq!(clients.get("never").await.unwrap(), None);
    assert!(clients.get("used").await.unwrap().is_some());
    assert!(clients.get("new").await.unwrap().is_some());
}
