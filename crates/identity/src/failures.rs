//! How long one address that keeps being wrong about who it is waits for its answers.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use portcullis_core::network_of;

/// One failure more is forgiven this often.
const FORGIVEN_EVERY: Duration = Duration::from_millis(100);
/// And so many at once.
const AT_ONCE: u32 = 1_000;
/// Longest that one answer is held back: somebody else behind the same address may be waiting.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// Addresses that are remembered; those with nothing to forgive make room.
const MOST_ADDRESSES: usize = 10_000;

/// Counts failed authentications by address (GCRA: one moment for each address, no windows).
///
/// It makes guessing slow and loud; what makes it hopeless is the length of the keys. Only failures
/// are counted and only failures wait, and each still gets its own answer: a stranger behind the
/// same address cannot lock out the holder of a good key, nor hide from anybody how to log in.
#[derive(Debug, Default)]
pub struct FailureThrottle(Mutex<HashMap<IpAddr, Duration>>);

impl FailureThrottle {
    /// Notes a failure at monotonic time `now`, and says how long to hold its answer back.
    pub fn failed(&self, address: Option<IpAddr>, now: Duration) -> Duration {
        let allowance = FORGIVEN_EVERY * AT_ONCE;
        let mut addresses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let everybody_else = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let mut address = address.map_or(everybody_else, network_of);
        if addresses.len() >= MOST_ADDRESSES && !addresses.contains_key(&address) {
            addresses.retain(|_, forgiven| *forgiven > now);
            if addresses.len() >= MOST_ADDRESSES {
                // So many liars at once share one allowance.
                address = everybody_else;
            }
        }
        let forgiven = addresses.entry(address).or_insert(now);
        let next = (*forgiven).max(now) + FORGIVEN_EVERY;
        *forgiven = next.min(now + allowance + LONGEST_WAIT);
        forgiven.saturating_sub(now + allowance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_guesser_waits_longer_and_longer_and_is_forgiven_with_time() {
        let throttle = FailureThrottle::default();
        let guesser = Some(address("203.0.113.7"));
        for _ in 0..AT_ONCE {
            assert_eq!(throttle.failed(guesser, Duration::ZERO), Duration::ZERO);
        }
        for guess in 1..=20 {
            let wait = throttle.failed(guesser, Duration::ZERO);
            assert_eq!(wait, FORGIVEN_EVERY * guess);
        }
        assert_eq!(throttle.failed(guesser, Duration::ZERO), LONGEST_WAIT);
        let other = Some(address("203.0.113.8"));
        assert_eq!(throttle.failed(other, Duration::ZERO), Duration::ZERO);
        let later = LONGEST_WAIT + FORGIVEN_EVERY;
        assert_eq!(throttle.failed(guesser, later), Duration::ZERO);
        assert_eq!(throttle.failed(guesser, later), FORGIVEN_EVERY);
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
