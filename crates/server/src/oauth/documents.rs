//! Metadata (RFC 8414, OpenID Connect Discovery) and the keys of our access tokens. Asked without a
//! credential: what they say follows from the configuration and from our origin alone.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, HeaderValue};
use axum::http::{Response, StatusCode};
use portcullis_identity::authorization_server::Endpoint;
use portcullis_oauth::authorization_server::{Endpoints, authorization_server_metadata};
use serde_json::Value;

use super::{JWKS, METADATA, OPENID_METADATA};
use crate::frontage::Frontage;
use crate::reply::{json as reply, text_error};
use crate::signer_documents::unknown;
use crate::state::ServerState;

/// Kept for much less than a new key is published before it signs.
const FIVE_MINUTES: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// `/.well-known/oauth-authorization-server`
pub(super) async fn metadata(State(state): State<ServerState>, request: Request) -> Response<Body> {
    document(&state, request, "")
}

/// The document of the issuer that has this path.
fn document(state: &ServerState, request: Request, path: &str) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let frontage = state.frontage.load();
    let origin = state.public_origin(&parts);
    let ours = origin.and_then(|origin| ours(&frontage, &origin, &format!("{origin}{path}")));
    ours.map_or_else(absent, |document| cached(&document))
}

/// The same behind which the path of an endpoint stands: for clients that take the endpoint's URL for
/// the issuer's. It names the issuer that was asked for, or nobody may use it (RFC 8414 §3.3).
pub(super) async fn metadata_of(
    State(state): State<ServerState>,
    request: Request,
) -> Response<Body> {
    let path = request.uri().path();
    let path = [METADATA, OPENID_METADATA]
        .into_iter()
        .find_map(|root| path.strip_prefix(root));
    let is_endpoint =
        |path: &str| !path.starts_with("/mcp-rest/") && Endpoint::of_path(path).is_some();
    match path.map(str::to_owned) {
        Some(path) if is_endpoint(&path) => document(&state, request, &path),
        _ => absent(),
    }
}

/// The keys that access tokens of ours are verified by.
pub(super) async fn jwks(State(state): State<ServerState>) -> Response<Body> {
    let frontage = state.frontage.load();
    match frontage.token_keys.as_ref().map(|keys| keys.jwks()) {
        None => absent(),
        Some(None) => unknown(),
        Some(Some(keys)) => cached(&keys),
    }
}

/// What OpenID Connect Discovery finds, with our endpoints where there are any. Where a signer is, its
/// servers find its keys here: of two documents in one the keys are those that somebody verifies by.
pub(crate) fn with_our_endpoints(
    frontage: &Frontage,
    origin: &str,
    signer: Option<Value>,
) -> Option<Value> {
    let Some(mut document) = signer else {
        return ours(frontage, origin, origin);
    };
    if document.get("issuer").and_then(Value::as_str) == Some(origin)
        && let Some(Value::Object(endpoints)) = ours(frontage, origin, origin)
        && let Some(members) = document.as_object_mut()
    {
        let signers = [
            "issuer",
            "jwks_uri",
            "id_token_signing_alg_values_supported",
        ];
        for (name, value) in endpoints {
            if !signers.contains(&name.as_str()) {
                members.insert(name, value);
            }
        }
    }
    Some(document)
}

fn ours(frontage: &Frontage, origin: &str, issuer: &str) -> Option<Value> {
    let server = frontage.authorization_server.as_ref()?;
    let terms = server.terms();
    Some(authorization_server_metadata(&Endpoints {
        origin,
        issuer,
        jwks_uri: &format!("{origin}{JWKS}"),
        registration: terms.registration,
        client_documents: terms.documents,
        assertions: !terms.assertions.is_empty(),
        scopes: &terms.scopes,
        signing_algorithm: "ES256",
    }))
}

fn absent() -> Response<Body> {
    text_error(StatusCode::NOT_FOUND, "not_found")
}

fn cached(document: &Value) -> Response<Body> {
    let mut response = reply(StatusCode::OK, document.to_string());
    response.headers_mut().insert(CACHE_CONTROL, FIVE_MINUTES);
    response
}
