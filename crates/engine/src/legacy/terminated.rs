//! Sessions that ended before their id expires, on whichever replica.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use portcullis_core::{Clock, Timestamp};
use portcullis_store::{SessionStore, StoreError, TerminatedSession};

use super::SessionRefusal;

/// When the store could not be followed for this long, an unknown session is not admitted.
const STALE: Duration = Duration::from_mins(1);
/// What expired is taken out of the store this often.
const PURGE: Duration = Duration::from_mins(1);
/// And only this long after: another replica's clock may be behind, and its sealed ids live longer.
const MARGIN: Duration = Duration::from_hours(1);
const BATCH: usize = 1000;
/// The whole list is read again this often: a database that came back without its latest commits gives
/// numbers out twice, and what has one of them would never be asked for.
const READ_AGAIN: Duration = Duration::from_mins(5);

/// The set, kept in step with the store.
#[derive(Debug)]
pub(crate) struct Terminated {
    store: Arc<dyn SessionStore>,
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    expires: HashMap<[u8; 32], Timestamp>,
    after: u64,
    /// When the store was last asked and answered.
    followed: Duration,
    /// When the list was last read from its beginning.
    begun: Duration,
    /// When the store was last purged.
    purged: Option<Duration>,
}

impl Terminated {
    /// Nothing is known yet; `now` is when the wait for the store begins.
    pub(crate) fn new(store: Arc<dyn SessionStore>, now: Duration) -> Self {
        let known = Known {
            followed: now,
            begun: now,
            ..Known::default()
        };
        Self {
            store,
            known: RwLock::new(known),
        }
    }

    /// Whether this session was ended; an error when that cannot be known.
    pub(crate) fn contains(
        &self,
        digest: &[u8; 32],
        now: Duration,
    ) -> Result<bool, SessionRefusal> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if known.expires.contains_key(digest) {
            return Ok(true);
        }
        if now.saturating_sub(known.followed) >= STALE {
            return Err(SessionRefusal::Unavailable);
        }
        Ok(false)
    }

    /// Ends a session here at once, and everywhere through the store.
    pub(crate) async fn add(
        &self,
        digest: [u8; 32],
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.known
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .expires
            .insert(digest, expires_at);
        self.store
            .terminate(&TerminatedSession { digest, expires_at })
            .await
    }

    /// Takes over what any replica ended since the last time, and now and then takes what expired
    /// out of the store.
    pub(crate) async fn follow(&self, clock: &dyn Clock) {
        self.begin_anew(clock.monotonic());
        loop {
            let asked = clock.monotonic();
            let after = self
                .known
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .after;
            let news = match self.store.terminated_since(after, BATCH).await {
                Ok(news) => news,
                Err(error) => {
                    tracing::error!(error = %error, "terminated sessions cannot be read");
                    return;
                }
            };
            let more = news.len() == BATCH;
            self.learn(news, clock.now(), (!more).then_some(asked));
            if !more {
                return self.purge(clock).await;
            }
        }
    }

    fn begin_anew(&self, now: Duration) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_sub(known.begun) >= READ_AGAIN {
            known.begun = now;
            known.after = 0;
        }
    }

    /// Takes over a part of the store's list; `followed` says when the list was asked to its end.
    fn learn(
        &self,
        news: Vec<(u64, TerminatedSession)>,
        now: Timestamp,
        followed: Option<Duration>,
    ) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for (sequence, session) in news {
            known.after = known.after.max(sequence);
            known.expires.insert(session.digest, session.expires_at);
        }
        known.expires.retain(|_, expires| *expires > now);
        known.followed = followed.unwrap_or(known.followed);
    }

    async fn purge(&self, clock: &dyn Clock) {
        let now = clock.monotonic();
        {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            if known
                .purged
                .is_some_and(|last| now.saturating_sub(last) < PURGE)
            {
                return;
            }
            known.purged = Some(now);
        }
        if let Err(error) = self.store.purge(clock.now().before(MARGIN)).await {
            tracing::warn!(error = %error, "expired sessions cannot be taken out of the store");
        }
    }
}

#[cfg(test)]
mod tests;
