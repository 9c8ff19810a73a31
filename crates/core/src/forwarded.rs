//! What of a caller's request may go on to a server that asks for it. It is scrubbed at the door:
//! nothing in here opens our own.

use std::fmt;
use std::sync::Arc;

use crate::digest::Sha256;
use crate::inbound::OnBehalf;
use crate::secret::SecretValue;

/// One header, or one cookie, of a caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedHeader {
    /// Its name; of a header in lower case.
    pub name: Box<str>,
    /// Its value: visible ASCII, blanks between.
    pub value: SecretValue,
}

impl ForwardedHeader {
    /// A header of this name.
    pub fn new(name: &str, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: SecretValue::new(value),
        }
    }
}

/// Why something that was asked for is not handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// It is, or holds, a credential that opens our own door.
    OwnCredential,
    /// It stands more than once, and nobody could say which is meant.
    Ambiguous,
    /// It has characters that are not handed on, or is too large.
    Malformed,
    /// The caller's `Connection` header says that it ends here (RFC 9110 §7.6.1).
    HopByHop,
    /// It says that it is a token that was revoked.
    Revoked,
    /// Nobody can say whether it was revoked.
    Unjudged,
}

impl Withheld {
    /// The stable reason.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OwnCredential => "own-credential",
            Self::Ambiguous => "ambiguous",
            Self::Malformed => "malformed",
            Self::HopByHop => "hop-by-hop",
            Self::Revoked => "revoked",
            Self::Unjudged => "revocations-unknown",
        }
    }
}

/// Everything of a request that some server may be handed, before it is known which server it is for.
#[derive(Clone, Debug, Default)]
pub struct Brought {
    /// To act for the caller at a token endpoint.
    pub on_behalf: Option<Arc<OnBehalf>>,
    /// What the provider said of the caller when they signed in: for servers whose settings say so, and
    /// for no other.
    pub login_assertion: Option<Arc<OnBehalf>>,
    /// Headers that the configuration names, each standing once. `authorization` is among them only
    /// when it is the caller's own and admitted nobody.
    pub headers: Vec<ForwardedHeader>,
    /// Cookies, each name once, none of ours.
    pub cookies: Vec<ForwardedHeader>,
    /// What was asked for and stays here.
    pub withheld: Vec<(Box<str>, Withheld)>,
}

impl Brought {
    /// The one header of this name.
    pub fn header(&self, name: &str) -> Option<&ForwardedHeader> {
        self.headers.iter().find(|header| &*header.name == name)
    }

    /// Whether nothing could be chosen from it.
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.cookies.is_empty()
    }
}

/// What one server is handed of a request, under the names that it goes out with. Made only by the
/// room that knows the server's settings, out of what the door let through.
#[derive(Clone, PartialEq, Eq)]
pub struct ForwardedHeaders {
    headers: Box<[ForwardedHeader]>,
    authenticates: bool,
    fingerprint: [u8; 32],
}

impl ForwardedHeaders {
    /// These. `authenticates`: they say who calls, so that a credential of ours must not stand
    /// beside them.
    pub fn new(headers: Vec<ForwardedHeader>, authenticates: bool) -> Self {
        let start = Sha256::new().part(&[u8::from(authenticates)]);
        let digest = headers.iter().fold(start, |digest, header| {
            digest
                .part(header.name.as_bytes())
                .part(header.value.expose().as_bytes())
        });
        Self {
            headers: headers.into(),
            authenticates,
            fingerprint: digest.finish(),
        }
    }

    /// The headers.
    pub fn iter(&self) -> impl Iterator<Item = &ForwardedHeader> {
        self.headers.iter()
    }

    /// Whether they say who calls.
    pub const fn authenticates(&self) -> bool {
        self.authenticates
    }

    /// The SHA-256 of all of it: what nothing is shared across.
    pub const fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }
}

impl fmt::Debug for ForwardedHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.headers.iter().map(|header| &header.name);
        f.debug_set().entries(names).finish()
    }
}

/// Never handed on, whoever names it: what frames or routes the message, what the protocol writes
/// itself, what only a proxy may say, and what opens our own door.
const NEVER: &[&str] = &[
    "accept",
    "client-cert",
    "client-cert-chain",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "last-event-id",
    "origin",
    "set-cookie",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-litellm-api-key",
    "x-litellm-mcp-debug",
    "x-portcullis-api-key",
    "x-portcullis-debug",
    "x-real-ip",
];
const NEVER_STARTING: &[&str] = &["mcp-", "proxy-", "x-forwarded-", "x-mcp-"];

/// A header's name as servers that read it through CGI or WSGI know it: they take these for one.
pub fn normal_header_name(name: &str) -> String {
    name.chars()
        .map(|character| match character {
            '_' | '.' => '-',
            other => other.to_ascii_lowercase(),
        })
        .collect()
}

/// Whether a caller's header of this name may be handed on at all.
pub fn is_forwardable(name: &str) -> bool {
    let name = normal_header_name(name);
    !NEVER.contains(&name.as_str()) && !NEVER_STARTING.iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[(&str, &str)], authenticates: bool) -> ForwardedHeaders {
        let headers = lines
            .iter()
            .map(|(name, value)| ForwardedHeader::new(name, *value));
        ForwardedHeaders::new(headers.collect(), authenticates)
    }

    #[test]
    fn whatever_differs_has_another_fingerprint() {
        let one = of(&[("a", "b"), ("c", "d")], false);
        for other in [
            of(&[("a", "b")], false),
            of(&[("a", "bc"), ("", "d")], false),
            of(&[("a", "b"), ("c", "e")], false),
            of(&[("a", "b"), ("c", "d")], true),
            of(&[], false),
        ] {
            assert_ne!(one.fingerprint(), other.fingerprint());
        }
    }

    #[test]
    fn no_value_prints_itself() {
        let headers = of(&[("authorization", "Bearer canary")], true);
        assert_eq!(format!("{headers:?}"), r#"{"authorization"}"#);
        let brought = Brought {
            headers: vec![ForwardedHeader::new("cookie", "canary")],
            ..Brought::default()
        };
        assert!(!format!("{brought:?}").contains("canary"));
    }
}
