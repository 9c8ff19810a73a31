//! How much whoever may do, counted for all replicas together: requests, calls at the same time, and
//! money. Where nobody set a limit, nothing is asked of the store.

mod admin;
mod enforce;
mod held;
mod index;
mod local;
mod refusal;
mod scopes;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use portcullis_core::{Clock, Principal, ReplicaId};
use portcullis_policy::Limits;
use portcullis_store::{
    BudgetStore, ConcurrencyStore, CounterStore, Seated, Slot, StoreError, UsageStore,
};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

pub use admin::{LimitAdmin, LimitAdminError, LimitChange, LimitStanding};
pub(crate) use enforce::Going;
pub(crate) use held::Held;
pub use index::{FileLimits, LimitIndex};
pub use refusal::{LimitKind, Limited};
pub use scopes::{ScopeKind, budget_scope};

use local::Local;
use tally::Tally;

/// For how long a place is taken; a process that dies gives it back after this.
const LEASE: Duration = Duration::from_mins(1);
/// How often a place that is still needed is prolonged.
const RENEW: Duration = Duration::from_secs(20);
/// How long a reservation waits for its call to end. A call that lasts longer has cost all of it.
const RESERVED: Duration = Duration::from_hours(24);
/// How many places are prolonged at the same time, and how long that may take: a store that hangs keeps
/// nothing else from being done.
const RENEWED_AT_ONCE: usize = 32;
const RENEWING: Duration = Duration::from_secs(10);
/// For how many milliseconds a store that failed is not asked again, where a replica may count by itself.
const ALONE: u64 = 1000;
/// How often what is over is taken out of the store.
const PURGE: Duration = Duration::from_mins(1);
/// How long what was spent in a budget's period is kept after its end, and what was used in an hour.
const KEPT: Duration = Duration::from_hours(24 * 400);

/// The limits of one scope that a caller is in.
#[derive(Clone, Debug)]
pub struct Allowance {
    /// What kind of scope.
    pub kind: ScopeKind,
    /// Which one.
    pub id: Arc<str>,
    /// What it may.
    pub limits: Arc<Limits>,
}

/// What is stored for a scope of the caller's cannot be read, or is not as it was sealed: what the caller
/// may cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the limits of this {} cannot be read", .0.as_str())]
pub struct AllowancesUnknown(pub ScopeKind);

/// Who knows what callers may.
pub trait Allowances: Send + Sync + fmt::Debug {
    /// The limits of every scope that a caller is in and that has any. Asked for every request: answered
    /// from memory.
    fn of(&self, principal: &Principal) -> Result<Vec<Allowance>, AllowancesUnknown>;
}

/// What is counted with.
#[derive(Clone, Debug)]
pub struct LimitDeps {
    /// Requests.
    pub counters: Arc<dyn CounterStore>,
    /// Calls under way.
    pub concurrency: Arc<dyn ConcurrencyStore>,
    /// Money.
    pub budgets: Arc<dyn BudgetStore>,
    /// What people look at.
    pub usage: Arc<dyn UsageStore>,
    /// Who may what.
    pub allowances: Arc<dyn Allowances>,
}

/// What happens to a request that is limited while the store cannot count it (`limits.on_store_fault`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStoreFault {
    /// It is refused.
    #[default]
    Deny,
    /// Each replica counts by itself, to its share of the limit. What costs money is refused all the same.
    LocalShare,
}

/// Counts what callers do.
pub struct Limiter {
    deps: LimitDeps,
    clock: Arc<dyn Clock>,
    tracker: TaskTracker,
    /// What is just being given back, on the same tracker.
    giving: TaskTracker,
    replica: ReplicaId,
    /// Numbers what is held.
    next: AtomicU64,
    local_share: AtomicBool,
    /// Until when the store is not asked, by the monotonic clock; nothing while it answers.
    alone_until: AtomicU64,
    local: Local,
    /// Places that are held here, by their holder, and when they were prolonged last.
    places: Mutex<HashMap<Arc<str>, Place>>,
    tally: Tally,
    /// Held by the one who writes down what was used.
    writing: tokio::sync::Mutex<()>,
    purged: Mutex<Option<Duration>>,
}

#[derive(Clone, Debug)]
struct Place {
    slots: Arc<[Slot]>,
    renewed: Duration,
}

impl Limiter {
    pub(crate) fn new(
        deps: LimitDeps,
        replica: ReplicaId,
        clock: Arc<dyn Clock>,
        tracker: TaskTracker,
    ) -> Arc<Self> {
        Arc::new(Self {
            deps,
            clock,
            tracker,
            giving: TaskTracker::new(),
            replica,
            next: AtomicU64::new(0),
            local_share: AtomicBool::new(false),
            alone_until: AtomicU64::new(0),
            local: Local::default(),
            places: Mutex::default(),
            tally: Tally::default(),
            writing: tokio::sync::Mutex::default(),
            purged: Mutex::default(),
        })
    }

