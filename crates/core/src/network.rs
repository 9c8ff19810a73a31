//! Whom an address stands for, and on which side of the operator's border it is.

mod range;

use std::net::{IpAddr, Ipv6Addr};

pub use range::{AddressRange, InvalidRange};

/// Where a caller is, as seen from the operator's network. An address that nobody can tell is
/// outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// In one of the operator's own ranges.
    Inside,
    /// Anywhere else.
    Outside,
}

impl Side {
    /// Where this address is, when these ranges are the inside.
    pub fn of(address: Option<IpAddr>, inside: &[AddressRange]) -> Self {
        let within = address.is_some_and(|address| inside.iter().any(|range| range.holds(address)));
        if within { Self::Inside } else { Self::Outside }
    }
}

/// The network that belongs to whoever has this address, for counting what one party does: an IPv4
/// address in either spelling, or the whole /64 of an IPv6 address.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let upper_half = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(upper_half))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_ipv6_network_and_both_spellings_of_an_ipv4_address_are_one() {
        let of = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }

    #[test]
    fn an_unknown_address_is_outside_whatever_the_inside_is() {
        let inside = ["10.0.0.0/8".parse().unwrap()];
        assert_eq!(Side::of(None, &inside), Side::Outside);
        for (address, side) in [
            ("10.1.2.3", Side::Inside),
            ("::ffff:10.1.2.3", Side::Inside),
            ("11.0.0.1", Side::Outside),
            ("::1", Side::Outside),
        ] {
            assert_eq!(Side::of(address.parse().ok(), &inside), side, "{address}");
        }
        assert_eq!(Side::of("10.0.0.1".parse().ok(), &[]), Side::Outside);
    }
}
