//! Clients that run in browsers (CORS, Fetch §3.2).
//!
//! What is open to pages of any site is what needs no cookie and gives nothing to who has nothing:
//! documents, and endpoints to which a client proves itself by what it holds. Answers may be read by
//! the page; credentials of the browser never go along, because `*` forbids it.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, HeaderValue, ORIGIN,
};
use axum::http::{Response, StatusCode};
use axum::middleware::Next;

use super::{JWKS, METADATA, OPENID_METADATA};
use crate::protected_resource;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, OPTIONS");
const HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, mcp-protocol-version");
const EXPOSED: HeaderValue = HeaderValue::from_static("www-authenticate, retry-after");
const TEN_MINUTES: HeaderValue = HeaderValue::from_static("600");

/// Whether pages of any site may call this.
pub(crate) fn is_open(path: &str) -> bool {
    let below = |root: &str| {
        path.strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    matches!(path, "/token" | "/register" | "/revoke" | JWKS)
        || [METADATA, OPENID_METADATA, protected_resource::WELL_KNOWN]
            .into_iter()
            .any(below)
}

/// What a page asks before it asks (Fetch §3.2.2).
pub(crate) async fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ALLOW, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    headers.insert(ACCESS_CONTROL_MAX_AGE, TEN_MINUTES);
    response
}

/// Lets pages read what is answered.
pub(crate) async fn open(request: Request, next: Next) -> Response<Body> {
    let of_page = request.headers().contains_key(ORIGIN);
    let mut response = next.run(request).await;
    if of_page {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_cookie_opens_is_open_to_pages() {
        for open in [
            "/token",
            "/register",
            "/revoke",
            "/oauth/jwks.json",
            "/.well-known/oauth-authorization-server",
            "/.well-known/oauth-authorization-server/mcp",
            "/.well-known/openid-configuration",
            "/.well-known/oauth-protected-resource/mcp/a",
        ] {
            assert!(is_open(open), "{open}");
        }
        for closed in [
            "/",
            "/mcp",
            "/authorize",
            "/login",
            "/connect",
            "/introspect",
            "/token/",
            "/v1/audit",
            "/.well-known/oauth-authorization-serverx",
            "/.well-known/../mcp",
        ] {
            assert!(!is_open(closed), "{closed}");
        }
    }
}
