//! The authorization server that MCP clients sign people in at.

use std::time::Duration;

use portcullis_core::{ClientSecret, ScopeSet};

use super::Sourced;

/// `identity.authorization_server`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationServer {
    /// `enabled`
    pub enabled: bool,
    /// `access_token_ttl`
    pub access_token_ttl: Duration,
    /// `refresh_token_ttl`
    pub refresh_token_ttl: Duration,
    /// `grant_ttl`
    pub grant_ttl: Duration,
    /// `dynamic_registration`
    pub dynamic_registration: bool,
    /// `client_id_metadata_documents`
    pub client_documents: bool,
    /// `allow_loopback_client_documents`
    pub loopback_documents: bool,
    /// `native_redirects`
    pub native_redirects: Vec<String>,
    /// `clients`
    pub clients: Vec<KnownClient>,
}

/// A client that is known beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownClient {
    /// `client_id`
    pub id: String,
    /// `client_secret`
    pub secret: Option<Sourced<ClientSecret>>,
    /// `name`
    pub name: String,
    /// `redirect_uris`
    pub redirect_uris: Vec<String>,
    /// `scopes`
    pub scopes: Option<ScopeSet>,
}

impl Default for AuthorizationServer {
    fn default() -> Self {
        let day = Duration::from_hours(24);
        Self {
            enabled: true,
            access_token_ttl: Duration::from_hours(1),
            refresh_token_ttl: day * 14,
            grant_ttl: day * 30,
            dynamic_registration: true,
            client_documents: true,
            loopback_documents: false,
            native_redirects: [
                "cursor://anysphere.cursor-mcp",
                "cursor://anysphere.cursor-retrieval",
            ]
            .map(str::to_owned)
            .to_vec(),
            clients: Vec::new(),
        }
    }
}
