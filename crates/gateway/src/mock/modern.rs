//! MCP 2026-07-28: stateless, every request complete in itself.

use axum::Json;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use super::bearer::{self, Caller};
use super::endpoint::{PROTOCOL_VERSION, text};
use super::envelope::{Incoming, RpcError, code, result};
use super::legacy::REVISIONS;
use super::{Mock, tools};

const REVISION: &str = "2026-07-28";
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const META_CLIENT: &str = "io.modelcontextprotocol/clientInfo";
const META_SERVER: &str = "io.modelcontextprotocol/serverInfo";
/// How long lists and the discovery answer may be kept.
const TTL_MS: u32 = 60_000;

/// Whether the request opens in the modern era: by its envelope, or by a header that names a
/// revision which we do not know as a legacy one.
pub(super) fn opens(headers: &HeaderMap, call: &Incoming) -> bool {
    meta(call).is_some_and(|meta| meta.contains_key(META_VERSION))
        || text(headers, PROTOCOL_VERSION).is_some_and(|version| version >= REVISION)
}

pub(super) fn answer(
    mock: &Mock,
    caller: &Caller,
    headers: &HeaderMap,
    call: &Incoming,
) -> Response {
    let id = call.id.as_ref();
    if let Err((status, error)) = validate(headers, call) {
        return error.respond(status, id);
    }
    let Some(id) = id else {
        return StatusCode::ACCEPTED.into_response();
    };
    let outcome = match call.method.as_str() {
        "server/discover" => {
            mock.counters.discover.count();
            Ok(cacheable(discovered()))
        }
        "tools/list" => {
            mock.counters.lists.count();
            tools::list(&call.params).map(cacheable)
        }
        "tools/call" => match tools::call(mock, &call.params, |scope| caller.holds(scope)) {
            Ok(done) => Ok(done),
            Err(tools::CallError::Scope(scope)) => {
                return bearer::insufficient_scope(mock, headers, scope);
            }
            Err(tools::CallError::Rpc(error)) => Err(error),
        },
        _ => {
            return RpcError::new(code::METHOD_NOT_FOUND, "method not found")
                .respond(StatusCode::NOT_FOUND, Some(id));
        }
    };
    match outcome {
        Ok(value) => Json(result(id, &complete(value))).into_response(),
        Err(error) => error.respond(StatusCode::OK, Some(id)),
    }
}

fn meta(call: &Incoming) -> Option<&Map<String, Value>> {
    call.params.get("_meta")?.as_object()
}

/// The envelope, and the headers that must say the same as the body.
fn validate(headers: &HeaderMap, call: &Incoming) -> Result<(), (StatusCode, RpcError)> {
    let bad = |code, what: &str| Err((StatusCode::BAD_REQUEST, RpcError::new(code, what)));
    // Notifications need no envelope of their own: the header alone says the revision.
    let version = if call.id.is_some() {
        let Some(meta) = meta(call) else {
            return bad(code::INVALID_PARAMS, "params._meta is missing");
        };
        let Some(version) = meta.get(META_VERSION).and_then(Value::as_str) else {
            return bad(code::INVALID_PARAMS, "protocolVersion is missing in _meta");
        };
        if !meta.get(META_CAPABILITIES).is_some_and(Value::is_object) {
            return bad(
                code::INVALID_PARAMS,
                "clientCapabilities is missing in _meta",
            );
        }
        if meta.get(META_CLIENT).is_some_and(|info| !info.is_object()) {
            return bad(code::INVALID_PARAMS, "clientInfo in _meta is not an object");
        }
        Some(version)
    } else {
        meta(call)
            .and_then(|meta| meta.get(META_VERSION))
            .and_then(Value::as_str)
    };
    let header = text(headers, PROTOCOL_VERSION);
    if header.is_none() || version.is_some_and(|version| header != Some(version)) {
        return bad(
            code::HEADER_MISMATCH,
            "MCP-Protocol-Version does not match the body",
        );
    }
    if header != Some(REVISION) {
        let mut error = RpcError::new(code::UNSUPPORTED_VERSION, "unsupported protocol version");
        error.data = Some(json!({ "supported": supported(), "requested": header }));
        return Err((StatusCode::BAD_REQUEST, error));
    }
    if call.id.is_none() {
        return Ok(());
    }
    if text(headers, "mcp-method") != Some(call.method.as_str()) {
        return bad(code::HEADER_MISMATCH, "Mcp-Method does not match the body");
    }
    if call.method == "tools/call" {
        let name = call.params.get("name").and_then(Value::as_str);
        if name.is_none() || text(headers, "mcp-name").and_then(decoded).as_deref() != name {
            return bad(code::HEADER_MISMATCH, "Mcp-Name does not match the body");
        }
    }
    Ok(())
}

/// A header value, out of `=?base64?…?=` when it is wrapped so.
fn decoded(value: &str) -> Option<String> {
    let wrapped = value
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="));
    match wrapped {
        None => Some(value.to_owned()),
        Some(encoded) => String::from_utf8(STANDARD.decode(encoded).ok()?).ok(),
    }
}

fn supported() -> Vec<&'static str> {
    std::iter::once(REVISION)
        .chain(REVISIONS.into_iter().rev())
        .collect()
}

fn discovered() -> Value {
    json!({
        "supportedVersions": supported(),
        "capabilities": { "tools": { "listChanged": false } },
        "instructions": tools::INSTRUCTIONS,
    })
}

fn cacheable(value: Value) -> Value {
    with(
        value,
        [("ttlMs", json!(TTL_MS)), ("cacheScope", json!("public"))],
    )
}

fn complete(value: Value) -> Value {
    let about = json!({ META_SERVER: tools::server_info() });
    with(value, [("resultType", json!("complete")), ("_meta", about)])
}

fn with<const N: usize>(mut value: Value, extra: [(&str, Value); N]) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.extend(extra.map(|(name, value)| (name.to_owned(), value)));
    }
    value
}
