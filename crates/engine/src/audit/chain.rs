//! The chain: each row's MAC covers the row before, so nothing can be changed, taken out or moved
//! without the key.

use std::fmt;
use std::sync::Arc;

use portcullis_core::{Entropy, EntropyUnavailable, Timestamp, constant_time_eq, hex};
use portcullis_store::{AuditHead, AuditPruning, AuditRow};
use serde::{Deserialize, Serialize};

/// A MAC under a key that whoever can write the store does not have.
pub trait ChainMac: Send + Sync + fmt::Debug {
    /// The MAC of the parts' concatenation. The caller frames the parts; the implementation need not.
    fn mac(&self, parts: &[&[u8]]) -> [u8; 32];
}

/// Names one chain: one life of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterId(String);

impl WriterId {
    /// A new name that sorts by start time and that no other process chooses.
    pub fn generate(now: Timestamp, entropy: &dyn Entropy) -> Result<Self, EntropyUnavailable> {
        let mut random = [0_u8; 8];
        entropy.fill(&mut random)?;
        Ok(Self(format!(
            "{:013}-{}",
            now.as_millis().max(0),
            hex(&random)
        )))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Another chain's head, as an event of ours swears to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SeenHead {
    pub(super) writer: String,
    pub(super) seq: u64,
    pub(super) mac: String,
}

impl SeenHead {
    pub(super) fn of(head: &AuditHead) -> Self {
        Self {
            writer: head.writer.clone(),
            seq: head.seq,
            mac: hex(&head.mac),
        }
    }
}

/// Events that are about the chain itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum ChainEvent {
    /// First of each chain. Older heads than the newest few hundred are only counted: the chains in
    /// between have sworn to them already.
    WriterStarted {
        heads: Vec<SeenHead>,
        omitted: usize,
    },
    /// Other chains' heads that moved since the last anchor.
    Anchor { heads: Vec<SeenHead> },
    /// So many events were lost because queue and store could not take them.
    Gap { lost: u64 },
    /// Answers that the caller was denied although an earlier row describes them: the row became
    /// durable too late.
    Withheld { request_ids: Vec<String> },
    /// So many rows of so many chains were older than `before` and were removed.
    Pruned {
        before: String,
        chains: u64,
        rows: u64,
    },
    /// Last of each chain that ended in order.
    WriterStopped,
}

/// How every request's event begins; what does not is a [`ChainEvent`].
const REQUEST_PREFIX: &str = r#"{"event":"request""#;

impl ChainEvent {
    /// Reads the event of a row whose MAC verified; `None` for a request's event.
    pub(super) fn read(event: &str) -> Option<Self> {
        if event.starts_with(REQUEST_PREFIX) {
            return None;
        }
        serde_json::from_str(event).ok()
    }
}

/// The growing end of one writer's chain.
#[derive(Debug)]
pub(super) struct Chain {
    mac: Arc<dyn ChainMac>,
    writer: String,
    seq: u64,
    last: [u8; 32],
}

impl Chain {
    pub(super) fn begin(mac: Arc<dyn ChainMac>, writer: &WriterId) -> Self {
        let last = genesis(&*mac, writer.as_str());
        Self {
            mac,
            writer: writer.as_str().to_owned(),
            seq: 0,
            last,
        }
    }

    pub(super) fn writer(&self) -> &str {
        &self.writer
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.seq == 0
    }

    pub(super) fn seal(&mut self, at: Timestamp, request_id: String, event: String) -> AuditRow {
        self.seq = self.seq.saturating_add(1);
        let mut row = AuditRow {
            writer: self.writer.clone(),
            seq: self.seq,
            at,
            request_id,
            event,
            mac: [0; 32],
        };
        row.mac = row_mac(&*self.mac, &self.last, &row);
        self.last = row.mac;
        row
    }

    pub(super) fn head(&self) -> AuditHead {
        AuditHead {
            writer: self.writer.clone(),
            seq: self.seq,
            mac: self.last,
            anchor: head_anchor(&*self.mac, &self.writer, self.seq, &self.last),
        }
    }
}

/// What stands where the first row's predecessor would.
pub(super) fn genesis(mac: &dyn ChainMac, writer: &str) -> [u8; 32] {
    framed(mac, "audit genesis 1", &[writer.as_bytes()])
}

/// The MAC of a row that follows the row with MAC `previous`. Covers every column.
pub(super) fn row_mac(mac: &dyn ChainMac, previous: &[u8; 32], row: &AuditRow) -> [u8; 32] {
    framed(
        mac,
        "audit row 1",
        &[
            previous,
            row.writer.as_bytes(),
            &row.seq.to_be_bytes(),
            &row.at.as_millis().to_be_bytes(),
            row.request_id.as_bytes(),
            row.event.as_bytes(),
        ],
    )
}

/// The MAC beside a stored head.
pub(super) fn head_anchor(mac: &dyn ChainMac, writer: &str, seq: u64, last: &[u8; 32]) -> [u8; 32] {
    framed(
        mac,
        "audit head 1",
        &[writer.as_bytes(), &seq.to_be_bytes(), last],
    )
}

/// The mark of a removal that was meant: rows up to and including this one.
pub(super) fn pruning_at(mac: &dyn ChainMac, last: &AuditRow) -> AuditPruning {
    AuditPruning {
        writer: last.writer.clone(),
        seq: last.seq,
        mac: last.mac,
        seal: pruning_seal(mac, &last.writer, last.seq, &last.mac),
    }
}

/// Whether a mark was made with this key.
pub(super) fn is_genuine_pruning(mac: &dyn ChainMac, pruning: &AuditPruning) -> bool {
    let seal = pruning_seal(mac, &pruning.writer, pruning.seq, &pruning.mac);
    constant_time_eq(&seal, &pruning.seal)
}

fn pruning_seal(mac: &dyn ChainMac, writer: &str, seq: u64, last: &[u8; 32]) -> [u8; 32] {
    framed(
        mac,
        "audit pruning 1",
        &[writer.as_bytes(), &seq.to_be_bytes(), last],
    )
}

/// The keyed hash that stands for a call's arguments.
pub(super) fn arguments_mac(mac: &dyn ChainMac, arguments: &[u8]) -> [u8; 32] {
    framed(mac, "audit arguments 1", &[arguments])
}

/// MAC over a purpose and parts, each preceded by its length: no two inputs share a byte string,
/// and a MAC made for one purpose never fits another.
fn framed(mac: &dyn ChainMac, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
    let lengths: Vec<[u8; 8]> = std::iter::once(purpose.len())
        .chain(parts.iter().map(|part| part.len()))
        .map(|length| (length as u64).to_be_bytes())
        .collect();
    let all: Vec<&[u8]> = lengths
        .iter()
        .zip(std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()))
        .flat_map(|(length, part)| [length.as_slice(), part])
        .collect();
    mac.mac(&all)
}
