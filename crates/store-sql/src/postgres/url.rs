//! Where a PostgreSQL server is, and how it is talked to.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use portcullis_core::SecretValue;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

/// `postgres://user:password@host:5432/database?sslmode=verify-full&sslrootcert=/etc/ca.pem`, read
/// and judged. What it says of the password is never printed.
#[derive(Clone)]
pub struct PostgresUrl {
    pub(crate) options: PgConnectOptions,
    unverified: bool,
}

/// What is wrong with the URL of a database; never what it says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL, or not one of PostgreSQL.
    #[error(
        "expected postgres://user:password@host:5432/database; a `/`, `@`, `#` or `?` in the password is written %2F, %40, %23, %3F"
    )]
    Form,
    /// Something that must be said is not.
    #[error("the URL names no {0}: expected postgres://user:password@host:5432/database")]
    Missing(&'static str),
    /// A parameter that we do not have, or that says a second time what the URL says.
    #[error("the URL has a parameter `{0}`; known are {PARAMETERS}")]
    Parameter(String),
    /// A parameter with a value that it cannot have.
    #[error(
        "a parameter of the URL has a value that it cannot have; `sslmode` is verify-full, and weaker only where that is allowed"
    )]
    Value,
    /// Whoever is on the way could read what is stored, or answer in the server's place.
    #[error(
        "`sslmode={0}` does not prove who answers at another machine: expected sslmode=verify-full (the default), with sslrootcert=FILE for an authority of your own"
    )]
    Unverified(&'static str),
}

/// What may follow the `?`.
const PARAMETERS: &str = "sslmode, sslrootcert, sslcert, sslkey, host (a socket's folder), \
                          application_name and options";

impl PostgresUrl {
    /// Reads the URL. `allow_unverified` admits a connection to another machine that does not prove who
    /// answers there.
    pub fn read(text: &SecretValue, allow_unverified: bool) -> Result<Self, UrlError> {
        let url = Url::parse(text.expose()).map_err(|_| UrlError::Form)?;
        if !matches!(url.scheme(), "postgres" | "postgresql") || url.fragment().is_some() {
            return Err(UrlError::Form);
        }
        // A `?` that stands unescaped in the password makes the rest of it a parameter, whose name would be
        // told.
        if url.query().is_some_and(|query| query.contains('@')) {
            return Err(UrlError::Form);
        }
        let known = |name: &str| {
            [
                "sslmode",
                "sslrootcert",
                "sslcert",
                "sslkey",
                "host",
                "application_name",
                "options",
            ]
            .contains(&name)
                || (name.starts_with("options[") && name.ends_with(']'))
        };
        let mut said = None;
        let mut socket = None;
        for (name, value) in url.query_pairs() {
            if !known(&name) {
                return Err(UrlError::Parameter(name.into_owned()));
            }
            match &*name {
                "sslmode" => said = Some(mode(&value).ok_or(UrlError::Value)?),
                "host" if value.starts_with('/') => socket = Some(()),
                "host" => return Err(UrlError::Parameter("host".to_owned())),
                _ => {}
            }
        }
        let host = url.host_str().unwrap_or_default();
        if host.is_empty() && socket.is_none() {
            return Err(UrlError::Missing("host"));
        }
        if url.username().is_empty() {
            return Err(UrlError::Missing("user"));
        }
        if url.path().trim_matches('/').is_empty() {
            return Err(UrlError::Missing("database"));
        }
        // A host of the form `%2Frun%2Fpostgresql` is a socket too.
        let here = socket.is_some() || host.starts_with("%2F") || is_loopback(host);
        let by_default = if here {
            ("prefer", PgSslMode::Prefer)
        } else {
            VERIFIED
        };
        let (name, mode) = said.unwrap_or(by_default);
        let unverified = !here && name != VERIFIED.0;
        if unverified && !allow_unverified {
            return Err(UrlError::Unverified(name));
        }
        // What the driver would take from the environment instead is named above, or set here.
        let options = PgConnectOptions::from_url(&url).map_err(|_| UrlError::Value)?;
        let options = options.port(url.port().unwrap_or(5432)).ssl_mode(mode);
        let named = url
            .query_pairs()
            .any(|(name, _)| name == "application_name");
        let options = if named {
            options
        } else {
            options.application_name("portcullis")
        };
        Ok(Self {
            options,
            unverified,
        })
    }

