//! What the document alone answers.

use portcullis_core::hex;
use portcullis_mcp::{Envelope, Revision, RpcError, code, meta_key};
use portcullis_openapi::Api;
use serde_json::json;

/// Tools on one page, and bytes after which a page is full.
const PAGE: usize = 200;
const PAGE_BYTES: usize = 1024 * 1024;

/// How long a client may keep what it was told: as long as the registry does.
const TTL_MS: u64 = 60_000;

/// Hexadecimal digits of the document's digest in a cursor.
const MARK: usize = 12;

fn common() -> String {
    format!(r#""ttlMs":{TTL_MS},"cacheScope":"public","resultType":"complete""#)
}

/// The members of a `DiscoverResult`.
pub(super) fn discover(api: &Api) -> String {
    let about = json!({
        meta_key::SERVER_INFO: {"name": api.title(), "version": env!("CARGO_PKG_VERSION")},
    });
    format!(
        r#""supportedVersions":["{}"],"capabilities":{{"tools":{{}}}},{},"_meta":{about}"#,
        Revision::V2026_07_28,
        common(),
    )
}

/// The members of a `ListToolsResult`. A cursor of another state of the document is refused: it would
/// skip tools or show them twice.
pub(super) fn list(api: &Api, envelope: &Envelope<'_>) -> Result<String, RpcError> {
    let params = envelope.params();
    let start = match params.and_then(|params| params.get("cursor")) {
        None => 0,
        Some(_) => params
            .and_then(|params| params.string("cursor"))
            .and_then(|cursor| place(api, &cursor))
            .ok_or_else(|| RpcError::new(code::INVALID_PARAMS, "Invalid cursor"))?,
    };
    let mut tools = String::new();
    let mut taken = 0;
    for tool in api.tools().iter().skip(start).take(PAGE) {
        if taken > 0 && tools.len() + tool.listed().len() > PAGE_BYTES {
            break;
        }
        if taken > 0 {
            tools.push(',');
        }
        tools.push_str(tool.listed());
        taken += 1;
    }
    let end = start + taken;
    let next = if end < api.tools().len() {
        format!(r#""nextCursor":"{}.{end}","#, mark(api))
    } else {
        String::new()
    };
    Ok(format!(r#""tools":[{tools}],{next}{}"#, common()))
}

fn mark(api: &Api) -> String {
    let digest = hex(api.digest());
    digest.get(..MARK).unwrap_or_default().to_owned()
}

fn place(api: &Api, cursor: &str) -> Option<usize> {
    let (marked, at) = cursor.split_once('.')?;
    let at: usize = at.parse().ok()?;
    (marked == mark(api) && at < api.tools().len()).then_some(at)
}
