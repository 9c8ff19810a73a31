//! Enterprise-managed authorization in two legs
//! (draft-ietf-oauth-identity-assertion-authz-grant): the organisation's authorization server gives
//! a grant for a person's token, the resource's takes it for an access token. Which person may use
//! which resource is the organisation's to say; the person's token never leaves its house.

use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis_core::Sha256;
use portcullis_oauth::{Exchange, ID_JAG_TYPE, IdJag, TokenRequest, TokenResponse};

use crate::broker::Door;
use crate::directory::Authority;
use crate::error::Failure;
use crate::exchange::{Bargain, is_for_us};
use crate::token_endpoint::read;
use crate::{CredentialErrorKind, TokenClient, TokenExchange};

/// What such an exchange needs beside the first leg's endpoint and client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdJagTerms {
    /// What of the person's is exchanged.
    pub subject_source: SubjectSource,
    /// `subject_token_type` of what the person brings.
    pub subject_type: String,
    /// `audience`: the issuer of the resource's authorization server.
    pub audience: String,
    /// `resource` (RFC 8707), the MCP server as its metadata names it.
    pub resource: Option<String>,
    /// Where the grant is taken.
    pub resource_authority: Authority,
    /// Who we are there. It is another registration than the first leg's.
    pub resource_client: TokenClient,
}

/// Where the subject of the first leg comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectSource {
    /// The caller sends it.
    Bearer,
    /// It is the ID token of the sign-in in which the caller let their client in.
    LoginAssertion,
}

impl IdJagTerms {
    pub(crate) fn digest(&self, key: Sha256) -> Sha256 {
        let key = key
            .part(b"id-jag")
            .part(self.subject_type.as_bytes())
            .part(self.audience.as_bytes());
        let key = match &self.resource {
            None => key.part(b""),
            Some(resource) => key.part(b"=").part(resource.as_bytes()),
        };
        let key = self
            .resource_authority
            .parts()
            .into_iter()
            .fold(key, Sha256::part);
        self.resource_client.digest(key)
    }
}

/// The grant of one person for one server, for as long as it lives. While it does, a new access
/// token takes the second leg only.
#[derive(Default)]
pub(crate) struct Held(Mutex<Option<IdJag>>);

impl Held {
    fn place(&self) -> MutexGuard<'_, Option<IdJag>> {
        // One assignment under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Door {
    /// Both legs, or the second alone. A grant that was used before and is not taken again is got
    /// anew, once: some servers take each only once.
    pub(crate) async fn id_jag(
        &self,
        bargain: &Bargain,
        terms: &IdJagTerms,
    ) -> Result<TokenResponse, Failure> {
        let now = self.clock.now();
        let known = bargain
            .held
            .place()
            .clone()
            .filter(|grant| grant.ends() > now);
        if let Some(grant) = known {
            match self.second_leg(bargain, terms, &grant).await {
                Err(failure) if failure.is_about_subject() => {}
                outcome => return outcome,
            }
        }
        *bargain.held.place() = None;
        let grant = self.first_leg(bargain, terms).await?;
        let response = self.second_leg(bargain, terms, &grant).await?;
        *bargain.held.place() = Some(grant);
        Ok(response)
    }

    async fn first_leg(&self, bargain: &Bargain, terms: &IdJagTerms) -> Result<IdJag, Failure> {
        let outcome = self.ask_organisation(bargain, terms).await;
        let shared = &bargain.terms;
        self.note(&outcome, &shared.authority, shared);
        outcome
    }

    async fn ask_organisation(
        &self,
        bargain: &Bargain,
        terms: &IdJagTerms,
    ) -> Result<IdJag, Failure> {
        let shared = &bargain.terms;
        let endpoint = self
            .endpoint_of(&shared.authority, shared.chosen_by)
            .await?;
        let exchange = Exchange {
            subject: bargain.subject.token(),
            subject_type: &terms.subject_type,
            actor: None,
            requested_type: Some(ID_JAG_TYPE),
            scopes: &shared.scopes,
            audience: Some(&terms.audience),
            resource: terms.resource.as_deref(),
        };
        let form =
            shared
                .client
                .authenticate(&endpoint, &*self.clock, &*self.entropy, |client| {
                    TokenRequest::token_exchange(client, &exchange)
                })?;
        let answer = self.posted(form, &endpoint).await?;
        let now = self.clock.now();
        let grant = read(&answer, |body| IdJag::parse(body, &terms.audience, now))
            .map_err(Failure::of_subject)?;
        // The person's token itself, given back, would be shown to the resource's server.
        if grant.fingerprint() == *bargain.subject.fingerprint() {
            return Err(Failure::new(CredentialErrorKind::BadResponse));
        }
        Ok(grant)
    }

    async fn second_leg(
        &self,
        bargain: &Bargain,
        terms: &IdJagTerms,
        grant: &IdJag,
    ) -> Result<TokenResponse, Failure> {
        let outcome = self.ask_resource(bargain, terms, grant).await;
        self.note(&outcome, &terms.resource_authority, &bargain.terms);
        outcome
    }

    async fn ask_resource(
        &self,
        bargain: &Bargain,
        terms: &IdJagTerms,
        grant: &IdJag,
    ) -> Result<TokenResponse, Failure> {
        let shared = &bargain.terms;
        let endpoint = self
            .endpoint_of(&terms.resource_authority, shared.chosen_by)
            .await?;
        let client = &terms.resource_client;
        let form = client.authenticate(&endpoint, &*self.clock, &*self.entropy, |client| {
            TokenRequest::jwt_bearer(client, grant)
        })?;
        let response = self
            .token_of(form, &endpoint, &shared.rules, &client.client_id)
            .await
            .map_err(Failure::of_subject)?;
        let given_back = response.access_token.fingerprint() == grant.fingerprint();
        if given_back || !is_for_us(&response, &bargain.subject) {
            return Err(Failure::new(CredentialErrorKind::BadResponse));
        }
        Ok(response)
    }

    /// What is not about the person may be about the address.
    fn note<T>(&self, outcome: &Result<T, Failure>, authority: &Authority, terms: &TokenExchange) {
        if let Err(failure) = outcome
            && !failure.is_about_subject()
            && failure.kind != CredentialErrorKind::NotDiscovered
        {
            self.forget_endpoint(authority, terms.chosen_by);
        }
    }
}
