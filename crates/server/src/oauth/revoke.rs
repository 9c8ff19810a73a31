//! `POST /revoke` (RFC 7009).

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use portcullis_engine::Quota;
use portcullis_engine::audit::Target;
use portcullis_identity::authorization_server::ClientCredentials;

use super::desk::{Desk, NotGiven};
use crate::state::ServerState;

pub(super) async fn revoke(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (mut desk, body) = match Desk::open(state, request, "revoke", Quota::Tokens).await {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    match ask(&mut desk, body).await {
        Ok((client, ended)) => {
            desk.audit.target(Target::client(&client));
            desk.audit.allowed(match ended {
                Some(_) => "revoked",
                // RFC 7009 §2.2: nobody learns whether a token was any.
                None => "nothing_to_revoke",
            });
            desk.done().await
        }
        Err(refusal) => desk.refuse(refusal).await,
    }
}

async fn ask(desk: &mut Desk, body: Body) -> Result<(String, Option<String>), NotGiven> {
    let form = desk.form(body).await?;
    let authorization = desk.authorization()?.map(str::to_owned);
    let credentials = ClientCredentials {
        form: &form,
        authorization: authorization.as_deref(),
    };
    Desk::claimed(&mut desk.audit, &credentials);
    Ok(desk.server.revoke(&credentials).await?)
}
