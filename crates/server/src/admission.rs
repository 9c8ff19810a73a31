//! Who is calling: the one helper that every governed surface calls first.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{
    CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use portcullis_core::{ErrorKind, PrincipalKind, RequestId, Side};
use portcullis_engine::audit::{AuditGuard, Surface};
use portcullis_engine::{Admission, Call, Quota};
use portcullis_identity::authorization_server::{Addressed, Endpoint};
use portcullis_identity::{
    AUTHORIZATION, Arrival, AuthnError, AuthnErrorKind, KEY_HEADERS, Stranger,
};

use crate::challenge::{Flaw, challenge};
use crate::delegation::{Behind, addressed};
use crate::listen::{PeerCertificate, peer};
use crate::protected_resource;
use crate::reply::text_error;
use crate::state::ServerState;

/// How paths of the admin API begin.
const ADMIN: [&str; 6] = [
    "/key/",
    "/team/",
    "/organization/",
    "/user/",
    "/customer/",
    "/v1/",
];

/// The governed surface behind a path, for requests that are refused before they are routed.
pub(crate) fn surface_of(path: &str) -> Option<Surface> {
    if path.starts_with(protected_resource::WELL_KNOWN) {
        None
    } else if crate::pages::is_page(path) {
        Some(Surface::Page)
    } else if crate::oauth::is_endpoint(path) {
        Some(Surface::OAuth)
    } else if path.starts_with("/mcp-rest/") {
        Some(Surface::Rest)
    } else if path == "/mcp"
        || path.starts_with("/mcp/")
        || path.ends_with("/mcp")
        || path.ends_with("/mcp/")
        || path.ends_with("/sse")
        || path.ends_with("/sse/messages")
    {
        Some(Surface::Mcp)
    } else if ADMIN.iter().any(|first| path.starts_with(first))
        || matches!(path, "/metrics" | crate::openapi::PATH)
    {
        Some(Surface::Admin)
    } else {
        None
    }
}

impl ServerState {
    /// Opens the request's audit event and finds out who calls. The response, if there is one, is
    /// the refusal; the event is closed then.
    pub(crate) async fn admit(
        &self,
        parts: &Parts,
        surface: Surface,
    ) -> Result<Call, Box<Response<Body>>> {
        self.admit_to(parts, surface, Behind::Us).await
    }

    /// The same for a request that leads to servers, of which some may judge their callers
    /// themselves.
    pub(crate) async fn admit_to(
        &self,
        parts: &Parts,
        surface: Surface,
        behind: Behind<'_>,
    ) -> Result<Call, Box<Response<Body>>> {
        let address = self.client_address(parts);
        let audit = self.open_event(parts, surface, address)?;
        let id = audit
            .request_id()
            .ok_or_else(|| boxed(StatusCode::SERVICE_UNAVAILABLE, "unavailable"))?;
        let authentication = self.authentication.load_full();
        let snapshot = self.gateway.snapshot();
        let asked_for = |header: &str| snapshot.asks_for(header);
        let arrival = self.arrival(parts, address);
        let connection = parts.extensions.get::<PeerCertificate>();
        if let Some(kind) = connection.and_then(|one| one.refusal(self.clock.now())) {
            let error = kind.into();
            return Err(Box::new(self.refuse(audit, &error, parts, surface).await));
        }
        let admitted = |kind| Admission {
            side: Side::of(arrival.address, &self.frontage.load().inside),
            address: arrival.address,
            at: self.clock.now(),
            generation: authentication.generation(),
            proof: connection.map(|one| one.proof(kind, arrival.certificate.clone())),
        };
        let error = match authentication.authenticate(&parts.headers, &arrival).await {
            Ok(caller) => {
                let admission = admitted(caller.principal.kind);
                let mut brought = authentication
                    .brought(&parts.headers, &caller.principal, asked_for)
                    .await;
                if snapshot.asks_for_login_assertions() {
                    brought.login_assertion = authentication
                        .login_assertion(&parts.headers, &caller.principal)
                        .await;
                }
                let call = Call::begin(id, caller.principal, admission, audit).with(brought);
                let call = call.among(self.defining.directory().toolsets());
                return Ok(call.reaching(self.public_origin(parts)));
            }
            Err(error) => error,
        };
        let admission = admitted(PrincipalKind::Delegated);
        let addressed = addressed(behind, &parts.headers, &snapshot, admission.side);
        let stranger = Stranger::of(&parts.headers, &error);
        let (Some(addressed), Some(stranger)) = (addressed, stranger) else {
            return Err(Box::new(self.refuse(audit, &error, parts, surface).await));
        };
        if let Err(wait) = self.one_more(Quota::Strangers, parts) {
            return Err(Box::new(too_many(audit, wait).await));
        }
        let brought = authentication
            .brought_by_stranger(&parts.headers, asked_for)
            .await;
        let principal = Arc::new(stranger.principal(addressed));
        Ok(Call::begin(id, principal, admission, audit).with(brought))
    }

    /// How the request came, by what its listener knows and believed proxies say.
    pub(crate) fn arrival(&self, parts: &Parts, address: Option<IpAddr>) -> Arrival {
        let certificate = parts.extensions.get::<PeerCertificate>();
        Arrival {
            address,
            certificate: certificate.and_then(|one| one.certificate(self.clock.now())),
            addressed: may_hold_a_token(&parts.headers)
                .then(|| self.addressed(parts))
                .flatten(),
        }
    }

    /// Which endpoint the request addresses, for tokens of our own: those are for one each.
    fn addressed(&self, parts: &Parts) -> Option<Arc<Addressed>> {
        let endpoint = Endpoint::of_path(parts.uri.path())?;
        let origin = self.public_origin(parts)?;
        Some(Arc::new(Addressed { origin, endpoint }))
    }

