#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod api_keys;
mod audit;
mod error;
mod meta;
mod page;
mod sessions;

pub use api_keys::{ApiKeyRecord, ApiKeyStore, Inserted};
pub use audit::{AuditFilter, AuditHead, AuditRow, AuditStore};
pub use error::{StoreError, StoreErrorKind};
pub use meta::MetaStore;
pub use page::{Page, PageRequest};
pub use sessions::{SessionStore, TerminatedSession};

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
}
