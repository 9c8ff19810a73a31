//! Several processes of one gateway: which of them run, where each is reached, and whose word counts.
//!
//! What can be sealed into a handle needs no process in particular. What cannot (open streams, questions
//! that wait for an answer) has an owner, whose name stands in the handle; a request with such a handle
//! is handed over to its owner by whichever replica it reached.

mod homes;
mod letters;
mod restore;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use portcullis_core::{Clock, Purpose, ReplicaId, Sealer, Timestamp};
use portcullis_store::{ReplicaRecord, ReplicaStore, SessionHomeStore, StoreError};

pub use homes::Home;
pub(crate) use homes::{AtServer, Homes, Setting};
pub(crate) use letters::Letters;

/// How often a replica says that it runs, and looks who else does.
pub const BEAT: Duration = Duration::from_secs(3);
/// How long one may be silent before the others take it for gone, by clocks that may differ by less than
/// ten seconds: what is left of it then has room for two beats and a store that is slow.
const SILENCE: Duration = Duration::from_secs(20);
/// How long one that could not be reached or looked for has to say that it runs, before another takes
/// over what it has: a beat, and what writing and reading it may take.
const DOUBT: Duration = Duration::from_secs(4);
/// What expired is taken out of the store this often.
const PURGE: Duration = Duration::from_mins(1);
/// A replica that nobody has heard of is looked up in the store at most this often: its name comes from
/// outside.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Most replicas that are known at a time.
const MOST: usize = 256;

/// What the replicas share.
#[derive(Debug)]
pub(crate) struct ReplicaDeps {
    pub(crate) own: ReplicaId,
    pub(crate) store: Arc<dyn ReplicaStore>,
    pub(crate) homes: Arc<dyn SessionHomeStore>,
    pub(crate) sealer: Arc<dyn Sealer>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// This process among the others.
pub struct Replicas {
    own: ReplicaId,
    store: Arc<dyn ReplicaStore>,
    sealer: Arc<dyn Sealer>,
    clock: Arc<dyn Clock>,
    /// Where the others reach us; unset as long as there are no others.
    address: OnceLock<String>,
    /// Whether the others were told that we end; held while they are told anything.
    left: tokio::sync::Mutex<bool>,
    known: Mutex<Known>,
    pub(crate) homes: Homes,
    letters: Letters,
}

#[derive(Debug, Default)]
struct Known {
    others: HashMap<ReplicaId, Other>,
    /// Those that could not be connected to.
    suspected: HashMap<ReplicaId, Suspicion>,
    looked: Option<Duration>,
    /// The last look failed: who is missing here may run all the same.
    blind: bool,
    purged: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Suspicion {
    /// The end that it had announced: whoever announces a later one lives.
    until: Timestamp,
    since: Duration,
}

#[derive(Clone, Debug)]
struct Other {
    address: Arc<str>,
    until: Timestamp,
}

impl Replicas {
    pub(crate) fn new(deps: ReplicaDeps) -> Self {
        Self {
            homes: Homes::new(deps.homes),
            own: deps.own,
            store: deps.store,
            sealer: deps.sealer,
            clock: deps.clock,
            address: OnceLock::new(),
            left: tokio::sync::Mutex::default(),
            known: Mutex::default(),
            letters: Letters::default(),
        }
    }

    /// Which one we are.
    pub const fn own(&self) -> &ReplicaId {
        &self.own
    }

    /// Whether there may be others.
    pub fn are_several(&self) -> bool {
        self.address.get().is_some()
    }

    /// From the next beat on, the others find us here. An address that was given before stays.
    pub fn appear_at(&self, address: String) {
        let url = address.clone();
        if self.address.set(address).is_ok() {
            tracing::info!(replica = %self.own, url, "shares its store with other replicas");
        }
    }

