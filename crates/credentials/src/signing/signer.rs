//! What is signed for one server, and how it travels.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use portcullis_core::{Clock, Entropy};
use portcullis_oauth::jose::{Claims, SigningKey, Verified};
use portcullis_oauth::{
    ClaimRules, Issue, SigningAlgorithm, Unvouchable, errand_scope, full_scope, vouched_claims,
};
use portcullis_policy::Evidence;
use serde_json::Value;

use super::{KeyBook, VerifiesSubjects};
use crate::error::Failure;
use crate::{CredentialErrorKind, Errand};

/// RFC 9068 §2.1.
const TOKEN_TYPE: &str = "at+jwt";
/// A longer token does not fit into a header that servers read.
const LONGEST: usize = 7 * 1024;
/// LiteLLM's second token.
static CHANNEL_HEADER: HeaderName = HeaderName::from_static("x-mcp-channel-token");
/// LiteLLM's line about what was signed.
static DEBUG_HEADER: HeaderName = HeaderName::from_static("x-litellm-mcp-debug");

/// How one server's requests are signed.
#[derive(Debug)]
pub struct Signer {
    terms: SignerTerms,
    keys: Arc<KeyBook>,
    verifier: Option<Arc<dyn VerifiesSubjects>>,
}

/// The operator's terms.
#[derive(Clone, Debug, PartialEq)]
pub struct SignerTerms {
    /// The claims.
    pub claims: ClaimRules,
    /// Whom a token is for, as this server knows itself.
    pub audience: Audience,
    /// How long it lives.
    pub lifetime: Duration,
    /// What it allows.
    pub scopes: Scopes,
    /// Where it is sent; `Authorization` takes `Bearer`, and so does any other.
    pub header: HeaderName,
    /// A second token.
    pub channel: Option<ChannelToken>,
    /// Whether a line about the token goes with it.
    pub debug: bool,
    /// What the verifier is made of; another one is another signer.
    pub verification: Option<String>,
}

/// `aud`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience(pub String);

/// What a token allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scopes {
    /// What the request needs.
    Least,
    /// LiteLLM's three, whatever the request needs.
    Full,
    /// This text.
    Exactly(String),
}

/// The second token: the same claims for somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelToken {
    /// Its `aud`.
    pub audience: String,
    /// How long it lives.
    pub lifetime: Duration,
}

/// Everything that has to be signed for one request.
pub(super) struct Unsigned {
    key: Arc<SigningKey>,
    token: Value,
    channel: Option<Value>,
}

impl Unsigned {
    /// Whether signing takes long enough to be done aside.
    pub(super) fn is_slow(&self) -> bool {
        matches!(
            self.key.algorithm(),
            SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256
        )
    }
}

impl Signer {
    /// A signer. With a verifier, a caller is vouched for only on the word of a token of the
    /// caller's own.
    pub fn new(
        terms: SignerTerms,
        keys: Arc<KeyBook>,
        verifier: Option<Arc<dyn VerifiesSubjects>>,
    ) -> Self {
        Self {
            terms,
            keys,
            verifier,
        }
    }

    /// The headers that it writes.
    pub(crate) fn header_names(&self) -> impl Iterator<Item = &HeaderName> {
        let channel = self.terms.channel.is_some().then_some(&CHANNEL_HEADER);
        let debug = self.terms.debug.then_some(&DEBUG_HEADER);
        [Some(&self.terms.header), channel, debug]
            .into_iter()
            .flatten()
    }

    /// Whether callers' own tokens are verified.
    pub fn verifies(&self) -> bool {
        self.verifier.is_some()
    }

    pub(super) fn verifier(&self) -> Option<&dyn VerifiesSubjects> {
        self.verifier.as_deref()
    }

