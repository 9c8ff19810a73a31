//! Trading a caller's token for one of an upstream (on behalf of the caller).

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{AccessToken, ScopeSet, Sha256, SubjectToken, Timestamp};
use portcullis_egress::Destination;
use portcullis_oauth::{
    ClientAuthentication, Exchange, InvalidTokenRequest, TokenRequest, TokenResponse, TokenRules,
    claimed_expiry, claimed_scopes,
};
use tokio::sync::Semaphore;

use crate::actor::Actor;
use crate::auth::{digest_of, digest_rules};
use crate::broker::Door;
use crate::directory::Authority;
use crate::error::Failure;
use crate::id_jag::{Held, IdJagTerms, SubjectSource};
use crate::{CredentialErrorKind, CredentialKind, TokenClient};

/// How one server's tokens are got in exchange for callers' tokens. Nothing here is a caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenExchange {
    /// Where callers' tokens are sent: only where the file says, never where a server says.
    pub authority: Authority,
    /// Who asks.
    pub client: TokenClient,
    /// What is asked.
    pub profile: ExchangeProfile,
    /// `scope`; not sent when empty.
    pub scopes: ScopeSet,
    /// `token_validation`: what the response must say.
    pub rules: TokenRules,
    /// Who chose these addresses, and hence how far they are trusted.
    pub chosen_by: Destination,
}

impl TokenExchange {
    /// Whether the subject is what the caller's provider said when they signed in, and nothing that
    /// came with the request.
    pub(crate) const fn takes_login_assertion(&self) -> bool {
        match &self.profile {
            ExchangeProfile::IdJag(terms) => {
                matches!(terms.subject_source, SubjectSource::LoginAssertion)
            }
            ExchangeProfile::Rfc8693 { .. } | ExchangeProfile::EntraObo => false,
        }
    }
}

/// The ways of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExchangeProfile {
    /// RFC 8693 token exchange.
    Rfc8693 {
        /// `subject_token_type`
        subject_type: String,
        /// `requested_token_type`
        requested_type: Option<String>,
        /// `actor_token` and its type.
        actor: Option<Box<Actor>>,
        /// `audience`
        audience: Option<String>,
        /// `resource` (RFC 8707)
        resource: Option<String>,
        /// Nothing is asked for that the caller's token does not carry, and no more is taken.
        within_subject: bool,
    },
    /// Microsoft Entra's on-behalf-of flow.
    EntraObo,
    /// Enterprise-managed authorization, in two legs.
    IdJag(Box<IdJagTerms>),
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
    /// Of two legs, what the first one brought.
    pub(crate) held: Held,
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
            held: Held::default(),
        }
    }
}

impl TokenExchange {
    /// What audit and metrics call what is got by it.
    pub const fn kind(&self) -> CredentialKind {
        match self.profile {
            ExchangeProfile::Rfc8693 { .. } | ExchangeProfile::EntraObo => {
                CredentialKind::TokenExchange
            }
            ExchangeProfile::IdJag(_) => CredentialKind::IdJag,
        }
    }

