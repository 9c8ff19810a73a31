//! What we present, ready to be put on a request.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The kind of credential, as the audit event and the debug headers name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// Nothing is presented.
    NoAuth,
    /// A fixed value from the file.
    StaticToken,
    /// A token of the client-credentials grant.
    M2mClientCredentials,
}

impl CredentialKind {
    /// The label of product.md §12 and seed 003.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoAuth => "no-auth",
            Self::StaticToken => "static-token",
            Self::M2mClientCredentials => "m2m-client-credentials",
        }
    }
}

/// A credential that can only be applied to an outgoing request; nothing reads it back.
#[derive(Clone)]
pub struct UpstreamCredential {
    kind: CredentialKind,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// SHA-256 of the token, so that `rejected` drops this one and not its successor.
    fingerprint: Option<[u8; 32]>,
}

impl UpstreamCredential {
    pub(crate) const fn new(
        kind: CredentialKind,
        headers: Vec<(HeaderName, HeaderValue)>,
        fingerprint: Option<[u8; 32]>,
    ) -> Self {
        Self {
            kind,
            headers,
            fingerprint,
        }
    }

    /// What kind it is.
    pub const fn kind(&self) -> CredentialKind {
        self.kind
    }

    pub(crate) const fn fingerprint(&self) -> Option<&[u8; 32]> {
        self.fingerprint.as_ref()
    }

    /// Whether a text repeats what is presented, so that it can be kept from those who must not
    /// have it. Headers that are no secrets by their name, and values too short to be told from
    /// anything else, do not count.
    pub fn appears_in(&self, text: &[u8]) -> bool {
        self.headers
            .iter()
            .filter(|(name, _)| is_secret(name))
            .any(|(_, value)| {
                let value = value.as_bytes();
                // Of `Bearer x` the scheme may be gone; of `Basic x` the encoding too.
                let bare = match value.iter().position(|byte| *byte == b' ') {
                    Some(space) => value.get(space + 1..).unwrap_or_default(),
                    None => value,
                };
                holds(text, bare)
                    || (value.starts_with(b"Basic ")
                        && STANDARD.decode(bare).is_ok_and(|plain| holds(text, &plain)))
            })
    }

    /// Puts it on a request, replacing whatever the same headers held.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
    }
}

/// Shorter values are left alone: they would be found in texts that have nothing to do with them.
const SHORTEST: usize = 8;

fn holds(text: &[u8], value: &[u8]) -> bool {
    value.len() >= SHORTEST && memchr::memmem::find(text, value).is_some()
}

fn is_secret(name: &HeaderName) -> bool {
    ["auth", "key", "token", "secret", "cookie", "password"]
        .iter()
        .any(|word| name.as_str().contains(word))
}

impl fmt::Debug for UpstreamCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UpstreamCredential")
            .field(&self.kind)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;

    use super::*;

    fn presenting(name: HeaderName, value: &'static str) -> UpstreamCredential {
        let headers = vec![(name, HeaderValue::from_static(value))];
        UpstreamCredential::new(CredentialKind::StaticToken, headers, None)
    }

    #[test]
    fn a_credential_is_recognised_with_and_without_its_scheme() {
        let bearer = presenting(AUTHORIZATION, "Bearer canary-token");
        for text in ["Bearer canary-token", r#"{"error":"bad canary-token!"}"#] {
            assert!(bearer.appears_in(text.as_bytes()), "{text}");
        }
        assert!(!bearer.appears_in(b"Bearer of news: canary"));
        let basic = presenting(AUTHORIZATION, "Basic dXNlcjpwYXNzd29yZA==");
        assert!(basic.appears_in(b"no such login: user:password"));
        assert!(basic.appears_in(b"dXNlcjpwYXNzd29yZA=="));
        let key = presenting(HeaderName::from_static("x-api-key"), "canary-key");
        assert!(key.appears_in(b"key canary-key is unknown"));
    }

    #[test]
    fn what_is_no_secret_may_be_repeated() {
        let team = presenting(HeaderName::from_static("x-team"), "customers");
        assert!(!team.appears_in(b"a list of customers"));
        let short = presenting(AUTHORIZATION, "token abc");
        assert!(!short.appears_in(b"abc"));
    }
}
