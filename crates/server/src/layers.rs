//! The layers, outermost first, as one function so that the order is a text and not a type. They stand
//! around the router and not in it: a layer of axum's costs every request a clone of all routes and
//! three boxes.
//!
//! 1. panic: one request's defect is a 500 for that request only
//! 2. request id: before anything can be logged or refused
//! 3. Host and Origin: before a page in somebody's browser can reach a handler (DNS rebinding), but
//!    for the Origin of what is open to clients that run in browsers
//! 4. the connection's client certificate, on a listener that lets nobody in without one and where the
//!    handler asks nobody who they are: it may have ended since the handshake
//! 5. the handler
//! 6. security headers and the request id on whatever comes back

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use futures_util::FutureExt;
use portcullis_core::{ErrorKind, RequestId};
use portcullis_engine::audit::Surface;
use portcullis_identity::AuthnErrorKind;
use tower::Service;

use crate::listen::{PeerCertificate, peer};
use crate::reply::text_error;
use crate::state::ServerState;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// `Strict-Transport-Security` (RFC 6797 §6.1).
const ONE_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Which `Host` values are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostRule {
    /// Only loopback names and addresses: the listener is bound to loopback.
    Loopback,
    /// These too, without port, lower-case.
    Listed(BTreeSet<String>),
    /// Any: the listener is public and no names were given.
    Any,
}

impl HostRule {
    /// Whether an origin is one that the operator named, or this machine: what only a `Host` header
    /// says is whatever its sender wrote.
    pub(crate) fn names(&self, origin: &str) -> bool {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        let Some(name) = authority.and_then(host_name) else {
            return false;
        };
        match self {
            Self::Any | Self::Loopback => is_loopback(&name),
            Self::Listed(names) => names.contains(&name) || is_loopback(&name),
        }
    }
}

/// Which `Origin` values may call; a request without one is not a browser's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginRule {
    /// Exact origins (`https://app.example.com`).
    pub listed: BTreeSet<String>,
}

/// Routes that nobody reaches but through the guard.
#[derive(Clone, Debug)]
pub struct Guarded {
    state: ServerState,
    router: Router,
}

impl Guarded {
    pub(crate) const fn new(state: ServerState, router: Router) -> Self {
        Self { state, router }
    }

    pub(crate) const fn state(&self) -> &ServerState {
        &self.state
    }
}

impl Service<Request> for Guarded {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request>::poll_ready(&mut self.router, context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self { state, router } = self.clone();
        Box::pin(async move { Ok(guard(&state, request, router).await) })
    }
}