    /// What a caller's token is cached by: everything that is sent, the whole subject included.
    pub(crate) fn cache_key(&self, server: &str, subject: &SubjectToken) -> [u8; 32] {
        let key = Sha256::new()
            .part(b"exchange")
            .part(server.as_bytes())
            .part(subject.fingerprint());
        let key = self.authority.parts().into_iter().fold(key, Sha256::part);
        let key = self.client.digest(key);
        let key = match &self.profile {
            ExchangeProfile::IdJag(terms) => terms.digest(key),
            ExchangeProfile::EntraObo => key.part(b"entra"),
            ExchangeProfile::Rfc8693 {
                subject_type,
                requested_type,
                actor,
                audience,
                resource,
                within_subject,
            } => {
                let key = key.part(b"rfc8693").part(subject_type.as_bytes());
                let key = match actor {
                    None => key.part(b""),
                    Some(actor) => actor.digest(key),
                };
                let key = key.part(&[u8::from(*within_subject)]);
                [requested_type, audience, resource]
                    .into_iter()
                    .fold(key, |key, value| match value {
                        None => key.part(b""),
                        Some(value) => key.part(b"=").part(value.as_bytes()),
                    })
            }
        };
        digest_rules(key.part(self.scopes.to_string().as_bytes()), &self.rules)
            .part(&digest_of(self.chosen_by))
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

/// Whether a token may be presented: an access token, and not the caller's own given back, which
/// would be passed through.
pub(crate) fn is_for_us(response: &TokenResponse, subject: &SubjectToken) -> bool {
    let not_for_us = response
        .issued_type
        .as_deref()
        .is_some_and(|issued| NOT_FOR_US.contains(&issued));
    !not_for_us && response.access_token.fingerprint() != *subject.fingerprint()
}

/// Those of the operator's scopes that a caller's token says it carries. It is not verified here: the
/// endpoint does that, and whoever writes more into it gets no more than the operator asks for.
fn carried(subject: &AccessToken, wanted: &ScopeSet) -> Result<ScopeSet, Failure> {
    let carried = claimed_scopes(subject).unwrap_or_default();
    let both = wanted.intersection(&carried);
    if both.is_empty() {
        return Err(Failure::new(CredentialErrorKind::SubjectLacksScopes));
    }
    Ok(both)
}

impl Door {
    /// Exchanges a caller's token, when it is its turn.
    pub(crate) async fn exchange(&self, bargain: &Bargain) -> Result<TokenResponse, Failure> {
        let turn = tokio::time::timeout(TURN, bargain.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(Failure::new(CredentialErrorKind::Unavailable));
        };
        let terms = &bargain.terms;
        let subject = bargain.subject.token();
        match &terms.profile {
            ExchangeProfile::IdJag(legs) => self.id_jag(bargain, legs).await,
            ExchangeProfile::EntraObo => {
                self.one_leg(bargain, |client| {
                    TokenRequest::entra_on_behalf_of(client, subject, &terms.scopes)
                })
                .await
            }
            ExchangeProfile::Rfc8693 {
                subject_type,
                requested_type,
                actor,
                audience,
                resource,
                within_subject,
            } => {
                let narrowed;
                let scopes = if *within_subject {
                    narrowed = carried(subject, &terms.scopes)?;
                    &narrowed
                } else {
                    &terms.scopes
                };
                let acting = match actor {
                    None => None,
                    Some(actor) => Some(self.actor_token(actor).await?),
                };
                let exchange = Exchange {
                    subject,
                    subject_type,
                    actor: acting
                        .as_ref()
                        .zip(actor.as_ref())
                        .map(|(token, actor)| (token, actor.kind.as_str())),
                    requested_type: requested_type.as_deref(),
                    scopes,
                    audience: audience.as_deref(),
                    resource: resource.as_deref(),
                };
                let outcome = self
                    .one_leg(bargain, |client| {
                        TokenRequest::token_exchange(client, &exchange)
                    })
                    .await;
                if let (Err(failure), Some(actor)) = (&outcome, actor)
                    && failure.is_about_subject()
                {
                    self.doubt_actor(actor).await;
                }
                let granted = outcome
                    .as_ref()
                    .ok()
                    .and_then(|response| response.scope.as_ref());
                if *within_subject && granted.is_some_and(|granted| !scopes.covers(granted)) {
                    return Err(Failure::new(CredentialErrorKind::MoreThanAsked));
                }
                outcome
            }
        }
    }

    async fn one_leg(
        &self,
        bargain: &Bargain,
        request: impl FnOnce(&ClientAuthentication<'_>) -> Result<TokenRequest, InvalidTokenRequest>
        + Send,
    ) -> Result<TokenResponse, Failure> {
        let terms = &bargain.terms;
        let endpoint = self.endpoint_of(&terms.authority, terms.chosen_by).await?;
        let form = terms
            .client
            .authenticate(&endpoint, &*self.clock, &*self.entropy, request)?;
        let response = self
            .token_of(form, &endpoint, &terms.rules, &terms.client.client_id)
            .await
            .map_err(Failure::of_subject)?;
        if is_for_us(&response, &bargain.subject) {
            Ok(response)
        } else {
            Err(Failure::new(CredentialErrorKind::BadResponse))
        }
    }
}

impl Failure {
    /// A refusal that is about the caller's token is the caller's to mend.
    pub(crate) fn of_subject(mut self) -> Self {
        if let CredentialErrorKind::Refused { status, code } = self.kind
            && matches!(status, 200 | 400 | 401 | 403)
            && code.is_some_and(|code| !OF_THE_CLIENT.contains(&code))
        {
            self.kind = CredentialErrorKind::SubjectRefused { code };
        } else {
            // What is asked of us is nothing that a caller could prove.
            self.claims = None;
        }
        self
    }

    pub(crate) const fn is_about_subject(&self) -> bool {
        matches!(self.kind, CredentialErrorKind::SubjectRefused { .. })
    }
}
