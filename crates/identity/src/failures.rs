//! How often one address may be wrong about who it is.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One failure more is forgiven this often.
const FORGIVEN_EVERY: Duration = Duration::from_millis(100);
/// And so many at once.
const AT_ONCE: u32 = 1_000;
/// Addresses that are remembered; those with nothing to forgive make room.
const MOST_ADDRESSES: usize = 10_000;

/// Counts failed authentications by address (GCRA: one moment for each address, no windows).
///
/// Only failures are counted and only failures are answered with it, so that a stranger behind the
/// same address cannot lock out the holder of a good key.
#[derive(Debug, Default)]
pub struct FailureThrottle(Mutex<HashMap<IpAddr, Duration>>);

impl FailureThrottle {
    /// Notes a failure at monotonic time `now`. `Some`: it is one too many, and the next will be
    /// judged by itself again after this long.
    pub fn failed(&self, address: Option<IpAddr>, now: Duration) -> Option<Duration> {
        let allowance = FORGIVEN_EVERY * AT_ONCE;
        let mut addresses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut address = network(address);
        if addresses.len() >= MOST_ADDRESSES && !addresses.contains_key(&address) {
            addresses.retain(|_, forgiven| *forgiven > now);
            if addresses.len() >= MOST_ADDRESSES {
                // So many liars at once share one allowance.
                address = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
            }
        }
        let forgiven = addresses.entry(address).or_insert(now);
        let next = (*forgiven).max(now) + FORGIVEN_EVERY;
        let ahead = next.saturating_sub(now);
        if ahead > allowance {
            return Some(ahead.saturating_sub(allowance));
        }
        *forgiven = next;
        None
    }
}

/// Whoever has one IPv6 address has the whole /64.
fn network(address: Option<IpAddr>) -> IpAddr {
    match address {
        Some(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
            Some(mapped) => IpAddr::V4(mapped),
            None => IpAddr::V6(Ipv6Addr::from_bits(
                address.to_bits() & !u128::from(u64::MAX),
            )),
        },
        Some(address) => address,
        None => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_guesser_is_slowed_down_and_forgiven_with_time() {
        let throttle = FailureThrottle::default();
        let guesser = Some(address("203.0.113.7"));
        for _ in 0..AT_ONCE {
            assert_eq!(throttle.failed(guesser, Duration::ZERO), None);
        }
        assert_eq!(
            throttle.failed(guesser, Duration::ZERO),
            Some(FORGIVEN_EVERY)
        );
        assert_eq!(
            throttle.failed(Some(address("203.0.113.8")), Duration::ZERO),
            None
        );
        assert_eq!(throttle.failed(guesser, FORGIVEN_EVERY), None);
        assert!(throttle.failed(guesser, FORGIVEN_EVERY).is_some());
    }

    #[test]
    fn one_ipv6_network_and_both_spellings_of_an_ipv4_address_are_one() {
        assert_eq!(
            network(Some(address("2001:db8::1"))),
            network(Some(address("2001:db8::ffff:1")))
        );
        assert_ne!(
            network(Some(address("2001:db8::1"))),
            network(Some(address("2001:db8:0:1::1")))
        );
        assert_eq!(
            network(Some(address("::ffff:10.0.0.1"))),
            network(Some(address("10.0.0.1")))
        );
    }

    #[test]
    fn a_flood_of_addresses_does_not_fill_the_memory() {
        let throttle = FailureThrottle::default();
        for host in 0..=u32::try_from(MOST_ADDRESSES).unwrap() + 100 {
            throttle.failed(Some(IpAddr::V4(host.into())), Duration::ZERO);
        }
        assert!(throttle.0.lock().unwrap().len() <= MOST_ADDRESSES + 1);
    }
}
