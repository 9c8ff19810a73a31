//! `POST /introspect` (RFC 7662): for holders of our keys, and for clients with a secret.

use std::sync::Arc;

use super::desk::{Desk, NotGiven};
use crate::state::ServerState;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use portcullis_core::{ErrorKind, Principal, PrincipalKind};
use portcullis_engine::Quota;
use portcullis_engine::audit::Target;
use portcullis_identity::KEY_HEADERS;
use portcullis_identity::authorization_server::{ClientCredentials, Introspected};
use portcullis_oauth::authorization_server::OAuthFault;

pub(super) async fn introspect(
    State(state): State<ServerState>,
    request: Request,
) -> Response<Body> {
    let (mut desk, body) =
        match Desk::open(state, request, "introspect", Quota::Introspections).await {
            Ok(opened) => opened,
            Err(refusal) => return *refusal,
        };
    let holder = if presents_key(&desk.parts) {
        let Some(holder) = holder(&desk).await else {
            return no_key(desk).await;
        };
        Some(holder)
    } else {
        None
    };
    if let Some(holder) = &holder {
        desk.audit.principal(holder);
    }
    match ask(&mut desk, body, holder.is_some()).await {
        Ok(introspected) => {
            if let Some(client) = &introspected.client {
                desk.audit.target(Target::client(client));
            }
            desk.audit.allowed("introspection");
            desk.answer(StatusCode::OK, &introspected.body).await
        }
        Err(refusal) => desk.refuse(refusal).await,
    }
}

/// RFC 7662 §2.3.
async fn no_key(desk: Desk) -> Response<Body> {
    let fault = OAuthFault::new("invalid_token", "this needs a key of the gateway's");
    let (status, kind) = (StatusCode::UNAUTHORIZED, ErrorKind::Unauthenticated);
    let mut refused = desk.refuse_as(status, kind, fault, true).await;
    let bearer = HeaderValue::from_static("Bearer");
    refused.headers_mut().insert(WWW_AUTHENTICATE, bearer);
    refused
}

/// Whether somebody comes with a key, or at least not as a client.
fn presents_key(parts: &Parts) -> bool {
    let bearer = |value: &HeaderValue| {
        let scheme = value.as_bytes().get(..7);
        scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "))
    };
    let headers = &parts.headers;
    KEY_HEADERS.iter().any(|name| headers.contains_key(name))
        || headers.get_all(AUTHORIZATION).iter().any(bearer)
}

/// Whose key it is. Tokens, our own and others', are no keys: whoever holds one may not ask about
/// another.
async fn holder(desk: &Desk) -> Option<Arc<Principal>> {
    let authentication = desk.state.authentication.load_full();
    let arrival = desk
        .state
        .arrival(&desk.parts, desk.state.client_address(&desk.parts));
    let authenticated = authentication
        .authenticate(&desk.parts.headers, &arrival)
        .await
        .ok()?;
    let principal = authenticated.principal;
    let by_key = matches!(
        principal.kind,
        PrincipalKind::MasterKey | PrincipalKind::ApiKey
    );
    by_key.then_some(principal)
}

async fn ask(desk: &mut Desk, body: Body, by_key: bool) -> Result<Introspected, NotGiven> {
    let form = desk.form(body).await?;
    let authentication = desk.state.authentication.load_full();
    if by_key {
        let credentials = ClientCredentials {
            form: &form,
            authorization: None,
        };
        let asked = desk
            .server
            .introspect_for_key(&authentication, &credentials);
        return Ok(asked.await?);
    }
    let credentials = ClientCredentials {
        form: &form,
        authorization: desk.authorization()?,
    };
    let asked = desk
        .server
        .introspect_for_client(&authentication, &credentials);
    Ok(asked.await?)
}
