//! What one replica writes to another: readable by its addressee alone, for a moment, and once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use portcullis_core::{Purpose, ReplicaId, RequestId, SealError};

use super::Replicas;

/// How long a letter is good. The clocks of sender and addressee may differ by less than this.
const LIFETIME: Duration = Duration::from_secs(30);
/// Most letters that are remembered as opened. Beyond it none is opened: nobody could tell the first
/// time from the second.
const MOST: usize = 500_000;

/// The letters that were opened, by the request they carry, and until when they are good.
#[derive(Debug, Default)]
pub(crate) struct Letters(Mutex<HashMap<RequestId, Duration>>);

impl Letters {
    /// Whether this request has not come before.
    fn first(&self, request: RequestId, now: Duration) -> bool {
        let mut opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.len() >= MOST {
            opened.retain(|_, until| *until > now);
        }
        if opened.len() >= MOST || opened.get(&request).is_some_and(|until| *until > now) {
            return false;
        }
        // Twice the lifetime: what was sealed by a clock ahead of ours is good for longer.
        opened.insert(request, now.saturating_add(LIFETIME * 2));
        true
    }
}

impl Replicas {
    /// Seals a letter that only this replica opens.
    pub fn seal_letter(&self, to: &ReplicaId, text: &[u8]) -> Result<String, SealError> {
        let expires = self.clock.now().after(LIFETIME);
        self.sealer
            .seal(Purpose::HandOver, to.as_str().as_bytes(), expires, text)
    }

    /// Opens a letter to us.
    pub fn open_letter(&self, sealed: &str) -> Result<Vec<u8>, SealError> {
        let (own, now) = (self.own.as_str().as_bytes(), self.clock.now());
        self.sealer.open(Purpose::HandOver, own, now, sealed)
    }

    /// Whether the request of an opened letter comes for the first time. Whoever could listen between
    /// replicas cannot have it done again.
    pub fn is_first(&self, request: RequestId) -> bool {
        self.letters.first(request, self.clock.monotonic())
    }
}
