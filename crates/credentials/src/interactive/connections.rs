//! The connections of everybody, and what they are made with.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{Clock, Entropy, PrincipalId, ScopeSet, SealError, ServerId, Timestamp};
use portcullis_egress::HttpClient;
use portcullis_store::{
    ConnectionStore, LeaseStore, MetaStore, OneTimeStore, StoreError, Stores, UpstreamClientStore,
};
use portcullis_vault::{KeyRing, SealedBox};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use super::finds::Finds;
use super::giving_back::AT_A_TIME;
use super::holder::Holder;
use super::place::Places;
use crate::actor::Actors;
use crate::broker::Door;
use crate::directory::Directory;
use crate::error::Failure;
use crate::{CredentialError, CredentialErrorKind};

/// What connections are made with.
#[derive(Debug)]
pub struct ConnectionDeps<'a> {
    /// The way out.
    pub http: Arc<dyn HttpClient>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for verifiers, states and cookies.
    pub entropy: Arc<dyn Entropy>,
    /// What seals.
    pub ring: Arc<KeyRing>,
    /// Where everything is kept.
    pub stores: &'a Stores,
    /// Where refreshes run, so that a caller who leaves loses no token that was rotated.
    pub tasks: TaskTracker,
}

/// Every person's connections to servers that know people.
#[derive(Clone)]
pub struct Connections(pub(super) Arc<Inner>);

/// What every flow shares.
pub(crate) struct Inner {
    pub(super) door: Door,
    pub(super) ring: Arc<KeyRing>,
    pub(super) stores: Kept,
    pub(super) tasks: TaskTracker,
    pub(super) places: Mutex<Places>,
    pub(super) finds: Finds,
    /// Turns for giving tokens back.
    pub(super) giving_back: Arc<Semaphore>,
    pub(super) holders: ArcSwap<HashMap<PrincipalId, Holder>>,
}

/// The stores that are asked.
pub(super) struct Kept {
    pub(super) connections: Arc<dyn ConnectionStore>,
    pub(super) clients: Arc<dyn UpstreamClientStore>,
    pub(super) one_time: Arc<dyn OneTimeStore>,
    pub(super) leases: Arc<dyn LeaseStore>,
    pub(super) meta: Arc<dyn MetaStore>,
}

/// What a person is shown of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The authorization server that it was granted at.
    pub issuer: String,
    /// Who they are there, if that server told it; for display and nothing else.
    pub account: Option<String>,
    /// What was granted.
    pub scopes: ScopeSet,
    /// When it was made.
    pub connected_at: Timestamp,
    /// When the token that is used now ends, if that is known.
    pub expires_at: Option<Timestamp>,
    /// Whether a person has to connect again before it is good for anything.
    pub is_over: bool,
    /// Scopes that the server asked for since, and that were not granted yet.
    pub wanted: ScopeSet,
}

impl Connections {
    /// Nobody's in memory yet; those in the store are there.
    pub fn new(deps: ConnectionDeps<'_>) -> Self {
        Self(Arc::new(Inner {
            door: Door {
                http: deps.http,
                clock: deps.clock,
                entropy: deps.entropy,
                directory: Directory::default(),
                actors: Actors::default(),
            },
            ring: deps.ring,
            stores: Kept {
                connections: Arc::clone(&deps.stores.connections),
                clients: Arc::clone(&deps.stores.upstream_clients),
                one_time: Arc::clone(&deps.stores.one_time),
                leases: Arc::clone(&deps.stores.leases),
                meta: Arc::clone(&deps.stores.meta),
            },
            tasks: deps.tasks,
            places: Mutex::default(),
            finds: Finds::default(),
            giving_back: Arc::new(Semaphore::new(AT_A_TIME)),
            holders: ArcSwap::default(),
        }))
    }

    /// A person's connection to a server; `None`: there is none.
    pub async fn status(
        &self,
        server: &ServerId,
        principal: &PrincipalId,
    ) -> Result<Option<Connection>, CredentialError> {
        let found = self.0.read(principal, server).await;
        let found = found.map_err(|failure| failure.for_server(server))?;
        Ok(found.map(|(row, _)| Connection {
            connected_at: row.connected_at,
            expires_at: row.expires_at,
            is_over: row.over,
            wanted: row.wanted,
            scopes: row.granted.unwrap_or(row.requested),
            issuer: row.issuer,
            account: row.account,
        }))
    }

    pub(crate) fn keep_only(&self, servers: &std::collections::BTreeSet<ServerId>) {
        self.0.places().keep_only(servers);
        self.0.finds.keep_only(servers);
    }
}

impl Inner {
    pub(super) fn places(&self) -> std::sync::MutexGuard<'_, Places> {
        // Whatever a panic left there is a cache, and whole places of it.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens what is kept in this column of this row; `None`: it was not sealed for there. What names a
    /// key that is not known may be another replica's, which has a newer ring: it is not read, and not
    /// taken for nothing either.
    pub(super) fn unsealed(
        &self,
        table: &str,
        row: &str,
        column: &str,
        sealed: Vec<u8>,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        let sealed = SealedBox::from_bytes(sealed);
        match self.ring.open_row(table, row, column, &sealed) {
            Ok(text) => Ok(Some(text)),
            Err(error) if self.ring.is_of_unknown_key(&sealed) => {
                tracing::error!(
                    table,
                    "a stored row names a key that is not in the key ring: it stays as it is, and cannot be used until the ring has that key"
                );
                Err(Failure::of_seal(error))
            }
            Err(_) => Ok(None),
        }
    }

    pub(super) fn random(&self) -> Result<[u8; 32], Failure> {
        let mut random = [0_u8; 32];
        self.door
            .entropy
            .fill(&mut random)
            .map_err(|error| Failure::new(CredentialErrorKind::Unavailable).because(error))?;
        Ok(random)
    }

    /// 43 characters that nobody guesses.
    pub(super) fn secret(&self) -> Result<String, Failure> {
        Ok(URL_SAFE_NO_PAD.encode(self.random()?))
    }

    /// A version that there was not before.
    pub(super) fn version(&self) -> Result<u64, Failure> {
        let mut random = [0_u8; 8];
        self.door
            .entropy
            .fill(&mut random)
            .map_err(|error| Failure::new(CredentialErrorKind::Unavailable).because(error))?;
        Ok(u64::from_be_bytes(random) >> 1)
    }
}

impl Failure {
    /// Closed: what cannot be read is not guessed.
    pub(super) fn of_store(error: StoreError) -> Self {
        Self::new(CredentialErrorKind::Unavailable).because(error)
    }

    pub(super) fn of_seal(error: SealError) -> Self {
        Self::new(CredentialErrorKind::Unavailable).because(error)
    }

    /// What we wrote ourselves did not become text.
    pub(super) fn of_defect(error: serde_json::Error) -> Self {
        Self::new(CredentialErrorKind::Unavailable).because(error)
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connections")
    }
}
