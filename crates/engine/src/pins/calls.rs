//! Calls of tools that are not what is pinned.

use std::sync::Arc;

use portcullis_policy::OnDrift;

use super::index::Standing;
use crate::call::Call;
use crate::catalog::Kind;
use crate::error::EngineError;
use crate::gateway::Gateway;
use crate::metrics::PinEvent;
use crate::snapshot::ServerEntry;
use crate::view::View;

impl Gateway {
    /// Refuses a call of a tool that is withheld until somebody has approved what became of it. What the
    /// registry has read may be old: before a call is refused, the list is read anew.
    pub(crate) async fn require_pinned(
        self: &Arc<Self>,
        call: &mut Call,
        view: &View,
        entry: &Arc<ServerEntry>,
        tool: &str,
    ) -> Result<(), EngineError> {
        if entry.on_drift == OnDrift::Allow
            || self.tool_stands(view, entry, tool) == Standing::Sound
        {
            return Ok(());
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
    ) -> Result<(), EngineError> {
        let pins = &self.pins.deps.metrics.pins;
        if entry.on_drift != OnDrift::Block {
            if let Standing::Changed { .. } = self.tool_stands(view, entry, tool) {
                pins.count(&entry.id, PinEvent::Served, 1);
                tracing::info!(mcp.server.id = %entry.id, mcp.tool.name = ?tool, "a tool is called that is not what it was");
            }
            return Ok(());
        }
        if let Err(error) = self.refresh_tools_of(view, entry).await {
            tracing::info!(mcp.server.id = %entry.id, error = %error, "catalogue not refreshed");
        }
        let refused = match self.tool_stands(view, entry, tool) {
            Standing::Sound => return Ok(()),
            // Callers whom it shows what is pinned are not concerned by what it showed others.
            Standing::Doubtful if entry.may_list_to_callers(view) => return Ok(()),
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

    fn tool_stands(&self, view: &View, entry: &ServerEntry, tool: &str) -> Standing {
        let listing = entry.catalog_of(view).seen(Kind::Tools);
        let item = listing.as_deref().and_then(|listing| listing.get(tool));
        let digest = item.map(|item| &item.digest);
        self.pins.standing(&entry.id, tool, digest)
    }
}
