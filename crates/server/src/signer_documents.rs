//! `/.well-known/jwks.json` and `/.well-known/openid-configuration`: how servers verify the tokens
//! that we sign for them. Asked without a credential; nothing in them follows from a request.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, HeaderValue, RETRY_AFTER};
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::oauth::with_our_endpoints;
use crate::reply::{json as reply, text_error};
use crate::state::ServerState;

/// Where the keys are.
pub(crate) const JWKS: &str = "/.well-known/jwks.json";
/// Where a verifier starts (OpenID Connect Discovery §4).
pub(crate) const METADATA: &str = "/.well-known/openid-configuration";

/// The keys that verifiers may know.
pub trait PublishedKeys: Send + Sync + fmt::Debug {
    /// The key set (RFC 7517 §5), public halves only, each with its `alg`. `None` while it is not
    /// known: a key that was given up meanwhile, perhaps because somebody has it, is not passed for
    /// good, and one that others sign by already is not passed for absent.
    fn jwks(&self) -> Option<Value>;
}

/// What is published of a signer.
#[derive(Clone, Debug)]
pub struct SignerFacts {
    /// `iss` of its tokens.
    pub issuer: String,
    /// Where its documents are: an origin.
    pub origin: String,
    /// Its keys.
    pub keys: Arc<dyn PublishedKeys>,
}

/// The keys: kept by verifiers for much less than a new key is published before it signs.
pub(crate) async fn jwks(State(state): State<ServerState>) -> Response<Body> {
    let frontage = state.frontage.load();
    match &frontage.signer {
        Some(signer) => match signer.keys.jwks() {
            Some(keys) => cached(&keys, "public, max-age=300"),
            None => unknown(),
        },
        None => cached(&json!({"keys": []}), "public, max-age=60"),
    }
}

/// The metadata: what OpenID Connect Discovery §3 requires of an issuer that logs nobody in.
///
/// Clients look here too for who gives them tokens, so our authorization server's endpoints stand in
/// the same document where the issuer is the same.
pub(crate) async fn metadata(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let frontage = state.frontage.load();
    let of_signer = match frontage
        .signer
        .as_ref()
        .map(|signer| (signer, signer.keys.jwks()))
    {
        None => None,
        Some((_, None)) => return unknown(),
        Some((signer, Some(keys))) => Some(json!({
            "issuer": signer.issuer,
            "jwks_uri": format!("{}{JWKS}", signer.origin),
            "response_types_supported": [],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": algorithms(&keys),
        })),
    };
    let origin = state.public_origin(&parts).unwrap_or_default();
    match with_our_endpoints(&frontage, &origin, of_signer) {
        Some(document) => cached(&document, "public, max-age=300"),
        None => text_error(StatusCode::NOT_FOUND, "not_found"),
    }
}

/// How every published key signs: while the algorithm is changed tokens of both are about.
fn algorithms(keys: &Value) -> BTreeSet<&str> {
    let keys = keys.get("keys").and_then(Value::as_array);
    let keys = keys.into_iter().flatten();
    keys.filter_map(|key| key.get("alg").and_then(Value::as_str))
        .collect()
}

/// The keys are looked at again within seconds.
pub(crate) fn unknown() -> Response<Body> {
    let mut response = text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn cached(document: &Value, how_long: &'static str) -> Response<Body> {
    let mut response = reply(StatusCode::OK, document.to_string());
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(how_long));
    response
}
