//! What a process keeps in memory of a store, and how fresh it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use portcullis_core::Clock;
use portcullis_store::{Announcements, StoreError, Topic};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How fresh what is in memory is kept.
#[derive(Clone, Copy, Debug)]
pub struct FreshnessSettings {
    /// Time between two looks at the change feed: how long a revocation made elsewhere may take.
    pub refresh_every: Duration,
    /// How long what is known is trusted without news from the store; then what depends on it is
    /// refused.
    pub max_staleness: Duration,
}

impl Default for FreshnessSettings {
    fn default() -> Self {
        Self {
            refresh_every: Duration::from_millis(250),
            max_staleness: Duration::from_mins(1),
        }
    }
}

/// Something that follows a change feed.
#[async_trait]
pub trait Followed: Send + Sync + std::fmt::Debug {
    /// What it is: for the log, and the topic of announcements that it listens to.
    fn name(&self) -> &'static str;

    /// Takes in everything that changed since the last time.
    async fn take_in(&self) -> Result<(), StoreError>;
}

/// After news one listens no sooner than this again: whoever can announce cannot keep the store busy.
const BREATH: Duration = Duration::from_millis(20);

/// Keeps all of them fresh until the token is cancelled: each looks with one pulse, and at once when a
/// change of it is announced.
pub fn follow(
    followed: Vec<Arc<dyn Followed>>,
    announcements: &dyn Announcements,
    settings: FreshnessSettings,
    tracker: &TaskTracker,
    token: &CancellationToken,
) {
    for one in followed {
        let token = token.clone();
        let mut heard = announcements.hear(Topic::named(one.name()));
        tracker.spawn(async move {
            let mut ticks = tokio::time::interval(settings.refresh_every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut failing = false;
            let with_the_clock = async {
                loop {
                    tokio::select! {
                        _ = ticks.tick() => {}
                        () = heard.changed() => tokio::time::sleep(BREATH).await,
                    }
                    failing = take_in_and_report(&*one, settings, failing).await;
                }
            };
            token.run_until_cancelled(with_the_clock).await;
        });
    }
}

/// Said once when the feed breaks and once when it works again, not four times a second.
async fn take_in_and_report(
    one: &dyn Followed,
    settings: FreshnessSettings,
    was_failing: bool,
) -> bool {
    let what = one.name();
    match one.take_in().await {
        Ok(()) => {
            if was_failing {
                tracing::info!(what, "the store answers again");
            }
            false
        }
        Err(error) => {
            if !was_failing {
                tracing::error!(
                    what,
                    error = &error as &dyn std::error::Error,
                    trusted_for_secs = settings.max_staleness.as_secs(),
                    "the store does not answer; what is known is trusted for a while"
                );
            }
            true
        }
    }
}

const NEVER: u64 = u64::MAX;

/// When the store last told everything.
#[derive(Debug)]
pub(crate) struct Freshness {
    clock: Arc<dyn Clock>,
    trusted: u64,
    /// Monotonic milliseconds of the last complete refresh; `NEVER` before the first.
    at: AtomicU64,
}

/// The moment at which the store was asked: what it answers is at least as fresh.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked(u64);

impl Freshness {
    pub(crate) fn new(clock: Arc<dyn Clock>, settings: FreshnessSettings) -> Self {
        Self {
            clock,
            trusted: u64::try_from(settings.max_staleness.as_millis()).unwrap_or(u64::MAX),
            at: AtomicU64::new(NEVER),
        }
    }

    pub(crate) fn asking(&self) -> Asked {
        Asked(self.now())
    }

    pub(crate) fn learned(&self, asked: Asked) {
        self.at.store(asked.0, Ordering::Release);
    }

    /// Whether what is known may still be trusted.
    pub(crate) fn is_fresh(&self) -> bool {
        let at = self.at.load(Ordering::Acquire);
        at != NEVER && self.now().saturating_sub(at) <= self.trusted
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(NEVER - 1)
    }
}
