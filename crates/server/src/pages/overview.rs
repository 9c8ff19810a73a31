//! `/connect`: who is signed in, and what they gave to whom.

use askama::Template;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;

use super::{Answer, Frame, ReturnTo, Trouble, Visit};
use crate::state::ServerState;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
}

pub(crate) async fn show(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (mut visit, _) = match Visit::open(state, request, "connect") {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    let said = shown(&mut visit).await;
    visit.end(said).await
}

async fn shown(visit: &mut Visit) -> Result<Answer, Trouble> {
    let Some(signed_in) = visit.session().await? else {
        return Ok(Answer::SeeOther(ReturnTo::of(None).by_login()));
    };
    Answer::page(&OverviewPage {
        frame: visit.frame(Some(&signed_in))?,
    })
}