    /// What is to be said of this errand.
    pub(super) fn draft(
        &self,
        evidence: &Evidence,
        verified: Option<&Verified<Claims>>,
        errand: Errand<'_>,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<Unsigned, Failure> {
        let cannot = || Failure::new(CredentialErrorKind::CannotSign);
        let terms = &self.terms;
        let key = self.keys.signing_key().ok_or_else(cannot)?;
        let scope = terms.scopes.of(evidence, errand)?;
        let now = clock.now();
        let claims = |audience: &str, lifetime: Duration| {
            let mut unique = [0_u8; 16];
            entropy
                .fill(&mut unique)
                .map_err(|error| cannot().because(error))?;
            let issue = Issue {
                caller: evidence.caller(),
                verified: verified.map(|verified| &**verified),
                audience,
                scope: &scope,
                now,
                lifetime,
                unique: &unique,
            };
            vouched_claims(&terms.claims, &issue).map_err(Failure::from)
        };
        let channel = match &terms.channel {
            Some(channel) => Some(claims(&channel.audience, channel.lifetime)?),
            None => None,
        };
        Ok(Unsigned {
            token: claims(&terms.audience.0, terms.lifetime)?,
            channel,
            key,
        })
    }

    /// The signed headers.
    pub(super) fn sign(
        &self,
        unsigned: &Unsigned,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Failure> {
        let terms = &self.terms;
        let mut headers = vec![(
            terms.header.clone(),
            bearer(&unsigned.key, &unsigned.token)?,
        )];
        if let Some(channel) = &unsigned.channel {
            headers.push((CHANNEL_HEADER.clone(), bearer(&unsigned.key, channel)?));
        }
        if terms.debug {
            headers.push((
                DEBUG_HEADER.clone(),
                debug_line(&unsigned.key, &unsigned.token)?,
            ));
        }
        Ok(headers)
    }
}

impl PartialEq for Signer {
    fn eq(&self, other: &Self) -> bool {
        self.terms == other.terms
    }
}

impl Scopes {
    fn of(&self, evidence: &Evidence, errand: Errand<'_>) -> Result<String, Failure> {
        let scope = match (self, errand) {
            (Self::Exactly(scope), _) => Ok(scope.clone()),
            (Self::Full, Errand::Method("tools/call")) => full_scope(evidence.tool()),
            (Self::Full, _) => full_scope(None),
            (Self::Least, Errand::Method(method)) => errand_scope(method, evidence.tool()),
            (Self::Least, Errand::Session) => errand_scope("session", None),
        };
        scope.map_err(|error| Failure::new(CredentialErrorKind::CannotSign).because(error))
    }
}

fn bearer(key: &SigningKey, claims: &Value) -> Result<HeaderValue, Failure> {
    let cannot = || Failure::new(CredentialErrorKind::CannotSign);
    let token = key
        .sign(TOKEN_TYPE, claims)
        .map_err(|error| cannot().because(error))?;
    if token.expose().len() > LONGEST {
        return Err(cannot());
    }
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
        .map_err(|error| cannot().because(error))?;
    value.set_sensitive(true);
    Ok(value)
}

/// LiteLLM's form. Whatever a header cannot carry, and what separates its parts, is escaped.
fn debug_line(key: &SigningKey, claims: &Value) -> Result<HeaderValue, Failure> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let expires = claims
        .get("exp")
        .and_then(Value::as_i64)
        .unwrap_or_default();
    let scope: String = text("scope").chars().take(80).collect();
    let line = format!(
        "v=1; kid={}; sub={}; iss={}; exp={expires}; scope={}",
        key.key_id(),
        printable(text("sub")),
        printable(text("iss")),
        printable(&scope),
    );
    HeaderValue::try_from(line)
        .map_err(|error| Failure::new(CredentialErrorKind::CannotSign).because(error))
}

fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for byte in text.bytes().take(256) {
        if matches!(byte, b' '..=b'~') && !b";%".contains(&byte) {
            shown.push(byte.into());
        } else {
            // Writing to a String cannot fail.
            let _ = write!(shown, "%{byte:02X}");
        }
    }
    shown
}

impl From<Unvouchable> for Failure {
    fn from(unvouchable: Unvouchable) -> Self {
        let kind = match &unvouchable {
            Unvouchable::MissingClaims(_)
            | Unvouchable::NoSubject
            | Unvouchable::OurName
            | Unvouchable::ClientsName => CredentialErrorKind::SubjectLacksClaims,
            Unvouchable::Ended => CredentialErrorKind::SubjectEnded,
        };
        Self::new(kind).because(unvouchable)
    }
}
