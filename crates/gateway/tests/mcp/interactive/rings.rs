//! A key ring that another replica rotated, and rows of a key that is not there yet.

use std::time::Duration;

use portcullis_core::{ServerId, Sha256, SystemClock, SystemEntropy, Timestamp};
use portcullis_credentials::{CredentialErrorKind, WhyNot};
use portcullis_store::{OneTimeRecord, OneTimeUse, UpstreamClientRecord};
use portcullis_vault::KeyRing;

use super::{
    FakeAuthorizationServer, FakeUpstream, House, Person, Stage, arrive, begin, connect, cookie,
    entry, is_good, person,
};

/// As if it had been sealed by a key that this ring does not have.
fn of_another_key(sealed: &[u8]) -> Vec<u8> {
    let mut sealed = sealed.to_vec();
    for byte in sealed.iter_mut().take(4) {
        *byte ^= 0x5a;
    }
    sealed
}

/// What a replica seals with a new key serves at every other one at once, at each step of a flow.
#[tokio::test]
async fn a_ring_that_another_gateway_rotated_loses_nobody_anything() {
    let upstream = FakeUpstream::legacy().await;
    let authorization = FakeAuthorizationServer::start().await;
    let _rules = authorization.protects(&upstream);
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("portcullis.db");
    let servers = [entry(&upstream, &[])];
    let old = House::beside(&database, &servers).await;
    let alice = person(&old, "alice").await;
    let bob = person(&old, "bob").await;
    is_good(&alice.client.rpc("ping", "{}").await);

    let file = folder.path().join("portcullis.keyring.json");
    let ring = KeyRing::load(&file, std::sync::Arc::new(SystemEntropy)).unwrap();
    ring.rotate(&SystemClock::start()).unwrap();
    let new = House::beside(&database, &servers).await;
    let at_new = |person: &Person| Person {
        client: new.client(&person.client.key).at("/mcp/a"),
        id: person.id.clone(),
    };
    // A client that is registered, a connection, and a flow that ends at the other one.
    connect(&new, &authorization, &at_new(&alice)).await;
    is_good(&alice.client.call("echo", "{}").await);
    let departure = begin(&new, &at_new(&bob)).await.unwrap();
    let query = authorization.agrees(&departure.url);
    arrive(&old, &bob, &query, cookie(&departure))
        .await
        .unwrap();
    assert_eq!(authorization.at("/register").len(), 1);
    Box::pin(async {
        drop(ring);
        super::replicas::end_all(vec![old, new]).await;
    })
    .await;
}

/// Closed, and patient: what cannot be read now is kept, and nobody is asked to connect again.
#[tokio::test]
async fn a_row_of_a_key_that_is_not_there_yet_is_neither_used_nor_lost() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    stage.connect(&alice).await;
    let token = stage.token_of(&alice).await;
    let stores = stage.house.embedded.stores();
    let server = ServerId::from("a");

    let kept = stores.connections.get(&alice.id, &server).await;
    let kept = kept.unwrap().unwrap();
    let mut unknown = kept.clone();
    unknown.sealed = of_another_key(&kept.sealed);
    unknown.version = 7;
    stores.connections.put(&unknown).await.unwrap();
    stage.later(Duration::from_secs(1)).await;
    stage.call(&alice).await;
    let events = stage.house.request_events().await;
    assert_eq!(events.last().unwrap()["outcome"], "unavailable");
    let connections = stage.house.embedded.connections();
    let auth = super::auth(&stage.house);
    connections.disconnect(&auth, &alice.id).await.unwrap_err();
    let there = stores.connections.get(&alice.id, &server).await.unwrap();
    assert_eq!(there, Some(unknown));
    stores.connections.put(&kept).await.unwrap();
    stage.later(Duration::from_secs(1)).await;
    assert_eq!(stage.token_of(&alice).await, token);

    // The client that is registered there: no second one.
    let issuer = stage.authorization.origin().to_owned();
    let callback = format!("{}/a", super::REDIRECT);
    let client = stores.upstream_clients.get(&issuer, &callback).await;
    let client = client.unwrap().unwrap();
    let mut unknown = client.clone();
    unknown.sealed = of_another_key(&client.sealed);
    let swap = async |record: &UpstreamClientRecord| {
        let gone = stores
            .upstream_clients
            .remove(&issuer, &callback, client.version);
        gone.await.unwrap();
        stores.upstream_clients.put_if_absent(record).await.unwrap();
    };
    swap(&unknown.clone()).await;
    let kind = stage.refused(&alice).await;
    assert_eq!(kind, CredentialErrorKind::Unavailable);
    assert_eq!(stage.authorization.at("/register").len(), 1);
    let there = stores.upstream_clients.get(&issuer, &callback).await;
    assert_eq!(there.unwrap(), Some(unknown));
    swap(&client.clone()).await;

    // A flow under way: its code is not spent, and neither is its state.
    let departure = stage.begin(&alice).await.unwrap();
    let query = stage.authorization.agrees(&departure.url);
    let asked = stage.authorization.asked().pop().unwrap();
    let (_, half) = cookie(&departure).split_once('=').unwrap();
    let digest = Sha256::new()
        .part(asked["state"].as_bytes())
        .part(half.as_bytes())
        .finish();
    let now = Timestamp::from_millis(super::NOW + 2_000);
    let usage = OneTimeUse::UpstreamState;
    let sealed = stores.one_time.peek(usage, &digest, now).await;
    let sealed = sealed.unwrap().expect("the flow is parked");
    let park = async |sealed: Vec<u8>| {
        let expires_at = now.after(Duration::from_mins(9));
        let record = OneTimeRecord {
            usage,
            digest,
            sealed,
            expires_at,
        };
        let over = now.after(Duration::from_hours(1));
        stores.one_time.purge(over).await.unwrap();
        assert!(stores.one_time.put(&record).await.unwrap());
    };
    park(of_another_key(&sealed)).await;
    let refused = stage.arrive(&alice, &query, cookie(&departure)).await;
    let why = WhyNot::Credential(CredentialErrorKind::Unavailable);
    assert_eq!(refused.unwrap_err().why, why);
    park(sealed).await;
    let arrived = stage.arrive(&alice, &query, cookie(&departure)).await;
    arrived.unwrap();
    stage.end().await;
}
