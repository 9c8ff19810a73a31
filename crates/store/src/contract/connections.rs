//! Obligations of [`crate::ConnectionStore`] and [`crate::UpstreamClientStore`].

use std::sync::Arc;

use portcullis_core::{PrincipalId, ServerId};

use super::at_once;
use crate::{ConnectionRecord, Stores, UpstreamClientRecord};

const NEWEST: u64 = i64::MAX as u64;

fn record(principal: &str, server: &str, version: u64) -> ConnectionRecord {
    ConnectionRecord {
        principal: principal.into(),
        server: server.into(),
        sealed: [version.to_be_bytes().as_slice(), &[0, 255]].concat(),
        version,
    }
}

async fn there(stores: &Stores, principal: &str, server: &str) -> Option<ConnectionRecord> {
    let (principal, server) = (PrincipalId::from(principal), ServerId::from(server));
    let found = stores.connections.get(&principal, &server).await.unwrap();
    let version = stores.connections.version(&principal, &server).await;
    assert_eq!(version.unwrap(), found.as_ref().map(|found| found.version));
    found
}

pub(super) async fn a_connection_is_at_the_place_of_its_person_and_server(stores: Stores) {
    let places = [("alice", "a"), ("alice", "b"), ("bob", "a"), ("al", "icea")];
    for (number, (principal, server)) in (1..).zip(places) {
        let record = record(principal, server, number);
        stores.connections.put(&record).await.unwrap();
    }
    for (number, (principal, server)) in (1..).zip(places) {
        let found = there(&stores, principal, server).await;
        assert_eq!(found, Some(record(principal, server, number)));
    }
    for (principal, server) in [("bob", "b"), ("Alice", "a"), ("", ""), ("alice%", "a")] {
        assert_eq!(there(&stores, principal, server).await, None);
    }
    let newest = record("alice", "a", NEWEST);
    stores.connections.put(&newest).await.unwrap();
    assert_eq!(there(&stores, "alice", "a").await, Some(newest));
}

pub(super) async fn of_many_who_follow_one_state_exactly_one_replaces_it(stores: Stores) {
    let first = record("alice", "a", 1);
    stores.connections.put(&first).await.unwrap();
    let replaced = at_once(|number| {
        let connections = Arc::clone(&stores.connections);
        async move {
            let next = record("alice", "a", 100 + number as u64);
            let done = connections.replace(&next, 1).await.unwrap();
            done.then_some(next)
        }
    })
    .await;
    let winners: Vec<_> = replaced.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(there(&stores, "alice", "a").await, winners.first().cloned());
}

pub(super) async fn what_was_removed_or_made_anew_is_not_followed(stores: Stores) {
    let (alice, a) = (PrincipalId::from("alice"), ServerId::from("a"));
    let next = record("alice", "a", 9);
    assert!(!stores.connections.replace(&next, 1).await.unwrap());
    assert_eq!(there(&stores, "alice", "a").await, None);
    stores
        .connections
        .put(&record("alice", "a", 1))
        .await
        .unwrap();
    assert!(stores.connections.remove(&alice, &a).await.unwrap());
    assert!(!stores.connections.remove(&alice, &a).await.unwrap());
    assert!(!stores.connections.replace(&next, 1).await.unwrap());
    let anew = record("alice", "a", 2);
    stores.connections.put(&anew).await.unwrap();
    assert!(!stores.connections.replace(&next, 1).await.unwrap());
    assert_eq!(there(&stores, "alice", "a").await, Some(anew));
    assert!(stores.connections.replace(&next, 2).await.unwrap());
    assert_eq!(there(&stores, "alice", "a").await, Some(next));
}

fn client(issuer: &str, redirect_uri: &str, version: u64) -> UpstreamClientRecord {
    UpstreamClientRecord {
        issuer: issuer.to_owned(),
        redirect_uri: redirect_uri.to_owned(),
        sealed: version.to_be_bytes().to_vec(),
        version,
    }
}

pub(super) async fn of_many_who_register_a_client_all_get_the_same(stores: Stores) {
    let kept = at_once(|number| {
        let clients = Arc::clone(&stores.upstream_clients);
        async move {
            let own = client("https://as.example", "https://gw.example/cb", number as u64);
            clients.put_if_absent(&own).await.unwrap()
        }
    })
    .await;
    assert!(kept.iter().all(|one| *one == kept[0]));
    let found = stores
        .upstream_clients
        .get("https://as.example", "https://gw.example/cb")
        .await;
    assert_eq!(found.unwrap().as_ref(), Some(&kept[0]));
}

pub(super) async fn a_client_is_known_at_its_issuer_for_its_address_only(stores: Stores) {
    let clients = &stores.upstream_clients;
    let own = client("https://as.example", "https://gw.example/cb", 7);
    clients.put_if_absent(&own).await.unwrap();
    for (issuer, redirect_uri) in [
        ("https://as.example/", "https://gw.example/cb"),
        ("https://other.example", "https://gw.example/cb"),
        ("https://as.example", "https://gw.example/other"),
    ] {
        assert_eq!(clients.get(issuer, redirect_uri).await.unwrap(), None);
    }
    let remove = async |version| {
        let removed = clients.remove(&own.issuer, &own.redirect_uri, version);
        removed.await.unwrap();
        clients.get(&own.issuer, &own.redirect_uri).await.unwrap()
    };
    assert_eq!(remove(8).await, Some(own.clone()));
    assert_eq!(remove(7).await, None);
}
