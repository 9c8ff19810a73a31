//! A stateless client and a server of sessions: `portcullis_mcp::eras::modern_client` says what is
//! said, and here are the streams, credentials and bounds.
//!
//! A server that asks its client something keeps the call's stream open meanwhile. The client's
//! request ends there with `input_required`, the stream is parked, and the retry, which brings the
//! answers, goes on with it: the call runs once, however many requests it takes.

mod departure;
mod ears;
mod level;
mod listen;
mod parked;
mod resuming;
mod retry;
mod running;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use portcullis_mcp::eras::modern_client::{
    Conversation, Heard, Introduction, LogLevel, Terms, capabilities, input_required, request,
};
use portcullis_mcp::{
    ClientCapabilities, Edits, Envelope, Method, ModernMeta, PushPolicy, Revision, code, meta_key,
};
use portcullis_policy::Evidence;
use portcullis_upstream::{ProtocolChoice, Reply, Restored, SessionWish};
use serde_json::value::RawValue;

use self::departure::Departure;
pub(crate) use self::ears::Ears;
pub(super) use self::ears::Listener;
pub(crate) use self::parked::ParkedCalls;
use self::resuming::Thread;
use self::retry::Retried;
pub(super) use self::running::News;
use self::running::Running;
pub(super) use self::running::Underway;
pub(super) use self::stream::Crossing;
use crate::audit::Outcome;
use crate::call::Call;
use crate::catalog::bad_answer;
use crate::error::EngineError;
use crate::exchange::{Note, Opened, Speech};
use crate::filter::AnswerFilter;
use crate::gateway::Gateway;
use crate::limits::Held;
use crate::prepare::{Prepared, protocol};
use crate::relay::outcome_of;
use crate::snapshot::ServerEntry;

/// How long a server may take to say what counts as said at once, and how many messages that say
/// nothing may come before.
const AT_ONCE: Duration = Duration::from_millis(50);
const FIRST_MESSAGES: usize = 8;

/// How a request came out that had to cross.
pub(super) enum Across {
    /// One answer.
    Text(StatusCode, Outcome, String),
    /// A stream that goes on, and what came on it first.
    Stream(Box<Underway>, News),
}

/// One request that crosses.
pub(super) struct Asking<'a> {
    pub(super) method: Method,
    pub(super) envelope: &'a Envelope<'a>,
    /// The id in it, as JSON text.
    pub(super) id: &'a str,
    pub(super) meta: &'a ModernMeta<'a>,
    pub(super) headers: &'a HeaderMap,
    /// The digest of what is asked, retries left out.
    pub(super) asked: [u8; 32],
}

impl Gateway {
    /// Takes a prepared request to a server of sessions.
    pub(super) async fn across(
        self: &Arc<Self>,
        call: &mut Call,
        prepared: &Prepared<'_>,
        filter: AnswerFilter,
        asking: &Asking<'_>,
    ) -> Result<Across, EngineError> {
        let (entry, evidence, method) = (&prepared.entry, &prepared.evidence, asking.method);
        let wish = wish(entry, asking.meta.capabilities)?;
        if method == Method::Discover {
            return self
                .discover_across(call, entry, evidence, &wish, asking)
                .await;
        }
        if matches!(
            method,
            Method::TasksGet | Method::TasksUpdate | Method::TasksCancel
        ) {
            return Err(protocol(code::METHOD_NOT_FOUND, "Method not found"));
        }
        let terms = terms(entry, asking)?;
        if let Some(retried) = self
            .retried(call, &filter, evidence, &terms, asking)
            .await?
        {
            match retried {
                Retried::Anew => {}
                Retried::GoesOn(underway) => return Ok(Across::Stream(underway, News::Asked)),
                Retried::Declined(text) => {
                    call.held.costs_nothing();
                    let outcome = outcome_of(method, &text);
                    return Ok(Across::Text(StatusCode::OK, outcome, text));
                }
            }
        }
        if let Some(level) = terms.level {
            let setting = Box::pin(self.lower_level(entry, evidence, &wish, level));
            self.while_standing(&call.principal, &call.admission, setting)
                .await?;
        }
        self.begin(call, prepared, filter, asking, &wish, terms)
            .await
    }

