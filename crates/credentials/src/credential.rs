//! What we present, ready to be put on a request.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use portcullis_aws::{AccessKeys, Scope, SigningError, sign};
use portcullis_core::{Clock, found_in_json};

use crate::interactive::Granted;
use crate::slot::Slot;

/// The kind of credential, as the audit event and the debug headers name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// Nothing is presented.
    NoAuth,
    /// A fixed value from the file.
    StaticToken,
    /// A token of the client-credentials grant.
    M2mClientCredentials,
    /// A token got in exchange for the caller's.
    TokenExchange,
    /// A token got for the caller through their organisation.
    IdJag,
    /// A token that the caller granted by connecting their account.
    AuthorizationCode,
    /// The one of the server's keys that was set apart for the caller.
    MappedKey,
    /// A signature of the request.
    AwsSigV4,
    /// Nothing but a token that we signed for this request.
    SignedJwt,
    /// What the caller addressed to this server.
    PerRequestHeader,
    /// The caller's own bearer token.
    Oauth2Passthrough,
    /// Nothing of ours, beside headers of the caller's that the file lists.
    ExtraHeaders,
}

impl CredentialKind {
    /// The label in the audit event, in metrics and in the debug headers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoAuth => "no-auth",
            Self::StaticToken => "static-token",
            Self::M2mClientCredentials => "m2m-client-credentials",
            Self::TokenExchange => "token-exchange",
            Self::IdJag => "id-jag",
            Self::AuthorizationCode => "authorization-code",
            Self::MappedKey => "mapped-key",
            Self::AwsSigV4 => "aws-sigv4",
            Self::SignedJwt => "signed-jwt",
            Self::PerRequestHeader => "per-request-header",
            Self::Oauth2Passthrough => "oauth2-passthrough",
            Self::ExtraHeaders => "extra-headers",
        }
    }
}

/// A request that lacks nothing but its credential.
#[derive(Debug)]
pub struct Finished<'r> {
    /// Its method.
    pub method: &'r Method,
    /// Its absolute URI.
    pub uri: &'r Uri,
    /// All its headers.
    pub headers: &'r mut HeaderMap,
    /// Its whole body.
    pub body: &'r [u8],
}

/// What signs a request.
#[derive(Clone)]
pub(crate) struct Signing {
    pub(crate) keys: AccessKeys,
    pub(crate) scope: Scope,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A credential that can only be applied to an outgoing request; nothing reads it back.
#[derive(Clone)]
pub struct UpstreamCredential {
    kind: CredentialKind,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Which of the headers hold a secret, whatever they are called.
    secret: Vec<HeaderName>,
    /// Where it was fetched to, and its SHA-256, so that `rejected` drops this one and not its
    /// successor.
    fetched: Option<(Arc<Slot>, [u8; 32])>,
    /// Of whose connection it is, and which state of it.
    granted: Option<Granted>,
    signing: Option<Signing>,
}

impl UpstreamCredential {
    pub(crate) const fn new(
        kind: CredentialKind,
        headers: Vec<(HeaderName, HeaderValue)>,
        fetched: Option<(Arc<Slot>, [u8; 32])>,
    ) -> Self {
        Self {
            kind,
            headers,
            secret: Vec::new(),
            fetched,
            granted: None,
            signing: None,
        }
    }

    /// Nothing, for a request that does not leave the process.
    pub const fn nothing() -> Self {
        Self::new(CredentialKind::NoAuth, Vec::new(), None)
    }

    /// The same, of which this header is known to be a secret.
    pub(crate) fn holding(mut self, name: HeaderName) -> Self {
        self.secret.push(name);
        self
    }

    /// The same, of this connection.
    pub(crate) fn granted_by(mut self, granted: Granted) -> Self {
        self.granted = Some(granted);
        self
    }

    /// Which account of whoever acts it is of, where they connected one: a digest, and another one
    /// after each consent.
    pub fn account(&self) -> Option<[u8; 32]> {
        self.granted.as_ref().map(|granted| granted.account)
    }

    pub(crate) const fn granted(&self) -> Option<&Granted> {
        self.granted.as_ref()
    }

    pub(crate) fn signing(mut self, signing: Signing) -> Self {
        self.signing = Some(signing);
        self
    }

