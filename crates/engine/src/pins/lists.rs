//! Tools that are listed to callers, each held against its pin.

use std::sync::{Arc, MutexGuard, PoisonError};

use portcullis_core::PrincipalId;
use portcullis_mcp::{Members, digest_of};
use portcullis_policy::OnDrift;
use serde_json::value::RawValue;

use super::Pins;
use super::index::Standing;
use super::likeness::is_told_in_another_revision;
use super::sight::{Listed, Sighted};
use crate::catalog::{Kind, Listing};
use crate::metrics::PinEvent;
use crate::snapshot::ServerEntry;

/// Of so many objects it is remembered that they were shown once.
const REMEMBERED: usize = 10_000;

/// One answer that lists a server's tools to a caller.
#[derive(Debug)]
pub(crate) struct Showing<'p> {
    pins: &'p Arc<Pins>,
    entry: &'p Arc<ServerEntry>,
    /// What the registry has read: as ourselves, and as this caller.
    read: Vec<Arc<Listing>>,
    /// What nobody knew.
    noticed: Vec<Box<RawValue>>,
}

impl Showing<'_> {
    /// Whether a tool may be listed as it stands there.
    pub(crate) fn lists(&mut self, name: &str, tool: &RawValue) -> bool {
        let (pins, entry) = (self.pins, self.entry);
        if entry.on_drift == OnDrift::Allow {
            return true;
        }
        let read = self.read.iter().find_map(|listing| listing.get(name));
        // Nearly every list says what the registry has read.
        let digest = match read {
            Some(item) if item.raw.get() == tool.get() => item.digest,
            _ => digest_of(tool),
        };
        let standing = pins.standing(&entry.id, name, Some(&digest));
        let in_other_words = || {
            read.is_some_and(|item| {
                let same = pins.standing(&entry.id, name, Some(&item.digest));
                matches!(same, Standing::Sound | Standing::Doubtful)
                    && is_told_in_another_revision(tool, &item.raw)
            })
        };
        match standing {
            Standing::Sound | Standing::Doubtful => return true,
            Standing::Changed { .. } if in_other_words() => return true,
            Standing::Changed { recorded: false } | Standing::Unknown => {
                self.noticed.push(tool.to_owned());
            }
            Standing::Changed { recorded: true } | Standing::Damaged => {}
        }
        pins.judged(entry, standing)
    }

    /// Behind the answer, what is not known is written down.
    pub(crate) fn end(self) {
        self.pins.notice(self.entry, self.noticed);
    }
}

impl Pins {
    /// Begins an answer that lists tools of this server to this caller.
    pub(crate) fn showing<'p>(
        self: &'p Arc<Self>,
        entry: &'p Arc<ServerEntry>,
        principal: &PrincipalId,
    ) -> Showing<'p> {
        Showing {
            pins: self,
            entry,
            read: entry.listings_of(principal).collect(),
            noticed: Vec::new(),
        }
    }

    /// Whether a tool may be listed that the registry has read.
    pub(crate) fn lists_read(&self, entry: &ServerEntry, tool: &str, digest: &[u8; 32]) -> bool {
        if entry.on_drift == OnDrift::Allow {
            return true;
        }
        match self.standing(&entry.id, tool, Some(digest)) {
            Standing::Sound | Standing::Doubtful => true,
            standing => self.judged(entry, standing),
        }
    }

    /// Whether a tool that the registry has read is kept from callers.
    pub(crate) fn withholds(&self, entry: &ServerEntry, tool: &str, digest: &[u8; 32]) -> bool {
        let standing = || self.standing(&entry.id, tool, Some(digest));
        entry.on_drift == OnDrift::Block
            && !matches!(standing(), Standing::Sound | Standing::Doubtful)
    }

    fn judged(&self, entry: &ServerEntry, standing: Standing) -> bool {
        let withheld = entry.on_drift == OnDrift::Block;
        let event = match (withheld, standing) {
            (true, _) => PinEvent::Withheld,
            (false, Standing::Changed { .. }) => PinEvent::Served,
            (false, _) => return true,
        };
        self.deps.metrics.pins.count(&entry.id, event, 1);
        !withheld
    }

    fn notice(self: &Arc<Self>, entry: &Arc<ServerEntry>, noticed: Vec<Box<RawValue>>) {
        // A server that knows callers only shows each of them its own; the registry reads that too.
        if noticed.is_empty() || entry.auth.knows_callers_only() {
            return;
        }
        if !set(&self.noticing).insert(entry.id.clone()) {
            return;
        }
        let (pins, entry) = (Arc::clone(self), Arc::clone(entry));
        self.deps.tracker.spawn(async move {
            pins.write_down(&entry, &noticed).await;
            set(&pins.noticing).remove(&entry.id);
        });
    }

    async fn write_down(&self, entry: &ServerEntry, noticed: &[Box<RawValue>]) {
        // What the registry has not read at all, it will read.
        let Some(listing) = entry.seen_by_us() else {
            return;
        };
        let named: Vec<(String, &RawValue)> = noticed
            .iter()
            .filter_map(|raw| {
                let name = Members::of(raw).ok()?.string("name")?.into_owned();
                Some((name, &**raw))
            })
            .collect();
        let mut seen = Vec::new();
        for (name, raw) in &named {
            let digest = digest_of(raw);
            // The registry knows this name too, and may be about to read the same.
            if listing.get(name).is_some() && self.is_shown_for_the_first_time(entry, digest) {
                entry.changed("notifications/tools/list_changed");
                continue;
            }
            seen.push(Sighted { name, raw, digest });
        }
        let written = self.sight(&entry.id, entry.on_drift, &seen, Listed::ToCaller);
        if let Err(error) = written.await {
            tracing::error!(
                mcp.server.id = %entry.id,
                error = &error as &dyn std::error::Error,
                "what a caller was shown is not compared with what is pinned"
            );
        }
    }

    fn is_shown_for_the_first_time(&self, entry: &ServerEntry, digest: [u8; 32]) -> bool {
        let mut shown = set(&self.shown_once);
        if shown.len() >= REMEMBERED {
            shown.clear();
        }
        shown.insert((entry.id.clone(), digest))
    }
}

fn set<T>(set: &std::sync::Mutex<T>) -> MutexGuard<'_, T> {
    // Every change under these locks is one insertion or removal.
    set.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ServerEntry {
    /// Its tools as we were shown them.
    fn seen_by_us(&self) -> Option<Arc<Listing>> {
        self.catalog.seen(Kind::Tools)
    }

    /// Its tools as we were shown them, and as it showed them to this caller.
    fn listings_of(&self, principal: &PrincipalId) -> impl Iterator<Item = Arc<Listing>> {
        let own = self.callers.shown_to(principal);
        let own = own
            .into_iter()
            .filter_map(|catalog| catalog.seen(Kind::Tools));
        self.seen_by_us().into_iter().chain(own)
    }
}
