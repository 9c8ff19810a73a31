//! Sending a person's browser to the authorization server of a server.

use portcullis_core::{PrincipalId, ScopeSet};
use portcullis_oauth::{AuthorizationRequest, CodeVerifier};
use url::Url;

use super::authorization_server::terms_of;
use super::callback;
use super::connections::{Connections, Inner};
use super::flow::{Flow, set_cookie};
use super::scopes::{more, to_ask, union};
use crate::discovery::not_discovered;
use crate::error::Failure;
use crate::{CredentialError, CredentialErrorKind, ServerAuth};

/// Where a browser goes, and what it takes along.
#[derive(Debug)]
pub struct Departure {
    /// The authorization request. Whoever opens it elsewhere comes back to nothing.
    pub url: Url,
    /// `Set-Cookie` of the answer that sends it there.
    pub cookie: String,
}

impl Connections {
    /// Where a person would be sent: the page that leads there has to name it (CSP3 `form-action`).
    pub async fn destination(&self, auth: &ServerAuth) -> Result<Url, CredentialError> {
        let found = async {
            let terms = terms_of(auth).ok_or_else(not_discovered)?;
            let server = self.0.found(auth, terms).await?.server;
            self.0.require_known(terms, &server).await?;
            Ok(server.authorization)
        };
        found
            .await
            .map_err(|failure: Failure| failure.for_server(&auth.server))
    }

    /// Begins a flow for a person, who was proved to be `principal` in this browser a moment ago.
    /// `shared` is where browsers come back to with a client of the operator's, and what the addresses
    /// of all other flows are beneath, one for each server; `return_to` where they go then, and already
    /// known to be a path of ours.
    pub async fn begin(
        &self,
        auth: &ServerAuth,
        principal: &PrincipalId,
        shared: &str,
        return_to: &str,
    ) -> Result<Departure, CredentialError> {
        let departure = self.0.begin(auth, principal, shared, return_to);
        departure
            .await
            .map_err(|failure| failure.for_server(&auth.server))
    }
}

impl Inner {
    async fn begin(
        &self,
        auth: &ServerAuth,
        principal: &PrincipalId,
        shared: &str,
        return_to: &str,
    ) -> Result<Departure, Failure> {
        let terms = terms_of(auth).ok_or_else(not_discovered)?;
        let found = self.found(auth, terms).await?;
        let server = &found.server;
        let redirect_uri = callback::redirect_uri(terms, server, shared, &auth.server);
        let client = self.client(terms, server, &redirect_uri).await?;
        // What was granted elsewhere says nothing here.
        let before = self.read(principal, &auth.server).await?;
        let before = before.filter(|(row, _)| row.issuer == server.key);
        let before = before.map_or_else(ScopeSet::default, |(row, _)| {
            union(&row.requested, &row.wanted)
        });
        let place = self.places().of(principal, &auth.server);
        if !place.begins(self.moment()) {
            return Err(Failure::new(CredentialErrorKind::TooManyFlows));
        }
        let scopes = to_ask(terms, &found, &before);
        let verifier = CodeVerifier::from_random(&self.random()?);
        let (state, cookie) = (self.secret()?, self.secret()?);
        let request = AuthorizationRequest {
            client_id: &client.id,
            redirect_uri: &redirect_uri,
            scopes: &scopes,
            state: &state,
            verifier: &verifier,
            resource: found.resource.as_deref(),
            audience: terms.audience.as_deref(),
            more: more(server.authorization.host_str()),
        };
        let url = request.url(&server.authorization);
        let url =
            url.map_err(|error| Failure::new(CredentialErrorKind::NotAllowed).because(error))?;
        let flow = Flow {
            principal: principal.clone(),
            holder: self.holder(principal),
            server: auth.server.clone(),
            terms: terms.fingerprint(),
            key: server.key.clone(),
            issuer: server.issuer.clone(),
            announces_issuer: server.announces_issuer,
            token_endpoint: server.token.clone(),
            revocation_endpoint: server.revocation.clone(),
            userinfo_endpoint: server.userinfo.clone(),
            client,
            verifier,
            resource: found.resource.clone(),
            scopes,
            redirect_uri,
            return_to: return_to.to_owned(),
        };
        self.park(&flow, &state, &cookie).await?;
        Ok(Departure {
            url,
            cookie: set_cookie(&state, &cookie),
        })
    }
}
