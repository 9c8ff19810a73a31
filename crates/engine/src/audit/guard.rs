//! One event per request, whatever happens to the request.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use portcullis_core::{Principal, RequestId, ServerId};
use portcullis_credentials::CredentialKind;
use portcullis_mcp::Envelope;

use super::batch::{Part, Parts};
use super::change::MOST_CHANGES;
use super::{
    AuditEvent, AuditLog, AuditUnavailable, CallerText, Change, Decision, Outcome, Resolution,
    ServerOutcome, Surface, Target,
};
use crate::traces::{Outbound, RequestTrace, TraceContext};

/// Most servers that one aggregate's event tells apart.
const MOST_SERVERS: usize = 512;

/// The event of a request under way. Travels with the request, also into a streaming body; whoever
/// holds it last ends it with [`finish`](Self::finish). Dropped unfinished it records that the
/// request was abandoned, or that it panicked. Exactly one event, always.
#[must_use = "dropping the guard records the request as abandoned"]
pub struct AuditGuard {
    log: AuditLog,
    /// `None` once recorded. Boxed so that moving the guard into a body moves three words.
    event: Option<Box<AuditEvent>>,
    started: Duration,
    /// Told alongside, when the caller asked what its request comes to.
    watched: Option<Arc<Resolution>>,
    /// The messages of a batch, each with a guard of its own.
    parts: Option<Parts>,
    /// This is one of them: it is told in the event of the whole.
    part_of: Option<Part>,
    /// Where it stands in its trace, when spans are told to anybody.
    trace: Option<Box<RequestTrace>>,
}

impl AuditGuard {
    pub(super) fn open(log: AuditLog, request_id: RequestId, surface: Surface) -> Self {
        let clock = log.clock();
        let event = Box::new(AuditEvent::opened(clock.now(), request_id, surface));
        let started = clock.monotonic();
        log.metrics().request_opened(surface);
        let trace = log
            .tracer()
            .and_then(|tracer| RequestTrace::begin(tracer, started));
        Self {
            log,
            event: Some(event),
            started,
            watched: None,
            parts: None,
            part_of: None,
            trace,
        }
    }

    /// The guard of one message of a batch. What becomes of the message is recorded with the whole,
    /// which must be ended after it.
    pub(crate) fn part(&mut self) -> Self {
        let (event, started) = (self.event.clone(), self.started);
        Self {
            log: self.log.clone(),
            event,
            started,
            watched: self.watched.clone(),
            parts: None,
            part_of: Some(self.parts.get_or_insert_default().next()),
            trace: self.trace.clone(),
        }
    }

    /// What this request comes to, from now on.
    pub fn watched(&mut self) -> Arc<Resolution> {
        Arc::clone(self.watched.get_or_insert_default())
    }

    fn tell(&self, tell: impl FnOnce(&Resolution)) {
        if let Some(watched) = &self.watched {
            tell(watched);
        }
    }

    fn note(&mut self, change: impl FnOnce(&mut AuditEvent)) {
        if let Some(event) = &mut self.event {
            change(event);
            // The whole may be ended before this one, when its client goes away.
            if let Some(part) = &self.part_of {
                part.so_far((**event).clone());
            }
        }
    }

    /// Where the request came from.
    pub fn client(&mut self, ip: Option<IpAddr>) {
        self.note(|event| event.client_ip = ip);
    }

    /// What its headers say of the trace that it belongs to (W3C Trace Context). Where spans are told, a
    /// request without a valid `traceparent` begins a trace.
    pub fn traced(&mut self, headers: &HeaderMap) {
        let id = match &mut self.trace {
            Some(trace) => {
                trace.arrived_with(headers);
                Some(trace.trace_id())
            }
            None => TraceContext::of(headers).map(|context| context.trace_id),
        };
        self.note(|event| event.trace_id = id);
    }

    /// What the message itself says of it (2026-07-28 `_meta.traceparent`), where spans are told. Those of a
    /// batch are in the one trace of their request.
    pub(crate) fn traced_by(&mut self, envelope: &Envelope<'_>) {
        let Some(trace) = self.trace.as_mut().filter(|_| self.part_of.is_none()) else {
            return;
        };
        let Ok(Some(meta)) = envelope.meta() else {
            return;
        };
        let (parent, state) = (meta.string("traceparent"), meta.string("tracestate"));
        trace.told(parent.as_deref(), state.as_deref());
        let id = trace.trace_id();
        self.note(|event| event.trace_id = Some(id));
    }

    /// What requests to servers go out under because of this one, where spans are told.
    pub(crate) fn outbound(&self) -> Option<Outbound> {
        let (trace, event) = (self.trace.as_ref()?, self.event.as_ref()?);
        Some(trace.outbound(event))
    }

    /// Who asks, once verified.
    pub fn principal(&mut self, principal: &Principal) {
        self.note(|event| event.set_principal(principal));
    }

    /// Why nobody was recognised: the stable reason of the authentication error.
    pub fn authn_failed(&mut self, reason: &'static str) {
        self.note(|event| event.authn = Some(reason));
        self.log.metrics().auth_failed(reason);
    }

    /// The JSON-RPC method or the route.
    pub fn method(&mut self, method: CallerText) {
        self.note(|event| event.method = Some(method));
    }

