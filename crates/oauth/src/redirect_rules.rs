//! Where the relay's authorization endpoints let a code be sent: LiteLLM's rules, which are those of
//! an operator who knows the clients.
//!
//! A URI passes that is of our own origin, of loopback, or of an origin that the operator names. It
//! is read as it is written and never put into another form first: whoever normalises
//! `http://127.1/` or `https://gw.test%2eevil/` finds a host in it that another reader does not
//! (RFC 9700 §4.1, RFC 8252 §7.3).

#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, Ipv6Addr};

use portcullis_core::{TrustedOrigin, plain_host_and_port};

/// Longer ones are nobody's.
const MAX_LENGTH: usize = 2048;

/// The rules of one gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedirectRules {
    trusted: Vec<TrustedOrigin>,
}

/// Why a URI passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectAccepted {
    /// Its origin is ours.
    SameOrigin,
    /// It stays on the caller's own machine.
    Loopback,
    /// The operator trusts its origin.
    Trusted,
}

/// Why it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectRefused {
    /// It is no plain `http` or `https` URI: user information, a fragment, another scheme, or a host
    /// that is not written plainly.
    #[error("{}", self.words())]
    Malformed,
    /// It is one, and no rule names its origin.
    #[error("{}", self.words())]
    Untrusted,
}

impl RedirectRefused {
    /// What whoever made the application has to know.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Malformed => {
                "redirect_uri must be a plain http(s) URI without user information and fragment"
            }
            Self::Untrusted => {
                "redirect_uri must have this gateway's own origin, be on loopback, or have an origin that the operator trusts (MCP_TRUSTED_REDIRECT_ORIGINS)"
            }
        }
    }
}

impl RedirectRules {
    /// Rules with these origins beside what always passes.
    pub const fn new(trusted: Vec<TrustedOrigin>) -> Self {
        Self { trusted }
    }

    /// Judges a URI; `own` is the origin that clients see us under.
    pub fn judge(&self, own: &str, uri: &str) -> Result<RedirectAccepted, RedirectRefused> {
        let target = Target::read(uri).ok_or(RedirectRefused::Malformed)?;
        if Target::read(own).is_some_and(|own| own == target) {
            return Ok(RedirectAccepted::SameOrigin);
        }
        if target.is_loopback() {
            return Ok(RedirectAccepted::Loopback);
        }
        if target.https
            && self
                .trusted
                .iter()
                .any(|origin| origin.covers(&target.host, target.port))
        {
            return Ok(RedirectAccepted::Trusted);
        }
        Err(RedirectRefused::Untrusted)
    }
}

/// The origin of a URI (RFC 6454 §4), read without changing anything but the case of the host.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    https: bool,
    host: String,
    port: u16,
}

impl Target {
    fn read(uri: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#');
        if uri.len() > MAX_LENGTH || !uri.bytes().all(plain) {
            return None;
        }
        let (https, rest) = match uri.split_once("://")? {
            ("https", rest) => (true, rest),
            ("http", rest) => (false, rest),
            _ => return None,
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, port) = plain_host_and_port(rest.get(..end)?)?;
        Some(Self {
            https,
            host,
            port: port.unwrap_or(if https { 443 } else { 80 }),
        })
    }

    fn is_loopback(&self) -> bool {
        let six = self
            .host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        self.host == "localhost"
            || self
                .host
                .parse()
                .is_ok_and(|four: Ipv4Addr| four.is_loopback())
            || six.is_some_and(|six| six.parse() == Ok(Ipv6Addr::LOCALHOST))
    }
}
