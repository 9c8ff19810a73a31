//! `/login/provider` and `/login/callback`: to the operator's OpenID provider and back.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use portcullis_engine::Quota;

use super::{Answer, CALLBACK, ReturnTo, Trouble, Visit, cookies, login};
use crate::state::ServerState;

pub(crate) async fn depart(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (mut visit, _) = match Visit::open(state, request, "login/provider") {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    let said = departed(&mut visit).await;
    visit.end(said).await
}

async fn departed(visit: &mut Visit) -> Result<Answer, Trouble> {
    visit.one_more(Quota::SignIns)?;
    let sign_in = visit.state.sign_in.load_full();
    let provider = sign_in.provider.as_ref();
    let provider = provider.ok_or_else(Trouble::no_such_page)?;
    let return_to = ReturnTo::of_query(visit.parts.uri.query());
    let browser = match visit.cookie(cookies::BROWSER) {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => {
            let name = sign_in.sessions.name_browser()?;
            visit.set_cookie(cookies::set(cookies::BROWSER, &name, None));
            name
        }
    };
    let origin = visit.state.public_origin(&visit.parts);
    let callback = format!("{}{CALLBACK}", origin.ok_or_else(Trouble::no_such_page)?);
    let again = ReturnTo::is_again(visit.parts.uri.query());
    let place = provider
        .depart(&browser, &callback, return_to.as_str(), again)
        .await?;
    Ok(Answer::SeeOther(place.into()))
}

pub(crate) async fn arrive(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (mut visit, _) = match Visit::open(state, request, "login/callback") {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    let said = arrived(&mut visit).await;
    visit.end(said).await
}

async fn arrived(visit: &mut Visit) -> Result<Answer, Trouble> {
    let sign_in = visit.state.sign_in.load_full();
    let provider = sign_in.provider.as_ref();
    let provider = provider.ok_or_else(Trouble::no_such_page)?;
    let query = visit.parts.uri.query().unwrap_or_default();
    let browser = visit.cookie(cookies::BROWSER);
    let arrived = provider.arrive(query, browser).await.inspect_err(|fault| {
        visit.audit.authn_failed(fault.as_str());
    })?;
    let begun = login::begin(visit, arrived.proved).await?;
    let (token, ends) = (&arrived.id_token, arrived.id_token_ends);
    let person = &begun.session.person;
    sign_in.id_tokens.keep(person, token, ends).await?;
    login::let_in(visit, &begun);
    let return_to = ReturnTo::of(Some(&arrived.return_to));
    Ok(Answer::SeeOther(return_to.as_str().to_owned()))
}
