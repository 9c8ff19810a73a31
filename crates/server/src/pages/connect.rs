//! `/connect/{name}`: a person's own account at one server, connected and disconnected.
//!
//! Whoever sits at the browser connects an account to themselves and to nobody else: an address that
//! was made for another person's call connects nothing, so that nobody can be talked into acting for
//! somebody else (MCP 2025-11-25 "Elicitation", "Phishing").

mod arrival;
mod trouble;

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, Response};
use portcullis_core::{ScopeSet, Side};
use portcullis_credentials::Connection;
use portcullis_engine::{InvitationRefused, ServerEntry};

use super::form::form_field;
use super::layout::{host, short};
use super::overview::day;
use super::{Answer, Form, Frame, ReturnTo, SignedIn, Trouble, Visit};
use crate::state::ServerState;

pub(crate) use arrival::arrive;

/// Where authorization servers of upstreams send people back to with a client that the operator
/// registered; with any other one, to an address of the server beneath it.
pub(super) const CALLBACK: &str = "/callback";
/// The same as LiteLLM has it.
pub(super) const LITELLMS_CALLBACK: &str = "/ui/mcp/oauth/callback";

#[derive(Template)]
#[template(path = "connect.html")]
struct ConnectPage {
    frame: Frame,
    name: String,
    description: Option<String>,
    action: String,
    account: Option<Account>,
    /// Whom the person will be sent to; `None`: that cannot be told now.
    leads_to: Option<String>,
    /// Where they came from, to be gone on with afterwards.
    return_to: Option<String>,
    connect: String,
    disconnect: String,
    /// The grant upstream was not ended with the last connection.
    left_upstream: bool,
}

/// A connection as it is shown.
struct Account {
    name: Option<String>,
    issuer: String,
    scopes: Vec<String>,
    wanted: Vec<String>,
    since: String,
    is_over: bool,
}

impl Account {
    fn of(connection: &Connection) -> Self {
        let words = |scopes: &ScopeSet| scopes.iter().map(short).collect();
        Self {
            name: connection.account.as_deref().map(short),
            issuer: host(&connection.issuer),
            scopes: words(&connection.scopes),
            wanted: words(&connection.wanted),
            since: day(connection.connected_at),
            is_over: connection.is_over,
        }
    }
}

