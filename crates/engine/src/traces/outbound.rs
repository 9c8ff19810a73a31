//! Requests to servers as children of the request that led to them.

use std::sync::PoisonError;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use portcullis_core::{ErrorKind, ServerId};
use portcullis_credentials::CredentialKind;
use portcullis_mcp::{Edits, Envelope, Members, Method, Revision};

use super::context::{TRACEPARENT, TRACESTATE};
use super::export::Tracer;
use super::request::{self, AllSent};
use super::{AttributeValue, TraceContext, TraceState};
use crate::audit::{AuditEvent, Outcome};
use crate::snapshot::ServerEntry;

/// More than these are not kept of one request.
const MOST_KEPT: usize = 64;

/// What requests to servers go out under.
#[derive(Clone, Debug)]
pub(crate) struct Outbound {
    tracer: Tracer,
    /// The caller's request.
    request: TraceContext,
    state: Option<TraceState>,
    sent: AllSent,
}

/// A request to a server, as it is told later.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) span_id: [u8; 8],
    /// Empty for one that the protocol does not know.
    pub(super) method: &'static str,
    server: ServerId,
    address: Option<(String, u16)>,
    transport: &'static str,
    credential: CredentialKind,
    pub(super) started: Duration,
    pub(super) ended: Option<Duration>,
    status: Option<u16>,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Nobody said yet how it ended.
    UnderWay,
    Answered,
    /// By a stream, which ends with the request.
    Streams,
    Failed(ErrorKind),
    /// Its caller went away.
    Abandoned,
}

impl Outbound {
    pub(super) const fn new(
        tracer: Tracer,
        request: TraceContext,
        state: Option<TraceState>,
        sent: AllSent,
    ) -> Self {
        Self {
            tracer,
            request,
            state,
            sent,
        }
    }

    /// A request to this server that goes out now.
    pub(crate) fn begin(
        &self,
        entry: &ServerEntry,
        method: &str,
        credential: CredentialKind,
        now: Duration,
    ) -> Option<Attempt<'_>> {
        let (_, span_id) = self.tracer.fresh()?;
        let place = self
            .request
            .sampled
            .then(|| self.keep(Sent::begun(span_id, entry, method, credential, now)))
            .flatten();
        Some(Attempt {
            outbound: self,
            context: TraceContext {
                span_id,
                ..self.request
            },
            place,
        })
    }

    fn keep(&self, one: Sent) -> Option<usize> {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if sent.len() >= MOST_KEPT {
            return None;
        }
        sent.push(one);
        Some(sent.len() - 1)
    }
}

/// One request to a server that is under way. Dropped unended, its caller went away.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    outbound: &'a Outbound,
    context: TraceContext,
    /// Where it is noted, if it is to be told.
    place: Option<usize>,
}

impl Attempt<'_> {
    /// The context of this very request in place of whatever context was there.
    pub(crate) fn put_on(&self, headers: &mut HeaderMap) {
        headers.remove(&TRACESTATE);
        let Ok(value) = HeaderValue::try_from(self.context.text()) else {
            return;
        };
        headers.insert(&TRACEPARENT, value);
        let state = self.outbound.state.as_ref();
        if let Some(Ok(state)) = state.map(|state| HeaderValue::from_str(state.as_str())) {
            headers.insert(&TRACESTATE, state);
        }
    }

    /// The same in the message, where the revision has a place for it (2026-07-28 `_meta.traceparent`) or
    /// its author made one.
    pub(crate) fn put_in<'a>(
        &self,
        envelope: &Envelope<'a>,
        stateless: bool,
        edits: &mut Edits<'a>,
    ) {
        let meta = envelope.params().and_then(|params| params.get("_meta"));
        let Some((meta, members)) = meta.and_then(|meta| Some((meta, Members::of(meta).ok()?)))
        else {
            return;
        };
        if members.is_empty() {
            return;
        }
        let mut put = |name: &str, text: Option<&str>| {
            let quoted = || serde_json::Value::from(text.unwrap_or_default()).to_string();
            match members.get(name) {
                Some(there) => edits.replace(there, quoted()),
                None if stateless && text.is_some() => edits.insert(meta, name, &quoted()),
                None => {}
            }
        };
        put("traceparent", Some(&self.context.text()));
        let state = self.outbound.state.as_ref().map(TraceState::as_str);
        put("tracestate", state);
    }

    /// The server answered, or begins to.
    pub(crate) fn answered(mut self, status: u16, streams: bool, now: Duration) {
        let how = if streams { How::Streams } else { How::Answered };
        self.ends(how, Some(status), now);
    }

    /// It did not, or not with what was asked for.
    pub(crate) fn failed(mut self, kind: ErrorKind, status: Option<u16>, now: Duration) {
        self.ends(How::Failed(kind), status, now);
    }

    fn ends(&mut self, how: How, status: Option<u16>, now: Duration) {
        let Some(place) = self.place.take() else {
            return;
        };
        let mut sent = self.outbound.sent.lock();
        let sent = sent.as_deref_mut().ok().and_then(|all| all.get_mut(place));
        if let Some(sent) = sent {
            sent.ended = (how != How::Streams).then_some(now);
            sent.status = status;
            sent.how = how;
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let now = self.outbound.tracer.now();
        self.ends(How::Abandoned, None, now);
    }
}

