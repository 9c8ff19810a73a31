//! `POST /v1/oauth/clients/end`: a client loses what people granted to it, all of them at once. For
//! administrators.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use portcullis_core::{ErrorKind, Role};
use portcullis_engine::audit::{CallerText, Surface, Target};
use serde::Deserialize;
use serde_json::json;

use super::body::read;
use super::problem::{done, problem, refuse_body, rule};
use crate::state::ServerState;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    client_id: String,
}

pub(crate) async fn end(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut call = match state.admit(&parts, Surface::Admin).await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    call.audit.method(CallerText::fixed("v1/oauth/clients:end"));
    if call.principal.role < Role::Admin {
        let detail = "clients are for administrators";
        return problem(call, ErrorKind::Forbidden, detail).await;
    }
    let wish: Wish = match read(&state, &mut call, &parts, body).await {
        Ok(wish) => wish,
        Err(refusal) => return refuse_body(&state, call, &parts, &refusal).await,
    };
    call.audit.target(Target::client(&wish.client_id));
    call.audit.allowed(rule(call.principal.role));
    let server = state.frontage.load().authorization_server.clone();
    let Some(server) = server else {
        let detail = "identity.authorization_server is off";
        return problem(call, ErrorKind::Conflict, detail).await;
    };
    // Whoever asked may be gone before all have ended.
    let client = wish.client_id.clone();
    let ending = state
        .gateway
        .see_through(async move { server.grants().end_client(&client).await });
    match ending.await {
        Ok(Ok(ended)) => {
            let answer = json!({"client_id": wish.client_id, "ended": ended});
            done(call, &answer).await
        }
        Ok(Err(error)) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "not every grant of a client has ended"
            );
            let detail = "not every grant has ended: try again";
            problem(call, ErrorKind::Unavailable, detail).await
        }
        Err(_) => problem(call, ErrorKind::Unavailable, "the gateway is stopping").await,
    }
}
