//! Calls of tools that are not what is pinned.

use std::sync::Arc;

use portcullis_policy::{Described, OnDrift};

use super::index::Standing;
use crate::call::Call;
use crate::catalog::Kind;
use crate::error::EngineError;
use crate::gateway::Gateway;
use crate::metrics::PinEvent;
use crate::snapshot::ServerEntry;
use crate::view::View;

/// One tool, as it is listed at this moment.
struct Found {
    standing: Standing,
    described: Described,
    /// The list is the caller's own, and has it.
    shown_to_caller: bool,
}

impl Gateway {
    /// Refuses a call of a tool that is withheld until somebody has approved what became of it. What the
    /// registry has read may be old: before a call is refused, the list is read anew. Gives what is known of
    /// the tool by the very object that was held against its pin, where that is asked for.
    pub(crate) async fn require_pinned(
        self: &Arc<Self>,
        call: &mut Call,
        view: &View,
        entry: &Arc<ServerEntry>,
        tool: &str,
    ) -> Result<Option<Described>, EngineError> {
        if entry.on_drift == OnDrift::Allow {
            return Ok(None);
        }
        let found = self.tool_stands(view, entry, tool);
        if found.standing == Standing::Sound {
            return Ok(Some(found.described).filter(|_| entry.on_drift == OnDrift::Block));
        }
        // Boxed: every call would carry its room otherwise.
        Box::pin(self.require_approved(call, view, entry, tool)).await
    }

    async fn require_approved(
        self: &Arc<Self>,
        call: &mut Call,
        view: &View,
        entry: &Arc<ServerEntry>,
        tool: &str,
    ) -> Result<Option<Described>, EngineError> {
        let pins = &self.pins.deps.metrics.pins;
        if entry.on_drift != OnDrift::Block {
            if let Standing::Changed { .. } = self.tool_stands(view, entry, tool).standing {
                pins.count(&entry.id, PinEvent::Served, 1);
                tracing::info!(mcp.server.id = %entry.id, mcp.tool.name = ?tool, "a tool is called that is not what it was");
            }
            return Ok(None);
        }
        if let Err(error) = self.refresh_tools_of(view, entry).await {
            tracing::info!(mcp.server.id = %entry.id, error = %error, "catalogue not refreshed");
        }
        let found = self.tool_stands(view, entry, tool);
        let refused = match found.standing {
            Standing::Sound => return Ok(Some(found.described)),
            // Callers whom it shows what is pinned are not concerned by what it showed others.
            Standing::Doubtful if found.shown_to_caller => return Ok(Some(found.described)),
            Standing::Doubtful | Standing::Changed { .. } => {
                call.audit.denied("on_drift:block");
                EngineError::ToolChanged {
                    server: entry.id.clone(),
                    tool: tool.to_owned(),
                }
            }
            Standing::Unknown | Standing::Damaged => {
                call.audit.denied("pins_unavailable");
                EngineError::PinsUnavailable
            }
        };
        pins.count(&entry.id, PinEvent::Refused, 1);
        Err(refused)
    }

    /// Reads the tools of a server that withholds what is not pinned, before a caller's list of them is held
    /// against the pins: what nobody has seen before is seen then.
    pub(crate) async fn know_what_is_pinned(
        self: &Arc<Self>,
        view: &View,
        entry: &Arc<ServerEntry>,
    ) {
        if entry.on_drift == OnDrift::Block {
            Box::pin(self.known(view, entry, Kind::Tools)).await;
        }
    }

    fn tool_stands(&self, view: &View, entry: &ServerEntry, tool: &str) -> Found {
        let catalog = entry.catalog_of(view);
        let listing = catalog.seen(Kind::Tools);
        let item = listing.as_deref().and_then(|listing| listing.get(tool));
        let digest = item.map(|item| &item.digest);
        Found {
            standing: self.pins.standing(&entry.id, tool, digest),
            described: Described {
                read_only: item.is_some_and(|item| item.read_only),
            },
            shown_to_caller: item.is_some() && !Arc::ptr_eq(&catalog, &entry.catalog),
        }
    }
}
