//! What one replica writes to another: readable by its addressee alone, for a moment, and once.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use portcullis_core::{Purpose, ReplicaId, RequestId, SealError};

use super::Replicas;

/// How long a letter is good. The clocks of sender and addressee may differ by less than this.
const LIFETIME: Duration = Duration::from_secs(30);
/// How long one is remembered at least: what was sealed by a clock ahead of ours is good for longer.
const REMEMBERED: Duration = Duration::from_mins(1);
/// Most letters that are opened in that time. Beyond it none is: nobody could tell the first time from
/// the second.
const MOST: usize = 250_000;

/// The letters that were opened, by the request they carry. They are forgotten by whole generations: none is
/// ever looked for among the others.
#[derive(Debug, Default)]
pub(crate) struct Letters(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    since: Duration,
    now: HashSet<RequestId>,
    before: HashSet<RequestId>,
}

impl Letters {
    /// Whether this request has not come before.
    fn first(&self, request: RequestId, now: Duration) -> bool {
        let mut opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = now.saturating_sub(opened.since);
        if age >= REMEMBERED {
            let last = std::mem::take(&mut opened.now);
            opened.before = if age < REMEMBERED * 2 {
                last
            } else {
                HashSet::new()
            };
            opened.since = now;
        }
        if opened.now.len() >= MOST || opened.before.contains(&request) {
            return false;
        }
        opened.now.insert(request)
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

#[cfg(test)]
mod tests {
    use portcullis_core::{SeededEntropy, Timestamp};

    use super::*;

    #[test]
    fn a_letter_opens_once_as_long_as_it_is_good_by_anybodys_clock() {
        let entropy = SeededEntropy::new(7);
        let request = || RequestId::generate(Timestamp::from_millis(1), &entropy).unwrap();
        let at = Duration::from_secs;
        // Whenever in a generation it comes.
        for begin in [0, 59, 60, 61, 119] {
            let letters = Letters::default();
            let one = request();
            assert!(letters.first(one, at(begin)));
            for later in [0, 1, 30, 59, 60] {
                let other = request();
                assert!(letters.first(other, at(begin + later)));
                assert!(!letters.first(one, at(begin + later)), "{begin} {later}");
            }
        }
    }

    #[test]
    fn when_too_many_came_none_is_opened_until_some_are_too_old_to_come_again() {
        let entropy = SeededEntropy::new(7);
        let request = || RequestId::generate(Timestamp::from_millis(1), &entropy).unwrap();
        let letters = Letters::default();
        for _ in 0..MOST {
            assert!(letters.first(request(), Duration::ZERO));
        }
        assert!(!letters.first(request(), REMEMBERED / 2));
        assert!(letters.first(request(), REMEMBERED));
    }
}
