//! `redis`, and the places where LiteLLM's files and variables name a Redis server.

use std::net::IpAddr;
use std::time::Duration;

use portcullis_core::SecretValue;
use url::Url;

use crate::fields::Fields;
use crate::findings::{Findings, Place};
use crate::keys::litellm::NO_LLM;
use crate::model::{Compat, Redis, Sourced};
use crate::references::Origin;

/// Shorter, no server answers.
const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST_PREFIX: usize = 64;

/// A server, and where it was named.
struct Named {
    url: Sourced<SecretValue>,
    place: Place,
}

/// The server of this configuration, if any place names one.
pub(crate) fn read(
    root: &Fields<'_, '_>,
    litellm: &Fields<'_, '_>,
    compat: Compat,
) -> Option<Redis> {
    let own = root.section("redis");
    // Read whatever is in force: what is wrong there is told.
    let (of_litellm, asks) = of_litellm(root, litellm);
    let named = match &own {
        Some(own) if own.has("url") => {
            let url = own.secret("url")?;
            Some(Named {
                url: url.value,
                place: url.place,
            })
        }
        _ => elsewhere(root.findings, of_litellm, asks || own.is_some()),
    };
    let Some(named) = named else {
        if let Some(own) = own {
            own.require::<()>("url", None);
        }
        return None;
    };
    let findings = root.findings;
    let allowed = own.as_ref().and_then(|own| own.flag("allow_unverified"));
    let allowed = allowed.unwrap_or(compat == Compat::LiteLlm);
    let url = judged(findings, named, allowed);
    let key_prefix = own.as_ref().and_then(|own| key_prefix(own));
    let timeout = own.as_ref().and_then(|own| timeout(own));
    Some(Redis {
        url: url?,
        key_prefix: key_prefix.unwrap_or_else(|| "portcullis".to_owned()),
        timeout: timeout.unwrap_or(Duration::from_millis(50)),
        ca_file: own.as_ref().and_then(|own| own.file_path("ca_file")),
        allow_unverified: allowed,
    })
}

fn key_prefix(own: &Fields<'_, '_>) -> Option<String> {
    let prefix = own.text("key_prefix")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:/".contains(&byte);
    let length = prefix.value.len();
    if length == 0 || length > LONGEST_PREFIX || !prefix.value.bytes().all(plain) {
        own.findings.error(
            prefix.place,
            "not what keys can begin with",
            "write up to 64 letters, digits and `.`, `_`, `-`, `:`, `/`",
        );
        return None;
    }
    Some(prefix.value)
}

fn timeout(own: &Fields<'_, '_>) -> Option<Duration> {
    let timeout = own.span("timeout")?;
    if timeout < SHORTEST {
        own.findings.error(
            own.place("timeout"),
            "no server answers in that time",
            "write a time such as `50ms`",
        );
    }
    Some(timeout)
}

/// The first place in LiteLLM's sections that names a server, and whether they ask for one that variables
/// name: those of another program alone make nobody connect.
fn of_litellm(root: &Fields<'_, '_>, litellm: &Fields<'_, '_>) -> (Option<Named>, bool) {
    let router = root.section("router_settings");
    let router = router.and_then(|router| of_section(&router, "redis_"));
    let caches = litellm.flag("cache").unwrap_or(false);
    if caches {
        let findings = litellm.findings;
        findings.warning(litellm.place("cache"), NO_LLM);
    }
    let (cache, is_redis) = match litellm.section("cache_params") {
        None => (None, caches),
        Some(cache) => {
            let kind = cache.text("type").map(|kind| kind.value);
            let asked = caches || kind.is_some();
            let is_redis = kind.is_none_or(|kind| kind == "redis");
            let named = of_section(&cache, "");
            (named.filter(|_| is_redis), is_redis && asked)
        }
    };
    (router.or(cache), is_redis)
}

fn elsewhere(findings: &Findings<'_>, of_litellm: Option<Named>, asks: bool) -> Option<Named> {
    let named = of_litellm.or_else(|| asks.then(|| of_variables(findings)).flatten())?;
    findings.info(
        named.place.clone(),
        "names the Redis server that replicas share",
    );
    Some(named)
}

