#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod announced;
mod announcements;
mod api_keys;
mod approvals;
mod audit;
mod budgets;
mod clients;
mod concurrency;
mod connections;
mod consents;
#[cfg(feature = "contract")]
pub mod contract;
mod counters;
mod directory;
mod error;
mod grants;
mod id_tokens;
mod leases;
mod limits;
pub mod memory;
mod meta;
mod one_time;
mod one_time_by_use;
mod page;
mod pins;
mod reading;
mod replicas;
mod revocations;
mod servers;
mod sessions;
mod shared_tokens;
mod signing_keys;
mod usage;

pub use announced::announced;
pub use announcements::{Announcements, Bells, Heard, Topic};
pub use api_keys::{
    ApiKeyRecord, ApiKeyStore, Inserted, KeyChange, ReadKey, Replaced, UnreadableKey,
};
pub use approvals::{ApprovalRecord, ApprovalRoom, ApprovalState, ApprovalStore, Asked, Decided};
pub use audit::{
    AuditCursor, AuditFilter, AuditHead, AuditPruning, AuditRow, AuditStore, NO_SUCH_ROW,
    follows_head,
};
pub use budgets::{BudgetPeriod, BudgetScope, BudgetStore, MOST_NANO_USD, Reservation, Reserved};
pub use clients::{ClientRecord, ClientStore, Registered};
pub use concurrency::{ConcurrencyStore, Seated, Slot};
pub use connections::{
    ConnectionPlace, ConnectionRecord, ConnectionStore, UpstreamClientRecord, UpstreamClientStore,
};
pub use consents::{ConsentRecord, ConsentStore};
pub use counters::{CLOCK_TOLERANCE, Charge, CounterStore, Taken};
pub use directory::{
    DirectoryStore, Entered, EntryChange, EntryKind, EntryRecord, ReadEntry, UnreadableEntry,
};
pub use error::{BackendError, StoreError, StoreErrorKind};
pub use grants::{FoundToken, GrantRecord, GrantStore, RefreshTokenRecord, Rotated};
pub use id_tokens::{IdTokenRecord, IdTokenStore};
pub use leases::LeaseStore;
pub use limits::{LimitRecord, LimitScope, LimitStore};
pub use meta::MetaStore;
pub use one_time::{OneTimeRecord, OneTimeStore, OneTimeUse, Put, Redeemed};
pub use one_time_by_use::OneTimesByUse;
pub use page::{MAX_PAGE, Page, PageRequest};
pub use pins::{PinChange, PinObjects, PinPlace, PinRecord, PinStore};
pub use reading::{Changes, Reading};
pub use replicas::{ReplicaRecord, ReplicaStore, SessionHomeRecord, SessionHomeStore};
pub use revocations::{
    Lifted, ReadRevocation, RevocationRecord, RevocationStore, RevokedTarget, UnreadableRevocation,
};
pub use servers::{Defined, ServerRecord, ServerStore};
pub use sessions::{SessionStore, TerminatedSession};
pub use shared_tokens::{SharedTokenRecord, SharedTokenStore};
pub use signing_keys::{SigningKeyRecord, SigningKeyStore};
pub use usage::{UsageOf, UsageRow, UsageStore};

use std::sync::Arc;

/// One handle on every store trait, whatever backend stands behind each.
#[derive(Clone, Debug)]
pub struct Stores {
    /// Teams, organizations, people, end users and toolsets.
    pub directory: Arc<dyn DirectoryStore>,
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
    /// Servers that administrators define at run time.
    pub servers: Arc<dyn ServerStore>,
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
    /// Calls that wait for somebody's approval.
    pub approvals: Arc<dyn ApprovalStore>,
    /// Tokens of upstream servers that replicas need not each fetch. A cache: what keeps none outside the
    /// process keeps them in memory.
    pub shared_tokens: Arc<dyn SharedTokenStore>,
    /// Who is told that something changed. A hint: where nobody outside the process is told, the others find
    /// out by asking.
    pub announcements: Arc<dyn Announcements>,
    /// How often something happened lately.
    pub counters: Arc<dyn CounterStore>,
    /// What goes on at this moment.
    pub concurrency: Arc<dyn ConcurrencyStore>,
    /// What was spent of each budget.
    pub budgets: Arc<dyn BudgetStore>,
    /// How much whoever may do.
    pub limits: Arc<dyn LimitStore>,
    /// What servers' tools looked like when they were first seen, or last approved.
    pub pins: Arc<dyn PinStore>,
    /// What was done and spent, for people to look at.
    pub usage: Arc<dyn UsageStore>,
}
