//! What the surfaces need to know of the configuration on each request. A reload puts another in
//! force.

use std::sync::Arc;

use portcullis_core::{AddressRange, ScopeSet};
use portcullis_engine::QuotaRates;
use portcullis_identity::authorization_server::AuthorizationServer;
use portcullis_oauth::RedirectRules;

use crate::debug::DebugHeaders;
use crate::forwarded::Forwarded;
use crate::signer_documents::{PublishedKeys, SignerFacts};

/// The face that we show, and whom we take callers to be.
#[derive(Clone, Debug, Default)]
pub struct Frontage {
    /// Whose forwarded headers are believed; `None`: nobody's.
    pub forwarded: Option<Forwarded>,
    /// The operator's own addresses; a caller from anywhere else is outside.
    pub inside: Vec<AddressRange>,
    /// Where the relay lets codes be sent.
    pub redirects: RedirectRules,
    /// What our protected-resource documents say.
    pub resource: ResourceFacts,
    /// Who gives tokens to clients, if anybody does.
    pub authorization_server: Option<AuthorizationServer>,
    /// The keys of those tokens.
    pub token_keys: Option<Arc<dyn PublishedKeys>>,
    /// Our client document for authorization servers of upstreams, where our origin is a stable one.
    pub client_document: Option<String>,
    /// The origin at which we are a client of our own for each server, unless the operator wrote where
    /// the one document for all of them is.
    pub documents_at: Option<url::Url>,
    /// What is published of the signer, if there is one.
    pub signer: Option<SignerFacts>,
    /// Who may ask how its request was authenticated.
    pub debug_headers: DebugHeaders,
    /// Whether the servers in view are listed as a registry lists them.
    pub registry: bool,
    /// How often what needs no key may be asked for, from one network.
    pub quotas: QuotaRates,
}

/// What a protected-resource document (RFC 9728 §2) says of every endpoint of ours, to everybody.
#[derive(Clone, Debug, Default)]
pub struct ResourceFacts {
    /// Issuers whose tokens are accepted. Empty: no authorization server is claimed.
    pub authorization_servers: Vec<String>,
    /// Scopes that may be asked for.
    pub scopes_supported: ScopeSet,
    /// Whether clients are asked for certificates, so that tokens may be bound to them (RFC 8705).
    pub binds_tokens: bool,
}
