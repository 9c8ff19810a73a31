//! Whose turn it is to have somebody else asked: what callers make up must flood neither an
//! authorization server nor those who come with a token that is good, nor those whose client is.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_core::network_of;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// Questions at one time, and for callers of one network (a /64, where it is IPv6).
const AT_ONCE: usize = 64;
const OF_ONE: usize = 16;
/// Longest that one waits for a turn.
const WAIT: Duration = Duration::from_secs(1);

/// Most of one network who have a turn or wait for one.
const LINED_UP_OF_ONE: usize = 512;

/// Gives turns: a number at one time, of which each network, or whatever else they are counted by, gets
/// a part.
#[derive(Debug)]
pub(crate) struct Turns<K: Hash + Eq = IpAddr> {
    all: Semaphore,
    /// Of those with a turn taken or awaited.
    of: Mutex<HashMap<K, Line>>,
    of_one: usize,
    wait: Duration,
}

#[derive(Debug)]
struct Line {
    turns: Arc<Semaphore>,
    places: usize,
}

impl Default for Turns {
    fn default() -> Self {
        Self::new(AT_ONCE, OF_ONE, WAIT)
    }
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a, K: Hash + Eq = IpAddr> {
    _of_all: SemaphorePermit<'a>,
    _of_one: OwnedSemaphorePermit,
    _place: Place<'a, K>,
}

/// A place in the line for a turn.
#[derive(Debug)]
pub(crate) struct Place<'a, K: Hash + Eq = IpAddr> {
    turns: &'a Turns<K>,
    whose: K,
    own: Arc<Semaphore>,
}

impl Turns {
    /// A place for a caller from there, unless too many of that network have one. Callers whose
    /// address nobody knows have one network together.
    pub(crate) fn line_up(&self, address: Option<IpAddr>) -> Option<Place<'_>> {
        self.line_up_as(address.map_or(Ipv6Addr::UNSPECIFIED.into(), network_of))
    }
}

impl<K: Hash + Eq + Clone> Turns<K> {
    /// So many at one time, so many of them of one, and nobody waits longer than this.
    pub(crate) fn new(at_once: usize, of_one: usize, wait: Duration) -> Self {
        Self {
            all: Semaphore::new(at_once),
            of: Mutex::default(),
            of_one,
            wait,
        }
    }

    /// A place in the line of this one, unless that is too long.
    pub(crate) fn line_up_as(&self, whose: K) -> Option<Place<'_, K>> {
        let mut of = self.of();
        let line = of.entry(whose.clone()).or_insert_with(|| Line {
            turns: Arc::new(Semaphore::new(self.of_one)),
            places: 0,
        });
        if line.places >= LINED_UP_OF_ONE {
            return None;
        }
        line.places += 1;
        Some(Place {
            turns: self,
            whose,
            own: Arc::clone(&line.turns),
        })
    }
}

impl<K: Hash + Eq> Turns<K> {
    fn of(&self) -> MutexGuard<'_, HashMap<K, Line>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a, K: Hash + Eq> Place<'a, K> {
    /// The turn, if it comes in time.
    pub(crate) async fn turn(self) -> Option<Turn<'a, K>> {
        let turns = self.turns;
        let own = Arc::clone(&self.own);
        let turn = async {
            // In this order, so that whoever waits for others in its own line holds up nobody else.
            let of_one = own.acquire_owned().await.ok()?;
            let of_all = turns.all.acquire().await.ok()?;
            Some((of_all, of_one))
        };
        let (of_all, of_one) = tokio::time::timeout(turns.wait, turn).await.ok()??;
        Some(Turn {
            _of_all: of_all,
            _of_one: of_one,
            _place: self,
        })
    }
}

impl<K: Hash + Eq> Drop for Place<'_, K> {
    fn drop(&mut self) {
        let mut of = self.turns.of();
        if let Some(line) = of.get_mut(&self.whose) {
            line.places -= 1;
            if line.places == 0 {
                of.remove(&self.whose);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Turns {
        async fn take(&self, address: Option<IpAddr>) -> Option<Turn<'_>> {
            self.line_up(address)?.turn().await
        }
    }

    fn from(last: u8) -> IpAddr {
        IpAddr::from([203, 0, 113, last])
    }

    #[tokio::test]
    async fn one_network_takes_a_part_of_the_turns_and_nobody_waits_for_ever() {
        let turns = Turns {
            wait: Duration::ZERO,
            ..Turns::default()
        };
        let mut taken = Vec::new();
        for _ in 0..OF_ONE {
            taken.push(turns.take(Some(from(1))).await.unwrap());
        }
        assert!(turns.take(Some(from(1))).await.is_none());
        taken.push(turns.take(Some(from(2))).await.unwrap());
        taken.push(turns.take(None).await.unwrap());
        taken.remove(0);
        taken.push(turns.take(Some(from(1))).await.unwrap());
        for last in 3..=4 {
            for _ in 0..OF_ONE {
                taken.push(turns.take(Some(from(last))).await.unwrap());
            }
        }
        while taken.len() < AT_ONCE {
            taken.push(turns.take(Some(from(5))).await.unwrap());
        }
        assert!(turns.take(Some(from(6))).await.is_none(), "all are taken");
        drop(taken);
        assert!(turns.take(Some(from(6))).await.is_some());
        assert!(turns.of.lock().unwrap().is_empty(), "nothing is kept");
    }

    #[test]
    fn the_line_of_one_network_has_an_end() {
        let turns = Turns::default();
        let places: Vec<_> = (0..LINED_UP_OF_ONE)
            .map(|_| turns.line_up(Some(from(1))).unwrap())
            .collect();
        assert!(turns.line_up(Some(from(1))).is_none());
        assert!(turns.line_up(Some(from(2))).is_some());
        drop(places);
        assert!(turns.line_up(Some(from(1))).is_some());
        assert!(turns.of.lock().unwrap().is_empty(), "nothing is kept");
    }
}
