//! `/.well-known/oauth-protected-resource` (RFC 9728): how to authenticate at an endpoint. Asked
//! without a credential, so it must not tell which servers there are: the document of an endpoint
//! follows from its path alone, whether something is behind it or not.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use portcullis_engine::audit::Surface;
use serde_json::json;

use crate::reply::{json as reply, text_error};
use crate::state::ServerState;

/// What stands between the origin and the resource's path (RFC 9728 §3.1).
pub(crate) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Longest path of an endpoint that has a document.
const MAX_PATH: usize = 512;

/// The document of the whole origin, or of the endpoint whose path follows.
pub(crate) async fn document(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let path = parts.uri.path().strip_prefix(WELL_KNOWN);
    let Some(path) = path.filter(|path| path.is_empty() || is_endpoint(path)) else {
        return text_error(StatusCode::NOT_FOUND, "not_found");
    };
    let Some(origin) = state.public_origin(&parts) else {
        return text_error(StatusCode::BAD_REQUEST, "invalid_host");
    };
    let frontage = state.frontage.load();
    let facts = &frontage.resource;
    let mut document = json!({
        "resource": format!("{origin}{path}"),
        "bearer_methods_supported": ["header"],
    });
    if let Some(members) = document.as_object_mut() {
        let mut issuers = facts.authorization_servers.clone();
        if frontage.authorization_server.is_some() {
            // Behind the operator's own: a client that takes the first goes where it went before.
            issuers.push(origin);
        }
        if !issuers.is_empty() {
            members.insert("authorization_servers".to_owned(), json!(issuers));
            if facts.binds_tokens {
                members.insert(
                    "tls_client_certificate_bound_access_tokens".to_owned(),
                    json!(true),
                );
            }
        }
        if !facts.scopes_supported.is_empty() {
            let scopes: Vec<&str> = facts.scopes_supported.iter().collect();
            members.insert("scopes_supported".to_owned(), json!(scopes));
        }
    }
    reply(StatusCode::OK, document.to_string())
}

/// Where the document for a refused request is: that of its endpoint, or of the whole origin for
/// what is no MCP endpoint. A listener that serves only administrators has none.
pub(crate) fn document_of(state: &ServerState, parts: &Parts, surface: Surface) -> Option<String> {
    if surface == Surface::Admin && !state.admin_here {
        return None;
    }
    let origin = state.public_origin(parts)?;
    let path = parts.uri.path();
    // Messages to a stream are sent to where it is.
    let path = path.strip_suffix("/messages").unwrap_or(path);
    let path = if is_endpoint(path) { path } else { "" };
    Some(format!("{origin}{WELL_KNOWN}{path}"))
}

/// Whether this is the path of an MCP endpoint, and plain enough to be repeated in a header.
fn is_endpoint(path: &str) -> bool {
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b',' | b'%')
    };
    let name = |name: &str| !name.is_empty() && name.bytes().all(plain);
    let Some(path) = path.strip_prefix('/').filter(|path| path.len() <= MAX_PATH) else {
        return false;
    };
    let path = path.strip_suffix('/').unwrap_or(path);
    let (path, sse) = match path.strip_suffix("/sse") {
        Some(path) => (path, true),
        None => (path, false),
    };
    match path.split_once('/') {
        None => path == "mcp" || (sse && name(path)),
        Some(("mcp", rest) | (rest, "mcp")) => name(rest),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_paths_of_endpoints_have_a_document() {
        for path in [
            "/mcp",
            "/mcp/",
            "/mcp/github",
            "/mcp/github/",
            "/github/mcp",
            "/github/mcp/",
            "/mcp/a,b",
            "/mcp/my%20server",
            "/mcp/mcp",
            "/mcp/sse",
            "/mcp/github/sse",
            "/github/mcp/sse",
            "/github/sse",
        ] {
            assert!(is_endpoint(path), "{path}");
        }
        for path in [
            "",
            "/",
            "mcp",
            "//mcp",
            "/mcp//",
            "/mcp//x",
            "/x",
            "/x/y",
            "/a/b/mcp",
            "/mcp/a/b",
            "/mcp/a\"b",
            "/mcp/a;b",
            "/mcp-rest/tools/list",
            "/v1/mcp/server",
            "/MCP",
            "/sse",
            "/a/b/sse",
            "/mcp/sse/messages",
            "/mcp/a/sse/sse",
            "/key/list",
        ] {
            assert!(!is_endpoint(path), "{path}");
        }
        assert!(!is_endpoint(&format!("/mcp/{}", "x".repeat(600))));
    }
}
