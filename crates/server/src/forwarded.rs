//! What a reverse proxy in front of us says of a request, believed only of the operator's own.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU8;

use axum::http::header::{FORWARDED, HeaderMap, HeaderName};
use portcullis_core::AddressRange;

/// By which a request says that somebody passed it on.
static TELLTALES: [HeaderName; 3] = [
    HeaderName::from_static("x-forwarded-for"),
    FORWARDED,
    HeaderName::from_static("x-real-ip"),
];

/// The proxies that are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// Where they are.
    pub proxies: Vec<AddressRange>,
    /// How many of them append to `X-Forwarded-For`, when that is fixed.
    pub hops: Option<NonZeroU8>,
}

impl Forwarded {
    /// Whether what this peer says of others is believed.
    pub(crate) fn believes(&self, peer: Option<IpAddr>) -> bool {
        peer.is_some_and(|peer| self.is_proxy(peer))
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|range| range.holds(address))
    }

    /// The caller among those whom `X-Forwarded-For` names. Read from its end: every proxy of ours
    /// appends whom it heard, and what stands before that anybody may have written.
    fn caller(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let lines = headers.get_all("x-forwarded-for").iter();
        let lines: Vec<&str> = lines
            .map(|line| line.to_str().ok())
            .collect::<Option<_>>()?;
        let mut named = lines
            .iter()
            .rev()
            .flat_map(|line| line.rsplit(','))
            .map(address);
        if let Some(hops) = self.hops {
            return named.nth(usize::from(hops.get() - 1))?;
        }
        let mut first = None;
        for address in named {
            // Behind an entry that cannot be read nobody knows whom the next one is about.
            let address = address?;
            if !self.is_proxy(address) {
                return Some(address);
            }
            first = Some(address);
        }
        first
    }
}

/// Where a request comes from, as far as anybody knows: the peer, or whom a believed proxy names.
/// When somebody whom we do not believe passed it on, nobody knows.
pub(crate) fn client_address(
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    forwarded: Option<&Forwarded>,
) -> Option<IpAddr> {
    let peer = peer.map(|peer| peer.to_canonical());
    match forwarded.filter(|forwarded| forwarded.believes(peer)) {
        Some(forwarded) => forwarded.caller(headers),
        None if TELLTALES.iter().any(|name| headers.contains_key(name)) => None,
        None => peer,
    }
}

/// One entry: an address, with a port perhaps. Names, numbers of other bases and zones are no
/// addresses.
fn address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim_matches([' ', '\t']);
    let bracketed = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || entry.parse().ok().map(|address: SocketAddr| address.ip());
    let zoned = entry.contains('%');
    entry
        .parse()
        .ok()
        .or_else(bracketed)
        .or_else(with_port)
        .filter(|_| !zoned)
        .map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn proxies(hops: Option<u8>) -> Forwarded {
        Forwarded {
            proxies: vec!["10.0.0.0/8".parse().unwrap()],
            hops: hops.and_then(NonZeroU8::new),
        }
    }

    fn seen(
        peer: &str,
        lines: &[(&'static str, &str)],
        trust: Option<&Forwarded>,
    ) -> Option<String> {
        let address = client_address(peer.parse().ok(), &headers(lines), trust);
        address.map(|address| address.to_string())
    }

    #[test]
    fn a_peer_that_is_no_proxy_of_ours_hides_itself_by_claiming_to_be_one() {
        // IP-01
        for name in ["x-forwarded-for", "forwarded", "x-real-ip"] {
            let lines = [(name, "10.0.0.1")];
            assert_eq!(seen("192.0.2.9", &lines, None), None, "{name}");
            assert_eq!(seen("192.0.2.9", &lines, Some(&proxies(None))), None);
            assert_eq!(seen("192.0.2.9", &lines, Some(&proxies(Some(1)))), None);
        }
        for name in ["cf-connecting-ip", "true-client-ip", "x-client-ip"] {
            let lines = [(name, "10.0.0.1")];
            let peer = Some("192.0.2.9".to_owned());
            assert_eq!(seen("192.0.2.9", &lines, None), peer, "{name}");
        }
    }

    #[test]
    fn what_a_caller_writes_before_the_proxys_own_entry_is_not_believed() {
        // IP-02
        for (list, hops, caller) in [
            ("10.0.0.1, 203.0.113.7", None, Some("203.0.113.7")),
            ("10.0.0.1, 203.0.113.7", Some(1), Some("203.0.113.7")),
            ("10.0.0.1, 203.0.113.7, 10.0.0.2", None, Some("203.0.113.7")),
            (
                "10.0.0.1, 203.0.113.7, 10.0.0.2",
                Some(2),
                Some("203.0.113.7"),
            ),
            ("203.0.113.7, 10.0.0.2", Some(3), None),
            ("192.0.2.1,10.0.0.3", None, Some("192.0.2.1")),
            ("10.0.0.4,10.0.0.3", None, Some("10.0.0.4")),
            ("", None, None),
            ("203.0.113.7,", None, None),
            ("10.0.0.1, 203.0.113.7, garbage", None, None),
            ("10.0.0.1, garbage, 10.0.0.3", None, None),
        ] {
            let seen = seen(
                "10.9.9.9",
                &[("x-forwarded-for", list)],
                Some(&proxies(hops)),
            );
            assert_eq!(seen.as_deref(), caller, "{list} {hops:?}");
        }
    }

    #[test]
    fn several_lines_are_one_list_in_their_order() {
        let lines = [
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-for", "203.0.113.7"),
            ("x-forwarded-for", "10.0.0.2"),
        ];
        let trust = proxies(None);
        let caller = seen("10.9.9.9", &lines, Some(&trust));
        assert_eq!(caller.as_deref(), Some("203.0.113.7"));
    }

    #[test]
    fn a_proxy_that_names_nobody_is_not_taken_for_the_caller() {
        assert_eq!(seen("10.9.9.9", &[], Some(&proxies(None))), None);
        assert_eq!(
            seen("192.0.2.9", &[], Some(&proxies(None))).as_deref(),
            Some("192.0.2.9")
        );
        assert_eq!(client_address(None, &HeaderMap::new(), None), None);
    }

    #[test]
    fn an_entry_is_read_in_its_canonical_form_or_not_at_all() {
        // IP-04
        for (entry, read) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("[2001:db8::1]:80", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("192.0.2.1:99", Some("192.0.2.1")),
            ("010.0.0.1", None),
            ("0xa.1", None),
            ("10.1", None),
            ("167772161", None),
            ("fe80::1%eth0", None),
            ("[fe80::1%1]:80", None),
            ("unknown", None),
            ("_hidden", None),
            ("\"192.0.2.1\"", None),
            ("for=192.0.2.1", None),
            ("192.0.2.1 192.0.2.2", None),
        ] {
            let trust = proxies(Some(1));
            let seen = seen("10.9.9.9", &[("x-forwarded-for", entry)], Some(&trust));
            assert_eq!(seen.as_deref(), read, "{entry}");
        }
        assert_eq!(address("\u{661}0.0.0.1"), None);
    }
}
