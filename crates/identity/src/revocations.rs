//! The revocation list in memory, as fresh as the store's change feed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use portcullis_core::{Clock, Principal, PrincipalKind, RevocationId, TokenMarks};
use portcullis_store::{ReadRevocation, RevocationRecord, RevocationStore, StoreError};
use portcullis_vault::KeyRing;
use tokio::sync::Mutex;

use crate::AuthnErrorKind;
use crate::follow::{Followed, Freshness, FreshnessSettings};
use crate::revocation_seal::is_genuine;
use crate::revocation_set::RevocationSet;

/// How many changes one question to the store asks for.
const BATCH: usize = 1000;
/// How long an entry that is over stays in the store: clocks differ.
const KEPT_OVER: Duration = Duration::from_hours(24);
/// And one that was lifted: a process that cannot read the store for as long refuses everybody, and
/// afterwards must still learn of the lifting.
const KEPT_LIFTED: Duration = Duration::from_hours(7 * 24);

/// Who is refused although the credential would verify. Asked with every authentication, without a
/// lock; the master key alone is in no list.
pub struct Revocations {
    store: Arc<dyn RevocationStore>,
    ring: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
    set: ArcSwap<RevocationSet>,
    /// Held while reading, so that two refreshes do not cross.
    known: Mutex<Known>,
    freshness: Freshness,
    /// How many times the store was asked.
    asked: AtomicU64,
    rejected: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    /// The last change that was read.
    position: u64,
    /// What is in force.
    entries: HashMap<RevocationId, RevocationRecord>,
    /// Entries that were missed in the store, each said once.
    missed: HashSet<RevocationId>,
    /// Entries that stand in the store and had not been read, each looked for once.
    sought: HashSet<RevocationId>,
}

impl Revocations {
    /// An empty list, which refuses everybody until its first [`refresh`](Self::refresh).
    pub fn new(
        store: Arc<dyn RevocationStore>,
        ring: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
        settings: FreshnessSettings,
    ) -> Self {
        Self {
            store,
            ring,
            freshness: Freshness::new(Arc::clone(&clock), settings),
            clock,
            set: ArcSwap::default(),
            known: Mutex::default(),
            asked: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
        }
    }

