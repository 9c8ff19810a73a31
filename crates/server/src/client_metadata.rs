//! `/oauth/client-metadata.json`: who we are to authorization servers of upstreams (Client ID Metadata
//! Documents), and beneath it `/oauth/client-metadata/{name}`, the client that we are for one server
//! alone: where all of them were one client, a code that was given for one could be had for another
//! (RFC 9700 §4.4). Asked without a credential; whether there is a server of that name is not told.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, HeaderValue};
use axum::http::{Response, StatusCode};
use portcullis_credentials::client_document;
use serde_json::json;

use crate::reply::json as reply;
use crate::state::ServerState;

/// Where it is.
pub(crate) const PATH: &str = "/oauth/client-metadata.json";
/// Where those of servers are.
pub(crate) const OF_SERVERS: &str = "/oauth/client-metadata/{name}";

pub(crate) async fn document(State(state): State<ServerState>) -> Response<Body> {
    said(state.frontage.load().client_document.clone())
}

pub(crate) async fn of_server(
    State(state): State<ServerState>,
    Path(name): Path<String>,
) -> Response<Body> {
    let frontage = state.frontage.load();
    let spelled = (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    let origin = frontage.documents_at.as_ref().filter(|_| spelled);
    said(origin.and_then(|origin| {
        let url = origin.join(&format!("oauth/client-metadata/{name}")).ok()?;
        let back = origin.join(&format!("callback/{name}")).ok()?;
        Some(client_document(&url, vec![back.to_string()]))
    }))
}

fn said(document: Option<String>) -> Response<Body> {
    let Some(document) = document else {
        // LiteLLM's words, whose variable is ours too.
        let detail = json!({"detail": "CIMD requires a configured HTTPS PROXY_BASE_URL"});
        return reply(StatusCode::NOT_FOUND, detail.to_string());
    };
    let mut response = reply(StatusCode::OK, document);
    let cached = HeaderValue::from_static("public, max-age=300");
    response.headers_mut().insert(CACHE_CONTROL, cached);
    response
}
