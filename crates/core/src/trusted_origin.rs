//! Origins that the operator trusts by name, and hosts as they are written: read strictly, because
//! what two readers read differently is two hosts.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// One entry of `MCP_TRUSTED_REDIRECT_ORIGINS`: `host`, `host:port` or `*.suffix`; of `https` only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedOrigin {
    host: String,
    /// Hosts below it, and not it.
    below: bool,
    port: u16,
}

/// It names no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a host, a host with its port, or `*.` before a domain of at least two labels")]
pub struct InvalidTrustedOrigin;

impl FromStr for TrustedOrigin {
    type Err = InvalidTrustedOrigin;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (below, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (host, port) = plain_host_and_port(rest).ok_or(InvalidTrustedOrigin)?;
        // `*.com` would trust the world; below an address there is nothing.
        if below && (!host.contains('.') || is_address(&host)) {
            return Err(InvalidTrustedOrigin);
        }
        Ok(Self {
            host,
            below,
            port: port.unwrap_or(443),
        })
    }
}

impl fmt::Display for TrustedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let below = if self.below { "*." } else { "" };
        write!(f, "{below}{}", self.host)?;
        if self.port == 443 {
            return Ok(());
        }
        write!(f, ":{}", self.port)
    }
}

impl TrustedOrigin {
    /// Whether it means this host, in lower case, at this port.
    pub fn covers(&self, host: &str, port: u16) -> bool {
        let named = if self.below {
            let left = host.strip_suffix(&self.host);
            left.is_some_and(|left| left.len() > 1 && left.ends_with('.'))
        } else {
            host == self.host
        };
        named && port == self.port
    }
}

/// The host in lower case, and the port that is written beside it; `None` for what is not written
/// plainly: with user information, with escapes, an address in another form than the usual one.
pub fn plain_host_and_port(authority: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (six, after) = rest.split_once(']')?;
        six.parse::<Ipv6Addr>().ok()?;
        let host = authority.get(..six.len() + 2)?;
        match after {
            "" => (host, None),
            after => (host, Some(after.strip_prefix(':')?)),
        }
    } else {
        let (name, port) = match authority.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (authority, None),
        };
        is_name(name).then_some((name, port))?
    };
    let port = match port {
        Some(digits) => Some(port_of(digits)?),
        None => None,
    };
    Some((host.to_ascii_lowercase(), port))
}

fn port_of(digits: &str) -> Option<u16> {
    let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

/// Labels of letters, digits, `-` and `_`, none of them empty. What ends in a number is an address
/// to browsers (URL Standard, "ends in a number checker"), and passes only in the one form that every
/// reader reads alike.
fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let numeric = |label: &str| {
        label.bytes().all(|byte| byte.is_ascii_digit())
            || label.starts_with("0x")
            || label.starts_with("0X")
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253
        && name.split('.').all(label)
        && (!numeric(last) || name.parse::<Ipv4Addr>().is_ok())
}

fn is_address(host: &str) -> bool {
    host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_host_a_host_with_its_port_or_a_suffix() {
        for entry in [
            "app.test",
            "APP.test",
            "app.test:8443",
            "*.tools.test",
            "app",
            "10.0.0.7",
        ] {
            assert!(entry.parse::<TrustedOrigin>().is_ok(), "{entry}");
        }
        for entry in [
            "",
            "*",
            "*.",
            "*.com",
            "*.10.0.0.7",
            "a.*.test",
            "*tools.test",
            "https://app.test",
            "app.test/",
            "app.test/cb",
            "user@app.test",
            "app.test:",
            "app.test:0",
            "app.test:x",
            ".app.test",
            "app.test.",
            "app..test",
            "app test",
        ] {
            assert!(entry.parse::<TrustedOrigin>().is_err(), "{entry}");
        }
    }
}
