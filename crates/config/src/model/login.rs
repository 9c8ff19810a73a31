//! How people sign in with a browser.

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
    /// Plain http beyond loopback is accepted for its URLs.
    pub allow_insecure_http: bool,
}