    /// What shall happen while the store does not answer, from now on.
    pub fn on_store_fault(&self, what: OnStoreFault) {
        let local = what == OnStoreFault::LocalShare;
        self.local_share.store(local, Ordering::Relaxed);
    }

    /// A name for what is held, which no other call of any replica has.
    fn holder(&self) -> Arc<str> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{}/{number}", self.replica).into()
    }

    fn places(&self) -> MutexGuard<'_, HashMap<Arc<str>, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives something back, whoever waits for it.
    fn behind(&self, giving: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.tracker.spawn(self.giving.track_future(giving))
    }

    /// Waits until everything is given back that calls which have ended held, but no longer than this.
    pub async fn given_back(&self, patience: Duration) {
        self.giving.close();
        if tokio::time::timeout(patience, self.giving.wait())
            .await
            .is_err()
        {
            tracing::warn!("places of calls that ended are not given back before their lease ends");
        }
    }

    /// Prolongs the places of calls that last, writes down what was used, and forgets what is over.
    /// `others`: how many replicas run beside this one, as far as anybody knows. Called every second.
    pub(crate) async fn keep_house(self: &Arc<Self>, others: usize) {
        self.local.shared_by(others.saturating_add(1));
        self.renew().await;
        self.write_usage().await;
        let now = self.clock.monotonic();
        let due = {
            let mut purged = self.purged.lock().unwrap_or_else(PoisonError::into_inner);
            let due = purged.is_none_or(|last| now.saturating_sub(last) >= PURGE);
            if due {
                *purged = Some(now);
            }
            due
        };
        if due && let Err(error) = self.purge().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what was counted is not tidied"
            );
        }
    }

    /// Writes down what was used since the last time. What the store does not take is kept for the next.
    /// Not waited for to its end, it is done all the same.
    pub async fn write_usage(self: &Arc<Self>) {
        let limiter = Arc::clone(self);
        let written = self.tracker.spawn(async move { limiter.write().await });
        // A panic in there was told where it happened.
        let _ = written.await;
    }

    async fn write(&self) {
        let _alone = self.writing.lock().await;
        let rows = self.tally.take();
        if rows.is_empty() {
            return;
        }
        if let Err(error) = self.deps.usage.add(&rows).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what was used is not written down yet"
            );
            self.tally.put_back(rows);
        }
    }

    async fn purge(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.local.purge(now).await;
        self.deps.counters.purge(now).await?;
        self.deps.concurrency.purge(now).await?;
        self.deps.budgets.purge(now, now.before(KEPT)).await?;
        self.deps.usage.purge(now.before(KEPT)).await?;
        Ok(())
    }

    async fn renew(&self) {
        let now = self.clock.monotonic();
        let due: Vec<(Arc<str>, Arc<[Slot]>)> = {
            let mut places = self.places();
            let due = |place: &&mut Place| now.saturating_sub(place.renewed) >= RENEW;
            let mine = places.iter_mut();
            mine.filter_map(|(holder, place)| {
                let place = Some(place).filter(due)?;
                place.renewed = now;
                Some((Arc::clone(holder), Arc::clone(&place.slots)))
            })
            .collect()
        };
        let renewing = futures_util::stream::iter(due).for_each_concurrent(
            RENEWED_AT_ONCE,
            |(holder, slots)| async move {
                if let Err(error) = self.prolong(&holder, &slots).await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the place of a call under way is not prolonged"
                    );
                }
            },
        );
        if tokio::time::timeout(RENEWING, renewing).await.is_err() {
            tracing::warn!("places of calls under way are not prolonged: the store is silent");
        }
    }

    /// A place that was lost, because the store was away for longer than it was taken for, is taken again
    /// where there is one. The call goes on in any case: it has begun.
    async fn prolong(&self, holder: &Arc<str>, slots: &[Slot]) -> Result<(), StoreError> {
        let store = &self.deps.concurrency;
        let now = self.clock.now();
        let until = now.after(LEASE);
        if !store.renew(holder, now, until).await?
            && self.places().contains_key(holder)
            && let Seated::Full { .. } = store.acquire(holder, slots, now, until).await?
        {
            tracing::warn!("a call under way lost its place, and there is none left");
        }
        // Given back meanwhile: what was just taken goes back too.
        if !self.places().contains_key(holder) {
            store.release(holder).await?;
        }
        Ok(())
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter")
            .field("places", &self.places().len())
            .finish_non_exhaustive()
    }
}
