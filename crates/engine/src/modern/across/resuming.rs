//! A call's stream that ends before its answer, and can be read on after the event that was read last:
//! the gateway comes back for the rest, since a stateless client cannot. Nothing is asked for a second
//! time.

use std::time::Duration;

use http::HeaderValue;
use portcullis_mcp::SseEvent;
use tokio::time::Instant;

/// How long to wait before coming back, unless the server says; longest wait that a server is granted.
const RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_secs(30);
/// How often in a row to come back for nothing.
const MOST_RETRIES: u32 = 10;

/// Where a stream can be read on, and when.
#[derive(Debug)]
pub(super) struct Thread {
    last: Option<HeaderValue>,
    retry: Duration,
    in_vain: u32,
    back_at: Option<Instant>,
}

impl Thread {
    pub(super) const fn new() -> Self {
        Self {
            last: None,
            retry: RETRY,
            in_vain: 0,
            back_at: None,
        }
    }

    /// Notes what an event says of this.
    pub(super) fn note(&mut self, event: &SseEvent) {
        if let Some(id) = &event.id {
            // The empty one resets it.
            let named = Some(id).filter(|id| !id.is_empty());
            self.last = named.and_then(|id| HeaderValue::from_str(id).ok());
        }
        if let Some(millis) = event.retry_ms {
            self.retry = Duration::from_millis(millis).min(MAX_RETRY);
        }
        if event.data.as_ref().is_some_and(|data| !data.is_empty()) {
            self.in_vain = 0;
        }
    }

    /// The stream ended; says whether it is worth coming back.
    pub(super) fn breaks(&mut self) -> bool {
        if self.last.is_none() || self.in_vain >= MOST_RETRIES {
            return false;
        }
        self.in_vain += 1;
        self.back_at = Instant::now().checked_add(self.retry);
        self.back_at.is_some()
    }

    /// When to come back, if the stream is broken.
    pub(super) const fn back_at(&self) -> Option<Instant> {
        self.back_at
    }

    /// After which event to read on. The time for it has come.
    pub(super) fn comes_back(&mut self) -> Option<HeaderValue> {
        self.back_at = None;
        self.last.clone()
    }
}
