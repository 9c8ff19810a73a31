//! URLs we are told to call, and origins we are told to be.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::fields::At;
use crate::findings::Findings;

/// An origin (RFC 6454).
pub(crate) struct Origin {
    pub(crate) url: Url,
    pub(crate) serialized: String,
}

/// Scheme, host and port and nothing else.
pub(crate) fn origin(text: &str) -> Result<Origin, &'static str> {
    let url = Url::parse(text).map_err(|_| "not an absolute URL")?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("not an http or https URL");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an origin has no user name or password");
    }
    let after_authority = text
        .split_once("://")
        .is_some_and(|(_, rest)| rest.contains(['/', '?', '#', '\\']));
    if after_authority {
        return Err("an origin has no path, no trailing slash and no query");
    }
    let serialized = url.origin().ascii_serialization();
    Ok(Origin { url, serialized })
}

/// `localhost`, `127.0.0.0/8`, `::1`.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
        None => false,
    }
}

/// Metadata services outside the link-local ranges, as `egress` knows them (which also looks at what
/// a name resolves to): Alibaba, Azure, Oracle; AWS, Google, Scaleway and Oracle over IPv6.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
const METADATA_V6: [Ipv6Addr; 4] = [
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254),
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254),
    Ipv6Addr::new(0xfd00, 0x0042, 0, 0, 0, 0, 0, 0x0042),
    Ipv6Addr::new(0xfd00, 0x00c1, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
];

/// Where cloud machines keep their own credentials, and other places no server is.
fn is_never(url: &Url) -> bool {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical(),
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            return ["metadata.google.internal", "metadata.goog"]
                .iter()
                .any(|known| name.eq_ignore_ascii_case(known));
        }
        None => return true,
    };
    match address {
        IpAddr::V4(address) => {
            address.is_link_local()
                || address == Ipv4Addr::UNSPECIFIED
                || address.is_broadcast()
                || METADATA_V4.contains(&address)
        }
        IpAddr::V6(address) => {
            address.is_unicast_link_local()
                || address == Ipv6Addr::UNSPECIFIED
                || METADATA_V6.contains(&address)
        }
    }
}

/// Whether plain http was accepted, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlainHttp {
    /// It was not.
    Refused,
    /// By `allow_insecure_http: true`, or by `compat: litellm`.
    Accepted(&'static str),
}

/// A URL that we may call; complains when it is not.
pub(crate) fn callable(findings: &Findings<'_>, url: At<Url>, plain: PlainHttp) -> Option<Url> {
    let At { value: url, place } = url;
    if !url.username().is_empty() || url.password().is_some() {
        findings.error(
            place,
            "a URL must not hold a user name or password",
            "use `auth_type: basic` with `auth_value: os.environ/…`",
        );
        return None;
    }
    if url.fragment().is_some() {
        findings.error(place, "a URL must not have a `#…` part here", ());
        return None;
    }
    if is_never(&url) {
        findings.error(
            place,
            "link-local and metadata addresses are never called",
            "give the server another address",
        );
        return None;
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        match plain {
            PlainHttp::Refused => {
                findings.error(
                    place,
                    "plain http beyond loopback would send credentials in the clear",
                    "use https, or accept it by name with `allow_insecure_http: true`",
                );
                return None;
            }
            PlainHttp::Accepted(by) => findings.relaxed(
                place,
                format!("plain http beyond loopback is accepted by {by}: credentials cross the network in the clear"),
            ),
        }
    }
    Some(url)
}
