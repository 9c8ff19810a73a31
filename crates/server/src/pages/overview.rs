//! `/connect`: who is signed in, and which applications they let act for them.

use std::collections::BTreeMap;

use askama::Template;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use portcullis_core::{PrincipalId, Timestamp};
use portcullis_identity::authorization_server::Endpoint;
use url::Url;

use super::connect::{path_of, side_of};
use super::layout::{host, short};
use super::{Answer, Form, Frame, ReturnTo, SignedIn, Trouble, Visit};
use crate::state::ServerState;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    applications: Vec<Application>,
    servers: Vec<Server>,
}

/// A server that the person's own account belongs to.
struct Server {
    name: String,
    place: String,
    description: Option<String>,
    /// `None`: nothing is connected.
    account: Option<String>,
    /// What is connected does not work any more.
    is_over: bool,
}

/// One client, and all that it was given.
struct Application {
    client_id: String,
    name: String,
    /// The site that its document stands on, if it has one: its name is its own choice.
    site: Option<String>,
    /// The servers it was let in to; `None`: all of them.
    servers: Option<Vec<String>>,
    /// The day on which it was let in last.
    since: String,
    /// Whether it has access at this moment, or would only not be asked about again.
    acts: bool,
    token: String,
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
        applications: applications(&visit.state, &signed_in).await?,
        servers: servers(visit, &signed_in).await?,
    })
}

/// The servers that this person sees and connects an account of their own to.
async fn servers(visit: &Visit, signed_in: &SignedIn) -> Result<Vec<Server>, Trouble> {
    let snapshot = visit.state.gateway.snapshot();
    let whose = &signed_in.principal;
    let mut servers = Vec::new();
    for entry in snapshot.all_connectable(whose, side_of(visit)) {
        let status = visit.state.connections.status(&entry.id, &whose.id);
        let connection = status.await?;
        servers.push(Server {
            name: short(entry.id.as_str()),
            place: path_of(entry),
            description: entry.info.description.as_deref().map(short),
            is_over: connection.as_ref().is_some_and(|one| one.is_over),
            account: connection.map(|one| one.account.as_deref().map_or_else(String::new, short)),
        });
    }
    Ok(servers)
}

/// What a person gave to one client.
#[derive(Default)]
struct Given {
    name: Option<String>,
    resources: Vec<String>,
    since: Option<Timestamp>,
    acts: bool,
}

impl Given {
    fn add(&mut self, name: Option<&String>, resource: &str, at: Timestamp) {
        if self.name.is_none() {
            self.name = name.cloned();
        }
        if !self.resources.iter().any(|known| known == resource) {
            self.resources.push(resource.to_owned());
        }
        self.since = self.since.max(Some(at));
    }
}

async fn applications(
    state: &ServerState,
    signed_in: &SignedIn,
) -> Result<Vec<Application>, Trouble> {
    let whose: &PrincipalId = &signed_in.principal.id;
    let mut given: BTreeMap<String, Given> = BTreeMap::new();
    let server = state.frontage.load().authorization_server.clone();
    if let Some(server) = server {
        for grant in server.grants().of(whose).await? {
            let one = given.entry(grant.client_id).or_default();
            one.acts = true;
            one.add(
                grant.client_name.as_ref(),
                &grant.resource,
                grant.created_at,
            );
        }
    }
    for consent in state.sign_in.load_full().consents.of(whose).await? {
        let one = given.entry(consent.client_id).or_default();
        let (name, at) = (consent.client_name.as_ref(), consent.given_at);
        one.add(name, &consent.resource, at);
    }
    let mut applications = Vec::with_capacity(given.len());
    for (client_id, given) in given {
        let name = given.name.as_deref().map(short);
        let name = name.filter(|name| !name.is_empty());
        applications.push(Application {
            name: name.unwrap_or_else(|| short(&client_id)),
            site: Url::parse(&client_id)
                .ok()
                .and_then(|url| url.host_str().map(host)),
            servers: servers_of(&given.resources),
            since: given.since.map(day).unwrap_or_default(),
            acts: given.acts,
            token: signed_in.form_token(state, &act(&client_id))?,
            client_id,
        });
    }
    applications.sort_by_key(|one| (!one.acts, one.name.to_lowercase()));
    Ok(applications)
}

/// The servers that resources of ours are about, by their names; `None`: all.
fn servers_of(resources: &[String]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for resource in resources {
        let path = Url::parse(resource).ok().map(|url| url.path().to_owned());
        match path.as_deref().and_then(Endpoint::of_path) {
            Some(Endpoint::Named(name)) => {
                // A selection names several.
                for name in name.split(',').map(short) {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
            }
            _ => return None,
        }
    }
    Some(names)
}

/// The day of a moment, in UTC.
pub(super) fn day(at: Timestamp) -> String {
    let text = at.to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

pub(crate) async fn remove(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (mut visit, body) = match Visit::open(state, request, "connect/remove") {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    let said = removed(&mut visit, body).await;
    visit.end(said).await
}

async fn removed(visit: &mut Visit, body: Body) -> Result<Answer, Trouble> {
    let form = Form::read(&visit.state, &visit.parts.headers, body).await?;
    let Some(signed_in) = visit.session().await? else {
        return Ok(Answer::SeeOther(ReturnTo::of(None).by_login()));
    };
    let client = form.get("client").ok_or_else(Trouble::not_a_form)?;
    signed_in.require_form_token(&visit.state, &act(client), form.get("token"))?;
    let whose = signed_in.principal.id.clone();
    let taking = take_back(visit.state.clone(), whose, client.to_owned());
    // A task of its own: a browser that goes away in the middle stops nothing.
    let taken = visit.state.gateway.see_through(taking).await;
    taken.map_err(|_| Trouble::unavailable())??;
    visit.audit.allowed("remove_access");
    Ok(Answer::SeeOther("/connect".to_owned()))
}

/// Forgets that it was agreed to, then ends what the client holds: the other way round it could be let
/// in again between the two without a question.
async fn take_back(state: ServerState, whose: PrincipalId, client: String) -> Result<(), Trouble> {
    let sign_in = state.sign_in.load_full();
    sign_in.consents.withdraw(&whose, &client).await?;
    let server = state.frontage.load().authorization_server.clone();
    if let Some(server) = server {
        server.grants().end_with(&whose, &client).await?;
    }
    Ok(())
}

/// What the form's token is for.
fn act(client_id: &str) -> String {
    format!("remove {client_id}")
}
