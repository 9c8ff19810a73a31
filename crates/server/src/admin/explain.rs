//! `POST /v1/policy/explain`: why, or why not, a caller may do something, by the very decision that
//! calls go through. For those who may read everything. Nothing is called.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use portcullis_core::{ErrorKind, Role, Side};
use portcullis_engine::Question;
use portcullis_engine::audit::{CallerText, Surface, Target};

use super::body::read;
use super::problem::{done, problem, refuse_body};
use crate::state::ServerState;

pub(crate) async fn explain(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut call = match state.admit(&parts, Surface::Admin).await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    call.audit.method(CallerText::fixed("v1/policy/explain"));
    if call.principal.role < Role::Viewer {
        let detail = "explanations are for viewers and administrators";
        return problem(call, ErrorKind::Forbidden, detail).await;
    }
    let question: Question = match read(&state, &mut call, &parts, body).await {
        Ok(question) => question,
        Err(refusal) => return refuse_body(&state, call, &parts, &refusal).await,
    };
    call.audit.target(Target::tool(&question.tool));
    let authentication = state.authentication.load_full();
    let principal = match authentication.key_named(&question.key).await {
        Ok(principal) => principal,
        Err(error) if error.kind.error_kind() == ErrorKind::Unavailable => {
            let detail = "whose key this is cannot be told now";
            return problem(call, ErrorKind::Unavailable, detail).await;
        }
        Err(error) => {
            let detail = format!("no caller comes with this key: {}", error.kind.as_str());
            return problem(call, ErrorKind::NotFound, &detail).await;
        }
    };
    let side = Side::of(question.address, &state.frontage.load().inside);
    match state.gateway.explain(&principal, side, &question) {
        Some(answer) => done(call, &answer).await,
        None => problem(call, ErrorKind::NotFound, "no server is called so").await,
    }
}
