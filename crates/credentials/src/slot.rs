//! The place of one token: at most one request is under way for it, and a failure is remembered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use portcullis_aws::Identity;
use portcullis_core::Timestamp;
use tokio::sync::watch;

use crate::ClientCredentials;
use crate::discovery::Discovered;
use crate::error::Failure;
use crate::exchange::Bargain;
use crate::token::{Moment, Token};

/// What a request for a token came to.
pub(crate) type Outcome = Result<Arc<Token>, Failure>;

/// The first pause after a failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// An upstream that rejects every token costs one token request in this time, not one per call.
const REJECTION_COOL_DOWN: Duration = Duration::from_secs(10);
const DISCOVERY_KEPT: Duration = Duration::from_hours(1);

/// What a token is asked for with.
pub(crate) enum Grant {
    ClientCredentials(Box<ClientCredentials>),
    Exchange(Bargain),
    Aws(Box<Identity>),
}

impl Grant {
    /// Who asks, for logs.
    pub(crate) fn client_id(&self) -> &str {
        match self {
            Self::ClientCredentials(client) => &client.client.client_id,
            Self::Exchange(bargain) => &bargain.terms.client.client_id,
            Self::Aws(identity) => crate::aws::who(identity),
        }
    }

    /// The moment beyond which nothing got by it is used.
    pub(crate) const fn ends(&self) -> Option<Timestamp> {
        match self {
            Self::ClientCredentials(_) | Self::Aws(_) => None,
            Self::Exchange(bargain) => bargain.ends,
        }
    }
}

/// One cached token.
pub(crate) struct Slot {
    pub(crate) grant: Grant,
    token: ArcSwapOption<Token>,
    flight: Mutex<Flight>,
}

#[derive(Default)]
struct Flight {
    running: Option<watch::Receiver<Option<Outcome>>>,
    failures: u32,
    pause: Option<(Duration, Failure)>,
    last_rejection: Option<Duration>,
    /// The token that was dropped last.
    rejected: Option<[u8; 32]>,
    discovered: Option<(Duration, Discovered)>,
    /// Outlives `discovered`: the issuer whose tokens we have used.
    issuer: Option<String>,
}

/// What to do about a token that is not at hand.
pub(crate) enum Next {
    /// It has come in the meantime.
    Use(Arc<Token>),
    /// Somebody is fetching it.
    Wait(watch::Receiver<Option<Outcome>>),
    /// Fetch it, and tell those who wait.
    Fetch(watch::Sender<Option<Outcome>>),
    /// It failed a moment ago.
    Fail(Failure),
}

impl Slot {
    pub(crate) fn new(grant: Grant) -> Self {
        Self {
            grant,
            token: ArcSwapOption::empty(),
            flight: Mutex::default(),
        }
    }

    /// The cached token, if it may still be used.
    pub(crate) fn usable(&self, now: Moment) -> Option<Arc<Token>> {
        self.token.load_full().filter(|token| token.is_usable(now))
    }

    /// Joins the request under way, or makes the caller its leader.
    pub(crate) fn next(&self, now: Moment) -> Next {
        let mut flight = self.flight();
        // The holder of the lock before us may have settled it.
        if let Some(token) = self.usable(now).filter(|token| !token.is_due(now)) {
            return Next::Use(token);
        }
        // A sender that is gone without an outcome was a leader that died.
        if let Some(running) = &flight.running
            && running.has_changed().is_ok()
        {
            return Next::Wait(running.clone());
        }
        if let Some((until, failure)) = &flight.pause
            && now.monotonic < *until
        {
            return Next::Fail(failure.clone());
        }
        let (sender, receiver) = watch::channel(None);
        flight.running = Some(receiver);
        Next::Fetch(sender)
    }

    /// Ends the request under way. `jitter` is between 0 and 1.
    pub(crate) fn settle(&self, outcome: &Outcome, now: Moment, jitter: f64) {
        let mut flight = self.flight();
        flight.running = None;
        match outcome {
            Ok(token) => {
                flight.failures = 0;
                flight.pause = None;
                if let Some((_, discovered)) = &flight.discovered {
                    flight.issuer = Some(discovered.issuer.clone());
                }
                self.token.store(Some(token.clone()));
            }
            Err(failure) => {
                let pause = pause(flight.failures, failure.wait, jitter);
                flight.failures = flight.failures.saturating_add(1);
                flight.pause = Some((now.monotonic.saturating_add(pause), failure.clone()));
                // Whatever was discovered may be what failed.
                flight.discovered = None;
            }
        }
    }

    /// Drops the token with this fingerprint. Returns whether asking again can bring another.
    pub(crate) fn reject(&self, fingerprint: &[u8; 32], now: Moment) -> bool {
        let mut flight = self.flight();
        let is_current = self
            .token
            .load()
            .as_ref()
            .is_some_and(|token| token.fingerprint == *fingerprint);
        if !is_current {
            return true;
        }
        let cooling = flight
            .last_rejection
            .is_some_and(|last| now.monotonic.saturating_sub(last) < REJECTION_COOL_DOWN);
        if cooling {
            return false;
        }
        flight.last_rejection = Some(now.monotonic);
        flight.rejected = Some(*fingerprint);
        self.token.store(None);
        true
    }

    /// Whether this is the token that was dropped last.
    pub(crate) fn was_rejected(&self, fingerprint: &[u8; 32]) -> bool {
        self.flight().rejected.as_ref() == Some(fingerprint)
    }

    pub(crate) fn discovered(&self, now: Moment) -> Option<Discovered> {
        let flight = self.flight();
        let (at, discovered) = flight.discovered.as_ref()?;
        (now.monotonic.saturating_sub(*at) < DISCOVERY_KEPT).then(|| discovered.clone())
    }

    /// Remembers what was discovered; `false` if it is another issuer than the one whose tokens
    /// we have used.
    pub(crate) fn remember(&self, discovered: &Discovered, now: Moment) -> bool {
        let mut flight = self.flight();
        if flight
            .issuer
            .as_ref()
            .is_some_and(|known| *known != discovered.issuer)
        {
            return false;
        }
        flight.discovered = Some((now.monotonic, discovered.clone()));
        true
    }

    fn flight(&self) -> MutexGuard<'_, Flight> {
        // Every change under this lock is a few plain assignments: a panic leaves nothing half done.
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 1 s, 2 s, 4 s … and up to a quarter more, so that replicas do not come back together; at least
/// what was asked for, and never beyond a minute.
fn pause(failures: u32, asked: Option<Duration>, jitter: f64) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX));
    let base = doubled.min(LONGEST_PAUSE);
    base.saturating_add(base.mul_f64(jitter.clamp(0.0, 1.0) / 4.0))
        .max(asked.unwrap_or_default())
        .min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_are_jittered_and_end_at_a_minute() {
        let secs = Duration::from_secs;
        for (failures, asked, jitter, expected) in [
            (0, None, 0.0, secs(1)),
            (0, None, 1.0, Duration::from_millis(1_250)),
            (3, None, 0.0, secs(8)),
            (6, None, 0.0, secs(60)),
            (6, None, 1.0, secs(60)),
            (u32::MAX, None, 1.0, secs(60)),
            (0, Some(secs(7)), 0.0, secs(7)),
            (5, Some(secs(7)), 0.0, secs(32)),
            (0, Some(secs(u64::MAX)), 1.0, secs(60)),
        ] {
            assert_eq!(pause(failures, asked, jitter), expected, "{failures}");
        }
    }
}
