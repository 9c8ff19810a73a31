//! What all sessions of a server share.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};
use tokio_util::task::TaskTracker;

use crate::{revision::Revision, schema::Judge};

/// More changes than one conversation causes before everybody heard of them.
const CHANGES: usize = 64;

/// What happened that others want to hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Tools,
    Resource(String),
}

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) revision: Revision,
    judge: Judge,
    complaints: Mutex<Vec<String>>,
    pub(crate) changes: broadcast::Sender<Change>,
    /// How often the list of tools became another one.
    tool_lists: AtomicU64,
    /// Labels of calls that were given up.
    pub(crate) given_up: watch::Sender<BTreeSet<String>>,
    pub(crate) tasks: TaskTracker,
}

impl Core {
    pub(crate) fn new(revision: Revision) -> anyhow::Result<Self> {
        Ok(Self {
            revision,
            judge: Judge::of(revision)?,
            complaints: Mutex::default(),
            changes: broadcast::channel(CHANGES).0,
            tool_lists: AtomicU64::new(0),
            given_up: watch::Sender::default(),
            tasks: TaskTracker::new(),
        })
    }

    /// Makes the list of tools another one, and says so.
    pub(crate) fn change_tools(&self) {
        self.tool_lists.fetch_add(1, Ordering::SeqCst);
        let _ = self.changes.send(Change::Tools);
    }

    /// How often that happened.
    pub(crate) fn tool_lists(&self) -> u64 {
        self.tool_lists.load(Ordering::SeqCst)
    }

    /// Holds a message that arrived against the schema.
    pub(crate) fn judge(&self, message: &Value, asked: Option<&str>) {
        for complaint in self.judge.message(message, asked) {
            self.complain(complaint);
        }
    }

    pub(crate) fn complain(&self, complaint: String) {
        let mut complaints = self
            .complaints
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        complaints.push(complaint);
    }

    /// Every complaint since the last time.
    pub(crate) fn complaints(&self) -> Vec<String> {
        std::mem::take(
            &mut *self
                .complaints
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    pub(crate) fn server_info() -> Value {
        json!({"name": "era-server", "version": env!("CARGO_PKG_VERSION")})
    }

    /// What it says it can do, in its revision's form.
    pub(crate) fn capabilities(&self) -> Value {
        let mut capabilities = json!({
            "tools": {"listChanged": true},
            "resources": {"subscribe": true, "listChanged": true},
            "prompts": {"listChanged": true},
            "logging": {},
        });
        if self.revision > Revision::V2024_11_05
            && let Some(members) = capabilities.as_object_mut()
        {
            members.insert("completions".to_owned(), json!({}));
        }
        capabilities
    }
}