impl Sent {
    fn begun(
        span_id: [u8; 8],
        entry: &ServerEntry,
        method: &str,
        credential: CredentialKind,
        started: Duration,
    ) -> Self {
        let endpoint = &entry.upstream.server().endpoint;
        let address = endpoint.uri().and_then(|uri| {
            let standard = if uri.scheme_str() == Some("http") {
                80
            } else {
                443
            };
            Some((uri.host()?.to_owned(), uri.port_u16().unwrap_or(standard)))
        });
        Self {
            span_id,
            method: known(method),
            server: entry.id.clone(),
            address,
            transport: endpoint.transport(),
            credential,
            started,
            ended: None,
            status: None,
            how: How::UnderWay,
        }
    }

    /// How it ended, where it did not end well. What ends with the request ends as that did.
    fn error(&self, request: Outcome) -> Option<&'static str> {
        match self.how {
            How::Answered => (request == Outcome::ToolError).then(|| request.as_str()),
            How::Streams if request == Outcome::Ok => None,
            How::Streams => Some(request.as_str()),
            How::Failed(kind) => Some(kind.as_str()),
            How::Abandoned | How::UnderWay => Some(Outcome::Abandoned.as_str()),
        }
    }

    /// A client's span has failed whenever something is wrong.
    pub(super) fn failed(&self, request: Outcome) -> bool {
        self.error(request)
            .is_some_and(|error| error != Outcome::Abandoned.as_str())
    }

    pub(super) fn name(&self, event: &AuditEvent) -> String {
        let asked = event.method.as_ref().map(crate::audit::CallerText::as_str);
        match self.method {
            "" => "_OTHER".to_owned(),
            method if asked == Some(method) => request::name(event),
            method => method.to_owned(),
        }
    }

    pub(super) fn attributes(&self, request: Outcome) -> Vec<(&'static str, AttributeValue)> {
        let mut said: Vec<(&'static str, AttributeValue)> = vec![
            (
                "mcp.method.name",
                if self.method.is_empty() {
                    "_OTHER"
                } else {
                    self.method
                }
                .into(),
            ),
            ("portcullis.mcp.server", self.server.to_string().into()),
            request::credential(self.credential),
        ];
        if self.transport == "stdio" {
            said.push(("network.transport", "pipe".into()));
        } else {
            said.push(("network.protocol.name", "http".into()));
        }
        if let Some((host, port)) = &self.address {
            said.push(("server.address", host.clone().into()));
            said.push(("server.port", u64::from(*port).into()));
        }
        if let Some(status) = self.status {
            said.push(("http.response.status_code", u64::from(status).into()));
        }
        if let Some(error) = self.error(request) {
            said.push(("error.type", error.into()));
        }
        said
    }
}

fn known(name: &str) -> &'static str {
    [Revision::V2026_07_28, Revision::V2025_11_25]
        .into_iter()
        .find_map(|revision| Method::lookup(name, revision))
        .map_or("", Method::as_str)
}
