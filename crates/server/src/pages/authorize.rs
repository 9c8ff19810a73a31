//! `/authorize`: a client asks for access, and its person decides (RFC 6749 §4.1.1, RFC 9700 §4).
//!
//! What the client brings is judged and parked before anybody is asked who they are; the browser is
//! told where the parked request is, and comes back there after signing in. Nothing that is wrong about
//! the client or its redirect URI ever leads away from here (RFC 6749 §4.1.2.1).

use askama::Template;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use portcullis_engine::Quota;
use portcullis_identity::authorization_server::{
    AuthorizationError, AuthorizationServer, ClientStanding, FlowHandle, Pending, Refusal,
    Undecided,
};
use portcullis_identity::{ConsentError, Proved, SignIn};
use std::time::Duration;
use url::Url;

use super::connect::{self, side_of};
use super::layout::{self, short};
use super::{Answer, Form, Frame, ReturnTo, SignedIn, Trouble, Visit};
use crate::state::ServerState;

/// How long a parked request waits: with its end that says when it came.
const PARKED: Duration = Duration::from_mins(10);

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentPage<'a> {
    frame: Frame,
    action: String,
    token: &'a str,
    client: String,
    /// The site that the client's document stands on.
    site: Option<String>,
    unverified: bool,
    redirect_host: String,
    /// The codes go to a program on the person's own machine.
    to_own_machine: bool,
    /// Or to an application that opens addresses of this kind.
    to_application: bool,
    loopback_only: bool,
    servers: Vec<String>,
    scopes: Vec<String>,
    /// What the client asks for, and its person does not have to give.
    withheld: Vec<String>,
}

