//! LiteLLM's relay: `/{name}/register` and `/{name}/token`, and the same under
//! `/v1/mcp/server/oauth/{name}`. `/{name}/authorize` is a page.
//!
//! It is our own authorization server with the named endpoint as its resource. Registrations, codes and
//! tokens are ours, and what we hold upstream never comes this way. Where a code may be sent is
//! LiteLLM's rule, which binds clients that register here and each of their requests.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{Response, StatusCode};
use portcullis_core::ErrorKind;
use portcullis_engine::Quota;
use portcullis_oauth::RedirectRefused;
use portcullis_oauth::authorization_server::OAuthFault;
use serde_json::Value;

use super::desk::{Desk, NotGiven};
use super::{register, token};
use crate::state::ServerState;

/// The one resource of a name's relay.
pub(crate) fn resource(origin: &str, name: &str) -> String {
    format!("{origin}/{name}/mcp")
}

pub(super) async fn register(
    State(state): State<ServerState>,
    Path(_): Path<String>,
    request: Request,
) -> Response<Body> {
    let (mut desk, body) =
        match Desk::open(state, request, "relay/register", Quota::Registrations).await {
            Ok(opened) => opened,
            Err(refusal) => return *refusal,
        };
    let body = match desk.json(body).await {
        Ok(body) => body,
        Err(refusal) => return desk.refuse(refusal).await,
    };
    if let Err(refused) = judged(&desk, &body) {
        let fault = OAuthFault::new("invalid_redirect_uri", refused.words());
        let (status, kind) = (StatusCode::BAD_REQUEST, ErrorKind::Invalid);
        return desk.refuse_as(status, kind, fault, false).await;
    }
    register::keep(desk, &body).await
}

/// Whether every address that the client names may be sent a code. What is no list of texts is told to
/// the client by whoever registers it.
fn judged(desk: &Desk, body: &[u8]) -> Result<(), RedirectRefused> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let frontage = desk.state.frontage.load();
    let uris = body.get("redirect_uris").and_then(Value::as_array);
    let uris = uris.into_iter().flatten();
    for uri in uris.filter_map(Value::as_str) {
        frontage.redirects.judge(&desk.origin, uri)?;
    }
    Ok(())
}

pub(super) async fn token(
    State(state): State<ServerState>,
    Path(name): Path<String>,
    request: Request,
) -> Response<Body> {
    let (mut desk, body) = match Desk::open(state, request, "relay/token", Quota::Tokens).await {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    let resource = resource(&desk.origin, &name);
    let form = desk.form(body).await.and_then(|form| {
        let fault =
            OAuthFault::target("resource does not match the scope this code was issued for");
        form.at("resource", &resource)
            .ok_or(NotGiven::Body(StatusCode::BAD_REQUEST, fault))
    });
    token::answer(desk, form).await
}
