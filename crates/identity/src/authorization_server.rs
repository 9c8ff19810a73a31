//! The authorization server that MCP clients sign people in at (OAuth 2.1; RFC 6749, 7591, 7636,
//! 7662, 7009, 8414, 8707, 9068, 9207).
//!
//! A person proves who they are elsewhere; here a client of theirs gets a grant. [`begin`] judges what
//! the client's browser brings and parks it, [`pending`] says what is to be decided, [`approve`] and
//! [`deny`] send the browser back. What the client then holds, a code, refresh tokens, access tokens,
//! leads to one row, the grant, and ends with it.
//!
//! [`begin`]: AuthorizationServer::begin
//! [`pending`]: AuthorizationServer::pending
//! [`approve`]: AuthorizationServer::approve
//! [`deny`]: AuthorizationServer::deny

mod access_token;
mod assertion;
mod clients;
mod code;
mod decision;
mod documents;
mod error;
mod flow;
mod grants;
mod introspection;
mod refresh;
mod registration;
mod resource;
mod revocation;
mod secrets;
mod token_endpoint;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use portcullis_core::{Clock, Entropy, Principal, ScopeSet, Side};
use portcullis_egress::HttpClient;
use portcullis_oauth::authorization_server::{ClientMetadata, NativeRedirects};
use portcullis_oauth::jose::{Jwks, SigningKey};
use portcullis_store::{ClientStore, GrantStore, OneTimeStore};
use portcullis_vault::KeyRing;

use crate::{JwksCache, RevocationAdmin, TrustedIssuer};

pub use clients::ClientStanding;
pub use decision::{Pending, Undecided};
pub use documents::ClientDocuments;
pub use error::AuthorizationError;
pub use flow::{FlowHandle, Refusal};
pub use grants::{Grants, ListedGrant};
pub use introspection::Introspected;
pub use registration::{RegisteredClient, RegistrationRefusal};
pub use resource::{Addressed, Endpoint};
pub use token_endpoint::{ClientCredentials, Issued, Theft, TokenRefusal};

/// What the operator decided.
#[derive(Clone, Debug)]
pub struct AuthorizationTerms {
    /// How long an access token lives.
    pub access_token_ttl: Duration,
    /// How long a refresh token waits to be used.
    pub refresh_token_ttl: Duration,
    /// How long a grant lasts, however often it is used.
    pub grant_ttl: Duration,
    /// Whether clients may register themselves (RFC 7591).
    pub registration: bool,
    /// Whether clients may be known by the URL of a document.
    pub documents: bool,
    /// Whether such a document may be on loopback.
    pub documents_on_loopback: bool,
    /// Clients that the operator wrote down.
    pub clients: Vec<ListedClient>,
    /// Callbacks of native clients beyond loopback and schemes with a dot.
    pub natives: NativeRedirects,
    /// Scopes that may be granted.
    pub scopes: ScopeSet,
    /// The origin that clients see, where the operator said it. `None`: that of each request.
    pub public_origin: Option<String>,
    /// Issuers whose ID-JAGs are taken.
    pub assertions: Vec<AssertionIssuer>,
}

/// A client that the operator wrote down.
#[derive(Clone, Debug)]
pub struct ListedClient {
    /// Its `client_id`.
    pub id: String,
    /// What it is.
    pub metadata: ClientMetadata,
    /// The SHA-256 of its secret; `None`: it is public.
    pub secret: Option<[u8; 32]>,
}

/// An issuer whose identity assertions are taken for access tokens (ID-JAG, RFC 7523).
#[derive(Clone, Debug)]
pub struct AssertionIssuer {
    /// What its assertions must be like, and where their claims are. Whatever audiences are written
    /// there, an assertion must name us.
    pub issuer: TrustedIssuer,
    /// Its keys.
    pub keys: Arc<JwksCache>,
}