    /// The same with headers that we signed, which take the place of any of these names.
    pub(crate) fn vouched_for(mut self, signed: Vec<(HeaderName, HeaderValue)>) -> Self {
        if self.kind == CredentialKind::NoAuth {
            self.kind = CredentialKind::SignedJwt;
        }
        let signed_tokens = signed.iter().filter(|(_, value)| value.is_sensitive());
        let names = signed_tokens.map(|(name, _)| name.clone());
        self.secret.extend(names);
        self.headers.extend(signed);
        self
    }

    /// Whether it is of one caller; a token that we sign for each request says only who asks.
    pub const fn is_one_callers(&self) -> bool {
        match self.kind {
            CredentialKind::NoAuth
            | CredentialKind::StaticToken
            | CredentialKind::M2mClientCredentials
            | CredentialKind::AwsSigV4
            | CredentialKind::SignedJwt => false,
            CredentialKind::TokenExchange
            | CredentialKind::IdJag
            | CredentialKind::AuthorizationCode
            | CredentialKind::MappedKey
            | CredentialKind::PerRequestHeader
            | CredentialKind::Oauth2Passthrough
            | CredentialKind::ExtraHeaders => true,
        }
    }

    /// What kind it is.
    pub const fn kind(&self) -> CredentialKind {
        self.kind
    }

    /// The same with more headers, which others of these names give way to.
    pub(crate) fn joined_by(
        mut self,
        kind: CredentialKind,
        more: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    ) -> Self {
        self.kind = kind;
        self.headers.extend(more);
        self
    }

    pub(crate) fn fetched(&self) -> Option<(&Slot, &[u8; 32])> {
        let (slot, fingerprint) = self.fetched.as_ref()?;
        Some((slot, fingerprint))
    }

    /// Whether a text repeats what is presented, so that it can be kept from those who must not
    /// have it. Headers that are no secrets, neither by what they hold nor by their name, and values too short to be told from
    /// anything else, do not count.
    pub fn appears_in(&self, text: &[u8]) -> bool {
        // Of signing keys only this one leaves the house; a signature is good for nothing else.
        let token = self
            .signing
            .as_ref()
            .and_then(|signing| signing.keys.session_token());
        if token.is_some_and(|token| holds(text, token.expose().as_bytes())) {
            return true;
        }
        self.headers
            .iter()
            .filter(|(name, _)| is_secret(name) || self.secret.contains(name))
            .any(|(name, value)| {
                secrets_of(name, value.as_bytes())
                    .iter()
                    .any(|secret| holds(text, secret))
            })
    }

    /// Puts it on a request, replacing whatever the same headers held. A signature covers the
    /// request as it is now, and may not be possible.
    pub fn apply(&self, request: Finished<'_>) -> Result<(), SigningError> {
        for (name, value) in &self.headers {
            request.headers.insert(name.clone(), value.clone());
        }
        let Some(Signing { keys, scope, clock }) = &self.signing else {
            return Ok(());
        };
        let Finished {
            method,
            uri,
            headers,
            body,
        } = request;
        sign(method, uri, headers, body, keys, scope, clock.now())
    }
}

/// What would give a header away: a text rarely repeats the whole of it.
fn secrets_of<'v>(name: &HeaderName, value: &'v [u8]) -> Vec<Cow<'v, [u8]>> {
    if *name == COOKIE {
        // RFC 6265 §4.2.1: pairs, each with a secret of its own, perhaps in quotes.
        return value
            .split(|byte| *byte == b';')
            .map(|pair| split_at(pair, b'=').map_or(pair, |(_, value)| value))
            .map(|value| unquoted(value.trim_ascii()).into())
            .collect();
    }
    // The scheme (RFC 9110 §11.4) may be gone. In a header of another name a first word is part of
    // the value unless it is one of the usual schemes.
    let Some((scheme, rest)) = split_at(value, b' ').filter(|(scheme, _)| {
        *name == AUTHORIZATION
            || ["bearer", "basic", "token"]
                .iter()
                .any(|known| scheme.eq_ignore_ascii_case(known.as_bytes()))
    }) else {
        return vec![value.into()];
    };
    let rest = rest.trim_ascii();
    let mut secrets = vec![rest.into()];
    if scheme.eq_ignore_ascii_case(b"basic")
        && let Ok(login) = STANDARD.decode(rest)
    {
        // RFC 7617 §2: what stands after the first colon is the password.
        if let Some((_, password)) = split_at(&login, b':') {
            secrets.push(password.to_vec().into());
        }
        secrets.push(login.into());
    }
    secrets
}