pub(crate) async fn show(
    State(state): State<ServerState>,
    Path(name): Path<String>,
    request: Request,
) -> Response<Body> {
    let (mut visit, _) = match Visit::open(state, request, "connect/server") {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    let said = shown(&mut visit, &name).await;
    visit.end(said).await
}

async fn shown(visit: &mut Visit, name: &str) -> Result<Answer, Trouble> {
    let Some(signed_in) = visit.session().await? else {
        let here = visit.parts.uri.path_and_query();
        let here = here.map(axum::http::uri::PathAndQuery::as_str);
        return Ok(Answer::SeeOther(ReturnTo::of(here).by_login()));
    };
    let entry = server(visit, &signed_in, name)?;
    require_invited(visit, &signed_in, &entry)?;
    page(visit, &signed_in, &entry, false).await
}

async fn page(
    visit: &Visit,
    signed_in: &SignedIn,
    entry: &ServerEntry,
    left_upstream: bool,
) -> Result<Answer, Trouble> {
    let state = &visit.state;
    let status = state.connections.status(&entry.id, &signed_in.principal.id);
    let connection = status.await?;
    let connects = connection
        .as_ref()
        .is_none_or(|one| one.is_over || !one.wanted.is_empty());
    let destination = if connects {
        state.connections.destination(&entry.auth).await.ok()
    } else {
        None
    };
    let return_to = query_field(visit, "return_to");
    let page = ConnectPage {
        frame: visit.frame(Some(signed_in))?,
        name: short(entry.id.as_str()),
        description: entry.info.description.as_deref().map(short),
        action: path_of(entry),
        account: connection.as_ref().map(Account::of),
        leads_to: destination
            .as_ref()
            .and_then(|url| url.host_str())
            .map(host),
        return_to: return_to.map(|place| ReturnTo::of(Some(&place)).as_str().to_owned()),
        connect: signed_in.form_token(state, &act("connect", entry))?,
        disconnect: signed_in.form_token(state, &act("disconnect", entry))?,
        left_upstream,
    };
    Answer::page_leading_to(&page, destination.as_ref())
}

pub(crate) async fn change(
    State(state): State<ServerState>,
    Path(name): Path<String>,
    request: Request,
) -> Response<Body> {
    let (mut visit, body) = match Visit::open(state, request, "connect/change") {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    let said = changed(&mut visit, &name, body).await;
    visit.end(said).await
}

async fn changed(visit: &mut Visit, name: &str, body: Body) -> Result<Answer, Trouble> {
    let form = Form::read(&visit.state, &visit.parts.headers, body).await?;
    let Some(signed_in) = visit.session().await? else {
        let back = ReturnTo::of(Some(visit.parts.uri.path()));
        return Ok(Answer::SeeOther(back.by_login()));
    };
    let entry = server(visit, &signed_in, name)?;
    let Some(what @ ("connect" | "disconnect")) = form.get("act") else {
        return Err(Trouble::not_a_form());
    };
    signed_in.require_form_token(&visit.state, &act(what, &entry), form.get("token"))?;
    if what == "connect" {
        let back = form.get("return_to").map_or_else(
            || ReturnTo::of(Some(&path_of(&entry))),
            |place| ReturnTo::of(Some(place)),
        );
        return depart(visit, &signed_in, &entry, &back).await;
    }
    let whose = &signed_in.principal.id;
    let connections = &visit.state.connections;
    let ended = connections.disconnect(&entry.auth, whose).await?;
    visit.state.connection_changed(whose, &entry.id);
    visit.audit.allowed("disconnect");
    page(
        visit,
        &signed_in,
        &entry,
        ended.was_connected && !ended.revoked,
    )
    .await
}

/// Sends the browser to the authorization server of a server, with what brings it back here.
async fn depart(
    visit: &mut Visit,
    signed_in: &SignedIn,
    entry: &ServerEntry,
    back: &ReturnTo,
) -> Result<Answer, Trouble> {
    let origin = visit.state.own_origin(&visit.parts);
    let origin = origin.ok_or_else(Trouble::no_own_address)?;
    let shared = format!("{origin}{CALLBACK}");
    let whose = &signed_in.principal.id;
    let connections = visit.state.connections.clone();
    let departure = connections
        .begin(&entry.auth, whose, &shared, back.as_str())
        .await?;
    let mut cookie = HeaderValue::try_from(departure.cookie).map_err(|_| Trouble::unavailable())?;
    cookie.set_sensitive(true);
    visit.set_cookie(Some(cookie));
    visit.audit.allowed("connect");
    Ok(Answer::SeeOther(departure.url.into()))
}

/// The server of this name, if this person sees it from where they are and has something to connect
/// there. It is on record then.
fn server(
    visit: &mut Visit,
    signed_in: &SignedIn,
    name: &str,
) -> Result<Arc<ServerEntry>, Trouble> {
    let snapshot = visit.state.gateway.snapshot();
    let entry = snapshot.connectable(&signed_in.principal, side_of(visit), name);
    let entry = entry.cloned().ok_or_else(Trouble::no_such_page)?;
    visit.audit.server(&entry.id);
    Ok(entry)
}

/// On which side of the operator's border the browser is.
pub(super) fn side_of(visit: &Visit) -> Side {
    let address = visit.state.client_address(&visit.parts);
    Side::of(address, &visit.state.frontage.load().inside)
}

/// Whoever came by an address that a call was answered with is the one whose call it was.
fn require_invited(
    visit: &Visit,
    signed_in: &SignedIn,
    entry: &ServerEntry,
) -> Result<(), Trouble> {
    let Some(sealed) = query_field(visit, "for") else {
        return Ok(());
    };
    match visit.state.gateway.invitation(&entry.id, &sealed) {
        Ok(invitation) if invitation.principal == signed_in.principal.id => Ok(()),
        Ok(_) => Err(Trouble::somebody_elses_request()),
        Err(InvitationRefused::Unavailable) => Err(Trouble::unavailable()),
        Err(InvitationRefused::Expired | InvitationRefused::Invalid) => {
            Err(Trouble::old_invitation(path_of(entry)))
        }
    }
}

/// The one value of a parameter of the query.
fn query_field(visit: &Visit, name: &str) -> Option<String> {
    let query = visit.parts.uri.query().unwrap_or_default();
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let pairs = pairs.iter();
    form_field(
        pairs.map(|(name, value)| (name.as_str(), value.as_str())),
        name,
    )
    .map(str::to_owned)
}

/// Where a person connects their account at this server.
pub(super) fn path_of(entry: &ServerEntry) -> String {
    format!("/connect/{}", entry.id)
}

/// What a form's token is for.
fn act(what: &str, entry: &ServerEntry) -> String {
    format!("{what} {}", entry.id)
}
