//! Looking at pins, and approving what tools became.

use std::ops::Bound;
use std::sync::PoisonError;

use portcullis_core::{ErrorKind, Principal, Role, ServerId, Timestamp, hex};
use portcullis_mcp::digest_of_text;
use portcullis_store::{Page, PageRequest, PinChange, PinObjects, PinRecord, StoreError};
use serde_json::value::RawValue;

use super::Pins;
use super::diff::{Differences, differences};
use super::index::{Digests, Known};
use super::sight::place;
use crate::metrics::PinEvent;

/// How a tool stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinState {
    /// It is what it was when it was first seen, or last approved.
    Pinned,
    /// It is something else, which waits for approval.
    Changed,
    /// Its row is not as it was sealed.
    Damaged,
}

impl PinState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pinned, Self::Changed, Self::Damaged];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::Changed => "changed",
            Self::Damaged => "damaged",
        }
    }

    /// By its word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

/// A pin, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownPin {
    /// Whose tool.
    pub server: ServerId,
    /// Which, as its server spells it.
    pub tool: String,
    /// How it stands.
    pub state: PinState,
    /// The digest of what is pinned.
    pub pinned: Option<[u8; 32]>,
    /// The digest of what waits.
    pub seen: Option<[u8; 32]>,
    /// Since when it stands so.
    pub changed_at: Timestamp,
}

/// The objects of a pin.
#[derive(Clone, Debug)]
pub struct ShownObjects {
    /// Who brought about how it stands; `None`: it was seen.
    pub changed_by: Option<String>,
    /// What is pinned, as its server wrote it.
    pub pinned: String,
    /// What waits; `None`: nothing does, or it is too long to be kept.
    pub seen: Option<String>,
    /// What became of it, place by place.
    pub differences: Differences,
}

/// A wish about pins that was not fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// Not for this principal.
    #[error("not allowed for this principal")]
    Forbidden,
    /// Nothing is pinned there.
    #[error("no such tool was seen on a server of this name")]
    Unknown,
    /// What is to be approved is not what waits.
    #[error("what waits for approval is something else by now: look at it again")]
    Stale,
    /// What waits is longer than what is kept.
    #[error("what waits for approval is too long to be kept, so it cannot be approved")]
    TooLong,
    /// The row is not as it was sealed.
    #[error(
        "this pin is not as it was written: forget it, and the next sight of the tool is the first"
    )]
    Damaged,
    /// The store failed.
    #[error("the store of pins failed")]
    Store(#[from] StoreError),
}

impl PinError {
    /// How a surface reports it.
    pub const fn error_kind(&self) -> ErrorKind {
        match self {
            Self::Forbidden => ErrorKind::Forbidden,
            Self::Unknown => ErrorKind::NotFound,
            Self::Stale | Self::TooLong | Self::Damaged => ErrorKind::Conflict,
            Self::Store(error) => error.error_kind(),
        }
    }
}

impl Pins {
    /// Pins in the order of servers and names: of one server, or in one state. `after`: `server/tool` of the
    /// last one before the page.
    pub async fn list(
        &self,
        server: Option<&str>,
        state: Option<PinState>,
        page: &PageRequest,
    ) -> Result<Page<ShownPin>, PinError> {
        self.refresh().await?;
        let limit = page.effective_limit();
        let after = page.after.as_deref();
        let after = after.map(|after| after.split_once('/').unwrap_or((after, "")));
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let mut servers: Vec<_> = index
            .iter()
            .filter(|(id, _)| server.is_none_or(|server| id.as_str() == server))
            .filter(|(id, _)| after.is_none_or(|(last, _)| id.as_str() >= last))
            .collect();
        servers.sort_by_key(|(id, _)| *id);
        let tools = servers.into_iter().flat_map(|(id, tools)| {
            let from = match after {
                Some((last, tool)) if last == id.as_str() => Bound::Excluded(tool),
                _ => Bound::Unbounded,
            };
            let tools = tools.range::<str, _>((from, Bound::Unbounded));
            tools.filter_map(move |(tool, known)| of_known(id, tool, known))
        });
        let shown = tools.filter(|shown| state.is_none_or(|state| shown.state == state));
        let items = shown.take(limit + 1).collect();
        drop(index);
        Ok(Page::from_probe(items, limit, |last| {
            format!("{}/{}", last.server, last.tool)
        }))
    }

    /// One pin, with its objects and what differs between them.
    pub async fn show(
        &self,
        server: &ServerId,
        tool: &str,
    ) -> Result<(ShownPin, ShownObjects), PinError> {
        let found = self.deps.store.get(&place(server, tool)).await?;
        let (record, objects) = found.ok_or(PinError::Unknown)?;
        let is_whole = self.is_whole(&record, &objects);
        if is_whole && record.pinned.is_none() {
            return Err(PinError::Unknown);
        }
        let known = Known {
            version: record.version,
            changed_at: record.changed_at,
            digests: is_whole.then_some(Digests {
                pinned: record.pinned,
                seen: record.seen,
            }),
        };
        let shown = of_known(server, tool, &known).ok_or(PinError::Unknown)?;
        let raw =
            |text: &str| digest_of_text(text).and(RawValue::from_string(text.to_owned()).ok());
        let seen = objects.seen.as_deref().and_then(raw);
        let differences = match (raw(&objects.pinned), seen) {
            (Some(pinned), Some(seen)) => differences(&pinned, &seen),
            _ => Differences::default(),
        };
        let objects = ShownObjects {
            changed_by: Some(record.changed_by).filter(|by| !by.is_empty()),
            pinned: objects.pinned,
            seen: objects.seen,
            differences,
        };
        Ok((shown, objects))
    }

