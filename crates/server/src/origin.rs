//! What we are called from outside: the operator's word, else a believed proxy's, else the request's
//! own URL.

use std::net::IpAddr;

use axum::http::header::{HOST, HeaderMap, HeaderName};
use axum::http::request::Parts;

use crate::forwarded::Forwarded;
use crate::headers::{FORWARDED_HOST, FORWARDED_PORT, FORWARDED_PROTO};
use crate::layers::host_and_port;

/// The origin (RFC 6454 §6.2) under which the caller reached us, without a default port. `None` when
/// the request names no host that could be one.
pub(crate) fn public_origin(
    configured: Option<&str>,
    tls: bool,
    parts: &Parts,
    peer: Option<IpAddr>,
    forwarded: Option<&Forwarded>,
) -> Option<String> {
    if let Some(configured) = configured {
        return Some(configured.to_owned());
    }
    let own = Origin {
        https: tls,
        host: host_of(parts)?,
    };
    let believed = forwarded.is_some_and(|forwarded| forwarded.believes(peer));
    let told = believed.then(|| own.as_told(&parts.headers)).flatten();
    told.as_ref().unwrap_or(&own).serialized()
}

/// A scheme, and a host with its port as it was written.
struct Origin {
    https: bool,
    host: String,
}

impl Origin {
    /// The origin that a proxy says was called. Headers that say nothing leave what the request
    /// says; one that cannot be right takes all of them with it, because then somebody else than
    /// the proxy wrote it.
    fn as_told(&self, headers: &HeaderMap) -> Option<Self> {
        let scheme = told(headers, &FORWARDED_PROTO).ok()?;
        let host = told(headers, &FORWARDED_HOST).ok()?;
        let port = told(headers, &FORWARDED_PORT).ok()?;
        let https = match scheme {
            None => self.https,
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => true,
            Some(scheme) if scheme.eq_ignore_ascii_case("http") => false,
            Some(_) => return None,
        };
        let (name, written) = host_and_port(host.unwrap_or(&self.host))?;
        let port = match port {
            // A host that says its port is not contradicted.
            Some(port) if host.is_none() || written.is_none() => Some(port_of(port)?),
            Some(port) => port_of(port).and(written),
            None => written,
        };
        let host = match port {
            Some(port) => format!("{name}:{port}"),
            None => name,
        };
        Some(Self { https, host })
    }

    fn serialized(&self) -> Option<String> {
        let (name, port) = host_and_port(&self.host)?;
        let (scheme, default) = if self.https {
            ("https", 443)
        } else {
            ("http", 80)
        };
        Some(match port.filter(|port| *port != default) {
            Some(port) => format!("{scheme}://{name}:{port}"),
            None => format!("{scheme}://{name}"),
        })
    }
}

/// The host that the request names; the layer before us has seen that there is one.
fn host_of(parts: &Parts) -> Option<String> {
    let header = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = || parts.uri.authority().map(http::uri::Authority::as_str);
    header.or_else(authority).map(str::to_owned)
}

/// The one value of a header. Two of them, or a list, were not written by one proxy alone.
fn told<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, ()> {
    let value = crate::mcp::sole(headers, name)?;
    match value {
        Some(text) if text.is_empty() || text.contains(',') => Err(()),
        value => Ok(value),
    }
}

