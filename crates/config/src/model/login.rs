//! How people sign in with a browser.

use std::collections::BTreeMap;
use std::time::Duration;

use portcullis_core::{ClientSecret, ScopeSet};
use url::Url;

use super::{ClaimNames, ClientAuth, IssuerGrants, Sourced};

/// `identity.login`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// `with_key`
    pub with_key: bool,
    /// `session_ttl`
    pub session_ttl: Duration,
    /// The OpenID provider, where there is one.
    pub provider: Option<LoginProvider>,
}

impl Default for Login {
    fn default() -> Self {
        Self {
            with_key: true,
            session_ttl: Duration::from_hours(8),
            provider: None,
        }
    }
}

/// An OpenID provider, and our client there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginProvider {
    /// Character by character as written.
    pub issuer: String,
    /// The same as a URL.
    pub url: Url,
    /// What people call it.
    pub name: String,
    /// Our client.
    pub client_id: String,
    /// Its secret and how it is presented; `None`: it has none.
    pub client_secret: Option<(Sourced<ClientSecret>, ClientAuth)>,
    /// With `openid`.
    pub scopes: ScopeSet,
    /// Names from [`JWS_ALGORITHMS`](super::JWS_ALGORITHMS), never empty.
    pub algorithms: Vec<&'static str>,
    /// How far its clock may differ.
    pub leeway: Duration,
    /// Which claim is what.
    pub claims: ClaimNames,
    /// What the people see.
    pub grants: IssuerGrants,
    /// Which scopes they have, and so at most the clients that act for them.
    pub granted_scopes: GrantedScopes,
    /// Plain http beyond loopback is accepted for its URLs.
    pub allow_insecure_http: bool,
}

/// Scopes of people who sign in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantedScopes {
    /// All of them.
    pub everybody: ScopeSet,
    /// In addition, those of a group.
    pub groups: BTreeMap<String, ScopeSet>,
    /// In addition, those of a team.
    pub teams: BTreeMap<String, ScopeSet>,
}