    /// Pins what waits, if it is what was looked at: its digest in hexadecimal.
    ///
    /// Approving what is pinned already changes nothing but
    /// that nothing waits any more, until it is seen again. Only an administrator may. Gives what was pinned before.
    pub async fn approve(
        &self,
        server: &ServerId,
        tool: &str,
        hash: &str,
        by: &Principal,
    ) -> Result<Option<[u8; 32]>, PinError> {
        if by.role < Role::Admin {
            return Err(PinError::Forbidden);
        }
        let found = self.deps.store.get(&place(server, tool)).await?;
        let (record, objects) = found.ok_or(PinError::Unknown)?;
        if !self.is_whole(&record, &objects) {
            return Err(PinError::Damaged);
        }
        let meant = |digest: &Option<[u8; 32]>| digest.is_some_and(|digest| hex(&digest) == hash);
        let (digest, pinned) = match (record.pinned, record.seen) {
            (None, _) => return Err(PinError::Unknown),
            (_, seen) if meant(&seen) => (seen, Some(objects.seen.ok_or(PinError::TooLong)?)),
            (pinned, _) if meant(&pinned) => (pinned, None),
            _ => return Err(PinError::Stale),
        };
        let change = PinChange {
            pinned,
            ..self.following(&record, digest, by)
        };
        self.settle(&change).await?;
        self.deps.metrics.pins.count(server, PinEvent::Approved, 1);
        tracing::info!(mcp.server.id = %server, mcp.tool.name = ?tool, principal.id = %by.id, "what a tool became is approved");
        Ok(record.pinned)
    }

    /// Forgets what is pinned: the next sight of the tool is the first. Only an administrator may. Gives what was
    /// pinned.
    pub async fn forget(
        &self,
        server: &ServerId,
        tool: &str,
        by: &Principal,
    ) -> Result<Option<[u8; 32]>, PinError> {
        if by.role < Role::Admin {
            return Err(PinError::Forbidden);
        }
        let found = self.deps.store.get(&place(server, tool)).await?;
        let (record, _) = found.ok_or(PinError::Unknown)?;
        if record.pinned.is_none() && self.is_genuine(&record) {
            return Err(PinError::Unknown);
        }
        let change = PinChange {
            pinned: Some(String::new()),
            ..self.following(&record, None, by)
        };
        self.settle(&change).await?;
        self.deps.metrics.pins.count(server, PinEvent::Forgotten, 1);
        tracing::info!(mcp.server.id = %server, mcp.tool.name = ?tool, principal.id = %by.id, "a pin is forgotten");
        Ok(record.pinned)
    }

    /// Whether a row and what it is about are as they were written.
    fn is_whole(&self, record: &PinRecord, objects: &PinObjects) -> bool {
        let pinned = match record.pinned {
            None => objects.pinned.is_empty(),
            digest => digest_of_text(&objects.pinned) == digest,
        };
        let seen = objects.seen.as_deref();
        let seen = seen.is_none_or(|seen| digest_of_text(seen) == record.seen);
        self.is_genuine(record) && pinned && seen
    }

    fn following(&self, record: &PinRecord, pinned: Option<[u8; 32]>, by: &Principal) -> PinChange {
        let mut after = PinRecord {
            pinned,
            seen: None,
            version: record.version.saturating_add(1),
            changed_at: self.deps.clock.now(),
            changed_by: by.id.as_str().to_owned(),
            ..record.clone()
        };
        after.seal = self.seal(&after);
        PinChange {
            record: after,
            pinned: None,
            seen: None,
            follows: Some(record.version),
        }
    }

    async fn settle(&self, change: &PinChange) -> Result<(), PinError> {
        let written = self.deps.store.put(std::slice::from_ref(change)).await?;
        if written != [true] {
            return Err(PinError::Stale);
        }
        self.learn(&change.record);
        Ok(())
    }
}

/// `None`: it was forgotten.
fn of_known(server: &ServerId, tool: &str, known: &Known) -> Option<ShownPin> {
    let (state, pinned, seen) = match known.digests {
        None => (PinState::Damaged, None, None),
        Some(Digests { pinned: None, .. }) => return None,
        Some(Digests { pinned, seen: None }) => (PinState::Pinned, pinned, None),
        Some(Digests { pinned, seen }) => (PinState::Changed, pinned, seen),
    };
    Some(ShownPin {
        server: server.clone(),
        tool: tool.to_owned(),
        state,
        pinned,
        seen,
        changed_at: known.changed_at,
    })
}
