//! The protected resource's side of OAuth: tokens checked, challenges given (RFC 6750, RFC 9728).

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use portcullis_core::ScopeSet;
use serde_json::json;

use super::Mock;

/// A caller whose token verified.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) client: String,
    scopes: ScopeSet,
}

impl Caller {
    pub(super) fn holds(&self, scope: &str) -> bool {
        self.scopes.contains(scope)
    }
}

/// Verifies the bearer token: signature, type, issuer, audience, lifetime.
pub(super) fn verify(mock: &Mock, headers: &HeaderMap) -> Result<Caller, Box<Response>> {
    let Some(token) = presented(headers) else {
        return Err(Box::new(unauthorized(mock, headers, None)));
    };
    let caller = mock.keys.open(token).and_then(|claims| {
        let now = mock.settings.clock.now().as_secs();
        let valid = mock.names.is_ours(&claims.iss)
            && mock.names.is_our_resource(&claims.aud)
            && claims.iat <= now
            && now < claims.exp;
        let scopes = claims.scope.parse().ok()?;
        valid.then_some(Caller {
            client: claims.client_id,
            scopes,
        })
    });
    caller.ok_or_else(|| Box::new(unauthorized(mock, headers, Some("invalid_token"))))
}

fn presented(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let only = all.next()?;
    if all.next().is_some() {
        return None;
    }
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

fn unauthorized(mock: &Mock, headers: &HeaderMap, error: Option<&str>) -> Response {
    mock.counters.unauthorized.count();
    let mut challenge = format!("Bearer {}", metadata(mock, headers));
    if let Some(error) = error {
        challenge.push_str(", error=\"");
        challenge.push_str(error);
        challenge.push('"');
    }
    let body = Json(json!({ "error": error.unwrap_or("missing_token") }));
    let fields = [(header::WWW_AUTHENTICATE, challenge)];
    (StatusCode::UNAUTHORIZED, fields, body).into_response()
}

/// RFC 6750 §3.1: the token is good, but not for this.
pub(super) fn insufficient_scope(mock: &Mock, headers: &HeaderMap, scope: &str) -> Response {
    mock.counters.forbidden.count();
    let challenge = format!(
        "Bearer error=\"insufficient_scope\", scope=\"{scope}\", {}",
        metadata(mock, headers)
    );
    let body = Json(json!({ "error": "insufficient_scope", "scope": scope }));
    let fields = [(header::WWW_AUTHENTICATE, challenge)];
    (StatusCode::FORBIDDEN, fields, body).into_response()
}

fn metadata(mock: &Mock, headers: &HeaderMap) -> String {
    let base = mock.names.base(headers);
    format!("resource_metadata=\"{base}/.well-known/oauth-protected-resource/mcp\"")
}