async fn guard(state: &ServerState, mut request: Request, mut router: Router) -> Response {
    // One that another replica handed over has its id.
    let brought = request.extensions().get::<RequestId>().copied();
    let generate = || RequestId::generate(state.clock.now(), &*state.request_ids);
    let Ok(id) = brought.map_or_else(generate, Ok) else {
        return text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    };
    let mut insist_on_tls = false;
    let checked = check(state, request.uri(), request.headers())
        .and_then(|loopback| still_accepted(state, &request).map(|()| loopback));
    let mut response = match checked {
        Ok(loopback) => {
            // On a developer's machine it would shut out every other server of `localhost`.
            insist_on_tls = state.tls && !loopback;
            request.extensions_mut().insert(id);
            let answering = AssertUnwindSafe(async { router.call(request).await });
            if let Ok(Ok(response)) = answering.catch_unwind().await {
                response
            } else {
                tracing::error!(request.id = %id, "a request panicked");
                text_error(StatusCode::INTERNAL_SERVER_ERROR, "internal")
            }
        }
        Err(refusal) => {
            // The body stays behind: it is not `Sync`, so nothing that waits may hold it.
            let (parts, _) = request.into_parts();
            if refused(state, id, &parts, &refusal).await {
                text_error(refusal.status, refusal.error)
            } else {
                text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
            }
        }
    };
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_bytes(&id.digits()) {
        headers.insert(REQUEST_ID, id);
    }
    if insist_on_tls {
        headers.insert(STRICT_TRANSPORT_SECURITY, ONE_YEAR);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A governed request that is refused this early is on record all the same. Whether it may be
/// answered.
async fn refused(state: &ServerState, id: RequestId, parts: &Parts, refusal: &Refusal) -> bool {
    let Some(surface) = crate::admission::surface_of(parts.uri.path()) else {
        return true;
    };
    let mut audit = state.gateway.audit().open(id, surface);
    audit.client(state.client_address(parts).or_else(|| peer(parts)));
    audit.traced(&parts.headers);
    match refusal.certificate {
        Some(reason) => audit.authn_failed(reason.as_str()),
        None => audit.denied("host_or_origin"),
    }
    let recorded = audit.finish_before_answer(refusal.kind.into());
    recorded.await.is_ok()
}

/// Why a request reaches no handler.
struct Refusal {
    status: StatusCode,
    kind: ErrorKind,
    error: &'static str,
    /// What is wrong with the connection's certificate, if it is that.
    certificate: Option<AuthnErrorKind>,
}

impl Refusal {
    const fn new(status: StatusCode, kind: ErrorKind, error: &'static str) -> Self {
        Self {
            status,
            kind,
            error,
            certificate: None,
        }
    }
}

/// Whether the connection would be opened today. Where callers are asked for, admission asks this too,
/// and tells them what to come with; pages, the endpoints of clients and whatever is open to everybody
/// are open to those alone whom the listener lets in.
fn still_accepted(state: &ServerState, request: &Request) -> Result<(), Refusal> {
    let connection = request.extensions().get::<PeerCertificate>();
    let Some(reason) = connection.and_then(|one| one.refusal(state.clock.now())) else {
        return Ok(());
    };
    match crate::admission::surface_of(request.uri().path()) {
        Some(Surface::Mcp | Surface::Rest | Surface::Admin) => Ok(()),
        // Not 401: no header would help (RFC 9110 §15.5.2).
        _ => Err(Refusal {
            status: StatusCode::FORBIDDEN,
            kind: reason.error_kind(),
            error: "certificate_not_accepted",
            certificate: Some(reason),
        }),
    }
}

/// Whether we were called by a loopback name; refused when the name is not ours, or when a page of
/// another site called.
fn check(state: &ServerState, uri: &Uri, headers: &HeaderMap) -> Result<bool, Refusal> {
    let malformed = || Refusal::new(StatusCode::BAD_REQUEST, ErrorKind::Invalid, "invalid_host");
    let mut hosts = headers.get_all(HOST).iter();
    let header = hosts.next();
    if hosts.next().is_some() {
        return Err(malformed());
    }
    let header = header
        .map(|value| value.to_str())
        .transpose()
        .map_err(|_| malformed())?;
    // HTTP/2 carries the authority in the URI; where both stand they must agree.
    let authority = uri.authority().map(http::uri::Authority::as_str);
    let host = match (header, authority) {
        (Some(header), Some(authority)) if !header.eq_ignore_ascii_case(authority) => {
            return Err(malformed());
        }
        (Some(host), _) | (None, Some(host)) => host,
        (None, None) => return Err(malformed()),
    };
    if is_loopback_literal(host) && !headers.contains_key(ORIGIN) {
        return Ok(true);
    }
    let name = host_name(host).ok_or_else(malformed)?;
    let ours = match &state.hosts {
        HostRule::Any => true,
        HostRule::Loopback => is_loopback(&name),
        HostRule::Listed(names) => names.contains(&name) || is_loopback(&name),
    };
    if !ours {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            ErrorKind::Forbidden,
            "host_not_allowed",
        ));
    }
    if crate::oauth::cors::is_open(uri.path()) {
        return Ok(is_loopback(&name));
    }
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => Ok(is_loopback(&name)),
        (Some(origin), None)
            if origin
                .to_str()
                .is_ok_and(|origin| allowed(&state.origins, origin, host, &name)) =>
        {
            Ok(is_loopback(&name))
        }
        _ => Err(Refusal::new(
            StatusCode::FORBIDDEN,
            ErrorKind::Forbidden,
            "origin_not_allowed",
        )),
    }
}

