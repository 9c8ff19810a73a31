//! The token endpoint: client credentials (RFC 6749 §4.4), resource indicators (RFC 8707).

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use portcullis_core::{ClientSecret, ScopeSet, hex};
use serde_json::json;

use super::keys::Claims;
use super::{Mock, tools};

/// RFC 6749 §5.2.
enum Refused {
    Request(&'static str),
    Client { by_basic: bool },
    Grant,
    Scope,
    Target,
    Broken,
}

pub(super) async fn issue(
    State(mock): State<Arc<Mock>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    mock.counters.token_requests.count();
    let mut response = match grant(&mock, &headers, &body) {
        Ok(response) => {
            mock.counters.tokens_issued.count();
            response
        }
        Err(refused) => refused.into_response(),
    };
    let fields = response.headers_mut();
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

fn grant(mock: &Mock, headers: &HeaderMap, body: &[u8]) -> Result<Response, Refused> {
    let form = Form::parse(headers, body)?;
    authenticate(mock, headers, &form)?;
    if form.required("grant_type")? != "client_credentials" {
        return Err(Refused::Grant);
    }
    let scope = scope(form.optional("scope")?)?;
    let base = mock.names.base(headers);
    let audience = match form.optional("resource")? {
        Some(resource) if mock.names.is_our_resource(resource) => resource.to_owned(),
        Some(_) => return Err(Refused::Target),
        None => format!("{base}/mcp"),
    };

    let now = mock.settings.clock.now();
    let mut jti = [0_u8; 16];
    mock.settings
        .entropy
        .fill(&mut jti)
        .map_err(|_| Refused::Broken)?;
    let claims = Claims {
        iss: base.to_owned(),
        sub: mock.settings.client_id.clone(),
        aud: audience,
        client_id: mock.settings.client_id.clone(),
        scope,
        iat: now.as_secs(),
        exp: now.after(mock.settings.token_lifetime).as_secs(),
        jti: hex(&jti),
    };
    let token = mock.keys.sign(&claims).map_err(|_| Refused::Broken)?;
    Ok(Json(json!({
        "access_token": token.expose(),
        "token_type": "Bearer",
        "expires_in": mock.settings.token_lifetime.as_secs(),
        "scope": claims.scope,
    }))
    .into_response())
}

/// Everything we have when nothing is asked for, else exactly what is asked for.
fn scope(asked: Option<&str>) -> Result<String, Refused> {
    let Some(asked) = asked.filter(|asked| !asked.trim().is_empty()) else {
        return Ok(tools::SCOPES.join(" "));
    };
    let asked: ScopeSet = asked.parse().map_err(|_| Refused::Scope)?;
    let asked = asked.to_string();
    let known = asked.split(' ').all(|scope| tools::SCOPES.contains(&scope));
    if known {
        Ok(asked)
    } else {
        Err(Refused::Scope)
    }
}

/// RFC 6749 §2.3.1: Basic or the body, never both.
fn authenticate(mock: &Mock, headers: &HeaderMap, form: &Form) -> Result<(), Refused> {
    let in_body = form.optional("client_secret")?;
    let id_in_body = form.optional("client_id")?;
    let basic = match headers.get(header::AUTHORIZATION) {
        None => None,
        Some(value) => Some(basic(value).ok_or(Refused::Client { by_basic: true })?),
    };
    let by_basic = basic.is_some();
    let (id, secret) = match (basic, in_body) {
        (Some(_), Some(_)) => return Err(Refused::Request("two client authentications")),
        (Some((id, secret)), None) => {
            if id_in_body.is_some_and(|other| other != id) {
                return Err(Refused::Request("two different client ids"));
            }
            (id, ClientSecret::new(secret))
        }
        (None, Some(secret)) => (
            id_in_body.unwrap_or_default().to_owned(),
            ClientSecret::new(secret),
        ),
        (None, None) => return Err(Refused::Client { by_basic }),
    };
    if id == mock.settings.client_id && secret == mock.settings.client_secret {
        Ok(())
    } else {
        Err(Refused::Client { by_basic })
    }
}

fn basic(value: &HeaderValue) -> Option<(String, String)> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((form_decoded(id), form_decoded(secret)))
}

/// Both parts are form-encoded before they are joined (RFC 6749 §2.3.1).
fn form_decoded(text: &str) -> String {
    let escaped = text.replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(escaped.as_bytes())
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}

/// Request parameters; none may be repeated (RFC 6749 §3.2).
struct Form(Vec<(String, String)>);

impl Form {
    fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refused> {
        let is_form = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|value| {
                value
                    .trim()
                    .eq_ignore_ascii_case("application/x-www-form-urlencoded")
            });
        if !is_form {
            return Err(Refused::Request("the body must be a form"));
        }
        Ok(Self(
            url::form_urlencoded::parse(body).into_owned().collect(),
        ))
    }

    fn optional(&self, name: &str) -> Result<Option<&str>, Refused> {
        let mut values = self.0.iter().filter(|(key, _)| key == name);
        let first = values.next().map(|(_, value)| value.as_str());
        match values.next() {
            Some(_) => Err(Refused::Request("a parameter is repeated")),
            None => Ok(first),
        }
    }

    fn required(&self, name: &str) -> Result<&str, Refused> {
        self.optional(name)?
            .ok_or(Refused::Request("a parameter is missing"))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, error, description) = match self {
            Self::Request(what) => (StatusCode::BAD_REQUEST, "invalid_request", what),
            Self::Client { by_basic: true } => {
                let body = Json(json!({ "error": "invalid_client" }));
                let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"mock\"")];
                return (StatusCode::UNAUTHORIZED, challenge, body).into_response();
            }
            Self::Client { by_basic: false } => (
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                "unknown client or wrong secret",
            ),
            Self::Grant => (
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                "only client_credentials",
            ),
            Self::Scope => (
                StatusCode::BAD_REQUEST,
                "invalid_scope",
                "unknown or malformed scope",
            ),
            Self::Target => (
                StatusCode::BAD_REQUEST,
                "invalid_target",
                "this server issues tokens for its own MCP endpoint only",
            ),
            Self::Broken => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "server_error",
                "cannot sign a token",
            ),
        };
        let body = Json(json!({ "error": error, "error_description": description }));
        (status, body).into_response()
    }
}
