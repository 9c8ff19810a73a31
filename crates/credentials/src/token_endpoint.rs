//! One request to a token endpoint (RFC 6749 §4.4).

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request};
use portcullis_egress::{Destination, HttpClient, RequestBody};
use portcullis_oauth::{ClientAuthentication, TokenRequest, TokenResponse, registered_error_code};
use url::Url;

use crate::document::{Answer, exchange, uri};
use crate::error::Failure;
use crate::{ClientCredentials, CredentialErrorKind, TokenEndpointAuth};

/// Where to ask, and how far the address is trusted.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) url: Url,
    pub(crate) destination: Destination,
}

/// Asks for a token.
pub(crate) async fn request_token(
    http: &dyn HttpClient,
    client: &ClientCredentials,
    endpoint: &Endpoint,
) -> Result<TokenResponse, Failure> {
    let request = build(client, &endpoint.url)?;
    let answer = exchange(http, request, endpoint.destination).await?;
    read(&answer)
}

fn build(client: &ClientCredentials, url: &Url) -> Result<Request<RequestBody>, Failure> {
    let client_id = client.client_id.as_str();
    let client_secret = &client.client_secret;
    let authentication = match client.client_auth {
        TokenEndpointAuth::ClientSecretPost => ClientAuthentication::Post {
            client_id,
            client_secret,
        },
        TokenEndpointAuth::ClientSecretBasic => ClientAuthentication::Basic {
            client_id,
            client_secret,
        },
    };
    let form = TokenRequest::client_credentials(
        authentication,
        &client.scopes,
        client.audience.as_deref(),
        client.resource.as_deref(),
    )
    .map_err(|error| Failure::new(CredentialErrorKind::NotAllowed).because(error))?;

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
fn read(answer: &Answer) -> Result<TokenResponse, Failure> {
    if answer.is_unavailable() {
        return Err(Failure::new(CredentialErrorKind::Unavailable).waiting(answer.retry_after));
    }
    let refused = |code| {
        Failure::new(CredentialErrorKind::Refused {
            status: answer.status.as_u16(),
            code,
        })
        .waiting(answer.retry_after)
    };
    if !answer.status.is_success() {
        return Err(refused(registered_error_code(&answer.body)));
    }
    TokenResponse::parse(&answer.body).map_err(|error| {
        // Some servers refuse with 200.
        match registered_error_code(&answer.body) {
            Some(code) => refused(Some(code)),
            None => Failure::new(CredentialErrorKind::BadResponse).because(error),
        }
    })
}
