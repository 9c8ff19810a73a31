//! The `mcp_jwt_signer` guardrail.

use std::collections::BTreeSet;
use std::time::Duration;

use portcullis_core::{ClientSecret, SecretValue};
use serde_json::{Map, Value};
use url::Url;

use super::Sourced;

/// How requests to servers are signed.
#[derive(Clone, Debug, PartialEq)]
pub struct JwtSigner {
    /// Servers are signed for unless they say no.
    pub default_on: bool,
    /// `alg`; the key's kind decides when absent, and RS256 without a key.
    pub algorithm: Option<&'static str>,
    /// The operator's own key in PEM; whoever signs with it reads it.
    pub signing_key: Option<Sourced<SecretValue>>,
    /// `iss`
    pub issuer: String,
    /// Where the documents about the keys are, without a path.
    pub origin: String,
    /// `aud`
    pub audience: SignerAudience,
    /// How long a token lives.
    pub ttl: Duration,
    /// `scope`
    pub scopes: SignerScopes,
    /// Header of the token, lower case.
    pub header: String,
    /// How callers' own tokens are verified; `None`: they are not read.
    pub verification: Option<TokenVerification>,
    /// What a token says.
    pub claims: SignerClaims,
    /// The second token: its audience and life.
    pub channel: Option<(String, Duration)>,
    /// Whether servers are told about the token.
    pub debug_headers: bool,
}

/// The rules about claims.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SignerClaims {
    /// Where `sub` comes from; empty: user, then key.
    pub subject: Vec<ClaimSource>,
    /// Callers' tokens must have these.
    pub required: Vec<String>,
    /// Taken over from callers' tokens.
    pub optional: Vec<String>,
    /// Added.
    pub add: Map<String, Value>,
    /// Set.
    pub set: Map<String, Value>,
    /// Left out.
    pub remove: BTreeSet<String>,
}

/// `audience`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignerAudience {
    /// The same for all.
    Exactly(String),
    /// Each server's URL.
    PerServer,
}

/// `scopes` and `allowed_scopes`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignerScopes {
    /// What the request needs.
    Least,
    /// LiteLLM's three.
    Full,
    /// This text.
    Exactly(String),
}

/// One entry of `end_user_claim_sources`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimSource {
    /// `token:<claim>`
    Token(String),
    /// `litellm:user_id`
    UserId,
    /// `litellm:email`
    Email,
    /// `litellm:team_id`
    Team,
}

/// Whose tokens are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenVerification {
    /// `iss`
    pub issuer: String,
    /// `aud`, one of them.
    pub audiences: BTreeSet<String>,
    /// Where the issuer's metadata is found (RFC 8414 §3); `None`: tokens are only asked about.
    pub discovery: Option<Url>,
    /// Who is asked about opaque tokens.
    pub introspection: Option<SubjectIntrospection>,
    /// Longest wait.
    pub timeout: Duration,
}

/// RFC 7662
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectIntrospection {
    /// Where.
    pub url: Url,
    /// Our client there.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Sourced<ClientSecret>,
}

/// Headers besides the token's that the signer may send, lower case.
pub(crate) const CHANNEL_HEADER: &str = "x-mcp-channel-token";
/// The line about the token.
pub(crate) const DEBUG_HEADER: &str = "x-litellm-mcp-debug";

impl JwtSigner {
    /// Every header that it fills, lower case.
    pub fn headers(&self) -> Vec<&str> {
        let mut headers = vec![self.header.as_str()];
        if self.channel.is_some() {
            headers.push(CHANNEL_HEADER);
        }
        if self.debug_headers {
            headers.push(DEBUG_HEADER);
        }
        headers
    }
}
