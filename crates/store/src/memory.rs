//! The memory backend: everything is gone when the process ends.

mod announcements;
mod api_keys;
mod approvals;
mod audit;
mod budgets;
mod clients;
mod concurrency;
mod connections;
mod consents;
mod counters;
mod directory;
mod grants;
mod id_tokens;
mod leases;
mod limits;
mod meta;
mod one_time;
mod pins;
mod replicas;
mod revocations;
mod servers;
mod sessions;
mod shared_tokens;
mod signing_keys;
mod usage;

use std::sync::{Arc, Mutex, MutexGuard};

use crate::{StoreError, Stores};

pub use announcements::MemoryAnnouncements;
pub use shared_tokens::MemorySharedTokens;

/// Empty stores in memory.
pub fn stores() -> Stores {
    Stores {
        directory: Arc::new(directory::MemoryDirectory::default()),
        api_keys: Arc::new(api_keys::MemoryApiKeys::default()),
        audit: Arc::new(audit::MemoryAudit::default()),
        sessions: Arc::new(sessions::MemorySessions::default()),
        meta: Arc::new(meta::MemoryMeta::default()),
        revocations: Arc::new(revocations::MemoryRevocations::default()),
        servers: Arc::new(servers::MemoryServers::default()),
        signing_keys: Arc::new(signing_keys::MemorySigningKeys::default()),
        one_time: Arc::new(one_time::MemoryOneTimes::default()),
        clients: Arc::new(clients::MemoryClients::default()),
        grants: Arc::new(grants::MemoryGrants::default()),
        authorization_keys: Arc::new(signing_keys::MemorySigningKeys::default()),
        leases: Arc::new(leases::MemoryLeases::default()),
        consents: Arc::new(consents::MemoryConsents::default()),
        id_tokens: Arc::new(id_tokens::MemoryIdTokens::default()),
        connections: Arc::new(connections::MemoryConnections::default()),
        upstream_clients: Arc::new(connections::MemoryUpstreamClients::default()),
        replicas: Arc::new(replicas::MemoryReplicas::default()),
        session_homes: Arc::new(replicas::MemorySessionHomes::default()),
        approvals: Arc::new(approvals::MemoryApprovals::default()),
        shared_tokens: Arc::new(MemorySharedTokens::default()),
        announcements: Arc::new(MemoryAnnouncements::default()),
        counters: Arc::new(counters::MemoryCounters::default()),
        concurrency: Arc::new(concurrency::MemoryConcurrency::default()),
        budgets: Arc::new(budgets::MemoryBudgets::default()),
        limits: Arc::new(limits::MemoryLimits::default()),
        pins: Arc::new(pins::MemoryPins::default()),
        usage: Arc::new(usage::MemoryUsage::default()),
    }
}

/// A lock that another thread left by a panic may guard half a change: closed, not guessed.
fn lock<'a, T>(
    state: &'a Mutex<T>,
    operation: &'static str,
) -> Result<MutexGuard<'a, T>, StoreError> {
    state
        .lock()
        .map_err(|_| StoreError::unavailable(operation, "a panic interrupted an earlier change"))
}
