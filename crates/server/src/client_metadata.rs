//! `/oauth/client-metadata.json`: who we are to authorization servers of upstreams (Client ID Metadata
//! Documents). Asked without a credential; nothing in it follows from a request.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, HeaderValue};
use axum::http::{Response, StatusCode};
use serde_json::json;

use crate::reply::json as reply;
use crate::state::ServerState;

/// Where it is.
pub(crate) const PATH: &str = "/oauth/client-metadata.json";

pub(crate) async fn document(State(state): State<ServerState>) -> Response<Body> {
    let frontage = state.frontage.load();
    let Some(document) = &frontage.client_document else {
        // LiteLLM's words, whose variable is ours too.
        let detail = json!({"detail": "CIMD requires a configured HTTPS PROXY_BASE_URL"});
        return reply(StatusCode::NOT_FOUND, detail.to_string());
    };
    let mut response = reply(StatusCode::OK, document.clone());
    let cached = HeaderValue::from_static("public, max-age=300");
    response.headers_mut().insert(CACHE_CONTROL, cached);
    response
}
