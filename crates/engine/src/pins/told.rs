//! That a tool changed, told to the operator: in the log, in the metrics, and on record.

use portcullis_core::{RequestId, ServerId};
use portcullis_policy::OnDrift;

use super::Pins;
use super::sight::Step;
use crate::audit::{CallerText, Outcome, Surface, Target};
use crate::metrics::PinEvent;

/// How many are named, of those that changed at once.
const NAMED: usize = 20;

/// What one look at a server's list brought.
#[derive(Debug, Default)]
pub(super) struct News {
    first: usize,
    changed: Vec<String>,
    changed_back: Vec<String>,
}

impl News {
    pub(super) fn note(&mut self, step: Step, tool: &str) {
        match step {
            Step::First => self.first += 1,
            Step::Changed => self.changed.push(tool.to_owned()),
            Step::ChangedBack => self.changed_back.push(tool.to_owned()),
        }
    }
}

impl Pins {
    pub(super) fn tell(&self, server: &ServerId, on_drift: OnDrift, news: &News) {
        let pins = &self.deps.metrics.pins;
        for (event, count) in [
            (PinEvent::FirstSeen, news.first),
            (PinEvent::Changed, news.changed.len()),
            (PinEvent::ChangedBack, news.changed_back.len()),
        ] {
            if count > 0 {
                pins.count(server, event, count as u64);
            }
        }
        if news.first > 0 {
            tracing::info!(mcp.server.id = %server, tools = news.first, "tools seen for the first time");
        }
        if on_drift == OnDrift::Allow {
            return;
        }
        for tool in news.changed.iter().take(NAMED) {
            tracing::warn!(
                mcp.server.id = %server,
                mcp.tool.name = ?tool,
                on_drift = on_drift.as_str(),
                "a tool is not what it was when it was first seen, or last approved"
            );
        }
        for tool in news.changed_back.iter().take(NAMED) {
            tracing::info!(mcp.server.id = %server, mcp.tool.name = ?tool, "a tool is again what is pinned");
        }
        self.record("v1/pins:changed", server, on_drift, &news.changed);
        self.record("v1/pins:changed_back", server, on_drift, &news.changed_back);
    }

    /// An event of our own: nobody asked for it.
    fn record(&self, method: &'static str, server: &ServerId, on_drift: OnDrift, tools: &[String]) {
        if tools.is_empty() {
            return;
        }
        let Ok(id) = RequestId::generate(self.deps.clock.now(), &*self.deps.entropy) else {
            tracing::error!(mcp.server.id = %server, "that tools changed is not on record: no randomness");
            return;
        };
        let mut named: Vec<&str> = tools.iter().take(NAMED).map(String::as_str).collect();
        let more = format!("and {} more", tools.len().saturating_sub(named.len()));
        if named.len() < tools.len() {
            // In front: a long list is cut at its end.
            named.insert(0, &more);
        }
        let mut audit = self.deps.audit.open(id, Surface::Admin);
        audit.method(CallerText::fixed(method));
        audit.server(server);
        audit.target(Target::pin(&named.join(", ")));
        match on_drift {
            OnDrift::Block => audit.denied("on_drift:block"),
            OnDrift::Warn => audit.allowed("on_drift:warn"),
            OnDrift::Allow => audit.allowed("on_drift:allow"),
        }
        audit.finish(Outcome::Ok);
    }
}
