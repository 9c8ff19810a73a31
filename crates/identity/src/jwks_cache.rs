//! One issuer's keys, kept at hand.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_core::Clock;
use portcullis_egress::HttpClient;
use portcullis_oauth::jose::Jwks;
use tokio_util::task::TaskTracker;

use crate::JwksSource;

/// After a failure, the first pause; it doubles with each further one up to the cool-down.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How long keys are believed, and how often an issuer is asked.
#[derive(Clone, Copy, Debug)]
pub struct JwksSettings {
    /// After this long the keys are asked for again: how long a key that the issuer withdrew goes on
    /// working while the issuer answers.
    pub ttl: Duration,
    /// An unknown `kid` leads to no more than one question in this time, whoever sends it.
    pub cool_down: Duration,
    /// How long keys bridge an outage of the issuer.
    pub max_stale: Duration,
}

impl Default for JwksSettings {
    fn default() -> Self {
        Self {
            ttl: Duration::from_mins(5),
            cool_down: Duration::from_secs(30),
            max_stale: Duration::from_hours(24),
        }
    }
}

/// There are no keys by which anything could be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the issuer's keys are not available")]
pub struct JwksUnavailable;

/// The keys of one issuer, asked for by one request at a time.
pub struct JwksCache {
    source: JwksSource,
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    tracker: TaskTracker,
    settings: JwksSettings,
    state: Mutex<State>,
    /// Held while asking.
    flight: tokio::sync::Mutex<()>,
}

/// Moments are monotonic.
#[derive(Default)]
struct State {
    keys: Option<(Arc<Jwks>, Duration)>,
    /// Requests that began, and those that ended in either way.
    began: u64,
    ended: u64,
    /// Requests that were decided on and have not ended.
    under_way: u32,
    failures: u32,
    last_attempt: Duration,
    last_unknown: Option<Duration>,
}

/// Whose answer is good enough.
#[derive(Clone, Copy)]
enum Wanted {
    /// One that is awaited already.
    Any,
    /// One to a question that was not asked before now: an earlier one may lack a new key.
    Later,
}

/// A question that was decided on: whoever comes after this sees that one is under way.
#[derive(Clone, Copy)]
#[must_use = "it counts as under way until it is asked"]
struct Place {
    wanted: Wanted,
    began: u64,
    ended: u64,
}

impl State {
    fn line_up(&mut self, wanted: Wanted) -> Place {
        self.under_way += 1;
        Place {
            wanted,
            began: self.began,
            ended: self.ended,
        }
    }
}

enum Plan {
    Use(Arc<Jwks>),
    UseAndRefresh(Arc<Jwks>),
    Refresh,
    Fail,
}

impl JwksCache {
    /// An empty cache; the first question fills it. Requests run on `tracker`, so that one whose
    /// caller went away is not begun anew.
    pub fn new(
        source: JwksSource,
        http: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
        tracker: TaskTracker,
        settings: JwksSettings,
    ) -> Arc<Self> {
        Arc::new(Self {
            source,
            http,
            clock,
            tracker,
            settings,
            state: Mutex::default(),
            flight: tokio::sync::Mutex::default(),
        })
    }

    /// Whose keys these are.
    pub const fn source(&self) -> &JwksSource {
        &self.source
    }

    /// The keys: at hand as a rule, asked for when they are old. While the issuer does not answer,
    /// the ones that are known go on being used for a while; without any, nobody is believed.
    pub async fn keys(self: &Arc<Self>) -> Result<Arc<Jwks>, JwksUnavailable> {
        match self.plan() {
            Plan::Use(keys) => Ok(keys),
            Plan::UseAndRefresh(keys) => {
                drop(self.ask(Wanted::Any));
                Ok(keys)
            }
            Plan::Refresh => {
                let _ = self.ask(Wanted::Any).await;
                self.known().ok_or(JwksUnavailable)
            }
            Plan::Fail => Err(JwksUnavailable),
        }
    }

    /// Keys that are newer than these, which lacked a `kid`. `None` when there are none, and when the
    /// issuer was asked for another unknown `kid` a moment ago.
    pub async fn newer_than(self: &Arc<Self>, older: &Arc<Jwks>) -> Option<Arc<Jwks>> {
        let newer = |keys: &Arc<Jwks>| !Arc::ptr_eq(keys, older);
        if let Some(keys) = self.known().filter(newer) {
            return Some(keys);
        }
        // Without a question of our own, the answer to another's may have come just now.
        if let Some(place) = self.line_up_for_unknown() {
            let _ = self.ask_at(place).await;
        }
        self.known().filter(newer)
    }

