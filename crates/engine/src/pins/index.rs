//! What is pinned, in memory: digests, and no objects.

use std::collections::{BTreeMap, HashMap};
use std::sync::PoisonError;
use std::time::Duration;

use portcullis_core::{ServerId, Timestamp, constant_time_eq};
use portcullis_store::{PinPlace, PinRecord, StoreError};

use super::{Pins, TOOL};

/// How many changes one question to the store asks for.
const BATCH: usize = 1000;
/// All pins are read again this often: a database that came back without its latest commits gives change
/// numbers out twice.
const READ_AGAIN: Duration = Duration::from_mins(5);

/// By server, then by name.
pub(super) type Index = HashMap<ServerId, BTreeMap<Box<str>, Known>>;

#[derive(Debug, Default)]
pub(super) struct Reading {
    begun: Duration,
    position: u64,
}

/// A row, as it is known here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) version: u64,
    pub(super) changed_at: Timestamp,
    /// `None`: the row is not as it was sealed.
    pub(super) digests: Option<Digests>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digests {
    /// `None`: it was forgotten.
    pub(super) pinned: Option<[u8; 32]>,
    /// What was seen in its place.
    pub(super) seen: Option<[u8; 32]>,
}

/// How what a server lists stands to what is pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is that.
    Sound,
    /// It is that, and something else was seen in its place elsewhere, or since.
    Doubtful,
    /// It is something else.
    Changed {
        /// That this was seen is written down.
        recorded: bool,
    },
    /// Nothing is pinned.
    Unknown,
    /// What is pinned cannot be believed.
    Damaged,
}

impl Known {
    /// How something of this digest stands; `None`: it is not known what is listed at this moment.
    pub(super) fn standing(&self, listed: Option<&[u8; 32]>) -> Standing {
        let Some(Digests { pinned, seen }) = self.digests else {
            return Standing::Damaged;
        };
        let Some(pinned) = pinned else {
            return Standing::Unknown;
        };
        match listed {
            Some(listed) if *listed != pinned => Standing::Changed {
                recorded: seen == Some(*listed),
            },
            _ if seen.is_some() => Standing::Doubtful,
            _ => Standing::Sound,
        }
    }
}

impl Pins {
    /// How a tool of this digest stands: one look into memory.
    pub(crate) fn standing(
        &self,
        server: &ServerId,
        tool: &str,
        listed: Option<&[u8; 32]>,
    ) -> Standing {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let known = index.get(server).and_then(|tools| tools.get(tool));
        known.map_or(Standing::Unknown, |known| known.standing(listed))
    }

    /// Takes in everything that changed since the last time, and every few minutes all there is.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let mut reading = self.reading.lock().await;
        let now = self.deps.clock.monotonic();
        if now.saturating_sub(reading.begun) >= READ_AGAIN {
            *reading = Reading {
                begun: now,
                position: 0,
            };
        }
        loop {
            let store = &self.deps.store;
            let changes = store.changed_since(reading.position, BATCH).await?;
            for (change, record) in &changes {
                self.learn(record);
                reading.position = *change;
            }
            if changes.len() < BATCH {
                return Ok(());
            }
        }
    }

    /// Takes in one row; one that is older than what is known changes nothing.
    pub(super) fn learn(&self, record: &PinRecord) {
        if record.place.kind != TOOL {
            tracing::warn!(kind = ?record.place.kind, "a pin of something that is not known here");
            return;
        }
        let genuine = self.is_genuine(record);
        if !genuine {
            tracing::error!(
                mcp.server.id = %record.place.server,
                mcp.tool.name = ?record.place.name,
                "a pin is not as it was written: with `on_drift: block` its tool is withheld"
            );
        }
        let digests = genuine.then_some(Digests {
            pinned: record.pinned,
            seen: record.seen,
        });
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let tools = index.entry(record.place.server.clone()).or_default();
        let known = tools.get(record.place.name.as_str());
        if known.is_some_and(|known| known.version > record.version && genuine) {
            return;
        }
        let known = Known {
            version: record.version,
            changed_at: record.changed_at,
            digests,
        };
        tools.insert(record.place.name.as_str().into(), known);
    }

    pub(super) fn is_genuine(&self, record: &PinRecord) -> bool {
        constant_time_eq(&self.seal(record), &record.seal)
    }

    /// The MAC over everything that a row says, each part preceded by its length. The objects are held
    /// against their digests when they are looked at.
    pub(super) fn seal(&self, record: &PinRecord) -> [u8; 32] {
        // Taken apart without `..`: a new field does not compile until somebody has decided.
        let PinRecord {
            place: PinPlace { server, kind, name },
            pinned,
            seen,
            version,
            changed_at,
            changed_by,
            seal: _,
        } = record;
        let (version, at) = (version.to_be_bytes(), changed_at.as_millis().to_be_bytes());
        let bytes = |digest: &Option<[u8; 32]>| digest.map_or(Vec::new(), Vec::from);
        let (pinned, seen) = (bytes(pinned), bytes(seen));
        let parts = [
            server.as_str().as_bytes(),
            kind.as_bytes(),
            name.as_bytes(),
            &pinned,
            &seen,
            &version,
            &at,
            changed_by.as_bytes(),
        ];
        let lengths = parts.map(|part| (part.len() as u64).to_be_bytes());
        let framed: Vec<&[u8]> = lengths
            .iter()
            .zip(parts)
            .flat_map(|(length, part)| [length.as_slice(), part])
            .collect();
        self.deps.mac.mac(&framed)
    }
}
