#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod api_keys;
mod audit;
mod clients;
mod connections;
mod consents;
#[cfg(feature = "contract")]
pub mod contract;
mod error;
mod grants;
mod id_tokens;
mod leases;
pub mod memory;
mod meta;
mod one_time;
mod page;
mod replicas;
mod revocations;
mod sessions;
mod signing_keys;

pub use api_keys::{ApiKeyRecord, ApiKeyStore, Inserted, KeyChange, ReadKey, UnreadableKey};
pub use audit::{AuditCursor, AuditFilter, AuditHead, AuditRow, AuditStore, follows_head};
pub use clients::{ClientRecord, ClientStore, Registered};
pub use connections::{
    ConnectionPlace, ConnectionRecord, ConnectionStore, UpstreamClientRecord, UpstreamClientStore,
};
pub use consents::{ConsentRecord, ConsentStore};
pub use error::{BackendError, StoreError, StoreErrorKind};
pub use grants::{FoundToken, GrantRecord, GrantStore, RefreshTokenRecord, Rotated};
pub use id_tokens::{IdTokenRecord, IdTokenStore};
pub use leases::LeaseStore;
pub use meta::MetaStore;
pub use one_time::{OneTimeRecord, OneTimeStore, OneTimeUse, Put, Redeemed};
pub use page::{MAX_PAGE, Page, PageRequest};
pub use replicas::{ReplicaRecord, ReplicaStore, SessionHomeRecord, SessionHomeStore};
pub use revocations::{
    Lifted, ReadRevocation, RevocationRecord, RevocationStore, RevokedTarget, UnreadableRevocation,
};
pub use sessions::{SessionStore, TerminatedSession};
pub use signing_keys::{SigningKeyRecord, SigningKeyStore};

use std::sync::Arc;

/// One handle on every store trait, whatever backend stands behind each.
#[derive(Clone, Debug)]
pub struct Stores {
    /// Virtual keys.
    pub api_keys: Arc<dyn ApiKeyStore>,
    /// The audit chain.
    pub audit: Arc<dyn AuditStore>,
    /// Terminated legacy MCP sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// Single values such as the key ring's canary.
    pub meta: Arc<dyn MetaStore>,
    /// The revocation list.
    pub revocations: Arc<dyn RevocationStore>,
    /// Keys that sign for upstream servers.
    pub signing_keys: Arc<dyn SigningKeyStore>,
    /// Values that are good once.
    pub one_time: Arc<dyn OneTimeStore>,
    /// OAuth clients that registered themselves.
    pub clients: Arc<dyn ClientStore>,
    /// What people granted to OAuth clients.
    pub grants: Arc<dyn GrantStore>,
    /// Keys that sign our own access tokens.
    pub authorization_keys: Arc<dyn SigningKeyStore>,
    /// Who of several replicas does something.
    pub leases: Arc<dyn LeaseStore>,
    /// What people agreed to.
    pub consents: Arc<dyn ConsentStore>,
    /// What a provider said of the people who signed in.
    pub id_tokens: Arc<dyn IdTokenStore>,
    /// What people granted us at upstream servers.
    pub connections: Arc<dyn ConnectionStore>,
    /// Clients that we registered at authorization servers.
    pub upstream_clients: Arc<dyn UpstreamClientStore>,
    /// Processes that share the store.
    pub replicas: Arc<dyn ReplicaStore>,
    /// Legacy MCP sessions that moved, or whose client set something.
    pub session_homes: Arc<dyn SessionHomeStore>,
}
