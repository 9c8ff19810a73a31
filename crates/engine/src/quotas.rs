//! How often what needs no key may be asked for, by network.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use portcullis_core::{Rate, gcra, network_of};

/// Networks that are remembered for each quota; those with nothing to forgive make room.
const MOST_NETWORKS: usize = 10_000;

/// What is counted by network, because whoever does it has no key yet that could be counted or revoked.
/// Each is counted by itself: a crowd at one door keeps nobody from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// Calls of strangers to servers that judge them themselves (DLG-09).
    Strangers,
    /// Clients that register; each is a row that stays (DCR-*, RFC 7591 §5).
    Registrations,
    /// Tokens that are asked for or given back.
    Tokens,
    /// Authorization requests; each is parked until it is decided.
    AuthorizationRequests,
    /// Questions about tokens.
    Introspections,
    /// Sign-ins that begin; each that goes to a provider is parked until it comes back.
    SignIns,
}

/// What the operator allows one network, for each quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaRates {
    /// [`Quota::Strangers`]
    pub strangers: Rate,
    /// [`Quota::Registrations`]
    pub registrations: Rate,
    /// [`Quota::Tokens`]
    pub tokens: Rate,
    /// [`Quota::AuthorizationRequests`]
    pub authorization_requests: Rate,
    /// [`Quota::Introspections`]
    pub introspections: Rate,
    /// [`Quota::SignIns`]
    pub sign_ins: Rate,
}

impl QuotaRates {
    const fn of(&self, quota: Quota) -> Rate {
        match quota {
            Quota::Strangers => self.strangers,
            Quota::Registrations => self.registrations,
            Quota::Tokens => self.tokens,
            Quota::AuthorizationRequests => self.authorization_requests,
            Quota::Introspections => self.introspections,
            Quota::SignIns => self.sign_ins,
        }
    }
}

impl Default for QuotaRates {
    /// What a few people at work need, and no crowd.
    fn default() -> Self {
        let rate = Rate::per_minute(600);
        Self {
            strangers: rate,
            registrations: rate,
            tokens: rate,
            authorization_requests: rate,
            introspections: rate,
            sign_ins: rate,
        }
    }
}

/// What came so far.
#[derive(Debug, Default)]
pub struct Quotas {
    strangers: Networks,
    registrations: Networks,
    tokens: Networks,
    authorization_requests: Networks,
    introspections: Networks,
    sign_ins: Networks,
}

impl Quotas {
    /// One more of this from there, at monotonic time `now`. `Err`: too many came, and how long to wait.
    pub fn one_more(
        &self,
        quota: Quota,
        address: Option<IpAddr>,
        rates: &QuotaRates,
        now: Duration,
    ) -> Result<(), Duration> {
        let networks = match quota {
            Quota::Strangers => &self.strangers,
            Quota::Registrations => &self.registrations,
            Quota::Tokens => &self.tokens,
            Quota::AuthorizationRequests => &self.authorization_requests,
            Quota::Introspections => &self.introspections,
            Quota::SignIns => &self.sign_ins,
        };
        networks.one_more(address, rates.of(quota), now)
    }
}

/// A count for each network.
#[derive(Debug, Default)]
struct Networks(Mutex<HashMap<IpAddr, Duration>>);

impl Networks {
    fn one_more(&self, address: Option<IpAddr>, rate: Rate, now: Duration) -> Result<(), Duration> {
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
        let count = gcra(rate, networks.get(&network).copied(), now)?;
        networks.insert(network, count);
        Ok(())
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
        let (networks, rate) = (Networks::default(), Rate::per_minute(6));
        let ask = |from, secs| networks.one_more(from, rate, Duration::from_secs(secs));
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
        let (networks, rate) = (Networks::default(), Rate::per_minute(6));
        let mut refused = 0;
        for host in 0..=u32::try_from(MOST_NETWORKS).unwrap() + 100 {
            let from = Some(IpAddr::V4(host.into()));
            refused += usize::from(networks.one_more(from, rate, Duration::ZERO).is_err());
        }
        assert!(networks.0.lock().unwrap().len() <= MOST_NETWORKS + 1);
        assert_eq!(refused, 100);
    }

    #[test]
    fn a_crowd_at_one_door_keeps_nobody_from_another() {
        let tight = Rate::per_minute(1);
        let rates = QuotaRates {
            registrations: tight,
            tokens: tight,
            ..QuotaRates::default()
        };
        let quotas = Quotas::default();
        let ask = |quota| quotas.one_more(quota, Some(from("192.0.2.1")), &rates, Duration::ZERO);
        assert!(ask(Quota::Registrations).is_ok());
        assert!(ask(Quota::Registrations).is_err());
        assert!(ask(Quota::Tokens).is_ok());
        assert!(ask(Quota::Tokens).is_err());
        for other in [
            Quota::Strangers,
            Quota::AuthorizationRequests,
            Quota::Introspections,
            Quota::SignIns,
        ] {
            assert!(ask(other).is_ok(), "{other:?}");
            assert!(ask(other).is_ok(), "{other:?}");
        }
    }
}
