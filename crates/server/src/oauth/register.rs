//! `POST /register` (RFC 7591 §3).

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use portcullis_core::ErrorKind;
use portcullis_engine::Quota;
use portcullis_engine::audit::Target;
use portcullis_identity::authorization_server::{RegisteredClient, RegistrationRefusal};
use portcullis_oauth::authorization_server::{InvalidRegistration, OAuthFault};

use super::desk::Desk;
use crate::state::ServerState;

pub(super) async fn register(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (mut desk, body) = match Desk::open(state, request, "register", Quota::Registrations).await
    {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    let body = match desk.json(body).await {
        Ok(body) => body,
        Err(refusal) => return desk.refuse(refusal).await,
    };
    keep(desk, &body).await
}

/// Registers the client that this body describes.
pub(super) async fn keep(desk: Desk, body: &[u8]) -> Response<Body> {
    match desk.server.register(body).await {
        Ok(client) => registered(desk, &client).await,
        Err(refusal) => {
            let (status, fault) = told(&refusal);
            let kind = refusal.error_kind();
            desk.refuse_as(status, kind, fault, false).await
        }
    }
}

async fn registered(mut desk: Desk, client: &RegisteredClient) -> Response<Body> {
    desk.audit.target(Target::client(&client.id));
    desk.audit.allowed("registration");
    let body = client.body();
    desk.answer(StatusCode::CREATED, &body).await
}

/// RFC 7591 §3.2.2.
fn told(refusal: &RegistrationRefusal) -> (StatusCode, OAuthFault) {
    match refusal {
        RegistrationRefusal::Off => (
            StatusCode::FORBIDDEN,
            OAuthFault::new("access_denied", "clients do not register themselves here"),
        ),
        RegistrationRefusal::Invalid(invalid) => {
            let words = match invalid {
                InvalidRegistration::Metadata(words) => words,
                InvalidRegistration::RedirectUris(_) => {
                    "redirect_uris must be a list of 1 to 4 URIs"
                }
                InvalidRegistration::RedirectUri(uri) => uri.words(),
            };
            (
                StatusCode::BAD_REQUEST,
                OAuthFault::new(invalid.code(), words),
            )
        }
        RegistrationRefusal::Full => (
            StatusCode::SERVICE_UNAVAILABLE,
            OAuthFault::new(
                "temporarily_unavailable",
                "there is no room for another client",
            ),
        ),
        RegistrationRefusal::Failed(error) => {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "a client was not registered"
            );
            let status = match error.error_kind() {
                ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            (
                status,
                OAuthFault::new("temporarily_unavailable", "try again later"),
            )
        }
    }
}
