//! Whose turn it is to have an authorization server asked: what callers make up must flood neither it
//! nor those who come with a token that is good.

use std::collections::HashMap;
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

/// Gives turns.
#[derive(Debug)]
pub(crate) struct Turns {
    all: Semaphore,
    /// Of networks with a turn taken or awaited.
    of: Mutex<HashMap<IpAddr, Line>>,
    wait: Duration,
}

#[derive(Debug)]
struct Line {
    turns: Arc<Semaphore>,
    places: usize,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            all: Semaphore::new(AT_ONCE),
            of: Mutex::default(),
            wait: WAIT,
        }
    }
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    _of_all: SemaphorePermit<'a>,
    _of_network: OwnedSemaphorePermit,
    _place: Place<'a>,
}

/// A place in the line for a turn.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    turns: &'a Turns,
    network: IpAddr,
    own: Arc<Semaphore>,
}

impl Turns {
    /// A place for a caller from there, unless too many of that network have one. Callers whose
    /// address nobody knows have one network together.
    pub(crate) fn line_up(&self, address: Option<IpAddr>) -> Option<Place<'_>> {
        let network = address.map_or(Ipv6Addr::UNSPECIFIED.into(), network_of);
        let mut of = self.of();
        let line = of.entry(network).or_insert_with(|| Line {
            turns: Arc::new(Semaphore::new(OF_ONE)),
            places: 0,
        });
        if line.places >= LINED_UP_OF_ONE {
            return None;
        }
        line.places += 1;
        Some(Place {
            turns: self,
            network,
            own: Arc::clone(&line.turns),
        })
    }

    fn of(&self) -> MutexGuard<'_, HashMap<IpAddr, Line>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Place<'a> {
    /// The turn, within a second.
    pub(crate) async fn turn(self) -> Option<Turn<'a>> {
        let turns = self.turns;
        let own = Arc::clone(&self.own);
        let turn = async {
            // In this order, so that whoever waits for others of its own network holds up nobody else.
            let of_network = own.acquire_owned().await.ok()?;
            let of_all = turns.all.acquire().await.ok()?;
            Some((of_all, of_network))
        };
        let (of_all, of_network) = tokio::time::timeout(turns.wait, turn).await.ok()??;
        Some(Turn {
            _of_all: of_all,
            _of_network: of_network,
            _place: self,
        })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut of = self.turns.of();
        if let Some(line) = of.get_mut(&self.network) {
            line.places -= 1;
            if line.places == 0 {
                of.remove(&self.network);
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
