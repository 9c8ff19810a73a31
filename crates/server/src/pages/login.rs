//! `/login`: the page to sign in at, and the form with a key.

use askama::Template;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response};
use portcullis_core::{ApiKey, ErrorKind};
use portcullis_engine::Quota;
use portcullis_identity::{AuthnError, BrowserSession, Proved};
use url::Url;

use super::{Answer, Form, Frame, ReturnTo, Trouble, Visit, cookies, layout};
use crate::listen::peer;
use crate::state::ServerState;

/// What the form's token is for.
const ACT: &str = "sign in with a key";

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    frame: Frame,
    token: &'a str,
    return_to: &'a str,
    /// What signing in is on the way to.
    purpose: Option<&'static str>,
    /// What the provider is called, and where its button leads.
    provider: Option<(&'a str, String)>,
    with_key: bool,
    private: bool,
    refused: bool,
}

pub(crate) async fn show(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (mut visit, _) = match Visit::open(state, request, "login") {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    let said = shown(&mut visit).await;
    visit.end(said).await
}

async fn shown(visit: &mut Visit) -> Result<Answer, Trouble> {
    let return_to = ReturnTo::of_query(visit.parts.uri.query());
    let again = ReturnTo::is_again(visit.parts.uri.query());
    if visit.session().await?.is_some() && !again {
        return Ok(Answer::SeeOther(return_to.as_str().to_owned()));
    }
    page(visit, &return_to, false)
}

/// The page, in a browser that has a name from now on.
fn page(visit: &mut Visit, return_to: &ReturnTo, refused: bool) -> Result<Answer, Trouble> {
    let sign_in = visit.state.sign_in.load_full();
    let browser = match visit.cookie(cookies::BROWSER) {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => {
            let name = sign_in.sessions.name_browser()?;
            visit.set_cookie(cookies::set(cookies::BROWSER, &name, None));
            name
        }
    };
    let by_provider = if ReturnTo::is_again(visit.parts.uri.query()) {
        return_to.by_again("/login/provider")
    } else {
        return_to.by("/login/provider")
    };
    let page = LoginPage {
        frame: visit.frame(None)?,
        token: &sign_in.sessions.form_token(&browser, ACT)?,
        return_to: return_to.as_str(),
        purpose: return_to.purpose(),
        provider: sign_in
            .provider
            .as_ref()
            .map(|provider| (provider.name(), by_provider)),
        with_key: sign_in.with_key,
        private: is_private(&visit.state, &visit.parts),
        refused,
    };
    if !refused {
        return Answer::page(&page);
    }
    // Not 401: that would ask the browser for a credential of another kind (RFC 9110 §15.5.2).
    layout::html(axum::http::StatusCode::FORBIDDEN, &page, None)
        .map(|response| Answer::Page(Box::new(response)))
        .ok_or_else(Trouble::unavailable)
}

pub(crate) async fn with_key(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (mut visit, body) = match Visit::open(state, request, "login/key") {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    let said = signed_in(&mut visit, body).await;
    visit.end(said).await
}

async fn signed_in(visit: &mut Visit, body: Body) -> Result<Answer, Trouble> {
    visit.one_more(Quota::SignIns)?;
    let sign_in = visit.state.sign_in.load_full();
    if !sign_in.with_key {
        return Err(Trouble::no_keys());
    }
    if !is_private(&visit.state, &visit.parts) {
        return Err(Trouble::not_private());
    }
    let form = Form::read(&visit.state, &visit.parts.headers, body).await?;
    let browser = visit.cookie(cookies::BROWSER).unwrap_or_default();
    let token = form.get("token").unwrap_or_default();
    if !sign_in.sessions.is_form_token(browser, ACT, token) {
        return Err(Trouble::foreign_form());
    }
    let return_to = ReturnTo::of(form.get("return_to"));
    let key = ApiKey::new(form.get("key").unwrap_or_default().trim());
    drop(form);
    let authentication = visit.state.authentication.load_full();
    match authentication.holder_of(key).await {
        Ok(proved) => {
            let begun = begin(visit, proved).await?;
            let_in(visit, &begun);
            Ok(Answer::SeeOther(return_to.as_str().to_owned()))
        }
        Err(error) => refuse(visit, &error, &return_to).await,
    }
}

/// One answer for every key that is not accepted, whatever is wrong with it; whoever keeps guessing
/// gets it late.
async fn refuse(
    visit: &mut Visit,
    error: &AuthnError,
    return_to: &ReturnTo,
) -> Result<Answer, Trouble> {
    visit.audit.authn_failed(error.kind.as_str());
    visit.audit.denied("sign_in_key");
    if error.error_kind() != ErrorKind::Unauthenticated {
        return Err(Trouble::unavailable());
    }
    let address = visit.state.client_address(&visit.parts);
    let address = address.or_else(|| peer(&visit.parts));
    let now = visit.state.clock.monotonic();
    let wait = visit.state.failures.failed(address, now);
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    page(visit, return_to, true)
}

/// A session that nobody holds yet.
pub(super) struct Begun {
    pub(super) session: BrowserSession,
    /// What makes a browser its holder.
    cookie: Option<HeaderValue>,
}

/// Begins a session for somebody who was proved just now. What this browser had before ends.
pub(super) async fn begin(visit: &mut Visit, proved: Proved) -> Result<Begun, Trouble> {
    let sessions = &visit.state.sign_in.load_full().sessions;
    if let Some(former) = visit.cookie(cookies::SESSION)
        && let Some(former) = sessions.open(former).await?
    {
        sessions.end(&former).await?;
    }
    let (session, value) = sessions.begin(proved)?;
    // Whoever was proved is judged as at every later request: one who would be refused then is not
    // signed in now.
    let authentication = visit.state.authentication.load_full();
    let principal = authentication.person(&session.person).await;
    let principal = principal.map_err(|error| {
        visit.audit.authn_failed(error.kind.as_str());
        match error.error_kind() {
            ErrorKind::Unauthenticated => Trouble::from(portcullis_identity::SignInFault::Refused),
            _ => Trouble::unavailable(),
        }
    })?;
    visit.audit.principal(&principal);
    let cookie = cookies::set(cookies::SESSION, value.expose(), Some(sessions.ttl()));
    Ok(Begun { session, cookie })
}

/// Hands the session to this browser, when nothing is left that could go wrong: nobody is told that
/// they are not signed in who is.
pub(super) fn let_in(visit: &mut Visit, begun: &Begun) {
    visit.audit.allowed("sign_in");
    visit.set_cookie(begun.cookie.clone());
}

/// Whether nobody on the way reads along: over TLS, ours or a believed proxy's, or on this machine.
fn is_private(state: &ServerState, parts: &Parts) -> bool {
    let origin = state.public_origin(parts);
    let url = origin.and_then(|origin| Url::parse(&origin).ok());
    url.is_some_and(|url| {
        url.scheme() == "https"
            || match url.host() {
                Some(url::Host::Domain(name)) => name == "localhost",
                Some(url::Host::Ipv4(address)) => address.is_loopback(),
                Some(url::Host::Ipv6(address)) => address.is_loopback(),
                None => false,
            }
    })
}
