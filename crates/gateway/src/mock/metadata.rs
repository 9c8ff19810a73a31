//! What the mock says about itself: RFC 8414, OpenID Connect Discovery and RFC 9728.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use serde_json::{Value, json};

use super::{Mock, tools};

pub(super) async fn jwks(State(mock): State<Arc<Mock>>) -> Json<Value> {
    Json(mock.keys.jwks().clone())
}

/// RFC 8414 §2; the OpenID document holds the same.
pub(super) async fn authorization_server(
    State(mock): State<Arc<Mock>>,
    headers: HeaderMap,
) -> Json<Value> {
    let base = mock.names.base(&headers);
    Json(json!({
        "issuer": base,
        "token_endpoint": format!("{base}/oauth/token"),
        "jwks_uri": format!("{base}/.well-known/jwks.json"),
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "scopes_supported": tools::SCOPES,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }))
}

pub(super) async fn protected_resource(
    State(mock): State<Arc<Mock>>,
    headers: HeaderMap,
) -> Json<Value> {
    let base = mock.names.base(&headers);
    Json(resource(base, &format!("{base}/mcp")))
}

pub(super) async fn protected_resource_root(
    State(mock): State<Arc<Mock>>,
    headers: HeaderMap,
) -> Json<Value> {
    let base = mock.names.base(&headers);
    Json(resource(base, base))
}

/// RFC 9728 §2.
fn resource(base: &str, resource: &str) -> Value {
    json!({
        "resource": resource,
        "authorization_servers": [base],
        "bearer_methods_supported": ["header"],
        "scopes_supported": tools::SCOPES,
        "resource_name": "Customer support (mock)",
    })
}