fn of_section(fields: &Fields<'_, '_>, before: &str) -> Option<Named> {
    let name = |last: &str| format!("{before}{last}");
    let url = fields.secret(&name("url"));
    let parts = Parts {
        host: fields.text(&name("host")).map(|host| host.value),
        port: fields.whole(&name("port")).map(|port| port.to_string()),
        username: fields.text(&name("username")).map(|user| user.value),
        password: fields.secret(&name("password")).map(|secret| secret.value),
        tls: fields.flag(&name("ssl")).unwrap_or(false),
    };
    if let Some(url) = url {
        return Some(Named {
            url: url.value,
            place: url.place,
        });
    }
    let place = fields.place(&name("host"));
    parts.named(fields.findings, place)
}

/// `REDIS_URL`, or `REDIS_HOST` and what belongs to it.
fn of_variables(findings: &Findings<'_>) -> Option<Named> {
    let variable = |name: &str| {
        let value = findings.variable(name);
        value.filter(|value| !value.trim().is_empty())
    };
    let secret = |name: &str| {
        Some(Sourced {
            value: SecretValue::new(variable(name)?),
            origin: Origin::Variable(name.to_owned()),
        })
    };
    let place = |name: &str| Place {
        path: name.to_owned(),
        ..Place::default()
    };
    if let Some(url) = secret("REDIS_URL") {
        return Some(Named {
            url,
            place: place("REDIS_URL"),
        });
    }
    let parts = Parts {
        host: variable("REDIS_HOST"),
        port: variable("REDIS_PORT"),
        username: variable("REDIS_USERNAME"),
        password: secret("REDIS_PASSWORD"),
        tls: variable("REDIS_SSL").is_some_and(|value| value.eq_ignore_ascii_case("true")),
    };
    parts.named(findings, place("REDIS_HOST"))
}

/// A server as LiteLLM names it.
struct Parts {
    host: Option<String>,
    port: Option<String>,
    username: Option<String>,
    password: Option<Sourced<SecretValue>>,
    tls: bool,
}

impl Parts {
    fn named(self, findings: &Findings<'_>, place: Place) -> Option<Named> {
        let host = self.host?;
        let scheme = if self.tls { "rediss" } else { "redis" };
        let port = self.port.as_deref().unwrap_or("6379");
        let bracketed = if host.contains(':') && !host.starts_with('[') {
            format!("[{host}]")
        } else {
            host
        };
        let url = Url::parse(&format!("{scheme}://{bracketed}:{port}/"));
        let named = url.ok().and_then(|mut url| {
            if let Some(username) = &self.username {
                url.set_username(username).ok()?;
            }
            if let Some(password) = &self.password {
                url.set_password(Some(password.value.expose())).ok()?;
            }
            Some(url)
        });
        let Some(url) = named else {
            findings.error(
                place,
                "host and port make no address of a Redis server",
                "write a name or an IP address, and a port such as 6379",
            );
            return None;
        };
        let origin = self
            .password
            .map_or(Origin::Literal, |secret| secret.origin);
        Some(Named {
            url: Sourced {
                value: SecretValue::new(url.to_string()),
                origin,
            },
            place,
        })
    }
}

/// The URL, if it names a server that proves who it is, or need not.
fn judged(findings: &Findings<'_>, named: Named, allowed: bool) -> Option<Sourced<SecretValue>> {
    const FORM: &str = "write rediss://user:password@host:6379/0; a `/`, `@`, `#` or `?` in the password is written %2F, %40, %23, %3F";
    let Named { url, place } = named;
    let parsed = Url::parse(url.value.expose()).ok();
    let parsed = parsed.filter(|parsed| {
        matches!(parsed.scheme(), "redis" | "rediss" | "valkey" | "valkeys")
            && parsed.host_str().is_some_and(|host| !host.is_empty())
            && parsed.query().is_none()
            && parsed.fragment().is_none()
    });
    let Some(parsed) = parsed else {
        findings.error(place, "not the URL of a Redis server", FORM);
        return None;
    };
    let tls = matches!(parsed.scheme(), "rediss" | "valkeys");
    if tls || is_here(&parsed) {
        return Some(url);
    }
    if !allowed {
        findings.error(
            place,
            "without TLS, whoever is on the way to this server can read the password and answer in its place",
            "write rediss://, or `redis: {allow_unverified: true}` for a network that only you use",
        );
        return None;
    }
    findings.relaxed(
        place,
        "whoever answers at the Redis server's address is taken for it",
    );
    Some(url)
}

fn is_here(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost"
        || bare
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}
