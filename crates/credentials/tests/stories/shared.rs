//! Replicas that share what one of them fetched.

use std::sync::Arc;

use async_trait::async_trait;
use portcullis_core::{ManualClock, SeededEntropy, SystemEntropy, Timestamp};
use portcullis_credentials::SharedTokens;
use portcullis_store::{LeaseStore, SharedTokenRecord, SharedTokenStore, StoreError, memory};
use portcullis_vault::KeyRing;
use tokio::task::JoinSet;

use crate::fake::AuthorizationServer;
use crate::{House, house_of, m2m, presented};

/// What all replicas have.
struct Common {
    store: Arc<dyn SharedTokenStore>,
    leases: Arc<dyn LeaseStore>,
    ring: Arc<KeyRing>,
    clock: Arc<ManualClock>,
}

impl Common {
    fn new() -> Self {
        let stores = memory::stores();
        Self {
            store: stores.shared_tokens,
            leases: stores.leases,
            ring: Arc::new(KeyRing::in_memory(Arc::new(SystemEntropy)).unwrap()),
            clock: Arc::new(ManualClock::at_millis(1_795_000_000_000)),
        }
    }

    fn shared(&self) -> SharedTokens {
        SharedTokens {
            store: Arc::clone(&self.store),
            leases: Arc::clone(&self.leases),
            ring: Arc::clone(&self.ring),
        }
    }

