//! What the command line does in the store itself is on record as a request to a gateway is: in the same
//! trail, as a chain of its own.

use std::sync::Arc;

use anyhow::Context;
use portcullis_config::{AuditSink, AuditSinkKind, Config};
use portcullis_core::{ErrorKind, RequestId};
use portcullis_engine::audit::{AuditGuard, AuditLog, CallerText, Outcome, Surface};
use portcullis_engine::metrics::Metrics;
use portcullis_identity::MasterKey;
use tokio_util::task::TaskTracker;

use super::outbound;
use super::rooms::{Vaults, start_audit};

/// What the trail calls the right to do it: whoever may write the store and read its key ring.
const RULE: &str = "command_line";

/// One act, whose event is open.
pub(super) struct Desk {
    log: AuditLog,
    event: AuditGuard,
}

impl Desk {
    /// Opens the trail and the event. Where events are required, nothing is done without.
    pub(super) async fn open(
        config: &Config,
        vaults: &Vaults,
        method: &'static str,
    ) -> anyhow::Result<Self> {
        let mut config = config.clone();
        // The command's own output says what was done.
        config.audit.log_requests = false;
        let printed = |sink: &AuditSink| sink.kind == AuditSinkKind::Stdout;
        config.audit.sinks.retain(|sink| !printed(sink));
        let tracker = TaskTracker::new();
        let client = outbound::client(config.server.ca_file.clone())?;
        let metrics = Arc::new(Metrics::new());
        let log = start_audit(&config, vaults, &client, &metrics, &tracker, None).await?;
        anyhow::ensure!(
            !log.required() || log.is_available(),
            "the audit trail cannot be written, and audit.required lets nothing be done without it"
        );
        let id = RequestId::generate(vaults.clock.now(), &*vaults.entropy)?;
        let mut event = log.open(id, Surface::Admin);
        event.principal(&MasterKey::principal());
        event.method(CallerText::fixed(method));
        event.allowed(RULE);
        Ok(Self { log, event })
    }

    /// The event, to say what is asked for and what was done.
    pub(super) const fn event(&mut self) -> &mut AuditGuard {
        &mut self.event
    }

    /// The trail that it stands in.
    pub(super) const fn log(&self) -> &AuditLog {
        &self.log
    }

    /// Ends it; how the act ended is known.
    pub(super) async fn close(self, failed: Option<ErrorKind>) -> anyhow::Result<()> {
        self.event.finish(failed.map_or(Outcome::Ok, Outcome::from));
        self.log
            .close()
            .await
            .context("it was done or refused as told, and could not be recorded in the audit trail")
    }
}
