//! Sessions that ended before their id expires, on whichever replica.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use portcullis_core::Timestamp;
use portcullis_store::{SessionStore, StoreError, TerminatedSession};

use super::SessionRefusal;

/// When the store could not be followed for this long, an unknown session is not admitted.
const STALE: Duration = Duration::from_mins(1);
const BATCH: usize = 1000;

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
    failing_for: u32,
}

impl Terminated {
    pub(crate) fn new(store: Arc<dyn SessionStore>) -> Self {
        Self {
            store,
            known: RwLock::default(),
        }
    }

    /// Whether this session was ended; an error when that cannot be known.
    pub(crate) fn contains(&self, digest: &[u8; 32]) -> Result<bool, SessionRefusal> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if known.expires.contains_key(digest) {
            return Ok(true);
        }
        if u64::from(known.failing_for) >= STALE.as_secs() {
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

    /// Takes over what any replica ended since the last time. Called every second, which is what
    /// `failing_for` counts.
    pub(crate) async fn follow(&self, now: Timestamp) {
        loop {
            let after = self
                .known
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .after;
            let news = match self.store.terminated_since(after, BATCH).await {
                Ok(news) => news,
                Err(error) => {
                    let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
                    known.failing_for = known.failing_for.saturating_add(1);
                    tracing::error!(error = %error, "terminated sessions cannot be read");
                    return;
                }
            };
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.failing_for = 0;
            let more = news.len() == BATCH;
            for (sequence, session) in news {
                known.after = known.after.max(sequence);
                known.expires.insert(session.digest, session.expires_at);
            }
            known.expires.retain(|_, expires| *expires > now);
            if !more {
                return;
            }
        }
    }
}