    /// Asks in the background, if nothing is known: at the start, so that the first caller need not
    /// wait and the operator hears of a mistake at once.
    pub fn warm_up(self: &Arc<Self>) {
        if self.known().is_none() {
            drop(self.ask(Wanted::Any));
        }
    }

    fn plan(&self) -> Plan {
        let now = self.clock.monotonic();
        let state = self.state();
        let pausing = state.failures > 0 && now < state.last_attempt + self.pause(state.failures);
        let Some((keys, age)) = self.usable(&state, now) else {
            return if pausing { Plan::Fail } else { Plan::Refresh };
        };
        let keys = Arc::clone(keys);
        if age < self.settings.ttl * 4 / 5 || pausing {
            Plan::Use(keys)
        } else if age < self.settings.ttl || state.failures > 0 {
            // Nobody waits for an issuer that answers anyway in time, or that did not answer before.
            if state.under_way > 0 {
                Plan::Use(keys)
            } else {
                Plan::UseAndRefresh(keys)
            }
        } else {
            Plan::Refresh
        }
    }

    fn usable<'s>(&self, state: &'s State, now: Duration) -> Option<(&'s Arc<Jwks>, Duration)> {
        let (keys, fetched) = state.keys.as_ref()?;
        let age = now.saturating_sub(*fetched);
        (age <= self.settings.max_stale).then_some((keys, age))
    }

    fn known(&self) -> Option<Arc<Jwks>> {
        let now = self.clock.monotonic();
        let state = self.state();
        self.usable(&state, now).map(|(keys, _)| Arc::clone(keys))
    }

    /// The first asks anew; whoever comes while that answer is awaited waits for the same one. Decided
    /// and lined up in one step: between the two, others would find neither an answer nor a question.
    fn line_up_for_unknown(&self) -> Option<Place> {
        let now = self.clock.monotonic();
        let mut state = self.state();
        let cooling = state
            .last_unknown
            .is_some_and(|last| now < last + self.settings.cool_down);
        if cooling {
            return (state.under_way > 0).then(|| state.line_up(Wanted::Any));
        }
        state.last_unknown = Some(now);
        Some(state.line_up(Wanted::Later))
    }

    fn pause(&self, failures: u32) -> Duration {
        let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16));
        doubled.min(self.settings.cool_down)
    }

    /// Asks, or waits for the answer that somebody else asked for.
    fn ask(self: &Arc<Self>, wanted: Wanted) -> tokio::task::JoinHandle<()> {
        let place = self.state().line_up(wanted);
        self.ask_at(place)
    }

    fn ask_at(self: &Arc<Self>, place: Place) -> tokio::task::JoinHandle<()> {
        let under_way = UnderWay(Arc::clone(self));
        self.tracker.spawn(async move {
            let cache = &under_way.0;
            let _flight = cache.flight.lock().await;
            let answered = {
                let state = cache.state();
                match place.wanted {
                    Wanted::Any => state.ended != place.ended,
                    Wanted::Later => state.began != place.began,
                }
            };
            if !answered {
                cache.fetch().await;
            }
        })
    }

    async fn fetch(&self) {
        self.state().began += 1;
        let fetched = self.source.fetch(&*self.http).await;
        let now = self.clock.monotonic();
        let mut state = self.state();
        state.ended += 1;
        state.last_attempt = now;
        match fetched {
            Ok(keys) => {
                if state.failures > 0 {
                    tracing::info!(issuer = %self.source.issuer, "the issuer's keys are there again");
                }
                if keys.usable() == 0 {
                    // Believed, as any other answer is: what it withdrew is withdrawn.
                    tracing::error!(
                        issuer = %self.source.issuer,
                        skipped = keys.skipped(),
                        "the issuer publishes no key that can be used: no token of its is believed"
                    );
                } else if keys.skipped() > 0 {
                    tracing::warn!(
                        issuer = %self.source.issuer,
                        usable = keys.usable(),
                        skipped = keys.skipped(),
                        "some of the issuer's keys cannot be used"
                    );
                }
                state.failures = 0;
                state.keys = Some((Arc::new(keys), now));
            }
            Err(error) => {
                state.failures = state.failures.saturating_add(1);
                tracing::error!(
                    issuer = %self.source.issuer,
                    error = &error as &dyn std::error::Error,
                    bridged = self.usable(&state, now).is_some(),
                    "the issuer's keys cannot be had"
                );
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One question, until it is answered or given up, by a defect too: what is under way for ever would
/// be waited for by everybody.
struct UnderWay(Arc<JwksCache>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.state().under_way -= 1;
    }
}

impl fmt::Debug for JwksCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwksCache")
            .field("issuer", &self.source.issuer)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