/// The keys that access tokens are signed and verified by.
pub trait TokenKeys: Send + Sync + fmt::Debug {
    /// The key to sign by. `None`: none is known to be good.
    fn signing_key(&self) -> Option<Arc<SigningKey>>;

    /// Those whose tokens may still live.
    fn verifying(&self) -> Arc<Jwks>;
}

/// Which endpoints lead somewhere.
#[async_trait]
pub trait Endpoints: Send + Sync + fmt::Debug {
    /// Whether this principal sees anything at the named endpoint from there.
    async fn leads_somewhere(&self, name: &str, principal: &Principal, side: Side) -> bool;
}

/// What all configurations share: what is kept, and what is remembered.
#[derive(Debug)]
pub struct AuthorizationDeps {
    /// Clients that registered themselves.
    pub clients: Arc<dyn ClientStore>,
    /// Grants and refresh tokens.
    pub grants: Arc<Grants>,
    /// Codes, parked requests, ids of assertions.
    pub one_time: Arc<dyn OneTimeStore>,
    /// What everything that is kept is sealed with.
    pub ring: Arc<KeyRing>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What secrets are made of.
    pub entropy: Arc<dyn Entropy>,
    /// Client metadata documents.
    pub documents: ClientDocuments,
    /// What tokens are signed by.
    pub keys: Arc<dyn TokenKeys>,
    /// Which endpoints there are.
    pub endpoints: Arc<dyn Endpoints>,
}

impl AuthorizationDeps {
    /// A place for clients' documents, fetched so.
    pub fn documents(http: Arc<dyn HttpClient>, clock: Arc<dyn Clock>) -> ClientDocuments {
        ClientDocuments::new(http, clock)
    }

    /// A place for grants.
    pub fn grants(
        store: Arc<dyn GrantStore>,
        revoking: RevocationAdmin,
        ring: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Grants> {
        Arc::new(Grants::new(store, revoking, ring, clock))
    }
}

/// The authorization server of one configuration.
#[derive(Clone, Debug)]
pub struct AuthorizationServer {
    terms: Arc<AuthorizationTerms>,
    deps: Arc<AuthorizationDeps>,
    /// Where the one is who is being answered.
    side: Side,
}

impl AuthorizationServer {
    /// On these terms, for somebody outside.
    pub fn new(terms: AuthorizationTerms, deps: Arc<AuthorizationDeps>) -> Self {
        Self {
            terms: Arc::new(terms),
            deps,
            side: Side::Outside,
        }
    }

    /// The same for somebody who is there: servers that only the inside sees are none outside.
    #[must_use]
    pub fn seen_from(self, side: Side) -> Self {
        Self { side, ..self }
    }

    /// On which terms.
    pub fn terms(&self) -> &AuthorizationTerms {
        &self.terms
    }

    /// What people granted to clients: for showing it to them, and for ending it.
    pub fn grants(&self) -> &Grants {
        &self.deps.grants
    }

    /// What is granted of what was asked for: scopes that nobody here knows grant nothing.
    fn grantable(&self, asked: &ScopeSet, of_client: Option<&ScopeSet>) -> ScopeSet {
        let known = asked.intersection(&self.terms.scopes);
        match of_client {
            Some(most) => known.intersection(most),
            None => known,
        }
    }

    /// Whether this principal sees anything at the named endpoint from where they are.
    async fn leads_somewhere(&self, name: &str, principal: &Principal) -> bool {
        let endpoints = &self.deps.endpoints;
        endpoints.leads_somewhere(name, principal, self.side).await
    }

    /// The names of an endpoint, as its URL lists them.
    fn names(endpoint: &Endpoint) -> Vec<String> {
        match endpoint {
            Endpoint::Aggregate => Vec::new(),
            Endpoint::Named(name) => {
                let names: BTreeSet<&str> = name.split(',').collect();
                names.into_iter().map(str::to_owned).collect()
            }
        }
    }
}
