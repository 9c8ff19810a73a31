//! Obligations of [`crate::ConnectionStore`] and [`crate::UpstreamClientStore`].

use std::sync::Arc;

use portcullis_core::{PrincipalId, ServerId};

use super::at_once;
use crate::{ConnectionPlace, ConnectionRecord, PageRequest, Stores, UpstreamClientRecord};

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
    let former = stores.connections.put(&newest).await.unwrap();
    assert_eq!(former, Some(record("alice", "a", 1)));
    assert_eq!(there(&stores, "alice", "a").await, Some(newest));
}

/// Whoever is told that it was there gives it back: nobody must be, and no two.
pub(super) async fn what_makes_room_is_told_exactly_once(stores: Stores) {
    let told = at_once(|number| {
        let connections = Arc::clone(&stores.connections);
        async move {
            let own = record("alice", "a", 100 + number as u64);
            connections.put(&own).await.unwrap()
        }
    })
    .await;
    let puts = told.len();
    let mut told: Vec<_> = told.into_iter().flatten().collect();
    let (alice, a) = (PrincipalId::from("alice"), ServerId::from("a"));
    let removed = at_once(|_| {
        let (connections, alice, a) = (Arc::clone(&stores.connections), alice.clone(), a.clone());
        async move { connections.remove(&alice, &a).await.unwrap() }
    })
    .await;
    told.extend(removed.into_iter().flatten());
    told.sort_by_key(|record| record.version);
    let all: Vec<_> = (0..puts)
        .map(|number| record("alice", "a", 100 + number as u64))
        .collect();
    assert_eq!(told, all);
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
    let removed = stores.connections.remove(&alice, &a).await.unwrap();
    assert_eq!(removed, Some(record("alice", "a", 1)));
    assert_eq!(stores.connections.remove(&alice, &a).await.unwrap(), None);
    assert!(!stores.connections.replace(&next, 1).await.unwrap());
    let anew = record("alice", "a", 2);
    stores.connections.put(&anew).await.unwrap();
    assert!(!stores.connections.replace(&next, 1).await.unwrap());
    assert_eq!(there(&stores, "alice", "a").await, Some(anew));
    assert!(stores.connections.replace(&next, 2).await.unwrap());
    assert_eq!(there(&stores, "alice", "a").await, Some(next));
}

pub(super) async fn every_place_is_listed_once_in_order(stores: Stores) {
    let mut all = Vec::new();
    for principal in ["alice", "al", "bob", "ä b"] {
        for server in ["a", "icea", "b"] {
            let own = record(principal, server, 1 + all.len() as u64);
            stores.connections.put(&own).await.unwrap();
            all.push(ConnectionPlace {
                principal: own.principal,
                server: own.server,
                version: own.version,
            });
        }
    }
    let key = |place: &ConnectionPlace| {
        let (principal, server) = (place.principal.as_str(), place.server.as_str());
        (principal.to_owned(), server.to_owned())
    };
    all.sort_by_key(key);
    for limit in [1, 5, 100] {
        let mut listed = Vec::new();
        let mut page = PageRequest::first(limit);
        loop {
            let next = stores.connections.places(&page).await.unwrap();
            assert!(next.items.len() <= limit);
            listed.extend(next.items);
            match next.next {
                Some(after) => page.after = Some(after),
                None => break,
            }
        }
        assert_eq!(listed, all, "{limit}");
    }
}

pub(super) async fn what_was_changed_since_it_was_seen_stays(stores: Stores) {
    let first = record("alice", "a", 1);
    stores.connections.put(&first).await.unwrap();
    let seen = |version| ConnectionPlace {
        principal: "alice".into(),
        server: "a".into(),
        version,
    };
    let remove = async |version| {
        let removed = stores.connections.remove_state(&seen(version)).await;
        removed.unwrap()
    };
    assert_eq!(remove(2).await, None);
    assert_eq!(there(&stores, "alice", "a").await, Some(first.clone()));
    assert_eq!(remove(1).await, Some(first));
    assert_eq!(remove(1).await, None);
    assert_eq!(there(&stores, "alice", "a").await, None);
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
