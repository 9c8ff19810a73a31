//! Log levels: a session has one, a stateless request its own. The session's is the least serious
//! that any of its requests wanted, and each hears only what it asked for.

use std::sync::Arc;

use portcullis_mcp::Method;
use portcullis_mcp::eras::modern_client::{Introduction, LogLevel};
use portcullis_policy::Evidence;
use portcullis_upstream::SessionWish;

use crate::catalog::rpc_code;
use crate::error::EngineError;
use crate::exchange::{Note, Speech};
use crate::gateway::Gateway;
use crate::snapshot::ServerEntry;

impl Gateway {
    /// Asks for log messages of this level in the session of this wish, unless it sends them already. A
    /// server that does not do it is called without.
    pub(super) async fn lower_level(
        self: &Arc<Self>,
        entry: &Arc<ServerEntry>,
        evidence: &Evidence,
        wish: &SessionWish,
        level: LogLevel,
    ) -> Result<(), EngineError> {
        let mut note = Note::default();
        let session = self.session(entry, evidence, wish, &mut note).await?;
        if !Introduction::of(session.initialize_result()).logs {
            return Ok(());
        }
        let mut present = session.log_level().lock().await;
        if present.is_some_and(|present| present <= level) {
            return Ok(());
        }
        let speech = Speech::Legacy(wish.clone(), None);
        let params = format!(r#"{{"level":"{}"}}"#, level.as_str());
        let set = self.ask(entry, evidence, &speech, Method::SetLevel, &params, None);
        match set.await {
            Ok(answer) if rpc_code(&answer).is_none() => *present = Some(level),
            Ok(_) => tracing::debug!(mcp.server.id = %entry.id, "log level refused"),
            Err(error) => {
                tracing::info!(mcp.server.id = %entry.id, error = %error, "log level not set");
            }
        }
        drop(present);
        Ok(())
    }
}
