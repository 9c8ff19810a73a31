//! The span of one request, from its arrival to the end of its event.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use portcullis_core::{ErrorKind, PrincipalKind};
use portcullis_credentials::CredentialKind;

use super::export::Tracer;
use super::outbound::{Outbound, Sent};
use super::{AttributeValue, Span, SpanKind, TraceContext, TraceState};
use crate::audit::{AuditEvent, CallerText, Decision, Outcome, Surface, Target};

/// Most requests to servers that one request is told to have led to.
const MOST_SENT: usize = 64;

/// What goes out because of a request is noted here.
pub(super) type AllSent = Arc<Mutex<Vec<Sent>>>;

/// Where a request stands in its trace. Its clones, of the messages of a batch, stand at the same place.
#[derive(Clone, Debug)]
pub(crate) struct RequestTrace {
    tracer: Tracer,
    parent: Option<TraceContext>,
    state: Option<TraceState>,
    /// A trace of our own, should the caller bring none.
    fresh: [u8; 16],
    span_id: [u8; 8],
    started: Duration,
    sent: AllSent,
}

impl RequestTrace {
    /// A request that arrived just now. `None` where randomness is not to be had: a trace is no reason to
    /// refuse anything.
    pub(crate) fn begin(tracer: &Tracer, started: Duration) -> Option<Box<Self>> {
        let (fresh, span_id) = tracer.fresh()?;
        Some(Box::new(Self {
            tracer: tracer.clone(),
            parent: None,
            state: None,
            fresh,
            span_id,
            started,
            sent: AllSent::default(),
        }))
    }

    /// What the request's headers say of its trace.
    pub(crate) fn arrived_with(&mut self, headers: &HeaderMap) {
        let parent = TraceContext::of(headers);
        // "If parsing of traceparent fails, tracestate MUST NOT be parsed" (§3.3.1).
        let state = parent.and_then(|_| TraceState::of(headers));
        self.continues(parent, state);
    }

    /// What the message itself says, which is closer to whoever made it than any header (2026-07-28
    /// `_meta.traceparent`); nothing, when that is nothing to go by.
    pub(crate) fn told(&mut self, parent: Option<&str>, state: Option<&str>) {
        if let Some(parent) = parent.and_then(TraceContext::parse) {
            self.continues(Some(parent), state.and_then(TraceState::parse));
        }
    }

    fn continues(&mut self, parent: Option<TraceContext>, state: Option<TraceState>) {
        self.parent = parent;
        self.state = state;
    }

    /// The trace, also for the audit event.
    pub(crate) fn trace_id(&self) -> [u8; 16] {
        self.parent.map_or(self.fresh, |parent| parent.trace_id)
    }

    fn context(&self, authenticated: bool) -> TraceContext {
        let drawn = u64::from_be_bytes(self.span_id);
        TraceContext {
            trace_id: self.trace_id(),
            span_id: self.span_id,
            sampled: self
                .tracer
                .sampler()
                .takes(self.parent.as_ref(), authenticated, drawn),
        }
    }

    /// What requests to servers go out under, because of this one.
    pub(crate) fn outbound(&self, event: &AuditEvent) -> Outbound {
        Outbound::new(
            self.tracer.clone(),
            self.context(is_authenticated(event)),
            self.state.clone(),
            Arc::clone(&self.sent),
        )
    }

    /// Hands over what the event says, if it is to be told.
    pub(crate) fn finish(self, event: &AuditEvent, ended: Duration) {
        let context = self.context(is_authenticated(event));
        if !context.sampled {
            return;
        }
        let arrived = u64::try_from(event.at.as_millis()).unwrap_or(0) * 1_000_000;
        let moment = |at: Duration| {
            let since = at.saturating_sub(self.started).as_nanos();
            arrived.saturating_add(u64::try_from(since).unwrap_or(u64::MAX))
        };
        let state = self.state.map(|state| state.as_str().into());
        let sent = std::mem::take(&mut *self.sent.lock().unwrap_or_else(PoisonError::into_inner));
        let mut spans = Vec::with_capacity(1 + sent.len());
        spans.push(Span {
            trace_id: context.trace_id,
            span_id: context.span_id,
            parent: self.parent.map(|parent| parent.span_id),
            remote_parent: self.parent.is_some(),
            state: state.clone(),
            kind: SpanKind::Server,
            name: name(event),
            started: arrived,
            ended: moment(ended),
            attributes: attributes(event),
            failed: is_failure(event.outcome),
        });
        for one in sent.into_iter().take(MOST_SENT) {
            let mut attributes = one.attributes(event.outcome);
            if one.method == event.method.as_ref().map_or("", CallerText::as_str) {
                attributes.extend(asked_for(event));
            }
            spans.push(Span {
                trace_id: context.trace_id,
                span_id: one.span_id,
                parent: Some(context.span_id),
                remote_parent: false,
                state: state.clone(),
                kind: SpanKind::Client,
                name: one.name(event),
                started: moment(one.started),
                // A stream that was still open ended with the request.
                ended: moment(one.ended.unwrap_or(ended)),
                failed: one.failed(event.outcome),
                attributes,
            });
        }
        self.tracer.hand_over(spans);
    }
}

