//! What one outbound request may do.

use std::time::Duration;

/// Who chose the address, and hence how far it is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// Written by the operator in their own file: allowed for exactly that host and port, private
    /// addresses included, link-local (cloud metadata) never. Plain http to loopback only, unless
    /// `allow_insecure_http`.
    Operator {
        /// The operator accepted plain http beyond loopback for this URL.
        allow_insecure_http: bool,
    },
    /// Came from metadata, a client or the API: https to public addresses only. With
    /// `allow_loopback` (the operator's own server is on loopback) loopback is reachable too.
    Untrusted {
        /// Loopback and plain http to loopback are reachable.
        allow_loopback: bool,
    },
}

/// Limits of one exchange.
#[derive(Clone, Debug)]
pub struct EgressPolicy {
    /// Who chose the address.
    pub destination: Destination,
    /// TCP and TLS set-up.
    pub connect_timeout: Duration,
    /// From the request sent to the response head received; `Duration::MAX` when the caller bounds
    /// the whole exchange itself.
    pub head_timeout: Duration,
    /// Longest silence while the body arrives.
    pub idle_timeout: Duration,
    /// Most bytes of response body; `None` for streams that bound their events instead.
    pub max_body: Option<u64>,
}

impl EgressPolicy {
    /// Limits for small documents: metadata, JWKS, token responses (512 KiB, 5 s a step).
    pub const fn document(destination: Destination) -> Self {
        Self {
            destination,
            connect_timeout: Duration::from_secs(5),
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(5),
            max_body: Some(512 * 1024),
        }
    }
}
