#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod actor;
mod auth;
mod aws;
mod broker;
mod client;
mod credential;
mod directory;
mod discovery;
mod document;
mod errand;
mod error;
mod exchange;
mod forwarded;
mod forwarding;
mod id_jag;
mod interactive;
mod mapped_keys;
mod shared;
mod signing;
mod slot;
mod static_auth;
mod subjects;
mod token;
mod token_endpoint;
mod try_out;

pub use actor::{Actor, ActorToken};
pub use auth::{
    AwsSignature, ClientCredentials, ServerAuth, StaticHeader, TokenEndpoint, UpstreamAuth,
    WithoutBearer,
};
pub use broker::Broker;
pub use client::{AssertionAudience, ClientProof, TokenClient};
pub use credential::{CredentialKind, Finished, UpstreamCredential};
pub use directory::Authority;
pub use errand::Errand;
pub use error::{CredentialError, CredentialErrorKind};
pub use exchange::{ExchangeProfile, TokenExchange};
pub use forwarded::challenge_of;
pub use forwarding::{Addressed, CallerHeaders, CookieRule, Forwarding, Template};
pub use id_jag::{IdJagTerms, SubjectSource};
pub use interactive::{
    Arrived, AuthorizationCode, Claims, Connection, ConnectionDeps, Connections, Departure,
    Disconnected, Document, FoundForPeople, NotArrived, NotKept, Refusal, Resource, WhyNot,
    client_document, find_authorization_server,
};
pub use mapped_keys::MappedKeys;
pub use shared::SharedTokens;
pub use signing::{
    Audience, ChannelToken, JudgesSubjects, KeyBook, PublishedKey, Scopes, Signer, SignerTerms,
    SigningBroker, SubjectFault, VerifiesSubjects,
};
pub use static_auth::InvalidStaticHeader;
pub use try_out::find_token_endpoint;

use std::collections::BTreeSet;

use async_trait::async_trait;
use portcullis_core::ServerId;
use portcullis_policy::Evidence;

/// Where a permitted request gets what it presents upstream.
#[async_trait]
pub trait CredentialBroker: Send + Sync + std::fmt::Debug {
    /// The credential for one errand at one server. Fails closed: never another, stronger or empty
    /// credential in its place.
    async fn obtain(
        &self,
        evidence: &Evidence,
        auth: &ServerAuth,
        errand: Errand<'_>,
    ) -> Result<UpstreamCredential, CredentialError>;

    /// The upstream refused this credential, or what was asked with it. Forgets what was refused with
    /// 401, so that the next `obtain` gets a fresh one; says whether asking again can help at all
    /// (false for static credentials, and within the cool-down after a refetch). An error is what the
    /// caller is told instead of the refusal: whoever acts has to consent again.
    async fn rejected(
        &self,
        auth: &ServerAuth,
        credential: &UpstreamCredential,
        refusal: Refusal<'_>,
    ) -> Result<bool, CredentialError>;

    /// Forgets tokens and secrets of all servers but these. Calls under way for a server that is
    /// gone still end; if one asks once more, its token is fetched anew and kept until the next
    /// time.
    fn keep_only(&self, servers: &BTreeSet<ServerId>);
}
