//! `/{name}/authorize`: a client of LiteLLM's relay asks for access to one server.
//!
//! Two rules come before those of the authorization server: the named endpoint is the resource, and
//! LiteLLM's rule says where a code may be sent, whatever the client registered. A request that breaks
//! one of them leads nowhere (RFC 6749 §4.1.2.1).

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use portcullis_core::ErrorKind;
use portcullis_engine::Quota;
use portcullis_identity::authorization_server::Refusal;
use portcullis_oauth::authorization_server::{InvalidParameters, OAuthFault, Parameters};

use super::authorize::{authorization_server, path_of};
use super::{Answer, Trouble, Visit};
use crate::oauth::relay::resource;
use crate::state::ServerState;

pub(crate) async fn begin(
    State(state): State<ServerState>,
    Path(name): Path<String>,
    request: Request,
) -> Response<Body> {
    let (mut visit, _) = match Visit::open(state, request, "relay/authorize") {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    let said = begun(&mut visit, &name).await;
    visit.end(said).await
}

async fn begun(visit: &mut Visit, name: &str) -> Result<Answer, Trouble> {
    visit.one_more(Quota::AuthorizationRequests)?;
    let server = authorization_server(&visit.state)?;
    let origin = visit.state.public_origin(&visit.parts);
    let origin = origin.ok_or_else(Trouble::no_such_page)?;
    let refused = |fault| Trouble::application(fault, ErrorKind::Invalid);
    let query = visit.parts.uri.query().unwrap_or_default();
    let asked = Parameters::parse(query).map_err(|error| {
        refused(OAuthFault::request(match error {
            InvalidParameters::Repeated => "a parameter is there more than once",
            InvalidParameters::TooLong => "the request is too long",
        }))
    })?;
    let target = asked.get("redirect_uri").unwrap_or_default();
    let judged = visit.state.frontage.load().redirects.judge(&origin, target);
    if let Err(refusal) = judged {
        let fault = OAuthFault::new("redirect_rejected", refusal.words());
        return Err(refused(fault));
    }
    let at = asked.at("resource", &resource(&origin, name));
    let asked = at.ok_or_else(|| {
        refused(OAuthFault::target(
            "resource is not the endpoint that this address is for",
        ))
    })?;
    match server.begin(&asked.to_query(), &origin).await {
        Ok(flow) => Ok(Answer::SeeOther(path_of(&flow))),
        Err(Refusal::Page { fault, kind }) => Err(Trouble::application(fault, kind)),
        Err(Refusal::Redirect { to, fault }) => {
            visit.audit.denied(fault.code);
            Ok(Answer::SeeOther(to.into()))
        }
        Err(Refusal::Failed(error)) => Err(error.into()),
    }
}
