//! A browser that comes back from an authorization server.

use std::sync::Arc;

use http::HeaderMap;
use http::header::COOKIE;
use portcullis_core::{PrincipalId, ScopeSet, SecretValue, ServerId, Timestamp};
use portcullis_oauth::{
    Arrival, AuthorizationResponse, InvalidAuthorizationResponse, IssuerDoubt, TokenRequest,
    TokenResponse, check_issuer,
};

use super::account::account_of;
use super::authorization_server::terms_of;
use super::callback;
use super::connections::{Connections, Inner};
use super::flow::{Flow, cookie_name, forget_cookie};
use super::row::Row;
use super::terms::AuthorizationCode;
use crate::error::Failure;
use crate::token_endpoint::{Endpoint, check, read};
use crate::{CredentialErrorKind, ServerAuth};

/// A person who is connected now.
#[derive(Debug)]
pub struct Arrived {
    /// To which server.
    pub server: ServerId,
    /// Who: whoever the flow was begun for.
    pub principal: PrincipalId,
    /// Where their browser goes now.
    pub return_to: String,
    /// `Set-Cookie` that ends the flow's cookie.
    pub forget_cookie: String,
}

/// A person who is not connected.
#[derive(Debug)]
pub struct NotArrived {
    /// To which server they wanted, where that is known.
    pub server: Option<ServerId>,
    /// Where they came from, where that is known.
    pub return_to: Option<String>,
    /// Why not.
    pub why: WhyNot,
}

/// Why somebody who came back is not connected. Nothing that came with them is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhyNot {
    /// What they brought is no authorization response.
    #[error("the response cannot be read: {0}")]
    Unreadable(#[from] InvalidAuthorizationResponse),
    /// No flow of this browser is like that: none was begun here, it is over, or it was used.
    #[error("this browser has no flow of this state, or it is over")]
    UnknownFlow,
    /// RFC 9207.
    #[error("{0}")]
    OtherIssuer(#[from] IssuerDoubt),
    /// It is the answer to a request of another server's.
    #[error("the answer came to another address than the one that was asked to answer to")]
    OtherAddress,
    /// Another person is signed in than the one who was sent away: the account may be either's.
    #[error("another person is signed in than the one who was sent away")]
    SomebodyElse,
    /// The person, or the authorization server, said no.
    #[error("the authorization server did not grant it{}", .0.map(|code| format!(" ({code})")).unwrap_or_default())]
    Declined(Option<&'static str>),
    /// The server is gone from the configuration, or is reached in another way now.
    #[error("the server's configuration changed meanwhile")]
    Changed,
    /// The code brought nothing.
    #[error("{0}")]
    Credential(CredentialErrorKind),
}

impl Connections {
    /// Ends a flow: `path`, `query` and the `Cookie` headers of the request to the redirect URI.
    /// `principal` is who is signed in at that browser: for anybody else than who was sent away the
    /// code is not even redeemed. `server` finds how a server is authenticated to now.
    pub async fn arrive(
        &self,
        principal: &PrincipalId,
        path: &str,
        query: &str,
        headers: &HeaderMap,
        server: impl Fn(&ServerId) -> Option<ServerAuth> + Send,
    ) -> Result<Arrived, NotArrived> {
        let nobody = |why| NotArrived {
            server: None,
            return_to: None,
            why,
        };
        let response = AuthorizationResponse::parse(query);
        let response = response.map_err(|fault| nobody(fault.into()))?;
        let state = response.state.clone().unwrap_or_default();
        let unknown = || nobody(WhyNot::UnknownFlow);
        let cookie = cookie(headers, &cookie_name(&state)).ok_or_else(unknown)?;
        let flow = match self.0.resume(&state, &cookie).await {
            Ok(flow) => flow.ok_or_else(unknown)?,
            Err(failure) => return Err(nobody(WhyNot::Credential(failure.kind))),
        };
        if flow.principal != *principal {
            tracing::warn!(mcp.server.id = %flow.server, "another person came back than the one who was sent away");
            return Err(NotArrived {
                server: Some(flow.server),
                return_to: None,
                why: WhyNot::SomebodyElse,
            });
        }
        if !callback::is_at(&flow.redirect_uri, path) {
            tracing::warn!(mcp.server.id = %flow.server, "an answer came to another address than this server's: one authorization server may pass itself off as another");
            return Err(NotArrived {
                server: Some(flow.server),
                return_to: Some(flow.return_to),
                why: WhyNot::OtherAddress,
            });
        }
        let auth = server(&flow.server);
        let inner = Arc::clone(&self.0);
        let (server, return_to) = (flow.server.clone(), flow.return_to.clone());
        // The code is used up with the first request: a browser that leaves now must not lose it.
        let ended = self
            .0
            .tasks
            .spawn(async move { inner.end(flow, auth, response).await });
        let outcome = ended
            .await
            .unwrap_or(Err(WhyNot::Credential(CredentialErrorKind::Unavailable)));
        match outcome {
            Ok(principal) => Ok(Arrived {
                server,
                principal,
                return_to,
                forget_cookie: forget_cookie(&state),
            }),
            Err(why) => {
                tracing::warn!(mcp.server.id = %server, reason = %why, "no account was connected");
                Err(NotArrived {
                    server: Some(server),
                    return_to: Some(return_to),
                    why,
                })
            }
        }
    }
}

/// The one cookie of this name. Whoever sends two makes it doubtful which browser it is.
fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut found = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(own, _)| *own == name);
    match (found.next(), found.next()) {
        (Some((_, value)), None) if !value.is_empty() => Some(value.to_owned()),
        _ => None,
    }
}

