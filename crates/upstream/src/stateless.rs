//! Whether a server was found to open no sessions: what a client with a session is then told by
//! translation.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::error::{UpstreamError, UpstreamErrorKind};

/// A finding expires, because a server that was changed may open sessions again.
const FINDING_LIFE: Duration = Duration::from_mins(5);

/// When a server last refused to open a session at all.
#[derive(Debug, Default)]
pub(crate) struct Refusal(Mutex<Option<Duration>>);

impl Refusal {
    /// Whether it did so lately.
    pub(crate) fn is_fresh(&self, now: Duration) -> bool {
        let refused = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        refused.is_some_and(|at| now.saturating_sub(at) < FINDING_LIFE)
    }

    /// Whether that is the last that it said of it, however long ago.
    pub(crate) fn is_last_word(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }

    /// Learns from how a handshake ended. What is no word about the era is no evidence.
    pub(crate) fn learn<T>(&self, handshake: &Result<T, UpstreamError>, now: Duration) {
        let finding = match handshake {
            Ok(_) => None,
            Err(error) if error.kind == UpstreamErrorKind::Era => Some(now),
            Err(_) => return,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = finding;
    }
}