    /// Takes in everything that changed since the last time.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        self.refresh_known(&mut *self.known.lock().await).await
    }

    async fn refresh_known(&self, known: &mut Known) -> Result<(), StoreError> {
        self.asked.fetch_add(1, Ordering::AcqRel);
        let asked = self.freshness.asking();
        let mut changed = false;
        loop {
            let changes = self.store.changed_since(known.position, BATCH).await?;
            let count = changes.len();
            for (change, entry) in changes {
                self.take(known, entry);
                known.position = change;
                changed = true;
            }
            if count < BATCH {
                break;
            }
        }
        if changed {
            self.publish(known);
        }
        self.freshness.learned(asked);
        Ok(())
    }

    /// Takes in one entry that was made or lifted here.
    pub(crate) async fn learn(&self, record: RevocationRecord) {
        let mut known = self.known.lock().await;
        self.take(&mut known, Ok(record));
        self.publish(&known);
    }

    /// An entry that is known is never forgotten but by a lifting under our seal, or by its own end.
    fn take(&self, known: &mut Known, entry: ReadRevocation) {
        match entry {
            Ok(record) if is_genuine(&self.ring, &record) => {
                if record.lifted.is_some() {
                    lift(known, &record);
                } else {
                    known.entries.insert(record.id.clone(), record);
                }
            }
            Ok(record) => {
                self.rejected.fetch_add(1, Ordering::Relaxed);
                tracing::error!(
                    revocation.id = ?record.id.as_str(),
                    "a revocation's row is not as it was sealed: it is refused what it says, \
                     without an end, beside what is known of it"
                );
                // Whatever was changed in it, an end would be the first thing to write.
                let held = RevocationRecord {
                    until: None,
                    lifted: None,
                    ..record
                };
                known.entries.entry(held.id.clone()).or_insert(held);
            }
            Err(unreadable) => {
                self.rejected.fetch_add(1, Ordering::Relaxed);
                tracing::error!(
                    revocation.id = ?unreadable.id.as_str(),
                    error = &unreadable as &dyn std::error::Error,
                    "a revocation's row cannot be read: what is known of it stays in force"
                );
            }
        }
    }

    fn publish(&self, known: &Known) {
        self.set
            .store(Arc::new(RevocationSet::of(known.entries.values())));
    }

    /// Whether a verified caller is refused. A list that is too old asks the store itself, so that a
    /// process that slept does not refuse everybody until its next pulse.
    pub(crate) async fn judge(&self, principal: &Principal) -> Result<(), AuthnErrorKind> {
        if principal.kind == PrincipalKind::MasterKey {
            return Ok(());
        }
        self.be_fresh().await?;
        if self.refuses(principal) {
            return Err(AuthnErrorKind::Revoked);
        }
        Ok(())
    }

    /// Whether a token is refused that somebody acts with, whoever that is.
    pub(crate) async fn judge_token(&self, token: &TokenMarks) -> Result<(), AuthnErrorKind> {
        self.be_fresh().await?;
        if self.set.load().refuses_token(token, self.clock.now()) {
            return Err(AuthnErrorKind::Revoked);
        }
        Ok(())
    }

    /// Whether any token is refused of an issuer, or of another than this one.
    pub(crate) async fn names_tokens_but_of(
        &self,
        issuer: Option<&str>,
    ) -> Result<bool, AuthnErrorKind> {
        self.be_fresh().await?;
        let now = self.clock.now();
        Ok(self.set.load().names_tokens_but_of(issuer, now))
    }

    async fn be_fresh(&self) -> Result<(), AuthnErrorKind> {
        if !self.is_fresh() {
            self.ask_once().await;
            if !self.is_fresh() {
                return Err(AuthnErrorKind::Unavailable);
            }
        }
        Ok(())
    }

    /// One question for all who wait. A question that was under way before does not count: what it
    /// learns may be as old as the list.
    async fn ask_once(&self) {
        let asked = self.asked.load(Ordering::Acquire);
        let mut known = self.known.lock().await;
        if self.is_fresh() || self.asked.load(Ordering::Acquire) != asked {
            return;
        }
        if let Err(error) = self.refresh_known(&mut known).await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the revocation list cannot be read"
            );
        }
    }

    fn refuses(&self, principal: &Principal) -> bool {
        self.set.load().refuses(principal, self.clock.now())
    }

    /// Whether a caller who was accepted earlier would be accepted still: what open streams ask.
    pub fn stands(&self, principal: &Principal) -> bool {
        let in_no_list =
            principal.kind == PrincipalKind::MasterKey && principal.marks.beside.is_none();
        in_no_list || (self.is_fresh() && !self.refuses(principal))
    }

    /// Whether the list may still be trusted.
    pub fn is_fresh(&self) -> bool {
        self.freshness.is_fresh()
    }

    /// How many rows were found that cannot be read or are not as they were sealed.
    pub fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// Forgets what is over, here and in the store, and looks whether the store still has what is
    /// known here. Returns how many entries it has lost.
    pub async fn keep_house(&self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let (over, lifted) = (now.before(KEPT_OVER), now.before(KEPT_LIFTED));
        self.store.purge(over, lifted).await?;
        let mut known = self.known.lock().await;
        known
            .entries
            .retain(|_, entry| entry.until.is_none_or(|until| now < until));
        self.publish(&known);
        // Asked before the feed: what is lifted meanwhile is known to be by then.
        let expected: Vec<RevocationId> = known.entries.keys().cloned().collect();
        let standing: HashSet<RevocationId> = self.store.standing(now).await?.into_iter().collect();
        self.refresh_known(&mut known).await?;
        let Known {
            position,
            entries,
            sought,
            ..
        } = &mut *known;
        // One that can never be read is not a reason to read everything again and again.
        sought.retain(|id| standing.contains(id));
        let unread = standing.iter().filter(|id| !entries.contains_key(*id));
        if unread.filter(|id| sought.insert((*id).clone())).count() > 0 {
            tracing::warn!(
                "a revocation stands in the store that was not read with its changes: the whole \
                 list is read again"
            );
            *position = 0;
            self.refresh_known(&mut known).await?;
        }
        let Known {
            entries, missed, ..
        } = &mut *known;
        let lost = expected
            .into_iter()
            .filter(|id| entries.contains_key(id) && !standing.contains(id));
        let mut count = 0;
        for id in lost {
            count += 1;
            if missed.insert(id.clone()) {
                tracing::error!(
                    revocation.id = ?id.as_str(),
                    "a revocation is gone from the store, and nobody lifted it: this process goes \
                     on refusing what it named, one that starts anew would not"
                );
            }
        }
        Ok(count)
    }
}

/// A lifting takes back what it names. If that is not what is known under its id, somebody altered the
/// row before an administrator lifted it.
fn lift(known: &mut Known, lifting: &RevocationRecord) {
    let of_another = |entry: &RevocationRecord| entry.target != lifting.target;
    if known.entries.get(&lifting.id).is_some_and(of_another) {
        tracing::error!(
            revocation.id = ?lifting.id.as_str(),
            "a revocation was lifted that names something else than is known here: this process goes \
             on refusing what is known"
        );
        return;
    }
    known.entries.remove(&lifting.id);
}

#[async_trait]
impl Followed for Revocations {
    fn name(&self) -> &'static str {
        "revocations"
    }

    async fn take_in(&self) -> Result<(), StoreError> {
        self.refresh().await
    }
}

impl std::fmt::Debug for Revocations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Revocations")
            .field("fresh", &self.is_fresh())
            .finish_non_exhaustive()
    }
}
