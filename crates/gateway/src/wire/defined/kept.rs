//! A server as it lies in the store: sealed as a whole, for its name and its state.

use portcullis_config::Definition;
use portcullis_core::ServerId;
use portcullis_server::{Approval, BookError, Provenance};
use portcullis_store::ServerRecord;
use portcullis_vault::{KeyRing, SealedBox};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The table that a seal is bound to.
const TABLE: &str = "servers";

/// What is sealed. Its entry holds secrets as they were sent.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) approval: Approval,
    pub(super) entry: Map<String, Value>,
    pub(super) provenance: Provenance,
}

/// One of them, opened.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) id: ServerId,
    pub(super) version: u64,
    pub(super) kept: Kept,
}

impl Opened {
    /// As the reader of the file takes it. Whoever is not an administrator asks no secret store.
    pub(super) fn definition(&self) -> Definition {
        Definition {
            name: self.id.to_string(),
            text: Value::Object(self.kept.entry.clone()).to_string(),
            may_ask_stores: self.kept.provenance.submitted_by.is_none(),
        }
    }

    /// As the store keeps it.
    pub(super) fn seal(&self, ring: &KeyRing) -> Result<ServerRecord, BookError> {
        let text = serde_json::to_vec(&self.kept).map_err(|_| BookError::Unavailable)?;
        let sealed = ring.seal_row(TABLE, self.id.as_str(), &state(self.version), &text);
        let sealed = sealed.map_err(|_| BookError::Unavailable)?;
        Ok(ServerRecord {
            id: self.id.clone(),
            sealed: sealed.as_bytes().to_vec(),
            version: self.version,
        })
    }
}

/// What a row holds. One that does not open as the state that it says it is was not written by us: it is served to
/// nobody, and the others are.
pub(super) fn open(ring: &KeyRing, row: &ServerRecord) -> Option<Opened> {
    let sealed = SealedBox::from_bytes(row.sealed.clone());
    let opened = ring.open_row(TABLE, row.id.as_str(), &state(row.version), &sealed);
    let kept = opened
        .ok()
        .and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
    if kept.is_none() {
        tracing::error!(
            mcp.server.id = ?row.id.as_str(),
            "the row of a server is not as it was sealed, or its key is not in the ring: it is not served"
        );
    }
    Some(Opened {
        id: row.id.clone(),
        version: row.version,
        kept: kept?,
    })
}

fn state(version: u64) -> String {
    format!("state {version:016x}")
}
