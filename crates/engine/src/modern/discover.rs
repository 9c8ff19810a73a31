//! `server/discover` on the aggregate endpoint.

use portcullis_mcp::{Revision, SUPPORTED_REVISIONS, meta_key};
use serde_json::json;

use crate::legacy::{aggregate_capabilities, merged_instructions, server_info};
use crate::view::View;

/// The gateway's own `DiscoverResult`.
pub(super) fn aggregate_result(view: &View, origin: Option<&str>) -> String {
    let versions: Vec<&str> = SUPPORTED_REVISIONS
        .iter()
        .copied()
        .map(Revision::as_str)
        .collect();
    let mut result = json!({
        "resultType": "complete",
        "supportedVersions": versions,
        "capabilities": aggregate_capabilities(),
        // What is seen depends on the caller's grants, which can change at any moment.
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": {meta_key::SERVER_INFO: server_info()},
    });
    let instructions = merged_instructions(view, origin);
    if let (Some(instructions), Some(object)) = (instructions, result.as_object_mut()) {
        object.insert("instructions".to_owned(), instructions.into());
    }
    result.to_string()
}
