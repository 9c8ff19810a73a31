//! What kind of network an address belongs to (IANA special-purpose registries, RFC 6890).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Destination;

/// The class of one address, as far as reaching it is a matter of trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressClass {
    /// Globally reachable.
    Public,
    /// This machine.
    Loopback,
    /// Inside somebody's network: RFC 1918, carrier-grade NAT, unique local, benchmarking.
    Private,
    /// Link-local, which includes most clouds' metadata service.
    LinkLocal,
    /// A cloud's metadata or agent service outside the link-local range.
    Metadata,
    /// More than one receiver.
    Multicast,
    /// `0.0.0.0/8` and `::`, which many systems take for loopback.
    Unspecified,
    /// Documentation, deprecated, discard, or not assigned: nothing honest lives there.
    Reserved,
}

impl Destination {
    /// Whether this destination may be an address of this class.
    pub const fn admits(self, is_https: bool, class: AddressClass) -> bool {
        match (self, class) {
            (Self::Operator { .. }, AddressClass::Loopback) => true,
            (
                Self::Operator {
                    allow_insecure_http,
                },
                AddressClass::Public | AddressClass::Private,
            ) => is_https || allow_insecure_http,
            (Self::Untrusted { .. }, AddressClass::Public) => is_https,
            (Self::Untrusted { allow_loopback }, AddressClass::Loopback) => allow_loopback,
            _ => false,
        }
    }
}

/// The class of `address`. Forms of IPv6 that carry an IPv4 address are judged by what they carry.
pub fn class(address: IpAddr) -> AddressClass {
    match address {
        IpAddr::V4(address) => class_v4(address),
        IpAddr::V6(address) => class_v6(address),
    }
}

fn class_v4(address: Ipv4Addr) -> AddressClass {
    match address.octets() {
        [0, ..] => AddressClass::Unspecified,
        [127, ..] => AddressClass::Loopback,
        [169, 254, ..] => AddressClass::LinkLocal,
        // Alibaba Cloud, Azure's wire server, Oracle Cloud.
        [100, 100, 100, 200] | [168, 63, 129, 16] | [192, 0, 0, 192] => AddressClass::Metadata,
        // The last one is benchmarking (RFC 2544), which sites use as if it were private.
        [10, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        | [100, 64..=127, ..]
        | [198, 18..=19, ..] => AddressClass::Private,
        [224..=239, ..] => AddressClass::Multicast,
        [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [240..=255, ..] => AddressClass::Reserved,
        _ => AddressClass::Public,
    }
}

/// `fd00:ec2::254` and its neighbours: AWS's metadata, DNS and time services over IPv6.
const AWS_SERVICES: [u16; 2] = [0xfd00, 0x0ec2];
/// Metadata services over IPv6 at single unique local addresses, which would else count as private:
/// Google Cloud's `fd20:ce::254`, Scaleway's `fd00:42::42`, Oracle Cloud's `fd00:c1::a9fe:a9fe`.
const METADATA_V6: [[u16; 8]; 3] = [
    [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254],
    [0xfd00, 0x0042, 0, 0, 0, 0, 0, 0x0042],
    [0xfd00, 0x00c1, 0, 0, 0, 0, 0xa9fe, 0xa9fe],
];

fn class_v6(address: Ipv6Addr) -> AddressClass {
    // The kernel connects a mapped address over IPv4, so it is exactly that address.
    if let Some(mapped) = address.to_ipv4_mapped() {
        return class_v4(mapped);
    }
    let segments = address.segments();
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => AddressClass::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressClass::Loopback,
        // NAT64 (RFC 6052) and 6to4 (RFC 3056).
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            carried(embedded(high, low))
        }
        // Teredo (RFC 4380): server in clear, client with all bits turned over.
        [0x2001, 0, server_high, server_low, _, _, high, low] => {
            match carried(embedded(server_high, server_low)) {
                AddressClass::Public => carried(embedded(!high, !low)),
                other => other,
            }
        }
        [first, second, ..] if [first, second] == AWS_SERVICES => AddressClass::Metadata,
        _ if METADATA_V6.contains(&segments) => AddressClass::Metadata,
        // Unique local (RFC 4193) and the deprecated site-local range.
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => AddressClass::Private,
        [0xfe80..=0xfebf, ..] => AddressClass::LinkLocal,
        [0xff00..=0xffff, ..] => AddressClass::Multicast,
        // Protocol assignments, documentation (RFC 3849, RFC 9637).
        [0x2001, 0x0000..=0x01ff | 0x0db8, ..] | [0x3fff, 0x0000..=0x0fff, ..] => {
            AddressClass::Reserved
        }
        [0x2000..=0x3fff, ..] => AddressClass::Public,
        // Only 2000::/3 is assigned for global unicast.
        _ => AddressClass::Reserved,
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))
}

/// The class of an address behind a translator. A translator that leads to loopback or a private
/// network leads to *its* network, not to ours: nothing the operator can have meant.
fn carried(address: Ipv4Addr) -> AddressClass {
    match class_v4(address) {
        class @ (AddressClass::Public | AddressClass::LinkLocal | AddressClass::Metadata) => class,
        _ => AddressClass::Reserved,
    }
}

/// Whether a host name stands for a metadata service, whatever it resolves to.
pub(crate) fn is_metadata_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    ["metadata.google.internal", "metadata.goog"]
        .iter()
        .any(|name| host.eq_ignore_ascii_case(name))
}

/// Whether a URL's host is this machine, by the name alone: a loopback literal or `localhost`
/// (RFC 6761 §6.3).
pub fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => class(address.into()) == AddressClass::Loopback,
        Some(url::Host::Ipv6(address)) => class(address.into()) == AddressClass::Loopback,
        Some(url::Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name.eq_ignore_ascii_case("localhost")
        }
        None => false,
    }
}

#[cfg(test)]
mod tests;