/// An origin is allowed when listed, or when it is the very host that was called, which a page of
/// another site cannot claim. On loopback any loopback origin is as good.
fn allowed(rule: &OriginRule, origin: &str, host: &str, name: &str) -> bool {
    if rule.listed.contains(origin) {
        return true;
    }
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    if !matches!(scheme, "http" | "https") {
        return false;
    }
    authority.eq_ignore_ascii_case(host)
        || (is_loopback(name) && host_name(authority).is_some_and(|origin| is_loopback(&origin)))
}

/// The name of `host[:port]`, lower-case; `None` for anything that is not exactly that.
fn host_name(host: &str) -> Option<String> {
    host_and_port(host).map(|(name, _)| name)
}

/// The name of `host[:port]`, lower-case, and the port; `None` for anything that is not exactly that.
pub(crate) fn host_and_port(host: &str) -> Option<(String, Option<u16>)> {
    let authority: http::uri::Authority = host.parse().ok()?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return None;
    }
    // `http` takes anything for a port.
    let port = authority.as_str().strip_prefix(authority.host())?;
    if !port.is_empty() && authority.port_u16().is_none() {
        return None;
    }
    let plausible = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
    };
    authority.host().bytes().all(plausible).then(|| {
        let name = authority.host().to_ascii_lowercase();
        (name, authority.port_u16())
    })
}

/// The everyday spellings of loopback with an optional port, told without parsing.
fn is_loopback_literal(host: &str) -> bool {
    let rest = host
        .strip_prefix("localhost")
        .or_else(|| host.strip_prefix("127.0.0.1"));
    match rest {
        Some("") => true,
        Some(rest) => rest.strip_prefix(':').is_some_and(|port| {
            port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
        }),
        None => false,
    }
}

fn is_loopback(name: &str) -> bool {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost"
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_host_and_port_is_a_host() {
        for good in [
            "localhost",
            "LOCALHOST:4000",
            "127.0.0.1:1",
            "[::1]:4000",
            "gw.example.com",
        ] {
            assert!(host_name(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "gw?/healthz",
            "gw/..",
            "gw#",
            "a@b",
            "gw:80/.well-known",
            "g w",
            ":80",
            "localhost:notaport",
            "localhost:99999",
            "localhost:",
            "localhost:80:80",
        ] {
            assert!(host_name(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn look_alikes_of_loopback_are_not_loopback() {
        for evil in [
            "localhost.evil.test",
            "127.0.0.1.evil.test",
            "evil.test",
            "0.0.0.0",
            "10.0.0.1",
        ] {
            assert!(!is_loopback(evil), "{evil}");
        }
        for evil in [
            "localhost.evil.test",
            "localhost:",
            "localhost:80x",
            "localhost:65536",
            "localhost:+80",
            "127.0.0.1.evil",
            "127.0.0.1:a@b",
            "localhost/x",
        ] {
            assert!(!is_loopback_literal(evil), "{evil}");
        }
        assert!(is_loopback_literal("localhost:4000") && is_loopback_literal("127.0.0.1"));
        for good in ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"] {
            assert!(is_loopback(good), "{good}");
        }
    }

    #[test]
    fn a_page_of_another_site_is_refused() {
        let rule = OriginRule {
            listed: ["https://app.example.com".to_owned()].into(),
        };
        assert!(allowed(
            &rule,
            "https://app.example.com",
            "gw.example.com",
            "gw.example.com"
        ));
        assert!(allowed(
            &rule,
            "https://gw.example.com",
            "gw.example.com",
            "gw.example.com"
        ));
        assert!(allowed(
            &rule,
            "http://localhost:3000",
            "127.0.0.1:4000",
            "127.0.0.1"
        ));
        for evil in [
            "null",
            "https://evil.test",
            "https://app.example.com.evil.test",
            "file://",
            "http://localhost:3000",
        ] {
            assert!(
                !allowed(&rule, evil, "gw.example.com", "gw.example.com"),
                "{evil}"
            );
        }
    }
}
