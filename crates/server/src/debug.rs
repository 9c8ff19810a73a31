//! LiteLLM's debug headers: told to a caller who asks for them and may, with every credential masked.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Response, Uri};
use portcullis_core::{Brought, PrincipalKind, Role, Withheld};
use portcullis_engine::audit::Resolution;
use portcullis_engine::{Call, ServerEntry};
use portcullis_identity::{CredentialSource, extract};

use crate::mcp::sole;
use crate::state::ServerState;

/// How a caller asks.
static ASKING: [HeaderName; 2] = [
    HeaderName::from_static("x-litellm-mcp-debug"),
    HeaderName::from_static("x-portcullis-debug"),
];

/// Shortest credential of which anything is shown, and how much of it.
const TELLING: usize = 24;
const SHOWN: usize = 4;

/// Most headers of which it is told that they went no further.
const MOST_WITHHELD: usize = 16;

/// Who may ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DebugHeaders {
    /// Nobody.
    Off,
    /// Administrators.
    Admin,
    /// Everybody with a valid credential.
    #[default]
    Authenticated,
}

impl DebugHeaders {
    fn admits(self, role: Role) -> bool {
        match self {
            Self::Off => false,
            Self::Admin => role == Role::Admin,
            Self::Authenticated => true,
        }
    }
}

/// What is told of one request, once its answer is there.
pub(crate) struct Debugging {
    inbound: String,
    token: String,
    /// What would have been handed on and was not, and why.
    withheld: String,
    resolution: Arc<Resolution>,
    /// Whether the caller may read everything, addresses included.
    sees_addresses: bool,
}

impl Debugging {
    /// `None` unless the caller asked and may.
    pub(crate) fn of(state: &ServerState, headers: &HeaderMap, call: &mut Call) -> Option<Self> {
        let asked = ASKING.iter().any(|name| {
            let value = sole(headers, name).ok().flatten().unwrap_or_default();
            ["true", "1", "yes"]
                .iter()
                .any(|yes| value.eq_ignore_ascii_case(yes))
        });
        let role = call.principal.role;
        let known = call.principal.kind != PrincipalKind::Delegated;
        if !known || !asked || !state.frontage.load().debug_headers.admits(role) {
            return None;
        }
        Some(Self {
            inbound: inbound(headers),
            token: token(headers, &call.brought),
            withheld: withheld(&call.brought),
            resolution: call.audit.watched(),
            sees_addresses: role >= Role::Viewer,
        })
    }

    /// Puts what is known on the answer.
    pub(crate) fn tell(&self, state: &ServerState, response: &mut Response<Body>) {
        let snapshot = state.gateway.snapshot();
        let id = self.resolution.the_server();
        let entry = id.and_then(|id| snapshot.named(id.as_str()).map(|(_, entry)| entry));
        let (url, auth_type) = match entry {
            Some(entry) => (self.url(entry), entry.info.auth_type.as_str()),
            None => ("(none)".to_owned(), "(none)"),
        };
        for (name, value) in [
            ("x-mcp-debug-inbound-auth", self.inbound.as_str()),
            ("x-mcp-debug-oauth2-token", &self.token),
            ("x-mcp-debug-auth-resolution", self.resolution.label()),
            ("x-mcp-debug-outbound-url", &url),
            ("x-mcp-debug-server-auth-type", auth_type),
        ] {
            let value = HeaderValue::from_str(value);
            let value = value.unwrap_or(HeaderValue::from_static("(unknown)"));
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
        if let Ok(value) = HeaderValue::from_str(&self.withheld)
            && !value.is_empty()
        {
            response
                .headers_mut()
                .insert(HeaderName::from_static("x-mcp-debug-withheld"), value);
        }
    }

    /// The server's address. A path may hold a key, and an internal name is nobody's business who
    /// may not list addresses.
    fn url(&self, entry: &ServerEntry) -> String {
        let Some(uri) = entry.upstream.server().endpoint.uri() else {
            return "(none)".to_owned();
        };
        if self.sees_addresses {
            address(uri)
        } else if is_internal(uri.host().unwrap_or_default()) {
            "(internal)".to_owned()
        } else {
            origin(uri)
        }
    }
}

/// A server's address without user name and query.
pub(crate) fn address(uri: &Uri) -> String {
    format!("{}{}", origin(uri), uri.path())
}

fn origin(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or_default();
    let host = uri.host().unwrap_or_default();
    match uri.port_u16() {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}

/// Whether a host is one that only the operator's own network knows.
fn is_internal(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return match address.to_canonical() {
            IpAddr::V4(address) => {
                address.is_private() || address.is_loopback() || address.is_link_local()
            }
            IpAddr::V6(address) => {
                address.is_unique_local()
                    || address.is_loopback()
                    || address.is_unicast_link_local()
            }
        };
    }
    let name = bare.trim_end_matches('.').to_ascii_lowercase();
    match name.rsplit_once('.') {
        None => true,
        Some((_, last)) => {
            [
                "internal",
                "local",
                "localhost",
                "lan",
                "home",
                "corp",
                "intranet",
            ]
            .contains(&last)
                || name.ends_with(".home.arpa")
        }
    }
}

/// Which headers brought a credential.
fn inbound(headers: &HeaderMap) -> String {
    let named = |name: &HeaderName| {
        let name = name.as_str();
        matches!(
            name,
            "authorization" | "x-litellm-api-key" | "x-portcullis-api-key" | "x-mcp-auth"
        ) || (name.starts_with("x-mcp-") && name.ends_with("-authorization"))
    };
    let mut brought: Vec<String> = headers
        .iter()
        .filter(|(name, _)| named(name))
        .map(|(name, value)| format!("{name}={}", masked(value)))
        .collect();
    brought.sort_unstable();
    if brought.is_empty() {
        "(none)".to_owned()
    } else {
        brought.join("; ")
    }
}

/// The token in `Authorization`, and whether it is the gateway's own credential, which says that the
/// place meant for an upstream's token is taken.
fn token(headers: &HeaderMap, brought: &Brought) -> String {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return "(none)".to_owned();
    };
    let withheld = brought.withheld.iter();
    let recognised = withheld
        .into_iter()
        .any(|(name, why)| **name == *AUTHORIZATION.as_str() && *why == Withheld::OwnCredential);
    let own = recognised
        || extract(headers).is_ok_and(|presented| {
            presented.source() == CredentialSource::Bearer
                || value
                    .to_str()
                    .ok()
                    .and_then(|text| text.split_once(' '))
                    .is_some_and(|(_, token)| {
                        portcullis_core::ApiKey::new(token) == *presented.key()
                    })
        });
    let masked = masked(value);
    if own {
        format!("{masked} (SAME_AS_LITELLM_KEY - likely misconfigured)")
    } else {
        masked
    }
}