    fn replica(&self, number: u64) -> House {
        let entropy = Arc::new(SeededEntropy::new(number));
        house_of(Arc::clone(&self.clock), entropy, Some(self.shared()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_replicas_fetch_one_token_once() {
    let as1 = AuthorizationServer::start().await;
    as1.hold();
    let common = Common::new();
    let mut calls = JoinSet::new();
    for number in 0..10 {
        let (house, auth) = (common.replica(number), m2m(as1.url("/token")));
        calls.spawn(async move { house.presented(&auth).await });
    }
    as1.received(1).await;
    as1.release();
    while let Some(value) = calls.join_next().await {
        assert_eq!(value.unwrap(), "Bearer token-1");
    }
    assert_eq!(as1.token_requests(), 1);
    // One that comes later finds it too.
    let late = common.replica(11).presented(&m2m(as1.url("/token"))).await;
    assert_eq!(late, "Bearer token-1");
    assert_eq!(as1.token_requests(), 1);
}

#[tokio::test]
async fn what_another_replica_fetched_is_used_no_longer_than_there() {
    let as1 = AuthorizationServer::start().await;
    let auth = m2m(as1.url("/token"));
    let common = Common::new();
    assert_eq!(common.replica(1).presented(&auth).await, "Bearer token-1");
    common.clock.advance(std::time::Duration::from_secs(3_539));
    // Due, so that whoever comes first brings another one for all.
    let second = common.replica(2);
    assert_eq!(second.presented(&auth).await, "Bearer token-2");
    second.settled().await;
    assert_eq!(common.replica(3).presented(&auth).await, "Bearer token-2");
    assert_eq!(as1.token_requests(), 2);
}

#[tokio::test]
async fn a_token_that_was_refused_is_not_found_again_and_its_successor_is() {
    let as1 = AuthorizationServer::start().await;
    let auth = m2m(as1.url("/token"));
    let common = Common::new();
    let (one, other) = (common.replica(1), common.replica(2));
    let refused = one.obtain(&auth).await.unwrap();
    let refused_there = other.obtain(&auth).await.unwrap();
    assert_eq!(presented(&refused_there), "Bearer token-1");
    assert!(one.rejected(&auth, &refused).await);
    assert_eq!(one.presented(&auth).await, "Bearer token-2");
    one.settled().await;
    assert!(other.rejected(&auth, &refused_there).await);
    assert_eq!(other.presented(&auth).await, "Bearer token-2");
    assert_eq!(as1.token_requests(), 2);
}

#[tokio::test]
async fn a_client_with_another_secret_finds_nothing_of_it() {
    let as1 = AuthorizationServer::start().await;
    let common = Common::new();
    common.replica(1).presented(&m2m(as1.url("/token"))).await;
    let mut credentials = crate::client(portcullis_credentials::TokenEndpoint::Configured(
        as1.url("/token"),
    ));
    credentials.audience = Some("another".to_owned());
    let auth = crate::server("m2m", credentials);
    let another = common.replica(2).presented(&auth).await;
    assert_eq!(another, "Bearer token-2");
}

/// Keeps what it is told, and shows it.
#[derive(Debug)]
struct Seen {
    store: Arc<dyn SharedTokenStore>,
    seen: std::sync::Mutex<Vec<SharedTokenRecord>>,
}

#[async_trait]
impl SharedTokenStore for Seen {
    async fn put(&self, record: &SharedTokenRecord, now: Timestamp) -> Result<(), StoreError> {
        self.seen.lock().unwrap().push(record.clone());
        self.store.put(record, now).await
    }

    async fn get(&self, key: &[u8; 32], now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(key, now).await
    }

    async fn forget(&self, key: &[u8; 32], sealed: &[u8]) -> Result<(), StoreError> {
        self.store.forget(key, sealed).await
    }
}

#[tokio::test]
async fn what_somebody_put_in_a_tokens_place_is_not_presented() {
    let as1 = AuthorizationServer::start().await;
    let auth = m2m(as1.url("/token"));
    let mut common = Common::new();
    let seen = Arc::new(Seen {
        store: Arc::clone(&common.store),
        seen: std::sync::Mutex::default(),
    });
    common.store = Arc::clone(&seen) as _;
    common.replica(1).presented(&auth).await;
    let kept = seen.seen.lock().unwrap().remove(0);
    let text = String::from_utf8_lossy(&kept.sealed).into_owned();
    assert!(!text.contains("token-1"), "it is sealed");
    // Another ring's, another place's, and nobody's.
    let foreign = KeyRing::in_memory(Arc::new(SystemEntropy)).unwrap();
    let wire = br#"{"token":"evil","obtained_at":1795000000000,"usable_ms":3600000}"#;
    let place = portcullis_core::hex(&kept.key);
    let of_foreign = foreign
        .seal_row("shared_tokens", &place, "token", wire)
        .unwrap();
    let elsewhere = common
        .ring
        .seal_row("shared_tokens", "elsewhere", "token", wire);
    for (number, sealed) in [
        of_foreign.as_bytes().to_vec(),
        elsewhere.unwrap().as_bytes().to_vec(),
        wire.to_vec(),
        Vec::new(),
    ]
    .into_iter()
    .enumerate()
    {
        let poisoned = SharedTokenRecord {
            sealed,
            ..kept.clone()
        };
        let now = Timestamp::from_millis(1_795_000_000_000);
        common.store.put(&poisoned, now).await.unwrap();
        let number = u64::try_from(number).unwrap();
        let got = common.replica(10 + number).presented(&auth).await;
        assert_eq!(got, format!("Bearer token-{}", number + 2));
    }
}

/// A place that cannot be asked.
#[derive(Debug)]
struct Away;

fn away<T>() -> Result<T, StoreError> {
    Err(StoreError::unavailable("shared_tokens", "away"))
}

#[async_trait]
impl SharedTokenStore for Away {
    async fn put(&self, _: &SharedTokenRecord, _: Timestamp) -> Result<(), StoreError> {
        away()
    }

    async fn get(&self, _: &[u8; 32], _: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        away()
    }

    async fn forget(&self, _: &[u8; 32], _: &[u8]) -> Result<(), StoreError> {
        away()
    }
}

#[tokio::test]
async fn where_nothing_can_be_shared_each_replica_fetches_its_own() {
    let as1 = AuthorizationServer::start().await;
    let auth = m2m(as1.url("/token"));
    let common = Common {
        store: Arc::new(Away),
        ..Common::new()
    };
    for number in 1..=3 {
        let got = common.replica(number).presented(&auth).await;
        assert_eq!(got, format!("Bearer token-{number}"));
    }
}
