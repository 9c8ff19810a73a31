//! `/callback` and `/callback/{name}`: a browser that comes back from the authorization server of an upstream.

use askama::Template;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Response};
use portcullis_core::ServerId;

use crate::pages::layout::short;
use crate::pages::{Answer, Frame, ReturnTo, Trouble, Visit};
use crate::state::ServerState;

#[derive(Template)]
#[template(path = "connected.html")]
struct ConnectedPage {
    frame: Frame,
    name: String,
    place: String,
}

pub(crate) async fn arrive(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (mut visit, _) = match Visit::open(state, request, "callback") {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    let said = arrived(&mut visit).await;
    visit.end(said).await
}

async fn arrived(visit: &mut Visit) -> Result<Answer, Trouble> {
    // Whoever left was signed in: without them nothing is used up.
    let signed_in = visit.session().await?;
    let signed_in = signed_in.ok_or_else(Trouble::signed_out_meanwhile)?;
    let state = visit.state.clone();
    let whose = signed_in.principal.id.clone();
    let (uri, headers) = (visit.parts.uri.clone(), visit.parts.headers.clone());
    // A task of its own: a browser that goes away in the middle leaves nobody in a session of the
    // account before.
    let ended = visit.state.gateway.see_through(async move {
        let snapshot = state.gateway.snapshot();
        let find = |id: &ServerId| {
            let (_, entry) = snapshot.named(id.as_str())?;
            Some(entry.auth.clone())
        };
        let query = uri.query().unwrap_or_default();
        let connections = &state.connections;
        let ended = connections.arrive(&whose, uri.path(), query, &headers, find);
        let ended = ended.await;
        if let Ok(arrived) = &ended {
            state.connection_changed(&arrived.principal, &arrived.server);
        }
        ended
    });
    let ended = ended.await.map_err(|_| Trouble::unavailable())?;
    let arrived = match ended {
        Ok(arrived) => arrived,
        Err(not) => {
            if let Some(server) = &not.server {
                visit.audit.server(server);
            }
            let place = not.return_to.as_deref();
            let place = place.map(|place| ReturnTo::of(Some(place)).as_str().to_owned());
            return Err(Trouble::not_connected(not.why, place));
        }
    };
    visit.audit.server(&arrived.server);
    visit.set_cookie(HeaderValue::try_from(arrived.forget_cookie).ok());
    visit.audit.allowed("connected");
    let back = ReturnTo::of(Some(&arrived.return_to));
    if back.as_str().starts_with("/authorize") {
        return Ok(Answer::SeeOther(back.as_str().to_owned()));
    }
    Answer::page(&ConnectedPage {
        frame: visit.frame(Some(&signed_in))?,
        name: short(arrived.server.as_str()),
        place: back.as_str().to_owned(),
    })
}
