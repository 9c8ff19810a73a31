//! Whose turn it is to have an authorization server asked: what callers make up must flood neither it
//! nor those who come with a token that is good.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_core::network_of;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// Questions at one time, and for callers of one network (a /64, where it is IPv6).
const AT_ONCE: usize = 64;
const OF_ONE: usize = 16;
/// Longest that one waits for a turn.
const WAIT: Duration = Duration::from_secs(1);

/// Gives turns.
#[derive(Debug)]
pub(crate) struct Turns {
    all: Semaphore,
    /// Of networks with a turn taken or awaited.
    of: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
    wait: Duration,
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
}

impl Turns {
    /// A turn for a caller from there, within a second. Callers whose address nobody knows have one
    /// network together.
    pub(crate) async fn take(&self, address: Option<IpAddr>) -> Option<Turn<'_>> {
        let own = self.of_network(address.map_or(Ipv6Addr::UNSPECIFIED.into(), network_of));
        let turn = async {
            // In this order, so that whoever waits for others of its own network holds up nobody else.
            let of_network = own.acquire_owned().await.ok()?;
            let of_all = self.all.acquire().await.ok()?;
            Some(Turn {
                _of_all: of_all,
                _of_network: of_network,
            })
        };
        tokio::time::timeout(self.wait, turn).await.ok()?
    }

    fn of_network(&self, network: IpAddr) -> Arc<Semaphore> {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        of.retain(|_, turns| Arc::strong_count(turns) > 1);
        let turns = of
            .entry(network)
            .or_insert_with(|| Arc::new(Semaphore::new(OF_ONE)));
        Arc::clone(turns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(turns.of.lock().unwrap().len(), 1, "nothing is kept");
    }
}
