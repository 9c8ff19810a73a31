//! How often callers whom nobody here knows may come to servers that judge them themselves.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use portcullis_core::network_of;
use portcullis_policy::{Rate, gcra};

/// Networks that are remembered; those with nothing to forgive make room.
const MOST_NETWORKS: usize = 10_000;

/// Counts the requests of strangers by network: they have no key that could be counted or revoked
/// (DLG-09).
#[derive(Debug, Default)]
pub struct Strangers(Mutex<HashMap<IpAddr, Duration>>);

impl Strangers {
    /// One more request from there, at monotonic time `now`. `Err`: too many came, and how long to wait.
    pub fn one_more(
        &self,
        address: Option<IpAddr>,
        rate: StrangerRate,
        now: Duration,
    ) -> Result<(), Duration> {
        let mut networks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let everybody_else = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let mut network = address.map_or(everybody_else, network_of);
        if networks.len() >= MOST_NETWORKS && !networks.contains_key(&network) {
            networks.retain(|_, count| *count > now);
            if networks.len() >= MOST_NETWORKS {
                // So many at once share one allowance.
                network = everybody_else;
            }
        }
        let count = gcra(rate.0, networks.get(&network).copied(), now)?;
        networks.insert(network, count);
        Ok(())
    }
}

/// What the operator allows one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StrangerRate(Rate);

impl StrangerRate {
    /// So many requests a minute, of which a sixth may come at once.
    pub fn per_minute(most: u32) -> Self {
        Self(Rate::per_minute(most))
    }
}

impl Default for StrangerRate {
    /// What a few people at work need, and no crowd.
    fn default() -> Self {
        Self::per_minute(600)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_network_has_an_allowance_of_its_own() {
        let (strangers, rate) = (Strangers::default(), StrangerRate::per_minute(6));
        let ask = |from, secs| strangers.one_more(from, rate, Duration::from_secs(secs));
        assert!(ask(Some(from("2001:db8::1")), 0).is_ok());
        let neighbour = Some(from("2001:db8::2"));
        assert_eq!(ask(neighbour, 4), Err(Duration::from_secs(6)));
        assert!(ask(Some(from("2001:db8:1::1")), 4).is_ok());
        assert!(ask(None, 4).is_ok());
        assert!(ask(None, 4).is_err(), "who cannot be told apart shares one");
        assert!(ask(neighbour, 10).is_ok());
    }

    #[test]
    fn a_flood_of_networks_neither_fills_the_memory_nor_gets_more() {
        let (strangers, rate) = (Strangers::default(), StrangerRate::per_minute(6));
        let mut refused = 0;
        for host in 0..=u32::try_from(MOST_NETWORKS).unwrap() + 100 {
            let from = Some(IpAddr::V4(host.into()));
            refused += usize::from(strangers.one_more(from, rate, Duration::ZERO).is_err());
        }
        assert!(strangers.0.lock().unwrap().len() <= MOST_NETWORKS + 1);
        assert_eq!(refused, 100);
    }
}
