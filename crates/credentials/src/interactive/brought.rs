//! A grant that a person's own client got and brings along, as LiteLLM's API has it.
//!
//! Only one that was given to the operator's own client is taken: whether a token was meant for
//! anybody else's, and by whom it could be renewed, nobody here can tell.
//!
//! Whose account it is, the body cannot prove: its words are the caller's own. Where the operator has
//! rules for that (`token_validation`), the refresh token is redeemed at once, the rules are held
//! against what the authorization server answers, and only that is kept.

use std::sync::Arc;

use portcullis_core::{PrincipalId, ScopeSet};
use portcullis_oauth::{InvalidTokenResponse, TokenResponse};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::authorization_server::terms_of;
use super::client::{Client, Source};
use super::connections::{Connections, Inner};
use super::row::Row;
use super::terms::AuthorizationCode;
use crate::discovery::not_discovered;
use crate::error::Failure;
use crate::{CredentialError, CredentialErrorKind, ServerAuth};

/// Why a grant is not kept. Nothing of it is in here.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// The file names no client of the server, so it was given to one that is not ours.
    #[error("the server has no `client_id`: people connect on its page")]
    NoClientOfOurs,
    /// It is no grant.
    #[error(transparent)]
    Malformed(#[from] InvalidTokenResponse),
    /// It breaks this rule of `token_validation`.
    #[error("the grant breaks the rule `{0}` of token_validation")]
    RuleBroken(String),
    /// There are rules, and nothing that the authorization server could be asked about it with.
    #[error(
        "the server has token_validation, which a grant without `refresh_token` cannot be checked by"
    )]
    NothingToCheck,
    /// The authorization server does not stand behind it.
    #[error("the authorization server does not take the refresh token of the grant")]
    NotGranted,
    /// It could not be kept.
    #[error(transparent)]
    Credential(#[from] CredentialError),
}

/// LiteLLM's body.
#[derive(Deserialize)]
struct Wire {
    access_token: String,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default)]
    expires_in: Value,
    #[serde(default)]
    scopes: Option<Vec<String>>,
}

impl Connections {
    /// Keeps what a person brings for themselves at a server: a JSON object with `access_token`, and
    /// `refresh_token`, `expires_in` and `scopes` if there are any.
    pub async fn keep(
        &self,
        auth: &ServerAuth,
        principal: &PrincipalId,
        body: &[u8],
    ) -> Result<(), NotKept> {
        let wire: Wire =
            serde_json::from_slice(body).map_err(|_| InvalidTokenResponse::Malformed)?;
        let text = Zeroizing::new(
            json!({
                "access_token": wire.access_token,
                "token_type": "Bearer",
                "refresh_token": wire.refresh_token,
                "expires_in": wire.expires_in,
                "scope": wire.scopes.map(|scopes| scopes.join(" ")),
            })
            .to_string(),
        );
        let response = TokenResponse::parse(text.as_bytes())?;
        let failed = |failure: Failure| failure.for_server(&auth.server);
        let terms = terms_of(auth).ok_or_else(|| failed(not_discovered()))?;
        if terms.client.is_none() {
            return Err(NotKept::NoClientOfOurs);
        }
        if !terms.rules.is_empty() && response.refresh_token.is_none() {
            return Err(NotKept::NothingToCheck);
        }
        let (inner, auth, principal) = (Arc::clone(&self.0), auth.clone(), principal.clone());
        // A caller who leaves must not leave a rotated token behind.
        let kept = self
            .0
            .tasks
            .spawn(async move { inner.keep(&auth, &principal, response).await });
        let kept = kept.await.map_err(|error| {
            failed(Failure::new(CredentialErrorKind::Unavailable).because(error))
        })?;
        kept.map_err(|not| match not {
            Not::Checked(not) => not,
            Not::Had(failure) => failed(failure).into(),
        })
    }
}

/// Why not, before anybody is told.
enum Not {
    Checked(NotKept),
    Had(Failure),
}

impl From<Failure> for Not {
    fn from(failure: Failure) -> Self {
        Self::Had(failure)
    }
}

impl Inner {
    async fn keep(
        self: &Arc<Self>,
        auth: &ServerAuth,
        principal: &PrincipalId,
        response: TokenResponse,
    ) -> Result<(), Not> {
        let terms = terms_of(auth).ok_or_else(not_discovered)?;
        let found = self.found(auth, terms).await?;
        let server = &found.server;
        // There is one: the client of the file, whatever the redirect URI.
        let client: Client = self.client(terms, server, "").await?;
        if !matches!(client.source, Source::File(_)) {
            return Err(not_discovered().into());
        }
        let now = self.door.clock.now();
        let mut row = Row {
            holder: self.holder(principal),
            terms: terms.fingerprint(),
            issuer: server.key.clone(),
            named_issuer: server.issuer.clone(),
            token_endpoint: server.token.clone(),
            revocation_endpoint: server.revocation.clone(),
            redirect_uri: String::new(),
            client,
            resource: found.resource.clone(),
            requested: response.scope.clone().unwrap_or_default(),
            granted: None,
            access: response.access_token.clone(),
            refresh: None,
            obtained_at: now,
            expires_at: None,
            connected_at: now,
            account: None,
            over: false,
            wanted: ScopeSet::default(),
            consents: vec![now],
        };
        row.take(response, terms, now);
        if !terms.rules.is_empty() {
            row = self.vouched_for(auth, terms, row).await?;
        }
        let former = self.write(principal, &auth.server, &row).await?;
        // One of the same client may be the same grant, which its person's client renewed meanwhile.
        let is_other =
            |former: &Row| (&former.issuer, &former.client.id) != (&row.issuer, &row.client.id);
        if let Some(former) = former.filter(is_other) {
            let why = "their connection was made anew";
            self.give_back(terms, &auth.server, former, why);
        }
        tracing::info!(mcp.server.id = %auth.server, principal = %principal, "a client brought its person's grant");
        Ok(())
    }

    /// The grant in the authorization server's own words, which keep the rules.
    async fn vouched_for(
        self: &Arc<Self>,
        auth: &ServerAuth,
        terms: &Arc<AuthorizationCode>,
        mut row: Row,
    ) -> Result<Row, Not> {
        let token = row.refresh.clone();
        let token = token.ok_or(Not::Checked(NotKept::NothingToCheck))?;
        let client = row.client.able(terms).ok_or_else(not_discovered)?;
        let now = self.door.clock.now();
        let redeemed = self.redeemed(terms, &row, &client, &token).await;
        let (response, answer) = redeemed.map_err(|failure| {
            if failure.says("invalid_grant") {
                Not::Checked(NotKept::NotGranted)
            } else {
                Not::Had(failure)
            }
        })?;
        if let Some(rule) = terms.rules.broken_by(&answer.body) {
            row.take(response, terms, now);
            self.give_back(terms, &auth.server, row, "they break token_validation");
            tracing::warn!(mcp.server.id = %auth.server, rule, "a grant that a client brought breaks token_validation");
            return Err(Not::Checked(NotKept::RuleBroken(rule.to_owned())));
        }
        row.requested = response.scope.clone().unwrap_or_default();
        row.granted = None;
        row.take(response, terms, now);
        Ok(row)
    }
}
