//! A path that exists, asked with a method that it does not have.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use portcullis_core::ErrorKind;
use portcullis_engine::audit::Surface;

use crate::reply::text_error;
use crate::state::ServerState;

/// What the router answers with; it adds `Allow` (RFC 9110 §15.5.6) by itself. On a governed path
/// the caller is asked for and the request recorded, as for a method that exists.
pub(crate) async fn refuse(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let not_allowed = || text_error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
    let (parts, _) = request.into_parts();
    let Some(surface) = crate::admission::surface_of(parts.uri.path()) else {
        return not_allowed();
    };
    // Nobody signs in to a page by a header, and clients say who they are in a form.
    if matches!(surface, Surface::Page | Surface::OAuth) {
        return match state.open_event(&parts, surface, state.client_address(&parts)) {
            Err(refusal) => *refusal,
            Ok(event) => match event.finish_before_answer(ErrorKind::Invalid.into()).await {
                Ok(()) => not_allowed(),
                Err(_) => text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            },
        };
    }
    let call = match state.admit(&parts, surface).await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    if call.close(ErrorKind::Invalid.into()).await {
        not_allowed()
    } else {
        text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    }
}