    /// The MCP revision that is spoken.
    pub fn revision(&mut self, revision: &'static str) {
        self.note(|event| event.revision = Some(revision));
    }

    /// The server that the request resolved to.
    pub fn server(&mut self, server: &ServerId) {
        self.tell(|watched| watched.server(server));
        self.note(|event| event.server = Some(server.clone()));
    }

    /// What is asked for.
    pub fn target(&mut self, target: Target) {
        self.note(|event| event.target = Some(target));
    }

    /// The call's arguments, of which only a keyed hash is kept.
    pub fn arguments(&mut self, raw: &[u8]) {
        let hash = self.log.hash_arguments(raw);
        self.note(|event| event.arguments_hash = Some(hash));
    }

    /// Policy allowed it.
    pub fn allowed(&mut self, rule: impl Into<Cow<'static, str>>) {
        self.decided(Decision::Allow, rule.into());
    }

    /// Policy denied it.
    pub fn denied(&mut self, rule: impl Into<Cow<'static, str>>) {
        self.decided(Decision::Deny, rule.into());
    }

    /// Policy holds it until somebody approves it.
    pub fn held(&mut self, rule: impl Into<Cow<'static, str>>) {
        self.decided(Decision::RequireApproval, rule.into());
    }

    /// The approval that it waits for, or that it used up.
    pub fn approval(&mut self, id: &str) {
        self.note(|event| event.approval = Some(id.into()));
    }

    fn decided(&mut self, decision: Decision, rule: Cow<'static, str>) {
        self.note(|event| {
            event.decision = decision;
            event.rule = Some(rule);
        });
    }

    /// What kind of credential goes upstream.
    pub fn credential(&mut self, kind: CredentialKind) {
        self.tell(|watched| watched.credential(kind));
        self.note(|event| event.credential = Some(kind));
    }

    /// The upstream's HTTP status.
    pub fn upstream_status(&mut self, status: u16) {
        self.note(|event| event.upstream_status = Some(status));
    }

    /// Size of the request's body.
    pub fn request_bytes(&mut self, bytes: u64) {
        self.note(|event| event.request_bytes = bytes);
    }

    /// Adds to the size of the answer's body; a stream calls this per frame.
    pub fn add_response_bytes(&mut self, bytes: u64) {
        self.note(|event| event.response_bytes = event.response_bytes.saturating_add(bytes));
    }

    /// How one server fared in an aggregate.
    pub fn server_outcome(&mut self, server: &ServerId, outcome: Outcome) {
        self.tell(Resolution::one_of_several);
        self.note(|event| {
            if event.servers.len() < MOST_SERVERS {
                event.servers.push(ServerOutcome {
                    server: server.clone(),
                    outcome,
                });
            }
        });
    }

    /// Something was made, changed or ended: noted when it is done, whatever becomes of the rest.
    pub fn changed(&mut self, change: Change) {
        self.note(|event| {
            if event.changes.len() < MOST_CHANGES {
                event.changes.push(change);
            }
        });
    }

    /// The request's identifier, while it is open.
    pub fn request_id(&self) -> Option<RequestId> {
        self.event.as_ref().map(|event| event.request_id)
    }

    /// Ends the request without waiting. With `audit.required`, an answer that has not begun yet
    /// must wait for [`finish_before_answer`](Self::finish_before_answer) instead.
    pub fn finish(mut self, outcome: Outcome) {
        if let Some(event) = self.close(outcome) {
            self.log.record(event);
        }
    }

    /// Ends the request before its answer is given: with `audit.required` this returns when the
    /// event is stored, and the caller must deny the answer on `Err`; otherwise it returns at once.
    /// Dropping the returned future half-way still records the event once.
    pub async fn finish_before_answer(mut self, outcome: Outcome) -> Result<(), AuditUnavailable> {
        let Some(event) = self.close(outcome) else {
            return Ok(());
        };
        if self.log.required() {
            self.log.record_durable(event).await
        } else {
            self.log.record(event);
            Ok(())
        }
    }

    /// The request went to another replica, which has answered it and put it on record under the same
    /// id: a second event of it would be one too many.
    pub fn handed_over(mut self) {
        if let Some(event) = self.event.take() {
            self.log.metrics().request_handed_over(event.surface);
        }
    }

    fn close(&mut self, outcome: Outcome) -> Option<Box<AuditEvent>> {
        let mut event = self.event.take()?;
        let latency = self.log.clock().monotonic().saturating_sub(self.started);
        event.outcome = outcome;
        if let Some(part) = self.part_of.take() {
            part.note(*event);
            return None;
        }
        if let Some(parts) = &self.parts {
            parts.sum_up(&mut event);
        }
        let outcome = event.outcome;
        event.latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.log
            .metrics()
            .request_closed(event.surface, outcome, latency);
        self.log.tell(&event);
        if let Some(trace) = self.trace.take() {
            trace.finish(&event, self.started.saturating_add(latency));
        }
        Some(event)
    }
}

impl Drop for AuditGuard {
    fn drop(&mut self) {
        let outcome = if std::thread::panicking() {
            Outcome::Panicked
        } else {
            Outcome::Abandoned
        };
        if let Some(event) = self.close(outcome) {
            self.log.record(event);
        }
    }
}

impl fmt::Debug for AuditGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditGuard")
            .field("request_id", &self.request_id())
            .finish_non_exhaustive()
    }
}