fn port_of(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.1";
    const STRANGER: &str = "192.0.2.1";

    fn origin(
        configured: Option<&str>,
        tls: bool,
        host: &str,
        peer: &str,
        lines: &[(&str, &str)],
    ) -> Option<String> {
        let mut request = axum::http::Request::builder()
            .uri("/mcp")
            .header(HOST, host);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let forwarded = Forwarded {
            proxies: vec!["10.0.0.0/8".parse().unwrap()],
            hops: None,
        };
        public_origin(configured, tls, &parts, peer.parse().ok(), Some(&forwarded))
    }

    #[test]
    fn the_operators_word_beats_every_header() {
        // RED-10
        let lines = [
            ("x-forwarded-host", "evil.test"),
            ("x-forwarded-proto", "http"),
            ("forwarded", "host=evil.test;proto=http"),
        ];
        for peer in [PROXY, STRANGER] {
            let said = origin(
                Some("https://llm.example.com"),
                false,
                "inside:4000",
                peer,
                &lines,
            );
            assert_eq!(said.as_deref(), Some("https://llm.example.com"));
        }
    }

    #[test]
    fn the_requests_own_url_counts_where_nobody_is_believed() {
        let lines = [
            ("x-forwarded-host", "evil.test"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-port", "8443"),
        ];
        let said = origin(None, false, "gw.example.com:4000", STRANGER, &lines);
        assert_eq!(said.as_deref(), Some("http://gw.example.com:4000"));
        let tls = origin(None, true, "GW.example.com:443", STRANGER, &lines);
        assert_eq!(tls.as_deref(), Some("https://gw.example.com"));
        let plain = origin(None, false, "gw.example.com:80", STRANGER, &[]);
        assert_eq!(plain.as_deref(), Some("http://gw.example.com"));
        let other = origin(None, true, "[::1]:80", STRANGER, &[]);
        assert_eq!(other.as_deref(), Some("https://[::1]:80"));
        // A proxy's `Forwarded` (RFC 7239) is not what the operator was asked about.
        let rfc = origin(None, false, "gw", PROXY, &[("forwarded", "host=evil.test")]);
        assert_eq!(rfc.as_deref(), Some("http://gw"));
    }

    #[test]
    fn a_believed_proxy_says_scheme_host_and_port() {
        for (lines, said) in [
            (&[][..], "http://inside:4000"),
            (&[("x-forwarded-proto", "https")], "https://inside:4000"),
            (
                &[("x-forwarded-host", "llm.example.com")],
                "http://llm.example.com",
            ),
            (
                &[
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-host", "llm.example.com"),
                ],
                "https://llm.example.com",
            ),
            (
                &[
                    ("x-forwarded-proto", "HTTPS"),
                    ("x-forwarded-host", "LLM.example.com:443"),
                ],
                "https://llm.example.com",
            ),
            (
                &[
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-host", "llm.example.com:8443"),
                ],
                "https://llm.example.com:8443",
            ),
            (
                &[
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-host", "llm.example.com"),
                    ("x-forwarded-port", "8443"),
                ],
                "https://llm.example.com:8443",
            ),
            (
                &[
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-host", "llm.example.com:9443"),
                    ("x-forwarded-port", "8443"),
                ],
                "https://llm.example.com:9443",
            ),
            (
                &[("x-forwarded-proto", "https"), ("x-forwarded-port", "443")],
                "https://inside",
            ),
        ] {
            let origin = origin(None, false, "inside:4000", PROXY, lines);
            assert_eq!(origin.as_deref(), Some(said), "{lines:?}");
        }
    }

    #[test]
    fn what_cannot_be_a_proxys_word_is_not_taken_for_one() {
        for hostile in [
            ("x-forwarded-host", "evil.test, llm.example.com"),
            ("x-forwarded-host", "evil.test/.."),
            ("x-forwarded-host", "user@evil.test"),
            ("x-forwarded-host", "evil.test:80/.well-known"),
            ("x-forwarded-host", "evil.test\", scope=\"admin"),
            ("x-forwarded-host", "evil.test?x"),
            ("x-forwarded-host", "evil.test#x"),
            ("x-forwarded-host", "evil.test\\x"),
            ("x-forwarded-host", "evil.test:x"),
            ("x-forwarded-host", "evil.test:"),
            ("x-forwarded-host", ""),
            ("x-forwarded-proto", "javascript"),
            ("x-forwarded-proto", "https,http"),
            ("x-forwarded-proto", "https://evil.test"),
            ("x-forwarded-port", "0"),
            ("x-forwarded-port", "65536"),
            ("x-forwarded-port", "+443"),
            ("x-forwarded-port", "443/evil"),
        ] {
            // The rest is dropped too: a header that somebody else wrote casts doubt on all.
            let lines = [
                hostile,
                match hostile.0 {
                    "x-forwarded-proto" => ("x-forwarded-host", "other.test"),
                    _ => ("x-forwarded-proto", "https"),
                },
            ];
            let origin = origin(None, false, "inside:4000", PROXY, &lines);
            assert_eq!(origin.as_deref(), Some("http://inside:4000"), "{hostile:?}");
        }
        let twice = [
            ("x-forwarded-host", "a.test"),
            ("x-forwarded-host", "b.test"),
        ];
        let origin = origin(None, false, "inside:4000", PROXY, &twice);
        assert_eq!(origin.as_deref(), Some("http://inside:4000"));
    }
}