impl Inner {
    async fn end(
        self: &Arc<Self>,
        flow: Flow,
        auth: Option<ServerAuth>,
        response: AuthorizationResponse,
    ) -> Result<PrincipalId, WhyNot> {
        // Before anything else is believed of it: an error of somebody else's is not the person's.
        if let Some(issuer) = &flow.issuer {
            check_issuer(issuer, flow.announces_issuer, response.issuer.as_deref())?;
        }
        let code = match response.outcome {
            Arrival::Code(code) => code,
            Arrival::Refused(code) => return Err(WhyNot::Declined(code)),
        };
        let auth = auth.filter(|auth| auth.server == flow.server);
        let terms = auth.as_ref().and_then(terms_of);
        let terms = terms.filter(|terms| terms.fingerprint() == flow.terms);
        let terms = terms.ok_or(WhyNot::Changed)?;
        if flow.holder != self.holder(&flow.principal) {
            return Err(WhyNot::UnknownFlow);
        }
        let told = |failure: Failure| {
            // The cause is for the operator; a person is told the kind.
            tracing::debug!(mcp.server.id = %flow.server, cause = ?failure, "no token");
            WhyNot::Credential(failure.kind)
        };
        // Before the code is used up: what cannot be read now could not be followed either.
        let before = self
            .read(&flow.principal, &flow.server)
            .await
            .map_err(told)?;
        let requested_at = self.door.clock.now();
        let redeemed = self.redeem(&flow, terms, &code).await.map_err(told)?;
        let lately = before.map_or_else(Vec::new, |(row, _)| row.lately(requested_at));
        let row = Row {
            account: redeemed.account,
            consents: lately.into_iter().chain([requested_at]).collect(),
            ..flow.row(redeemed.response, terms, requested_at)
        };
        match self.write(&flow.principal, &flow.server, &row).await {
            Ok(former) => {
                if let Some(former) = former.filter(|former| !former.ends_with(&row)) {
                    let why = "their connection was made anew";
                    self.give_back(terms, &flow.server, former, why);
                }
            }
            Err(failure) => {
                self.give_back(terms, &flow.server, row, "they could not be kept");
                return Err(told(failure));
            }
        }
        tracing::info!(mcp.server.id = %flow.server, principal = %flow.principal, "an account was connected");
        Ok(flow.principal)
    }

    /// What the code is worth. Nothing of a response that breaks a rule is kept.
    async fn redeem(
        self: &Arc<Self>,
        flow: &Flow,
        terms: &Arc<AuthorizationCode>,
        code: &SecretValue,
    ) -> Result<Worth, Failure> {
        let not_registered = || Failure::new(CredentialErrorKind::NotRegistered);
        let client = flow.client.able(terms).ok_or_else(not_registered)?;
        let endpoint = Endpoint {
            url: flow.token_endpoint.clone(),
            issuer: flow.issuer.clone(),
            destination: terms.trust().destination(&flow.token_endpoint),
        };
        let (clock, entropy) = (&*self.door.clock, &*self.door.entropy);
        let form = client.authenticate(&endpoint, clock, entropy, |client| {
            TokenRequest::authorization_code(
                client,
                code,
                &flow.redirect_uri,
                &flow.verifier,
                flow.resource.as_deref(),
            )
        })?;
        let answer = self.door.posted(form, &endpoint).await?;
        let response = match read(&answer, TokenResponse::parse) {
            Ok(response) => response,
            Err(failure) => {
                // Perhaps it is not the right one any more.
                self.finds.doubt(&flow.server);
                if failure.says("invalid_client") {
                    let (key, redirect_uri) = (&flow.key, &flow.redirect_uri);
                    self.forget_client(&flow.client, key, redirect_uri).await?;
                }
                return Err(failure);
            }
        };
        if let Err(failure) = check(&terms.rules, &answer, &client.client_id) {
            let row = flow.row(response, terms, self.door.clock.now());
            self.give_back(terms, &flow.server, row, "they break token_validation");
            return Err(failure);
        }
        let mut account = account_of(&answer.body);
        if account.is_none()
            && let Some(userinfo) = &flow.userinfo_endpoint
            && flow.scopes.contains("openid")
        {
            account = self
                .door
                .userinfo(&terms.trust(), userinfo, &response.access_token)
                .await;
        }
        Ok(Worth { response, account })
    }
}

/// What a code was worth.
struct Worth {
    response: TokenResponse,
    /// Whose account it is, if anybody said.
    account: Option<String>,
}

impl Flow {
    /// The connection that it ends in, so far as the token response says.
    fn row(&self, response: TokenResponse, terms: &AuthorizationCode, at: Timestamp) -> Row {
        let mut row = Row {
            holder: self.holder,
            terms: self.terms.clone(),
            issuer: self.key.clone(),
            named_issuer: self.issuer.clone(),
            token_endpoint: self.token_endpoint.clone(),
            revocation_endpoint: self.revocation_endpoint.clone(),
            redirect_uri: self.redirect_uri.clone(),
            client: self.client.clone(),
            resource: self.resource.clone(),
            requested: self.scopes.clone(),
            granted: None,
            access: response.access_token.clone(),
            refresh: None,
            obtained_at: at,
            expires_at: None,
            connected_at: at,
            account: None,
            over: false,
            wanted: ScopeSet::default(),
            consents: Vec::new(),
        };
        row.take(response, terms, at);
        row
    }
}

impl Failure {
    /// Whether it is a refusal with this code.
    pub(super) fn says(&self, wanted: &str) -> bool {
        matches!(self.kind, CredentialErrorKind::Refused { code: Some(code), .. } if code == wanted)
    }
}
