//! `POST /token` (RFC 6749 §3.2).

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use portcullis_engine::Quota;
use portcullis_engine::audit::Target;
use portcullis_identity::authorization_server::{ClientCredentials, Issued};

use portcullis_oauth::authorization_server::Parameters;

use super::desk::{Desk, NotGiven};
use crate::state::ServerState;

pub(super) async fn give(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (mut desk, body) = match Desk::open(state, request, "token", Quota::Tokens).await {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    let form = desk.form(body).await;
    answer(desk, form).await
}

/// Gives what a form asks for, or says why not.
pub(super) async fn answer(mut desk: Desk, form: Result<Parameters, NotGiven>) -> Response<Body> {
    match ask(&mut desk, form).await {
        Ok(issued) => {
            desk.audit.principal(&issued.principal);
            desk.audit.target(Target::client(&issued.client));
            desk.audit.allowed("token");
            let body = issued.body();
            desk.answer(StatusCode::OK, &body).await
        }
        Err(refusal) => desk.refuse(refusal).await,
    }
}

async fn ask(desk: &mut Desk, form: Result<Parameters, NotGiven>) -> Result<Issued, NotGiven> {
    let form = form?;
    if let Some(grant_type) = form.get("grant_type") {
        // Of what a client says, only what we know goes on record.
        let known = ["authorization_code", "refresh_token"];
        let known = known.into_iter().find(|one| *one == grant_type);
        if let Some(known) = known {
            desk.audit
                .method(portcullis_engine::audit::CallerText::new(match known {
                    "refresh_token" => "token/refresh_token",
                    _ => "token/authorization_code",
                }));
        }
    }
    let authorization = desk.authorization()?.map(str::to_owned);
    let credentials = ClientCredentials {
        form: &form,
        authorization: authorization.as_deref(),
    };
    Desk::claimed(&mut desk.audit, &credentials);
    let authentication = desk.state.authentication.load_full();
    let issued = Box::pin(
        desk.server
            .token(&authentication, &credentials, &desk.origin),
    );
    Ok(issued.await?)
}
