//! `POST /v1/oauth/clients/end`: a client loses what people granted to it, all of them at once. For
//! administrators.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use portcullis_core::ErrorKind;
use portcullis_engine::audit::{Change, Target};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::admit;
use super::body::read;
use super::problem::{done, problem, refuse_body, rule};
use crate::openapi::Problem;
use crate::state::ServerState;

/// Which client.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = EndClient)]
#[serde(deny_unknown_fields)]
struct Wish {
    client_id: String,
}

/// What has ended.
#[derive(Debug, Serialize, ToSchema)]
struct EndedClient {
    client_id: String,
    /// How many grants.
    ended: usize,
}

/// End what people granted to a client.
#[utoipa::path(
    post, path = "/v1/oauth/clients/end", tag = "oauth", request_body = Wish,
    responses(
        (status = 200, description = "Every grant has ended.", body = EndedClient),
        (status = 409, description = "`identity.authorization_server` is off.", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn end(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut call = match admit(&state, &parts, "v1/oauth/clients:end").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
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
            let client_id = wish.client_id;
            let without = Change::of("client", client_id.split('?').next().unwrap_or_default());
            call.audit
                .changed(without.now("without grants").fields(["grants"]));
            let answer = EndedClient { client_id, ended };
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
