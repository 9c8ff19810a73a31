//! A grant that a person's own client got and brings along, as LiteLLM's API has it.
//!
//! Only one that was given to the operator's own client is taken: whether a token was meant for
//! anybody else's, and by whom it could be renewed, nobody here can tell.

use portcullis_core::{PrincipalId, ScopeSet};
use portcullis_oauth::{InvalidTokenResponse, TokenResponse};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::authorization_server::terms_of;
use super::client::{Client, Source};
use super::connections::{Connections, Inner};
use super::row::Row;
use crate::discovery::not_discovered;
use crate::error::Failure;
use crate::{CredentialError, ServerAuth};

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
        if let Some(rule) = terms.rules.broken_by(body) {
            tracing::warn!(mcp.server.id = %auth.server, rule, "a grant that a client brought breaks token_validation");
            return Err(NotKept::RuleBroken(rule.to_owned()));
        }
        let kept = self.0.keep(auth, principal, response).await;
        Ok(kept.map_err(failed)?)
    }
}

impl Inner {
    async fn keep(
        &self,
        auth: &ServerAuth,
        principal: &PrincipalId,
        response: TokenResponse,
    ) -> Result<(), Failure> {
        let terms = terms_of(auth).ok_or_else(not_discovered)?;
        let found = self.door.find(auth, terms).await?;
        let server = &found.server;
        // There is one: the client of the file, whatever the redirect URI.
        let client: Client = self.client(terms, server, "").await?;
        if !matches!(client.source, Source::File(_)) {
            return Err(not_discovered());
        }
        let now = self.door.clock.now();
        let mut row = Row {
            terms: terms.fingerprint(),
            issuer: server.key.clone(),
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
        self.write(principal, &auth.server, &row).await?;
        self.places().forget(principal, &auth.server);
        tracing::info!(mcp.server.id = %auth.server, principal = %principal, "a client brought its person's grant");
        Ok(())
    }
}
