//! How long a program that keeps ending is left alone before it is started again.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The first rest; each further one is twice as long.
const FIRST: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST: Duration = Duration::from_mins(1);
/// Who lived this long did not end because it was started.
const HEALTHY: Duration = Duration::from_mins(1);
/// Parties whose rests are remembered; the one that is over first makes room.
const MOST: usize = 1024;

/// By party: whose calls make a program end must not keep it from the others.
#[derive(Debug)]
pub(super) struct Rests<P>(Mutex<HashMap<P, Rest>>);

#[derive(Clone, Copy, Debug)]
struct Rest {
    times: u32,
    until: Duration,
}

impl<P> Default for Rests<P> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<P: Clone + Eq + Hash> Rests<P> {
    fn all(&self) -> MutexGuard<'_, HashMap<P, Rest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is left of a party's rest.
    pub(super) fn left(&self, party: &P, now: Duration) -> Duration {
        let rest = self.all().get(party).copied();
        rest.map_or(Duration::ZERO, |rest| rest.until.saturating_sub(now))
    }

    /// A program ended by itself.
    pub(super) fn ended(&self, party: &P, lived: Duration, now: Duration) {
        let mut all = self.all();
        if lived >= HEALTHY {
            all.remove(party);
            return;
        }
        let times = all.get(party).map_or(0, |rest| rest.times);
        let length = FIRST.saturating_mul(1 << times.min(16)).min(LONGEST);
        if all.len() >= MOST && !all.contains_key(party) {
            let first = all.iter().min_by_key(|(_, rest)| rest.until);
            if let Some(first) = first.map(|(party, _)| party.clone()) {
                all.remove(&first);
            }
        }
        let rest = Rest {
            times: times.saturating_add(1),
            until: now + length,
        };
        all.insert(party.clone(), rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_rest_is_longer_until_the_longest_and_a_long_life_forgives_all() {
        let (rests, mut now) = (Rests::default(), Duration::ZERO);
        let mut seen = Vec::new();
        for _ in 0..8 {
            rests.ended(&"alice", SECOND, now);
            let left = rests.left(&"alice", now);
            seen.push(left.as_secs());
            now += left;
            assert!(rests.left(&"alice", now).is_zero());
        }
        assert_eq!(seen, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(rests.left(&"bob", now).is_zero());
        rests.ended(&"alice", HEALTHY, now);
        assert!(rests.left(&"alice", now).is_zero());
        rests.ended(&"alice", SECOND, now);
        assert_eq!(rests.left(&"alice", now), FIRST);
    }

    #[test]
    fn no_more_parties_are_remembered_than_there_is_room_for() {
        let rests = Rests::default();
        for party in 0..MOST + 10 {
            rests.ended(&party, SECOND, Duration::from_secs(party as u64));
        }
        assert_eq!(rests.all().len(), MOST);
    }
}