    /// Says that we run, and takes up who else does; and forgets what is over, whether there are others
    /// or not. Called every [`BEAT`].
    pub async fn beat(&self) {
        if let Some(address) = self.address.get() {
            let left = self.left.lock().await;
            if !*left && let Err(error) = self.announce(address).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the other replicas do not hear of us"
                );
            }
            drop(left);
            self.look().await;
        }
        let now = self.clock.monotonic();
        let purge = {
            let mut known = self.known();
            let due = known
                .purged
                .is_none_or(|last| now.saturating_sub(last) >= PURGE);
            if due {
                known.purged = Some(now);
            }
            due
        };
        if purge {
            let over = self.clock.now();
            let gone = self.store.purge(over.before(SILENCE)).await;
            let homes = self.homes.purge(over).await;
            for error in gone.err().into_iter().chain(homes.err()) {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "replicas are not tidied"
                );
            }
        }
    }

    async fn announce(&self, address: &str) -> Result<(), StoreError> {
        let expires_at = self.clock.now().after(SILENCE);
        let binding = self.own.as_str().as_bytes();
        let sealed = self
            .sealer
            .seal(
                Purpose::ReplicaAddress,
                binding,
                expires_at,
                address.as_bytes(),
            )
            .map_err(|error| StoreError::unavailable("replicas.announce", error))?;
        let record = ReplicaRecord {
            id: self.own.clone(),
            sealed,
            expires_at,
        };
        self.store.announce(&record).await
    }

    /// Says that we end, so that the others need not find out. No later beat says otherwise.
    pub async fn leave(&self) {
        let mut left = self.left.lock().await;
        *left = true;
        if self.are_several()
            && let Err(error) = self.store.leave(&self.own).await
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the other replicas do not hear that we leave"
            );
        }
    }

    /// Who runs, as the store has it. When it cannot say, those stay that have not expired.
    async fn look(&self) {
        let (now, at) = (self.clock.now(), self.clock.monotonic());
        self.known().looked = Some(at);
        let running = match self.store.running(now).await {
            Ok(running) => running,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot see which replicas run"
                );
                self.known().blind = true;
                return;
            }
        };
        let others: HashMap<ReplicaId, Other> = running
            .into_iter()
            .filter(|record| record.id != self.own)
            .filter_map(|record| self.read(record, now))
            .take(MOST)
            .collect();
        let mut known = self.known();
        known.suspected.retain(|id, suspicion| {
            let announced = others.get(id);
            announced.is_some_and(|other| other.until == suspicion.until)
        });
        known.others = others;
        known.blind = false;
    }

    /// A row that does not open under our ring is nobody's.
    fn read(&self, record: ReplicaRecord, now: Timestamp) -> Option<(ReplicaId, Other)> {
        let binding = record.id.as_str().as_bytes();
        let opened = self
            .sealer
            .open(Purpose::ReplicaAddress, binding, now, &record.sealed);
        let address = opened.ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let Some(address) = address else {
            tracing::warn!(replica = %record.id, "a replica's address does not open: it is left out");
            return None;
        };
        let other = Other {
            address: address.into(),
            // The row's own time is not sealed.
            until: record.expires_at.min(now.after(SILENCE * 2)),
        };
        Some((record.id, other))
    }

    /// Where a replica is reached, if it runs.
    pub async fn address_of(&self, id: &ReplicaId) -> Option<Arc<str>> {
        if !self.are_several() || *id == self.own {
            return None;
        }
        if let Some(address) = self.known_address(id) {
            return Some(address);
        }
        let now = self.clock.monotonic();
        let today = self.clock.now();
        let unheard_of = {
            let known = self.known();
            let rested = known
                .looked
                .is_none_or(|last| now.saturating_sub(last) >= LOOK_AGAIN);
            let lately = known
                .others
                .get(id)
                .is_some_and(|other| other.until > today);
            rested && !lately
        };
        if unheard_of {
            self.look().await;
        }
        self.known_address(id)
    }

    fn known_address(&self, id: &ReplicaId) -> Option<Arc<str>> {
        let now = self.clock.now();
        let known = self.known();
        let other = known.others.get(id).filter(|other| other.until > now)?;
        (!known.suspected.contains_key(id)).then(|| Arc::clone(&other.address))
    }

    /// How long to wait before a replica without an address is taken for gone. `None`: it is. Whoever takes
    /// over from one that runs takes away what its clients are just doing.
    fn doubt(&self, id: &ReplicaId) -> Option<Duration> {
        if !self.are_several() || *id == self.own {
            return None;
        }
        let known = self.known();
        if known.blind {
            return Some(DOUBT);
        }
        let since = known.suspected.get(id)?.since;
        let spent = self.clock.monotonic().saturating_sub(since);
        DOUBT.checked_sub(spent).filter(|left| !left.is_zero())
    }

    /// Whether a replica runs, for whoever would take over from it; `None`: nobody can know.
    async fn runs(&self, id: &ReplicaId) -> Option<bool> {
        if self.address_of(id).await.is_some() {
            return Some(true);
        }
        let Some(wait) = self.doubt(id) else {
            return Some(false);
        };
        tokio::time::sleep(wait).await;
        self.look().await;
        if self.known_address(id).is_some() {
            return Some(true);
        }
        (!self.known().blind).then_some(false)
    }

    /// Every other one that runs, and where.
    pub fn others(&self) -> Vec<(ReplicaId, Arc<str>)> {
        let ids: Vec<ReplicaId> = self.known().others.keys().cloned().collect();
        ids.into_iter()
            .filter_map(|id| self.known_address(&id).map(|address| (id, address)))
            .collect()
    }

    /// How many other ones there were when that could last be told: one that is silent because its store is
    /// away runs all the same.
    pub(crate) fn known_last(&self) -> usize {
        self.known().others.len()
    }

    /// Nobody listens where this one should be: it is taken for gone until it says that it runs.
    pub fn suspect(&self, id: &ReplicaId) {
        let mut known = self.known();
        if let Some(until) = known.others.get(id).map(|other| other.until) {
            let since = self.clock.monotonic();
            let suspicion = Suspicion { until, since };
            known.suspected.insert(id.clone(), suspicion);
            tracing::warn!(replica = %id, "a replica cannot be reached");
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replicas")
            .field("own", &self.own)
            .finish_non_exhaustive()
    }
}
