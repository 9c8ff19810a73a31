//! `POST /logout`: the end of a session, on every replica.

use askama::Template;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use portcullis_identity::Proved;

use super::{Answer, Form, Frame, Trouble, Visit, cookies};
use crate::state::ServerState;

/// What the form's token is for.
pub(super) const ACT: &str = "sign out";

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOutPage<'a> {
    frame: Frame,
    /// Whom the person is still signed in with, and where that is ended.
    provider: Option<(&'a str, String)>,
}

pub(crate) async fn end(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (mut visit, body) = match Visit::open(state, request, "logout") {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    let said = ended(&mut visit, body).await;
    visit.end(said).await
}

async fn ended(visit: &mut Visit, body: Body) -> Result<Answer, Trouble> {
    let form = Form::read(&visit.state, &visit.parts.headers, body).await?;
    let Some(signed_in) = visit.session().await? else {
        return Ok(Answer::SeeOther("/login".to_owned()));
    };
    signed_in.require_form_token(&visit.state, ACT, form.get("token"))?;
    let sign_in = visit.state.sign_in.load_full();
    sign_in.sessions.end(&signed_in.session).await?;
    sign_in.id_tokens.forget(signed_in.person()).await?;
    visit.audit.allowed("sign_out");
    visit.set_cookie(cookies::clear(cookies::SESSION));
    // A link and not a redirect: whether they end what other sites live on is the person's to say.
    let by_provider = matches!(signed_in.person().proved, Proved::Provider(_));
    let provider = match &sign_in.provider {
        Some(provider) if by_provider => {
            let origin = visit.state.public_origin(&visit.parts);
            let back_to = format!("{}/login", origin.unwrap_or_default());
            let place = provider.end_session_url(&back_to).await;
            place.map(|place| (provider.name(), place.to_string()))
        }
        _ => None,
    };
    Answer::page(&SignedOutPage {
        frame: visit.frame(None)?,
        provider,
    })
}
