//! What servers' tools looked like when they were first seen, or last approved: a description that changes
//! afterwards is not what somebody once found harmless.
//!
//! The first sight of a tool pins the whole object that its server wrote. Sight is what the registry reads,
//! and what callers are shown where the registry is shown something else. The store decides which of several
//! replicas was first; every replica keeps digests in memory, and asks the store only about what it has not
//! seen before. Each object that is listed to a caller is held against the pin by itself, so that a server
//! that shows callers what it does not show us gains nothing.

mod admin;
mod calls;
mod diff;
mod index;
mod likeness;
mod lists;
mod sight;
mod told;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, RwLock};

use portcullis_core::{Clock, Entropy, ServerId};
use portcullis_store::PinStore;
use tokio_util::task::TaskTracker;

use crate::audit::{AuditLog, ChainMac};
use crate::metrics::Metrics;

pub use admin::{PinError, PinState, ShownObjects, ShownPin};
pub use diff::{Difference, DifferenceKind, Differences};
pub(crate) use lists::Showing;
pub(crate) use sight::{Listed, Sighted};

use index::{Index, Reading};

/// The kind of what is pinned.
const TOOL: &str = "tool";

/// What pins are kept with.
#[derive(Debug)]
pub struct PinDeps {
    /// Where they are kept.
    pub store: Arc<dyn PinStore>,
    /// Seals rows: whoever can write the table cannot approve anything.
    pub mac: Arc<dyn ChainMac>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What the ids of our own events are made of.
    pub entropy: Arc<dyn Entropy>,
    /// Where it is put on record that something changed.
    pub audit: AuditLog,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
    /// What is seen in answers to callers is written down behind them.
    pub tracker: TaskTracker,
}

/// The pins of every server.
pub struct Pins {
    deps: PinDeps,
    index: RwLock<Index>,
    reading: tokio::sync::Mutex<Reading>,
    /// Servers of which something is being written down that a caller was shown.
    noticing: Mutex<HashSet<ServerId>>,
    /// What callers were shown once that is not what the registry had read.
    shown_once: Mutex<HashSet<(ServerId, [u8; 32])>>,
}

impl Pins {
    /// Nothing is known until the first [`refresh`](Self::refresh).
    pub fn new(deps: PinDeps) -> Arc<Self> {
        Arc::new(Self {
            deps,
            index: RwLock::default(),
            reading: tokio::sync::Mutex::default(),
            noticing: Mutex::default(),
            shown_once: Mutex::default(),
        })
    }
}

impl fmt::Debug for Pins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pins").finish_non_exhaustive()
    }
}