    /// Makes the call.
    async fn begin(
        self: &Arc<Self>,
        call: &mut Call,
        prepared: &Prepared<'_>,
        mut filter: AnswerFilter,
        asking: &Asking<'_>,
        wish: &SessionWish,
        terms: Terms,
    ) -> Result<Across, EngineError> {
        let (entry, evidence) = (&prepared.entry, &prepared.evidence);
        let text = request(&prepared.edits.finish()).ok_or_else(|| bad_answer(entry))?;
        let envelope = Envelope::parse(text.as_bytes()).map_err(|_| bad_answer(entry))?;
        let owner = self.parked.next_owner();
        self.use_approval(call, prepared).await?;
        let speech = Speech::Legacy(wish.clone(), Some(owner));
        let mut note = Note::of(&call.audit);
        let opened = {
            let exchange = std::pin::pin!(self.exchange(
                entry,
                evidence,
                &speech,
                &envelope,
                Edits::of(&text),
                traced(asking.headers),
                &mut note,
            ));
            // Declared after what it may have to cancel, and so dropped before it.
            let leaving = Departure::of(self, entry, evidence, wish, asking.id, owner);
            let opened = self
                .while_standing(&call.principal, &call.admission, exchange)
                .await;
            if !matches!(opened, Err(EngineError::NoLongerStands)) {
                leaving.arrived();
            }
            opened
        };
        note.record(&mut call.audit);
        call.held.sent(note.sent);
        filter.presented.add(note.presented);
        let Opened::Legacy(session, mut reply) = opened? else {
            return Err(bad_answer(entry));
        };
        let server = Introduction::of(session.initialize_result());
        let mut conversation =
            Conversation::new(asking.method, prepared.subject.clone(), server, terms);
        match std::mem::replace(&mut reply.reply, Reply::Accepted) {
            Reply::Accepted => Err(bad_answer(entry)),
            Reply::Message { body, .. } => {
                let text = std::str::from_utf8(&body).map_err(|_| bad_answer(entry))?;
                let text = match session.restore(text) {
                    Restored::Answer { ours, text } if ours == reply.ours() => text,
                    _ => return Err(bad_answer(entry)),
                };
                if filter.reveals(&text) {
                    return Err(crate::exchange::revealing(entry));
                }
                let heard = conversation.hears(&text);
                if matches!(heard, Heard::OpenFirst) {
                    call.held.costs_nothing();
                }
                self.whole(&filter, &conversation, heard, asking)
            }
            Reply::Stream(source) => {
                let running = Running {
                    conversation,
                    filter,
                    evidence: evidence.clone(),
                    session,
                    reply,
                    source,
                    thread: Thread::new(),
                    wish: wish.clone(),
                    held: Held::default(),
                };
                self.begun(Underway::boxed(self, running), asking).await
            }
        }
    }

    /// Many servers stream whatever they say. What is said at once is answered whole, because an error
    /// has a status, which a stream that has begun cannot give.
    async fn begun(
        &self,
        mut underway: Box<Underway>,
        asking: &Asking<'_>,
    ) -> Result<Across, EngineError> {
        for _ in 0..FIRST_MESSAGES {
            match underway.hear(AT_ONCE).await {
                News::Nothing | News::Comment => {}
                News::Answer(text, error) => {
                    underway.take();
                    let outcome = outcome_of(asking.method, &text);
                    return Ok(Across::Text(status_of(error), outcome, text));
                }
                News::Unable(error) => return Err(EngineError::Protocol(error)),
                News::Failed(error) => return Err(error),
                first @ (News::Silence | News::Tell(_) | News::Asked | News::OpenFirst) => {
                    return Ok(Across::Stream(underway, first));
                }
            }
        }
        Ok(Across::Stream(underway, News::Silence))
    }

