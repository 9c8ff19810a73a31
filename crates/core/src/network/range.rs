//! Ranges of addresses in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// How many bits say that an IPv6 address embeds one of IPv4 (RFC 4291 §2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// A block of addresses. An IPv4 address is the same in either spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressRange {
    first: IpAddr,
    bits: u8,
}

/// Why a text is no range that anything may be decided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRange {
    /// Not `address/bits`, nor one address.
    #[error("not a range of addresses")]
    Malformed,
    /// More bits than the address has.
    #[error("more bits than the address has")]
    TooLong,
    /// The address has bits beyond the prefix: it is not the block's first.
    #[error("not the first address of its block")]
    NotFirst,
    /// Every address there is: no border at all.
    #[error("this is every address there is")]
    Everything,
}

impl AddressRange {
    /// Whether the address is in the block.
    pub fn holds(&self, address: IpAddr) -> bool {
        masked(address.to_canonical(), self.bits) == Some(self.first)
    }
}

/// The first address of the block of this many bits that holds `address`; `None` when it has not
/// that many.
fn masked(address: IpAddr, bits: u8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => {
            let rest = 32_u32.checked_sub(u32::from(bits))?;
            let mask = u32::MAX.checked_shl(rest).unwrap_or(0);
            Some(IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask)))
        }
        IpAddr::V6(address) => {
            let rest = 128_u32.checked_sub(u32::from(bits))?;
            let mask = u128::MAX.checked_shl(rest).unwrap_or(0);
            Some(IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask)))
        }
    }
}

impl FromStr for AddressRange {
    type Err = InvalidRange;

    fn from_str(text: &str) -> Result<Self, InvalidRange> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| InvalidRange::Malformed)?;
        let full = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => full,
            // `parse` would take a sign.
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                bits.parse().map_err(|_| InvalidRange::Malformed)?
            }
            Some(_) => return Err(InvalidRange::Malformed),
        };
        if bits > full {
            return Err(InvalidRange::TooLong);
        }
        if masked(address, bits) != Some(address) {
            return Err(InvalidRange::NotFirst);
        }
        let range = Self {
            first: address,
            bits,
        };
        // Addresses are compared in their shortest spelling, so a block of mapped ones is one of IPv4.
        let range = match address.to_canonical() {
            first @ IpAddr::V4(_) if address.is_ipv6() && bits >= MAPPED_BITS => Self {
                first,
                bits: bits - MAPPED_BITS,
            },
            _ => range,
        };
        if range.bits == 0 {
            return Err(InvalidRange::Everything);
        }
        Ok(range)
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Result<AddressRange, InvalidRange> {
        text.parse()
    }

    #[test]
    fn a_block_holds_its_addresses_in_either_spelling_and_no_others() {
        for (block, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("172.16.0.0/12", "172.31.0.1", "172.32.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("192.0.2.7/32", "::ffff:192.0.2.7", "::ffff:192.0.2.6"),
            ("::1/128", "::1", "::2"),
            ("fc00::/7", "fdff::1", "fe00::1"),
            ("::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.0"),
            ("10.0.0.0/8", "10.0.0.0", "a00::"),
            ("128.0.0.0/1", "200.0.0.1", "127.0.0.1"),
        ] {
            let range = range(block).unwrap();
            assert!(range.holds(inside.parse().unwrap()), "{block} {inside}");
            assert!(!range.holds(outside.parse().unwrap()), "{block} {outside}");
        }
    }

    #[test]
    fn what_is_no_block_is_refused_and_so_is_everything() {
        for (text, why) in [
            ("10.0.0.0/33", InvalidRange::TooLong),
            ("::/129", InvalidRange::TooLong),
            ("10.0.0", InvalidRange::Malformed),
            ("10.0.0.0/", InvalidRange::Malformed),
            ("10.0.0.0/+8", InvalidRange::Malformed),
            ("10.0.0.0/8/8", InvalidRange::Malformed),
            ("10.0.0.0/999", InvalidRange::Malformed),
            ("010.0.0.0/8", InvalidRange::Malformed),
            ("proxy.internal", InvalidRange::Malformed),
            ("fe80::1%eth0/128", InvalidRange::Malformed),
            ("", InvalidRange::Malformed),
            ("10.1.2.3/8", InvalidRange::NotFirst),
            ("fc00::1/7", InvalidRange::NotFirst),
            ("0.0.0.0/0", InvalidRange::Everything),
            ("::/0", InvalidRange::Everything),
            ("::ffff:0.0.0.0/96", InvalidRange::Everything),
        ] {
            assert_eq!(range(text), Err(why), "{text}");
        }
        assert_eq!(range("fc00::/7").unwrap().to_string(), "fc00::/7");
    }
}