pub(crate) async fn begin(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (mut visit, _) = match Visit::open(state, request, "authorize") {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    let said = begun(&mut visit).await;
    visit.end(said).await
}

async fn begun(visit: &mut Visit) -> Result<Answer, Trouble> {
    visit.one_more(Quota::AuthorizationRequests)?;
    let server = authorization_server(&visit.state)?;
    let query = visit.parts.uri.query().unwrap_or_default();
    let origin = origin_of(visit)?;
    match server.begin(query, &origin).await {
        Ok(flow) => Ok(Answer::SeeOther(path_of(&flow))),
        Err(Refusal::Page { fault, kind }) => Err(Trouble::application(fault, kind)),
        Err(Refusal::Redirect { to, fault }) => {
            visit.audit.denied(fault.code);
            Ok(Answer::SeeOther(to.into()))
        }
        Err(Refusal::Failed(error)) => Err(error.into()),
    }
}

pub(crate) async fn ask(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (mut visit, _) = match Visit::open(state, request, "authorize/ask") {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    let said = asked(&mut visit).await;
    visit.end(said).await
}

async fn asked(visit: &mut Visit) -> Result<Answer, Trouble> {
    let (flow, pending) = waiting(visit).await?;
    let signed_in = match signed_in(visit, &flow, &pending).await? {
        Ok(signed_in) => signed_in,
        Err(elsewhere) => return Ok(elsewhere),
    };
    if has_agreed(visit, &signed_in, &flow) {
        visit.audit.allowed("consent_before_connection");
        return let_in(visit, &flow, &pending, &signed_in).await;
    }
    let sign_in = visit.state.sign_in.load_full();
    if saves_asking(&pending) && covered(&sign_in, &signed_in, &pending).await? {
        visit.audit.allowed("consent_given_before");
        return let_in(visit, &flow, &pending, &signed_in).await;
    }
    let token = signed_in.form_token(&visit.state, &act(&flow))?;
    let redirect = Url::parse(&pending.redirect_uri).map_err(|_| Trouble::over())?;
    let name = pending.client_name.as_deref().map(short);
    let name = name.filter(|name| !name.is_empty());
    let server = authorization_server(&visit.state)?;
    let given = server.held(signed_in.person(), &signed_in.principal, &pending.scopes);
    let withheld = pending.scopes.iter().filter(|scope| !given.contains(scope));
    let page = ConsentPage {
        frame: visit.frame(Some(&signed_in))?,
        action: path_of(&flow),
        token: &token,
        client: name.unwrap_or_else(|| short(&pending.client_id)),
        site: match &pending.standing {
            ClientStanding::Document { host } => Some(layout::host(host)),
            _ => None,
        },
        unverified: pending.standing == ClientStanding::Registered,
        redirect_host: layout::host(&pending.redirect_host),
        to_own_machine: is_loopback(&redirect),
        to_application: !matches!(redirect.scheme(), "http" | "https"),
        loopback_only: pending.loopback_only,
        servers: pending.servers.iter().map(|name| short(name)).collect(),
        scopes: given.iter().map(short).collect(),
        withheld: withheld.map(short).collect(),
    };
    Answer::page_leading_to(&page, Some(&redirect))
}

pub(crate) async fn decide(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (mut visit, body) = match Visit::open(state, request, "authorize/decide") {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    let said = decided(&mut visit, body).await;
    visit.end(said).await
}

async fn decided(visit: &mut Visit, body: Body) -> Result<Answer, Trouble> {
    let form = Form::read(&visit.state, &visit.parts.headers, body).await?;
    let (flow, pending) = waiting(visit).await?;
    let signed_in = match signed_in(visit, &flow, &pending).await? {
        Ok(signed_in) => signed_in,
        Err(elsewhere) => return Ok(elsewhere),
    };
    signed_in.require_form_token(&visit.state, &act(&flow), form.get("token"))?;
    match form.get("decision") {
        Some("allow") => {
            let sign_in = visit.state.sign_in.load_full();
            let whose = &signed_in.principal.id;
            sign_in.consents.give(whose, &pending).await?;
            visit.audit.allowed("consent");
            let_in(visit, &flow, &pending, &signed_in).await
        }
        Some("deny") => {
            visit.audit.denied("consent_refused");
            let server = authorization_server(&visit.state)?;
            Ok(Answer::SeeOther(
                server.deny(&flow, &origin_of(visit)?).await?.into(),
            ))
        }
        _ => Err(Trouble::not_a_form()),
    }
}

/// The authorization server, where there is one.
pub(super) fn authorization_server(state: &ServerState) -> Result<AuthorizationServer, Trouble> {
    let server = state.frontage.load().authorization_server.clone();
    server.ok_or_else(Trouble::no_such_page)
}

/// The origin of ours that the browser is at.
fn origin_of(visit: &Visit) -> Result<String, Trouble> {
    let origin = visit.state.public_origin(&visit.parts);
    origin.ok_or_else(Trouble::no_such_page)
}

/// The request that waits at this address.
async fn waiting(visit: &Visit) -> Result<(FlowHandle, Pending), Trouble> {
    let path = visit.parts.uri.path();
    let flow = path.strip_prefix("/authorize/").and_then(FlowHandle::parse);
    let flow = flow.ok_or_else(Trouble::no_such_page)?;
    let server = authorization_server(&visit.state)?;
    let pending = server
        .pending(&flow, &origin_of(visit)?)
        .await?
        .ok_or_else(Trouble::over)?;
    Ok((flow, pending))
}

/// Who decides, or where they have to go first.
async fn signed_in(
    visit: &mut Visit,
    flow: &FlowHandle,
    pending: &Pending,
) -> Result<Result<SignedIn, Answer>, Trouble> {
    let back = ReturnTo::of(Some(&path_of(flow)));
    let Some(signed_in) = visit.session().await? else {
        return Ok(Err(Answer::SeeOther(back.by_login())));
    };
    // `prompt=login`: a sign-in from before the request does not do (OpenID Connect Core §3.1.2.1).
    let came = pending.expires_at.before(PARKED);
    if pending.prompt.sign_in && signed_in.person().signed_in_at < came {
        return Ok(Err(Answer::SeeOther(back.by_login_again())));
    }
    if acts_as_signed_in(visit, pending) && is_worn_out(visit, &signed_in).await? {
        return Ok(Err(Answer::SeeOther(back.by_login_again())));
    }
    Ok(Ok(signed_in))
}

/// Whether a server that the client asks for is called with what the provider said of its person.
fn acts_as_signed_in(visit: &Visit, pending: &Pending) -> bool {
    let snapshot = visit.state.gateway.snapshot();
    let reads = |name: &String| {
        let named = snapshot.named(name);
        named.is_some_and(|(_, entry)| entry.auth.reads_login_assertion())
    };
    snapshot.asks_for_login_assertions()
        && (pending.servers.is_empty() || pending.servers.iter().any(reads))
}

/// Whether the provider said something when this person signed in that is over by now: a client that
/// is let in with such a sign-in could not call that server.
async fn is_worn_out(visit: &Visit, signed_in: &SignedIn) -> Result<bool, Trouble> {
    let person = signed_in.person();
    if !matches!(person.proved, Proved::Provider(_)) {
        return Ok(false);
    }
    let sign_in = visit.state.sign_in.load_full();
    Ok(sign_in.id_tokens.of(person).await?.is_none())
}

/// Whether a consent from before may stand for this one. Where the code goes to the person's own
/// machine, or to whichever application opens such addresses, any program there may have asked: its
/// person is asked each time (RFC 8252 §8.6).
fn saves_asking(pending: &Pending) -> bool {
    let https = pending.redirect_uri.starts_with("https://");
    let own = Url::parse(&pending.redirect_uri).is_ok_and(|url| is_loopback(&url));
    https && !own && !pending.prompt.consent
}

async fn covered(
    sign_in: &SignIn,
    signed_in: &SignedIn,
    pending: &Pending,
) -> Result<bool, Trouble> {
    let whose = &signed_in.principal.id;
    Ok(sign_in.consents.covers(whose, pending).await?)
}

async fn let_in(
    visit: &mut Visit,
    flow: &FlowHandle,
    pending: &Pending,
    signed_in: &SignedIn,
) -> Result<Answer, Trouble> {
    if let Some(place) = connects_first(visit, flow, pending, signed_in).await? {
        return Ok(Answer::SeeOther(place));
    }
    let server = authorization_server(&visit.state)?.seen_from(side_of(visit));
    let to = server
        .approve(
            flow,
            &origin_of(visit)?,
            signed_in.person(),
            &signed_in.principal,
        )
        .await?;
    Ok(Answer::SeeOther(to.into()))
}

pub(super) fn path_of(flow: &FlowHandle) -> String {
    format!("/authorize/{}", flow.as_str())
}

/// Where an account is connected first: a client that asks for one server alone is of no use before
/// its person is connected there. They have agreed by then, and come back with a token that says so
/// (consent comes before any redirect to somebody else: MCP "Security Best Practices", "Confused
/// Deputy").
async fn connects_first(
    visit: &Visit,
    flow: &FlowHandle,
    pending: &Pending,
    signed_in: &SignedIn,
) -> Result<Option<String>, Trouble> {
    let [name] = pending.servers.as_slice() else {
        return Ok(None);
    };
    let state = &visit.state;
    let snapshot = state.gateway.snapshot();
    let whose = &signed_in.principal;
    let Some(entry) = snapshot.connectable(whose, side_of(visit), name) else {
        return Ok(None);
    };
    let connection = state.connections.status(&entry.id, &whose.id).await?;
    if connection.is_some_and(|one| !one.is_over) {
        return Ok(None);
    }
    let token = signed_in.form_token(state, &agreed(flow))?;
    let back = format!("{}?agreed={token}", path_of(flow));
    Ok(Some(ReturnTo::of(Some(&back)).by(&connect::path_of(entry))))
}

/// Whether this person agreed to this very request in this session, and went to connect an account.
fn has_agreed(visit: &Visit, signed_in: &SignedIn, flow: &FlowHandle) -> bool {
    let query = visit.parts.uri.query().unwrap_or_default();
    let token = query.strip_prefix("agreed=");
    token.is_some_and(|token| {
        signed_in
            .require_form_token(&visit.state, &agreed(flow), Some(token))
            .is_ok()
    })
}

/// What the token is for that says so.
fn agreed(flow: &FlowHandle) -> String {
    format!("agreed to {}", flow.as_str())
}

/// What the form's token is for.
fn act(flow: &FlowHandle) -> String {
    format!("decide about {}", flow.as_str())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl From<AuthorizationError> for Trouble {
    fn from(error: AuthorizationError) -> Self {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "an authorization request leads nowhere"
        );
        Self::unavailable()
    }
}

impl From<Undecided> for Trouble {
    fn from(error: Undecided) -> Self {
        match error {
            Undecided::Unknown => Self::over(),
            Undecided::Failed(error) => error.into(),
        }
    }
}

impl From<ConsentError> for Trouble {
    fn from(error: ConsentError) -> Self {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "what people agreed to cannot be told"
        );
        Self::unavailable()
    }
}
