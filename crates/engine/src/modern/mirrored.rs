//! Tool arguments that a request repeats in its headers (`Mcp-Param-*`, SEP-2243): something on the
//! way may have routed by them, so they must say what the arguments say.

use std::sync::Arc;

use http::HeaderMap;
use portcullis_mcp::{Envelope, HeaderMismatch, code};

use crate::catalog::{Catalog, Kind};
use crate::error::EngineError;
use crate::gateway::Gateway;
use crate::prepare::{Prepared, protocol};
use crate::view::View;

impl Gateway {
    /// Compares the headers of a `tools/call` with its arguments, as the tool's listed schema asks.
    ///
    /// The caller may have read a newer list than we have, so a contradiction is a reason to look
    /// again before it is one to refuse.
    pub(super) async fn require_mirrored(
        self: &Arc<Self>,
        view: &View,
        prepared: &Prepared<'_>,
        envelope: &Envelope<'_>,
        headers: &HeaderMap,
    ) -> Result<(), EngineError> {
        let entry = &prepared.entry;
        let catalog = entry.catalog_of(view);
        if compare(&catalog, &prepared.subject, envelope, headers).is_ok() {
            return Ok(());
        }
        if let Err(error) = self.refresh_tools_of(view, entry).await {
            tracing::info!(mcp.server.id = %entry.id, error = %error, "catalogue not refreshed");
        }
        compare(&catalog, &prepared.subject, envelope, headers)
            .map_err(|mismatch| protocol(code::HEADER_MISMATCH, mismatch.to_string()))
    }
}

fn compare(
    catalog: &Catalog,
    tool: &str,
    envelope: &Envelope<'_>,
    headers: &HeaderMap,
) -> Result<(), HeaderMismatch> {
    let Some(listing) = catalog.seen(Kind::Tools) else {
        return Ok(());
    };
    let Some(schema) = listing.get(tool).and_then(|item| item.headers.as_ref()) else {
        return Ok(());
    };
    let arguments = envelope.params().and_then(|params| params.get("arguments"));
    schema.check(headers, arguments)
}