/// Names and reasons, never values.
fn withheld(brought: &Brought) -> String {
    let mut told: Vec<String> = brought
        .withheld
        .iter()
        .map(|(name, why)| format!("{name}={}", why.as_str()))
        .collect();
    told.sort_unstable();
    told.dedup();
    told.truncate(MOST_WITHHELD);
    told.join("; ")
}

/// The scheme, and of a long credential its last characters: enough to tell two apart, too little to
/// help guessing.
fn masked(value: &HeaderValue) -> String {
    let Ok(text) = value.to_str() else {
        return "****".to_owned();
    };
    let (scheme, credential) = match text.split_once(' ') {
        Some((scheme, credential))
            if ["bearer", "basic", "token"]
                .iter()
                .any(|known| scheme.eq_ignore_ascii_case(known)) =>
        {
            (scheme, credential)
        }
        _ => ("", text),
    };
    let end =
        if credential.len() >= TELLING && credential.bytes().all(|byte| byte.is_ascii_graphic()) {
            credential
                .get(credential.len() - SHOWN..)
                .unwrap_or_default()
        } else {
            ""
        };
    format!("{scheme}****{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_tells_the_end_of_what_is_long_and_nothing_of_what_is_short() {
        // HDR-17
        let alphabet = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
        for length in 0..=alphabet.len() {
            let credential = &alphabet[..length];
            for scheme in ["", "Bearer ", "basic ", "Token "] {
                let value = HeaderValue::from_str(&format!("{scheme}{credential}")).unwrap();
                let mask = masked(&value);
                let end = if length >= 24 {
                    &credential[length - 4..]
                } else {
                    ""
                };
                assert_eq!(mask, format!("{}****{end}", scheme.trim()), "{length}");
            }
        }
        for strange in [
            "Digest username=\"abcdefghijklmnopqrstuvwxyz\"",
            "a b c d e f g h i j k l m",
        ] {
            let mask = masked(&HeaderValue::from_str(strange).unwrap());
            assert_eq!(mask, "****", "{strange}");
        }
        let bytes = HeaderValue::from_bytes("Bearer äöüäöüäöüäöüäöüäöüäöü".as_bytes()).unwrap();
        assert_eq!(masked(&bytes), "****");
    }

    #[test]
    fn an_address_is_told_without_user_name_and_query() {
        // HDR-19
        let uri: Uri = "https://user:secret@mcp.example.com:8443/v1/mcp?key=secret"
            .parse()
            .unwrap();
        assert_eq!(address(&uri), "https://mcp.example.com:8443/v1/mcp");
        for host in [
            "localhost",
            "127.0.0.1",
            "10.0.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "[::1]",
            "[fd00::1]",
            "[::ffff:10.0.0.1]",
            "mcp",
            "mcp.svc.cluster.local",
            "mcp.internal",
            "MCP.Corp.",
        ] {
            assert!(is_internal(host), "{host}");
        }
        for host in [
            "mcp.example.com",
            "192.0.2.1",
            "[2001:db8::1]",
            "internal.example.com",
        ] {
            assert!(!is_internal(host), "{host}");
        }
    }
}