    /// An answer that came whole.
    fn whole(
        &self,
        filter: &AnswerFilter,
        conversation: &Conversation,
        heard: Heard,
        asking: &Asking<'_>,
    ) -> Result<Across, EngineError> {
        match heard {
            Heard::Answer(text, error) => {
                let text = filter.answer(self, text)?;
                let outcome = outcome_of(asking.method, &text);
                Ok(Across::Text(status_of(error), outcome, text))
            }
            Heard::OpenFirst => {
                let state = self.seal_addresses(filter, &asking.asked)?;
                let text = input_required(asking.id, &conversation.requests(), &state);
                Ok(Across::Text(StatusCode::OK, Outcome::Ok, text))
            }
            Heard::Unable { error, .. } => Err(EngineError::Protocol(error)),
            Heard::Forbidden(method) => Err(EngineError::PushNotAllowed {
                server: filter.entry.id.clone(),
                method,
            }),
            Heard::Nothing
            | Heard::Tell(_)
            | Heard::Asked
            | Heard::Respond(_)
            | Heard::Unreadable => Err(bad_answer(&filter.entry)),
        }
    }

    /// `server/discover` from what the server answered to `initialize`.
    async fn discover_across(
        self: &Arc<Self>,
        call: &mut Call,
        entry: &Arc<ServerEntry>,
        evidence: &Evidence,
        wish: &SessionWish,
        asking: &Asking<'_>,
    ) -> Result<Across, EngineError> {
        let mut note = Note::of(&call.audit);
        let opening = Box::pin(self.session(entry, evidence, wish, &mut note));
        let session = self
            .while_standing(&call.principal, &call.admission, opening)
            .await;
        note.record(&mut call.audit);
        let result = Introduction::discover(session?.initialize_result())
            .ok_or_else(|| bad_answer(entry))?;
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#,
            asking.id
        );
        Ok(Across::Text(StatusCode::OK, Outcome::Ok, text))
    }
}

/// The session of a stateless client that declares these capabilities.
pub(crate) fn wish(entry: &ServerEntry, declared: &RawValue) -> Result<SessionWish, EngineError> {
    let server = entry.upstream.server();
    let revision = match server.protocol {
        ProtocolChoice::Pinned(revision) if !revision.is_modern() => revision,
        ProtocolChoice::Pinned(_) | ProtocolChoice::Auto => Revision::V2025_11_25,
    };
    let capabilities = capabilities(declared.get(), server.push, revision).map_err(|_| {
        protocol(
            code::INVALID_PARAMS,
            "the client's capabilities must be an object",
        )
    })?;
    Ok(SessionWish {
        revision,
        capabilities,
        stateless: true,
    })
}

fn terms(entry: &ServerEntry, asking: &Asking<'_>) -> Result<Terms, EngineError> {
    let meta = asking.envelope.meta().ok().flatten().unwrap_or_default();
    let level = match meta.get(meta_key::LOG_LEVEL) {
        None => None,
        Some(raw) => {
            let level = portcullis_mcp::string_of(raw).and_then(|name| LogLevel::parse(&name));
            let unknown = || {
                let text = format!("params._meta[\"{}\"] is no log level", meta_key::LOG_LEVEL);
                protocol(code::INVALID_PARAMS, text)
            };
            Some(level.ok_or_else(unknown)?)
        }
    };
    let everything = PushPolicy {
        sampling: true,
        elicitation: true,
    };
    let declared = asking.meta.capabilities.get();
    Ok(Terms {
        id: asking.id.to_owned(),
        progress_token: meta
            .get("progressToken")
            .map(|token| token.get().to_owned()),
        level,
        declared: ClientCapabilities::narrowed(declared, everything)
            .unwrap_or_else(|_| ClientCapabilities::none()),
        push: entry.upstream.server().push,
    })
}

/// Of the client's headers a session's request takes the trace context.
fn traced(inbound: &HeaderMap) -> HeaderMap {
    let mut out = HeaderMap::new();
    for name in ["traceparent", "tracestate"] {
        if let Some(value) = inbound.get(name) {
            out.insert(name, value.clone());
        }
    }
    out
}

/// The status that 2026-07-28 gives an answer: a server of sessions answers everything with 200.
const fn status_of(error: Option<i64>) -> StatusCode {
    match error {
        Some(code::METHOD_NOT_FOUND) => StatusCode::NOT_FOUND,
        Some(code::PARSE_ERROR | code::INVALID_REQUEST | code::MISSING_CAPABILITY) => {
            StatusCode::BAD_REQUEST
        }
        _ => StatusCode::OK,
    }
}
