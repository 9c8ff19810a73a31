//! Whose tokens are accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use portcullis_core::{ClientSecret, ServerGrants};
use url::Url;

use super::Sourced;

/// The signature algorithms that an issuer may use. None is symmetric.
pub const JWS_ALGORITHMS: &[&str] = &[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
];

/// One entry of `identity.issuers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenIssuer {
    /// Character by character as written.
    pub issuer: String,
    /// The same as a URL.
    pub url: Url,
    /// Never empty.
    pub audiences: BTreeSet<String>,
    /// Where its keys are; `None`: discovered.
    pub jwks_uri: Option<Url>,
    /// Names from [`JWS_ALGORITHMS`], never empty.
    pub algorithms: Vec<&'static str>,
    /// Never empty.
    pub token_types: Vec<TokenTypeName>,
    /// How far its clock may differ.
    pub leeway: Duration,
    /// How long its tokens may live.
    pub max_token_lifetime: Duration,
    /// Which claim is what.
    pub claims: ClaimNames,
    /// What bearers see.
    pub grants: IssuerGrants,
    /// Its tokens are opaque: ask here.
    pub introspection: Option<Introspection>,
    /// Its identity assertions are taken at our own token endpoint.
    pub id_jag: bool,
    /// Plain http beyond loopback is accepted for its URLs.
    pub allow_insecure_http: bool,
}

/// A `typ`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenTypeName {
    /// This one.
    Named(String),
    /// None at all.
    Absent,
}

/// Which claim is which field of the principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimNames {
    /// `claims.user_id`
    pub user_id: Option<String>,
    /// `claims.email`
    pub email: Option<String>,
    /// `claims.team`
    pub team: Option<String>,
    /// `claims.org`
    pub org: Option<String>,
    /// `claims.groups`
    pub groups: Option<String>,
}

/// What bearers of an issuer's tokens see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuerGrants {
    /// All of them.
    pub everybody: ServerGrants,
    /// Those of a group, in addition.
    pub groups: BTreeMap<String, ServerGrants>,
    /// Those of a team, in addition.
    pub teams: BTreeMap<String, ServerGrants>,
}

/// `introspection` (RFC 7662).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introspection {
    /// The endpoint.
    pub url: Url,
    /// Our client there.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Sourced<ClientSecret>,
    /// How the secret is presented.
    pub client_auth: ClientAuth,
}

/// How our secret is presented to an introspection endpoint (RFC 6749 §2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// In the form.
    Post,
    /// By HTTP Basic.
    Basic,
}
