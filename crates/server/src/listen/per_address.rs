//! How many connections one address may hold.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_core::network_of;

/// Without a word from the operator: enough for an office behind one address.
const MOST_BY_DEFAULT: usize = 256;

/// Counts the connections of each address.
#[derive(Debug)]
pub(super) struct PerAddress {
    most: usize,
    spare_loopback: bool,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

impl PerAddress {
    /// What the operator says holds for every address. The default spares loopback: whoever comes
    /// from there is a proxy of this machine, which brings everybody.
    pub(super) fn new(most: Option<usize>) -> Arc<Self> {
        Arc::new(Self {
            most: most.unwrap_or(MOST_BY_DEFAULT),
            spare_loopback: most.is_none(),
            counts: Mutex::default(),
        })
    }

    /// A place for one more connection from there, held until it is dropped; `None`: there are
    /// enough.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        if self.spare_loopback && address.to_canonical().is_loopback() {
            return Some(Place(None));
        }
        let network = network_of(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(network).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place(Some((Arc::clone(self), network))))
    }

    fn leave(&self, network: IpAddr) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&network);
            }
        }
    }
}

/// The right to one connection.
#[derive(Debug)]
pub(super) struct Place(Option<(Arc<PerAddress>, IpAddr)>);

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((house, network)) = self.0.take() {
            house.leave(network);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_gets_so_many_places_and_others_theirs() {
        let house = PerAddress::new(None);
        let greedy = address("203.0.113.7");
        let mut held: Vec<_> = (0..MOST_BY_DEFAULT)
            .map(|_| house.enter(greedy).unwrap())
            .collect();
        assert!(house.enter(greedy).is_none());
        assert!(house.enter(address("::ffff:203.0.113.7")).is_none());
        let other = house.enter(address("203.0.113.8"));
        assert!(other.is_some());
        held.pop();
        assert!(house.enter(greedy).is_some());
        drop((held, other));
        assert!(house.counts.lock().unwrap().is_empty(), "nobody is kept");
    }

    #[test]
    fn loopback_is_spared_unless_the_operator_named_a_number() {
        let loopbacks = [address("127.0.0.1"), address("::1"), address("127.8.8.8")];
        let (spared, named) = (PerAddress::new(None), PerAddress::new(Some(1)));
        for loopback in loopbacks {
            let held: Vec<_> = (0..=MOST_BY_DEFAULT)
                .map(|_| spared.enter(loopback))
                .collect();
            assert!(held.iter().all(Option::is_some), "{loopback}");
            let first = named.enter(loopback);
            assert!(
                first.is_some() && named.enter(loopback).is_none(),
                "{loopback}"
            );
        }
    }
}
