//! One request to a token endpoint (RFC 6749 §4.4).

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request};
use portcullis_egress::{Destination, RequestBody};
use portcullis_oauth::{
    InvalidTokenRequest, TokenRequest, TokenResponse, TokenRules, claims_challenge,
    registered_error_code,
};
use url::Url;

use crate::broker::Door;
use crate::document::{Answer, exchange, uri};
use crate::error::Failure;
use crate::{ClientCredentials, CredentialErrorKind};

/// Where to ask, and how far the address is trusted.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) url: Url,
    /// The issuer whose endpoint this is, if it was discovered.
    pub(crate) issuer: Option<String>,
    pub(crate) destination: Destination,
}

impl Door {
    /// Asks for a token.
    pub(crate) async fn request_token(
        &self,
        grant: &ClientCredentials,
        endpoint: &Endpoint,
    ) -> Result<TokenResponse, Failure> {
        let form = grant
            .client
            .authenticate(endpoint, &*self.clock, &*self.entropy, |client| {
                TokenRequest::client_credentials(
                    client,
                    &grant.scopes,
                    grant.audience.as_deref(),
                    grant.resource.as_deref(),
                )
            })?;
        self.token_of(form, endpoint, &grant.rules, &grant.client.client_id)
            .await
    }

    /// Sends a form and reads the token that it is worth.
    pub(crate) async fn token_of(
        &self,
        form: Result<TokenRequest, InvalidTokenRequest>,
        endpoint: &Endpoint,
        rules: &TokenRules,
        client_id: &str,
    ) -> Result<TokenResponse, Failure> {
        let answer = self.posted(form, endpoint).await?;
        let response = read(&answer, TokenResponse::parse)?;
        check(rules, &answer, client_id)?;
        Ok(response)
    }

    /// Sends a form.
    pub(crate) async fn posted(
        &self,
        form: Result<TokenRequest, InvalidTokenRequest>,
        endpoint: &Endpoint,
    ) -> Result<Answer, Failure> {
        let form =
            form.map_err(|error| Failure::new(CredentialErrorKind::NotAllowed).because(error))?;
        let request = post(form, &endpoint.url)?;
        exchange(&*self.http, request, endpoint.destination).await
    }
}

/// `token_validation`. The path is the operator's own text; what the response says is not told.
pub(crate) fn check(rules: &TokenRules, answer: &Answer, client_id: &str) -> Result<(), Failure> {
    let Some(rule) = rules.broken_by(&answer.body) else {
        return Ok(());
    };
    tracing::warn!(
        client_id,
        rule,
        "the token response breaks token_validation"
    );
    Err(Failure::new(CredentialErrorKind::RuleBroken))
}

fn post(form: TokenRequest, url: &Url) -> Result<Request<RequestBody>, Failure> {
    let mut request = Request::new(RequestBody::default());
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = uri(url)?;
    let headers = request.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static(TokenRequest::CONTENT_TYPE),
    );
    if let Some(value) = form.authorization() {
        headers.insert(AUTHORIZATION, value.clone());
    }
    *request.body_mut() = RequestBody::new(Bytes::from(form.into_form()));
    Ok(request)
}

/// A redirect is refused like any other answer that is no token: the secret goes nowhere else.
pub(crate) fn read<T, E>(
    answer: &Answer,
    parse: impl FnOnce(&[u8]) -> Result<T, E>,
) -> Result<T, Failure>
where
    E: std::error::Error + Send + Sync + 'static,
{
    if answer.is_unavailable() {
        return Err(Failure::new(CredentialErrorKind::Unavailable).waiting(answer.retry_after));
    }
    let refused = |code| {
        Failure::new(CredentialErrorKind::Refused {
            status: answer.status.as_u16(),
            code,
        })
        .waiting(answer.retry_after)
        .asking(claims_challenge(&answer.body))
    };
    if !answer.status.is_success() {
        return Err(refused(registered_error_code(&answer.body)));
    }
    parse(&answer.body).map_err(|error| {
        // Some servers refuse with 200.
        match registered_error_code(&answer.body) {
            Some(code) => refused(Some(code)),
            None => Failure::new(CredentialErrorKind::BadResponse).because(error),
        }
    })
}
