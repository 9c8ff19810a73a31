//! The one way into the admin API: who calls, and whether the route is for them.

use axum::body::Body;
use axum::http::Response;
use axum::http::request::Parts;
use portcullis_core::ErrorKind;
use portcullis_engine::Call;
use portcullis_engine::audit::{CallerText, Surface};

use super::problem::problem;
use super::roles::least_of;
use crate::state::ServerState;

/// Lets the caller in, puts on record what is asked for, and refuses whoever the route is not for.
pub(crate) async fn admit(
    state: &ServerState,
    parts: &Parts,
    method: &'static str,
) -> Result<Call, Box<Response<Body>>> {
    let mut call = state.admit(parts, Surface::Admin).await?;
    call.audit.method(CallerText::fixed(method));
    let refusal = match least_of(parts) {
        Some(least) if least.is_met_by(&call.principal) => return Ok(call),
        Some(least) => least.refusal(),
        // Closed: whoever adds a route says whom it is for.
        None => "this is for nobody",
    };
    Err(Box::new(problem(call, ErrorKind::Forbidden, refusal).await))
}