    pub(crate) fn open_event(
        &self,
        parts: &Parts,
        surface: Surface,
        address: Option<IpAddr>,
    ) -> Result<AuditGuard, Box<Response<Body>>> {
        let unavailable = || boxed(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
        // The guard layer puts the id there; without it the request did not come through it.
        let id = *parts
            .extensions
            .get::<RequestId>()
            .ok_or_else(unavailable)?;
        let log = self.gateway.audit();
        let mut audit = log.open(id, surface);
        // Where the caller cannot be told, the record says at least who connected.
        audit.client(address.or_else(|| peer(parts)));
        audit.traced(&parts.headers);
        if log.required() && !log.is_available() {
            audit.denied("audit_unavailable");
            audit.finish(ErrorKind::Unavailable.into());
            return Err(unavailable());
        }
        Ok(audit)
    }

    /// Reads a JSON body within the limits of size and time. While it arrived, its sender may have been
    /// revoked: what such a body wants is not done.
    pub(crate) async fn read_body(
        &self,
        call: &Call,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Bytes, BodyRefusal> {
        if headers.contains_key(CONTENT_ENCODING) {
            return Err(BodyRefusal::MediaType);
        }
        if !is_json(headers) {
            return Err(BodyRefusal::MediaType);
        }
        let reading = Limited::new(body, self.max_body).collect();
        match tokio::time::timeout(self.body_timeout, reading).await {
            Err(_) => Err(BodyRefusal::Slow),
            Ok(Ok(_)) if !self.gateway.stands(call) => Err(BodyRefusal::NoLongerStands),
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyRefusal::TooLarge),
            Ok(Err(_)) => Err(BodyRefusal::Broken),
        }
    }
}

/// The refusal of a stranger of whose network too many come (DLG-09).
async fn too_many(mut audit: AuditGuard, wait: u64) -> Response<Body> {
    audit.denied("too_many_strangers");
    let recorded = audit.finish_before_answer(ErrorKind::RateLimited.into());
    if recorded.await.is_err() {
        return text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    }
    let mut response = text_error(StatusCode::TOO_MANY_REQUESTS, "rate_limited");
    response.headers_mut().insert(RETRY_AFTER, wait.into());
    response
}

/// Whether a token could be among a request's credentials, and not only keys, which hold no dots.
fn may_hold_a_token(headers: &HeaderMap) -> bool {
    [&AUTHORIZATION]
        .into_iter()
        .chain(&KEY_HEADERS)
        .flat_map(|name| headers.get_all(name))
        .any(|value| value.as_bytes().contains(&b'.'))
}

fn boxed(status: StatusCode, error: &'static str) -> Box<Response<Body>> {
    Box::new(text_error(status, error))
}

/// Why a body is not read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BodyRefusal {
    MediaType,
    TooLarge,
    Slow,
    Broken,
    NoLongerStands,
}

impl BodyRefusal {
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::NoLongerStands => StatusCode::UNAUTHORIZED,
        }
    }

    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::MediaType => {
                "the body must be plain application/json in UTF-8, without Content-Encoding"
            }
            Self::TooLarge => "the body is too large",
            Self::Slow => "the body took too long to arrive",
            Self::Broken => "the body broke off",
            Self::NoLongerStands => "the credential is no longer valid",
        }
    }

    pub(crate) const fn kind(self) -> ErrorKind {
        match self {
            Self::NoLongerStands => ErrorKind::Unauthenticated,
            _ => ErrorKind::Invalid,
        }
    }
}

/// A page of another site can send forms and plain text without asking; it cannot send this.
fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let Ok(value) = value.to_str() else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    parts
        .next()
        .is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
        && parts.all(|parameter| {
            parameter.split_once('=').is_none_or(|(name, value)| {
                !name.trim().eq_ignore_ascii_case("charset")
                    || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            })
        })
}

impl ServerState {
    /// One refusal for every reason: which it was stands in the audit event. Whoever keeps guessing
    /// gets it late.
    async fn refuse(
        &self,
        mut audit: AuditGuard,
        error: &AuthnError,
        parts: &Parts,
        surface: Surface,
    ) -> Response<Body> {
        audit.authn_failed(error.kind.as_str());
        // Whoever comes with so many tokens that nobody can ask about them all is guessing too.
        let guessed = error.kind == AuthnErrorKind::NoTurn
            || (error.kind.error_kind() == ErrorKind::Unauthenticated
                && error.kind != AuthnErrorKind::Missing);
        let wait = if guessed {
            let address = self.client_address(parts).or_else(|| peer(parts));
            self.failures.failed(address, self.clock.monotonic())
        } else {
            Duration::ZERO
        };
        let recorded = audit.finish_before_answer(error.kind.error_kind().into());
        if recorded.await.is_err() {
            return text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
        }
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        refusal(error.kind, || {
            let flaw = match error.kind {
                AuthnErrorKind::Missing
                | AuthnErrorKind::CertificateUnknown
                | AuthnErrorKind::CertificateOver => Flaw::Nothing,
                _ => Flaw::InvalidToken,
            };
            challenge(self, parts, surface, &flaw)
        })
    }
}

fn refusal(reason: AuthnErrorKind, challenge: impl FnOnce() -> HeaderValue) -> Response<Body> {
    match reason.error_kind() {
        ErrorKind::Invalid => text_error(StatusCode::BAD_REQUEST, "ambiguous_credentials"),
        ErrorKind::Unavailable => text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        // The credential is good: another one of the same caller would fare alike.
        ErrorKind::Forbidden => text_error(StatusCode::FORBIDDEN, "forbidden"),
        _ => {
            let mut response = text_error(StatusCode::UNAUTHORIZED, "unauthorized");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge());
            response
        }
    }
}