fn unquoted(value: &[u8]) -> &[u8] {
    value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""))
        .unwrap_or(value)
}

/// Before and after the first of these bytes.
fn split_at(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let mut parts = text.splitn(2, |byte| *byte == separator);
    parts.next().zip(parts.next())
}

/// Shorter values are left alone: they would be found in texts that have nothing to do with them.
const SHORTEST: usize = 8;

fn holds(text: &[u8], value: &[u8]) -> bool {
    let found = |text: &[u8]| memchr::memmem::find(text, value).is_some();
    value.len() >= SHORTEST && found_in_json(text, found)
}

fn is_secret(name: &HeaderName) -> bool {
    [
        "auth", "key", "token", "secret", "cookie", "password", "session", "jwt",
    ]
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
        let slashed = presenting(AUTHORIZATION, "Bearer ab/cd-canary");
        assert!(slashed.appears_in(br#"{"error":"bad ab\/cd-canary"}"#));
        // As Go writes it, and as others may.
        let password = presenting(HeaderName::from_static("x-api-key"), "canary<&>key");
        assert!(password.appears_in(br#"{"error":"bad canary\u003c\u0026\u003ekey"}"#));
        assert!(password.appears_in(br#"{"error":"bad canary\u003C&>key"}"#));
    }

    #[test]
    fn the_password_of_a_login_is_recognised_alone() {
        let basic = presenting(AUTHORIZATION, "Basic dXNlcjpwYXNzd29yZA==");
        assert!(basic.appears_in(b"wrong password: password!"));
        assert!(basic.appears_in(b"no such login: user:password"));
        assert!(!basic.appears_in(b"user is unknown"));
        let short = presenting(AUTHORIZATION, "Basic dXNlcm5hbWU6cHc=");
        assert!(short.appears_in(b"no such login: username:pw"));
        let lower = presenting(AUTHORIZATION, "basic dXNlcjpwYXNzd29yZA==");
        assert!(lower.appears_in(b"wrong: password"));
    }

    #[test]
    fn each_cookie_is_recognised_alone() {
        let cookie = presenting(COOKIE, "theme=dark; sid=canary-session;csrf=canary-csrf=");
        for text in ["bad sid canary-session", "csrf canary-csrf= is stale"] {
            assert!(cookie.appears_in(text.as_bytes()), "{text}");
        }
        assert!(!cookie.appears_in(b"a dark theme; sid is unknown"));
        let quoted = presenting(COOKIE, "sid=\"canary-quoted\"");
        assert!(quoted.appears_in(b"no session canary-quoted"));
        let bare = presenting(COOKIE, "canary-without-name");
        assert!(bare.appears_in(b"what is canary-without-name?"));
    }

    #[test]
    fn a_value_with_a_blank_is_recognised_where_no_scheme_is() {
        let key = presenting(HeaderName::from_static("x-api-key"), "canary-first second");
        assert!(key.appears_in(b"unknown key: canary-first second"));
        assert!(!key.appears_in(b"one second please"));
        let schemed = presenting(HeaderName::from_static("x-auth"), "Bearer canary-token");
        assert!(schemed.appears_in(b"canary-token has expired"));
        let plain = presenting(AUTHORIZATION, "canary-verbatim");
        assert!(plain.appears_in(b"canary-verbatim is no login"));
        let token = presenting(AUTHORIZATION, "Token  canary-token");
        assert!(token.appears_in(b"bad canary-token"));
    }

    #[test]
    fn what_is_no_secret_may_be_repeated() {
        let team = presenting(HeaderName::from_static("x-team"), "customers");
        assert!(!team.appears_in(b"a list of customers"));
        let short = presenting(AUTHORIZATION, "token abc");
        assert!(!short.appears_in(b"abc"));
    }
}
