//! A server's tools, as they were just seen: pinned if they were never seen before, and put down as changed
//! if they are not what is pinned. Of what is as it was, nothing is asked and nothing written.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::PoisonError;

use portcullis_core::ServerId;
use portcullis_policy::OnDrift;
use portcullis_store::{PinChange, PinPlace, PinRecord, StoreError};
use serde_json::value::RawValue;

use super::index::Digests;
use super::told::News;
use super::{Pins, TOOL};

/// Rows of one transaction.
const BATCH: usize = 250;
/// Most pins of one server: a server that lists other names each time does not fill the store.
const MOST: usize = 20_000;
/// Longest name and longest object that are kept.
const LONGEST_NAME: usize = 1024;
const LONGEST_OBJECT: usize = 1024 * 1024;

/// One tool as its server listed it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sighted<'a> {
    pub(crate) name: &'a str,
    pub(crate) raw: &'a RawValue,
    pub(crate) digest: [u8; 32],
}

/// To whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    /// To ourselves: that the pinned tool is there again ends what was seen in its place.
    ToUs,
    /// To a caller, who may have been shown something else than others.
    ToCaller,
}

/// What a sight comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    First,
    Changed,
    ChangedBack,
}

#[derive(Clone, Copy, Debug)]
struct Due<'a> {
    step: Step,
    what: Sighted<'a>,
    pinned: Option<[u8; 32]>,
    follows: Option<u64>,
}

impl Pins {
    /// Takes in what a server lists.
    pub(crate) async fn sight(
        &self,
        server: &ServerId,
        on_drift: OnDrift,
        seen: &[Sighted<'_>],
        listed: Listed,
    ) -> Result<(), StoreError> {
        if self.due(server, seen, listed).is_empty() {
            return Ok(());
        }
        // Another replica may have seen it before.
        self.refresh().await?;
        let due = self.due(server, seen, listed);
        let mut news = News::default();
        let written = self.write(server, &due, &mut news).await;
        self.tell(server, on_drift, &news);
        if !written? {
            // Somebody else was first; what they wrote is what holds.
            self.refresh().await?;
        }
        Ok(())
    }

    /// Whether all of it was.
    async fn write(
        &self,
        server: &ServerId,
        due: &[Due<'_>],
        news: &mut News,
    ) -> Result<bool, StoreError> {
        let mut all = true;
        for batch in due.chunks(BATCH) {
            let changes: Vec<PinChange> =
                batch.iter().map(|due| self.change(server, due)).collect();
            let written = self.deps.store.put(&changes).await?;
            for ((due, change), written) in batch.iter().zip(&changes).zip(written) {
                if written {
                    self.learn(&change.record);
                    news.note(due.step, due.what.name);
                }
                all &= written;
            }
        }
        Ok(all)
    }

    fn due<'s>(&self, server: &ServerId, seen: &[Sighted<'s>], listed: Listed) -> Vec<Due<'s>> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let none = BTreeMap::new();
        let known = index.get(server).unwrap_or(&none);
        let is_pinned = |one: &Sighted<'_>| {
            let digests = known.get(one.name).and_then(|known| known.digests);
            digests.is_some_and(|digests| digests.pinned == Some(one.digest))
        };
        // Of several that have one name, that counts which is not what is pinned.
        let mut by_name: BTreeMap<&str, (&Sighted<'s>, bool)> = BTreeMap::new();
        for one in seen {
            let pinned = is_pinned(one);
            match by_name.entry(one.name) {
                Entry::Vacant(free) => {
                    free.insert((one, pinned));
                }
                Entry::Occupied(mut taken) if taken.get().1 && !pinned => {
                    taken.insert((one, pinned));
                }
                Entry::Occupied(_) => {}
            }
        }
        let stands = |digests: Option<Digests>| digests.is_none_or(|one| one.pinned.is_some());
        let mut room =
            MOST.saturating_sub(known.values().filter(|row| stands(row.digests)).count());
        let mut due = Vec::new();
        for (name, (what, pinned)) in by_name {
            let row = known.get(name);
            let step = match row.map(|row| row.digests) {
                // What cannot be believed stays as it is until somebody has looked at it.
                Some(None) => continue,
                None | Some(Some(Digests { pinned: None, .. })) => {
                    if room == 0 || !can_be_kept(what) {
                        tracing::warn!(
                            mcp.server.id = %server,
                            mcp.tool.name = ?name.chars().take(128).collect::<String>(),
                            "a tool is not pinned: its name or what it says is too long, or its server has had too many"
                        );
                        continue;
                    }
                    room -= 1;
                    Step::First
                }
                Some(Some(digests)) if pinned => {
                    if digests.seen.is_none() || listed == Listed::ToCaller {
                        continue;
                    }
                    Step::ChangedBack
                }
                Some(Some(digests)) if digests.seen == Some(what.digest) => continue,
                Some(Some(_)) => Step::Changed,
            };
            due.push(Due {
                step,
                what: *what,
                pinned: row.and_then(|row| row.digests?.pinned),
                follows: row.map(|row| row.version),
            });
        }
        due
    }

    fn change(&self, server: &ServerId, due: &Due<'_>) -> PinChange {
        let text = || due.what.raw.get().to_owned();
        let fits = due.what.raw.get().len() <= LONGEST_OBJECT;
        let (pinned, seen) = match due.step {
            Step::First => (Some(due.what.digest), None),
            Step::Changed => (due.pinned, Some(due.what.digest)),
            Step::ChangedBack => (due.pinned, None),
        };
        let mut record = PinRecord {
            place: place(server, due.what.name),
            pinned,
            seen,
            version: due.follows.unwrap_or_default().saturating_add(1),
            changed_at: self.deps.clock.now(),
            changed_by: String::new(),
            seal: [0; 32],
        };
        record.seal = self.seal(&record);
        PinChange {
            record,
            pinned: (due.step == Step::First).then(text),
            // What is too long to be kept cannot be approved, and is no less a change.
            seen: (due.step == Step::Changed && fits).then(text),
            follows: due.follows,
        }
    }
}

pub(super) fn place(server: &ServerId, tool: &str) -> PinPlace {
    PinPlace {
        server: server.clone(),
        kind: TOOL.to_owned(),
        name: tool.to_owned(),
    }
}

/// PostgreSQL keeps no NUL, and no index of it a long name.
fn can_be_kept(what: &Sighted<'_>) -> bool {
    what.name.len() <= LONGEST_NAME
        && !what.name.contains('\0')
        && what.raw.get().len() <= LONGEST_OBJECT
}
