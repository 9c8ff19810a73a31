//! Trading a caller's token for one of an upstream (on behalf of the caller).

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{ScopeSet, SecretValue, Sha256, SubjectToken, Timestamp};
use portcullis_egress::Destination;
use portcullis_oauth::{Exchange, TokenRequest, TokenResponse, TokenRules, claimed_expiry};
use tokio::sync::Semaphore;
use url::Url;

use crate::auth::digest_rules;
use crate::broker::Door;
use crate::error::Failure;
use crate::token_endpoint::Endpoint;
use crate::{CredentialErrorKind, TokenClient};

/// How one server's tokens are got in exchange for callers' tokens. Nothing here is a caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenExchange {
    /// Where callers' tokens are sent: only where the file says, never where a server says.
    pub endpoint: Url,
    /// Who asks.
    pub client: TokenClient,
    /// What is asked.
    pub profile: ExchangeProfile,
    /// `scope`; not sent when empty.
    pub scopes: ScopeSet,
    /// `token_validation`: what the response must say.
    pub rules: TokenRules,
    /// Plain http to the endpoint beyond loopback was accepted by name.
    pub allow_insecure_http: bool,
}

/// The two ways of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExchangeProfile {
    /// RFC 8693 token exchange.
    Rfc8693 {
        /// `subject_token_type`
        subject_type: String,
        /// `requested_token_type`
        requested_type: Option<String>,
        /// `actor_token` and its type.
        actor: Option<(SecretValue, String)>,
        /// `audience`
        audience: Option<String>,
        /// `resource` (RFC 8707)
        resource: Option<String>,
    },
    /// Microsoft Entra's on-behalf-of flow.
    EntraObo,
}

/// One caller's part in an exchange.
pub(crate) struct Bargain {
    pub(crate) terms: Arc<TokenExchange>,
    pub(crate) subject: SubjectToken,
    /// Read from the subject token, unverified: it only ever ends things earlier.
    pub(crate) ends: Option<Timestamp>,
    /// Shared by all tokens of the same principal: made-up tokens beside a key must flood neither
    /// the token endpoint nor whoever else waits for it.
    turns: Arc<Semaphore>,
}

/// How long a caller's token may wait for its turn among others of the same caller.
const TURN: Duration = Duration::from_secs(5);

impl Bargain {
    pub(crate) fn new(
        terms: &Arc<TokenExchange>,
        subject: &SubjectToken,
        turns: Arc<Semaphore>,
    ) -> Self {
        Self {
            turns,
            ends: claimed_expiry(subject.token()),
            terms: Arc::clone(terms),
            subject: subject.clone(),
        }
    }
}

impl TokenExchange {
    /// What a caller's token is cached by: everything that is sent, the whole subject included.
    pub(crate) fn cache_key(&self, server: &str, subject: &SubjectToken) -> [u8; 32] {
        let key = Sha256::new()
            .part(b"exchange")
            .part(server.as_bytes())
            .part(subject.fingerprint())
            .part(self.endpoint.as_str().as_bytes());
        let key = self.client.digest(key);
        let key = match &self.profile {
            ExchangeProfile::EntraObo => key.part(b"entra"),
            ExchangeProfile::Rfc8693 {
                subject_type,
                requested_type,
                actor,
                audience,
                resource,
            } => {
                let key = key.part(b"rfc8693").part(subject_type.as_bytes());
                let key = match actor {
                    None => key.part(b""),
                    Some((token, kind)) => key.part(&token.fingerprint()).part(kind.as_bytes()),
                };
                [requested_type, audience, resource]
                    .into_iter()
                    .fold(key, |key, value| match value {
                        None => key.part(b""),
                        Some(value) => key.part(b"=").part(value.as_bytes()),
                    })
            }
        };
        digest_rules(key.part(self.scopes.to_string().as_bytes()), &self.rules)
            .part(&[u8::from(self.allow_insecure_http)])
            .finish()
    }
}

/// Types that are no access token, whatever a server calls them (RFC 8693 §3).
const NOT_FOR_US: [&str; 4] = [
    "urn:ietf:params:oauth:token-type:refresh_token",
    "urn:ietf:params:oauth:token-type:id_token",
    "urn:ietf:params:oauth:token-type:saml1",
    "urn:ietf:params:oauth:token-type:saml2",
];

/// Codes that say that the client, or what it asks for, is wrong: no other caller fares better.
const OF_THE_CLIENT: [&str; 5] = [
    "invalid_client",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_target",
    "invalid_scope",
];

impl Door {
    /// Exchanges a caller's token, when it is its turn.
    pub(crate) async fn exchange(&self, bargain: &Bargain) -> Result<TokenResponse, Failure> {
        let turn = tokio::time::timeout(TURN, bargain.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(Failure::new(CredentialErrorKind::Unavailable));
        };
        let terms = &bargain.terms;
        let endpoint = Endpoint {
            url: terms.endpoint.clone(),
            issuer: None,
            destination: Destination::Operator {
                allow_insecure_http: terms.allow_insecure_http,
            },
        };
        let subject = bargain.subject.token();
        let form =
            terms
                .client
                .authenticate(
                    &endpoint,
                    &*self.clock,
                    &*self.entropy,
                    |client| match &terms.profile {
                        ExchangeProfile::EntraObo => {
                            TokenRequest::entra_on_behalf_of(client, subject, &terms.scopes)
                        }
                        ExchangeProfile::Rfc8693 {
                            subject_type,
                            requested_type,
                            actor,
                            audience,
                            resource,
                        } => TokenRequest::token_exchange(
                            client,
                            &Exchange {
                                subject,
                                subject_type,
                                actor: actor.as_ref().map(|(token, kind)| (token, kind.as_str())),
                                requested_type: requested_type.as_deref(),
                                scopes: &terms.scopes,
                                audience: audience.as_deref(),
                                resource: resource.as_deref(),
                            },
                        ),
                    },
                )?;
        let response = self
            .token_of(form, &endpoint, &terms.rules, &terms.client.client_id)
            .await
            .map_err(Failure::of_subject)?;
        let not_for_us = response
            .issued_type
            .as_deref()
            .is_some_and(|issued| NOT_FOR_US.contains(&issued));
        // The subject itself, given back, would be passed through.
        let given_back = response.access_token.fingerprint() == *bargain.subject.fingerprint();
        if not_for_us || given_back {
            return Err(Failure::new(CredentialErrorKind::BadResponse));
        }
        Ok(response)
    }
}

impl Failure {
    /// A refusal that is about the caller's token is the caller's to mend.
    fn of_subject(mut self) -> Self {
        if let CredentialErrorKind::Refused { status, code } = self.kind
            && matches!(status, 200 | 400 | 401 | 403)
            && code.is_some_and(|code| !OF_THE_CLIENT.contains(&code))
        {
            self.kind = CredentialErrorKind::SubjectRefused { code };
        }
        self
    }
}
