//! What a person decides about: shown, approved or denied.

use std::time::Duration;

use portcullis_core::{ErrorKind, Principal, ScopeSet, Timestamp, sha256};
use portcullis_oauth::authorization_server::{OAuthFault, Prompt, RedirectUri};
use portcullis_store::{OneTimeUse, Redeemed};
use url::Url;

use super::clients::ClientStanding;
use super::code::Code;
use super::flow::Parked;
use super::grants::NewGrant;
use super::{AuthorizationError, AuthorizationServer, Endpoint, FlowHandle, secrets};
use crate::Person;

/// How long a code is good (RFC 6749 §4.1.2 allows ten minutes at most).
pub(super) const CODE_LIFE: Duration = Duration::from_mins(1);

/// A request that waits for its person, as it is shown to them.
#[derive(Clone, Debug)]
pub struct Pending {
    /// `client_id`.
    pub client_id: String,
    /// What the client calls itself, fit to be shown and escaped by nobody yet.
    pub client_name: Option<String>,
    /// How it is known.
    pub standing: ClientStanding,
    /// The SHA-256 of all that is known of it: with another, a consent is another.
    pub client_fingerprint: [u8; 32],
    /// Where the browser will be sent.
    pub redirect_uri: String,
    /// The same as the person is told it: a host, or a native client's scheme.
    pub redirect_host: String,
    /// Every redirect URI of the client is on the person's own machine: any program there may be it.
    pub loopback_only: bool,
    /// What it wants to reach, as a URL of ours.
    pub resource: String,
    /// The names in that URL. Empty: every server that the person may see.
    pub servers: Vec<String>,
    /// Scopes that it would get.
    pub scopes: ScopeSet,
    /// Whether the client asks that the person is asked again.
    pub prompt: Prompt,
    /// Until when they may decide.
    pub expires_at: Timestamp,
}

/// Why a decision leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum Undecided {
    /// There is no such request: decided already, too late, or never made.
    #[error("unknown or expired authorization request")]
    Unknown,
    /// The authorization server failed.
    #[error(transparent)]
    Failed(#[from] AuthorizationError),
}

impl Undecided {
    /// How a surface reports it.
    pub const fn error_kind(&self) -> ErrorKind {
        match self {
            Self::Unknown => ErrorKind::Invalid,
            Self::Failed(error) => error.error_kind(),
        }
    }
}

impl AuthorizationServer {
    /// What is to be decided at this origin of ours. `None`: nothing any more.
    ///
    /// Where the operator did not say which origin is ours, a request may come to any name that leads
    /// here, also to one that somebody else chose. What began there is decided there or nowhere: else
    /// `iss` and the tokens' issuer would be theirs to choose (RFC 9207 §4).
    pub async fn pending(
        &self,
        flow: &FlowHandle,
        origin: &str,
    ) -> Result<Option<Pending>, AuthorizationError> {
        let (usage, digest) = (OneTimeUse::AuthorizationRequest, flow.digest());
        let now = self.deps.clock.now();
        let Some(sealed) = self.deps.one_time.peek(usage, &digest, now).await? else {
            return Ok(None);
        };
        let parked: Parked = self.opened(usage, &digest, sealed)?;
        if parked.origin != origin {
            return Ok(None);
        }
        Ok(Some(Pending {
            redirect_host: RedirectUri::shown_host(&parked.redirect_uri),
            redirect_uri: parked.redirect_uri,
            servers: Self::names(&parked.endpoint),
            client_id: parked.client,
            client_name: parked.client_name,
            standing: parked.standing,
            client_fingerprint: parked.client_fingerprint,
            loopback_only: parked.loopback_only,
            resource: parked.resource,
            scopes: parked.scopes,
            prompt: Prompt {
                sign_in: parked.sign_in,
                consent: parked.consent,
            },
            expires_at: parked.expires_at,
        }))
    }

    /// The person lets the client in: where to send the browser, with a code. The request is used up.
    ///
    /// Whoever calls this has seen that `person` sits at the browser that holds `flow`, that
    /// `principal` is who they are by now, and that they agreed to what [`pending`](Self::pending)
    /// said.
    pub async fn approve(
        &self,
        flow: &FlowHandle,
        origin: &str,
        person: &Person,
        principal: &Principal,
    ) -> Result<Url, Undecided> {
        let parked = self.take(flow, origin).await?;
        if let Endpoint::Named(name) = &parked.endpoint
            && !self.leads_somewhere(name, principal).await
        {
            let fault = OAuthFault::target("there is nothing at this resource for this person");
            return parked.refuse(fault).ok_or(Undecided::Unknown);
        }
        let now = self.deps.clock.now();
        let until = now.after(CODE_LIFE);
        let new = NewGrant {
            client: parked.client.clone(),
            client_name: parked.client_name.clone(),
            person: person.clone(),
            principal: principal.id.clone(),
            origin: parked.origin.clone(),
            resource: parked.resource.clone(),
            endpoint: parked.endpoint.clone(),
            scopes: parked.scopes.clone(),
            refreshes: parked.refreshes,
        };
        // The grant is there before the code: whoever replays the code ends something that exists.
        let id = secrets::name(&*self.deps.entropy, "").map_err(AuthorizationError::from)?;
        self.deps.grants.open(&id, new, now, until).await?;
        let text = secrets::random(&*self.deps.entropy, secrets::CODE)
            .map_err(AuthorizationError::from)?;
        let code = Code {
            grant: id,
            client: parked.client.clone(),
            redirect_uri: parked.redirect_uri.clone(),
            challenge: parked.challenge.clone(),
        };
        let digest = sha256(text.as_bytes());
        self.put(OneTimeUse::AuthorizationCode, digest, &code, until)
            .await?;
        if parked.standing == ClientStanding::Registered {
            let used = self.deps.clients.used(&parked.client, now).await;
            used.map_err(AuthorizationError::from)?;
        }
        let to = parked.redirect(&[("code", &text)]);
        to.ok_or(Undecided::Unknown)
    }

    /// The person does not: where to send the browser to say so. The request is used up.
    pub async fn deny(&self, flow: &FlowHandle, origin: &str) -> Result<Url, Undecided> {
        let parked = self.take(flow, origin).await?;
        let fault = OAuthFault::new("access_denied", "the person did not agree");
        parked.refuse(fault).ok_or(Undecided::Unknown)
    }

    async fn take(&self, flow: &FlowHandle, origin: &str) -> Result<Parked, Undecided> {
        let (usage, digest) = (OneTimeUse::AuthorizationRequest, flow.digest());
        let now = self.deps.clock.now();
        let redeemed = self.deps.one_time.redeem(usage, &digest, now).await;
        match redeemed.map_err(AuthorizationError::from)? {
            Redeemed::Value(sealed) => {
                let parked: Parked = self.opened(usage, &digest, sealed)?;
                if parked.origin == origin {
                    Ok(parked)
                } else {
                    Err(Undecided::Unknown)
                }
            }
            Redeemed::Unknown | Redeemed::AlreadyUsed(_) | Redeemed::Expired => {
                Err(Undecided::Unknown)
            }
        }
    }
}