/// Whoever brought a credential that verified here, and not one that only a server can judge.
fn is_authenticated(event: &AuditEvent) -> bool {
    event
        .principal_kind
        .is_some_and(|kind| kind != PrincipalKind::Delegated)
}

/// A request that fails because of what was asked has not failed here (OpenTelemetry, "HTTP spans", "Status").
const fn is_failure(outcome: Outcome) -> bool {
    match outcome {
        Outcome::ToolError | Outcome::Panicked => true,
        Outcome::Ok | Outcome::Abandoned => false,
        Outcome::Kind(kind) => matches!(
            kind,
            ErrorKind::UpstreamRefused
                | ErrorKind::UpstreamUnreachable
                | ErrorKind::Timeout
                | ErrorKind::Unavailable
                | ErrorKind::Internal
        ),
    }
}

/// A method of the protocol, or a route of ours; any other is a word of the caller's, of which there are
/// as many as they like.
fn method(event: &AuditEvent) -> Option<&'static str> {
    match &event.method {
        None => None,
        Some(method) => Some(method.as_fixed().unwrap_or("_OTHER")),
    }
}

/// The tool or prompt that was asked for, when it is one of a server's and policy was asked about it: names
/// that nothing here has are as many as callers like.
fn subject(event: &AuditEvent) -> Option<(&'static str, &str)> {
    let resolved = event.server.is_some() && event.decision != Decision::None;
    match &event.target {
        Some(Target::Tool(name)) if resolved => Some(("gen_ai.tool.name", name.as_str())),
        Some(Target::Prompt(name)) if resolved => Some(("gen_ai.prompt.name", name.as_str())),
        _ => None,
    }
}

/// "`{mcp.method.name} {target}`" (OpenTelemetry, "Semantic conventions for Model Context Protocol").
pub(super) fn name(event: &AuditEvent) -> String {
    let method = method(event).unwrap_or(event.surface.as_str());
    match subject(event) {
        Some((_, subject)) => format!("{method} {subject}"),
        None => method.to_owned(),
    }
}

fn asked_for(event: &AuditEvent) -> Vec<(&'static str, AttributeValue)> {
    let mut said = Vec::new();
    if let Some((key, name)) = subject(event) {
        said.push((key, name.to_owned().into()));
        if key == "gen_ai.tool.name" {
            said.push(("gen_ai.operation.name", "execute_tool".into()));
        }
    }
    said
}

fn attributes(event: &AuditEvent) -> Vec<(&'static str, AttributeValue)> {
    let mut said: Vec<(&'static str, AttributeValue)> = vec![
        ("portcullis.surface", event.surface.as_str().into()),
        ("portcullis.request.id", event.request_id.text().into()),
        ("network.protocol.name", "http".into()),
    ];
    if let Some(method) = method(event) {
        let key = match event.surface {
            Surface::Mcp | Surface::Rest => "mcp.method.name",
            Surface::Admin | Surface::Page | Surface::OAuth => "portcullis.operation",
        };
        said.push((key, method.into()));
    }
    if let Some(revision) = event.revision {
        said.push(("mcp.protocol.version", revision.into()));
    }
    if let Some(server) = &event.server {
        said.push(("portcullis.mcp.server", server.to_string().into()));
    }
    said.extend(asked_for(event));
    if event.decision != Decision::None {
        said.push(("portcullis.decision", event.decision.as_str().into()));
    }
    said.extend(event.credential.map(credential));
    if event.outcome != Outcome::Ok {
        said.push(("error.type", event.outcome.as_str().into()));
    }
    said
}

pub(super) fn credential(kind: CredentialKind) -> (&'static str, AttributeValue) {
    ("portcullis.credential", kind.as_str().into())
}