    /// Whether whoever answers at another machine is taken for the database.
    pub const fn is_unverified(&self) -> bool {
        self.unverified
    }
}

const VERIFIED: (&str, PgSslMode) = ("verify-full", PgSslMode::VerifyFull);

fn mode(text: &str) -> Option<(&'static str, PgSslMode)> {
    let name = [
        "disable",
        "allow",
        "prefer",
        "require",
        "verify-ca",
        VERIFIED.0,
    ]
    .into_iter()
    .find(|name| *name == text)?;
    Some((name, PgSslMode::from_str(name).ok()?))
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost"
        || bare
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresUrl")
            .field("host", &self.options.get_host())
            .field("port", &self.options.get_port())
            .field("database", &self.options.get_database())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = self.options.get_database().unwrap_or_default();
        write!(
            f,
            "database `{database}` at {}:{}",
            self.options.get_host(),
            self.options.get_port()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<PostgresUrl, UrlError> {
        PostgresUrl::read(&SecretValue::new(text), false)
    }

    #[test]
    fn another_machine_must_prove_who_it_is() {
        let near = [
            "postgres://u@localhost/d",
            "postgresql://u:p@127.0.0.1:5433/d",
            "postgres://u@[::1]/d?sslmode=disable",
            "postgres://u@%2Frun%2Fpostgresql/d",
            "postgres://u@localhost/d?host=/run/postgresql",
        ];
        for text in near {
            assert!(!read(text).unwrap().is_unverified(), "{text}");
        }
        let far = read("postgres://u:p@db.example/d").unwrap();
        assert!(matches!(far.options.get_ssl_mode(), PgSslMode::VerifyFull));
        for mode in ["disable", "allow", "prefer", "require", "verify-ca"] {
            let text = format!("postgres://u:p@db.example/d?sslmode={mode}");
            let refused = read(&text).unwrap_err();
            assert!(matches!(refused, UrlError::Unverified(said) if said == mode));
            let allowed = PostgresUrl::read(&SecretValue::new(text), true).unwrap();
            assert!(allowed.is_unverified(), "{mode}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_the_password_is_not() {
        let table = [
            ("mysql://u:canary-1@h/d", UrlError::Form),
            ("postgres://u:canary-1#x@h/d", UrlError::Form),
            ("canary-1", UrlError::Form),
            ("postgres://u:12?canary-1@h/d", UrlError::Form),
            ("postgres://u:p@a?canary-1@h/d", UrlError::Form),
            ("postgres://u:canary-1@/d", UrlError::Form),
            ("postgres://:canary-1@h/d", UrlError::Missing("user")),
            ("postgres://u:canary-1@h", UrlError::Missing("database")),
            (
                "postgres://u@localhost/d?passwrod=canary-1",
                UrlError::Parameter("passwrod".to_owned()),
            ),
            (
                "postgres://u@localhost/d?password=canary-1",
                UrlError::Parameter("password".to_owned()),
            ),
            ("postgres://u@localhost/d?sslmode=canary-1", UrlError::Value),
        ];
        for (text, expected) in table {
            let error = read(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary-1"), "{text}");
            assert_eq!(error, expected, "{text}");
        }
        let url = read("postgres://u:canary-1@localhost/d").unwrap();
        assert!(!format!("{url} {url:?}").contains("canary-1"));
        assert_eq!(url.to_string(), "database `d` at localhost:5432");
    }
}
