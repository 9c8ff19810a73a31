//! Where a Redis server is, and how it is talked to.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use portcullis_core::SecretValue;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};
use url::Url;

/// How Redis is used.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// Where it is.
    pub url: RedisUrl,
    /// What every key begins with, in braces: all of them are in one slot.
    pub key_prefix: String,
    /// How long one step may take.
    pub timeout: Duration,
    /// Certificates of authorities, in place of those that the machine trusts.
    pub ca_file: Option<PathBuf>,
}

/// `redis://user:password@host:6379/0`, or `rediss://` for TLS, read and judged. What it says of the
/// password is never printed.
#[derive(Clone)]
pub struct RedisUrl {
    pub(crate) info: ConnectionInfo,
    shown: String,
    unverified: bool,
}

/// What is wrong with the URL of a Redis server; never what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL, or not one of Redis.
    #[error(
        "expected rediss://user:password@host:6379/0; a `/`, `@`, `#` or `?` in the password is written %2F, %40, %23, %3F"
    )]
    Form,
    /// There is nobody to talk to.
    #[error("the URL names no host: expected rediss://user:password@host:6379/0")]
    NoHost,
    /// What follows the host is no number of a database.
    #[error("what follows the host is no database: expected a number, as in rediss://host:6379/0")]
    Database,
    /// There are parameters, and we have none.
    #[error("the URL has parameters, and none is known: leave out the `?` and what follows it")]
    Parameter,
    /// Whoever is on the way could read the password, or answer in the server's place.
    #[error(
        "`redis://` does not prove who answers at another machine: write rediss:// with a server that has TLS, or `redis.allow_unverified: true` for a network that only you use"
    )]
    Unverified,
}

impl RedisUrl {
    /// Reads the URL. `allow_unverified` admits a connection to another machine without TLS.
    pub fn read(text: &SecretValue, allow_unverified: bool) -> Result<Self, UrlError> {
        let url = Url::parse(text.expose()).map_err(|_| UrlError::Form)?;
        let tls = match url.scheme() {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            _ => return Err(UrlError::Form),
        };
        if url.fragment().is_some() || url.query().is_some_and(|query| query.contains('@')) {
            return Err(UrlError::Form);
        }
        if url.query().is_some() {
            return Err(UrlError::Parameter);
        }
        let host = url.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(UrlError::NoHost);
        }
        let database = url.path().trim_matches('/');
        if !database.is_empty() && database.parse::<u16>().is_err() {
            return Err(UrlError::Database);
        }
        let unverified = !tls && !is_loopback(host);
        if unverified && !allow_unverified {
            return Err(UrlError::Unverified);
        }
        let info = text.expose().into_connection_info();
        let info = info.map_err(|_| UrlError::Form)?;
        let port = url.port().unwrap_or(6379);
        Ok(Self {
            info,
            shown: format!("{host}:{port}"),
            unverified,
        })
    }

    /// Whether whoever answers at another machine is taken for the server.
    pub const fn is_unverified(&self) -> bool {
        self.unverified
    }

    pub(crate) fn has_tls(&self) -> bool {
        matches!(self.info.addr(), ConnectionAddr::TcpTls { .. })
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Host and port.
impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisUrl").field(&self.shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, allowed: bool) -> Result<String, UrlError> {
        RedisUrl::read(&SecretValue::new(text), allowed).map(|url| url.to_string())
    }

    #[test]
    fn a_url_says_where_the_server_is() {
        for (text, shown) in [
            ("redis://localhost", "localhost:6379"),
            ("redis://127.0.0.1:6400/3", "127.0.0.1:6400"),
            ("redis://[::1]:6400", "::1:6400"),
            (
                "rediss://user:p%40ss@cache.internal:6380/1",
                "cache.internal:6380",
            ),
            ("valkeys://cache.internal", "cache.internal:6379"),
        ] {
            assert_eq!(read(text, false).as_deref(), Ok(shown), "{text}");
        }
    }

    #[test]
    fn what_is_no_url_of_a_server_is_refused() {
        for (text, error) in [
            ("cache.internal:6379", UrlError::Form),
            ("http://localhost", UrlError::Form),
            ("redis://localhost#x", UrlError::Form),
            ("redis://:a?b@localhost", UrlError::Form),
            ("redis://localhost?protocol=resp3", UrlError::Parameter),
            ("rediss://cache/#insecure", UrlError::Form),
            ("redis://localhost/one", UrlError::Database),
            ("redis://cache.internal", UrlError::Unverified),
        ] {
            assert_eq!(read(text, false), Err(error), "{text}");
        }
        assert!(read("redis://cache.internal", true).is_ok());
    }

    #[test]
    fn nothing_of_the_password_is_shown() {
        let text = SecretValue::new("redis://u:canary@localhost:6379/0");
        let url = RedisUrl::read(&text, false).unwrap();
        assert!(!format!("{url} {url:?}").contains("canary"));
    }
}
