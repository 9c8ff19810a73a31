//! From an upstream's stream to the client's, event by event: nothing is held back, and whatever
//! ends it, the audit event knows.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use portcullis_core::{ErrorKind, Principal, RequestId};
use portcullis_mcp::{Envelope, Kind, Method, SseEvent, SseItem, sse};
use portcullis_policy::Evidence;
use portcullis_upstream::{
    EventStream, LegacySession, Reply, Restored, SessionReply, UpstreamErrorKind,
};

use crate::answer::ByteStream;
use crate::audit::Outcome;
use crate::call::{Admission, Call};
use crate::catalog::{bad_answer, failed};
use crate::changes::Changes;
use crate::error::EngineError;
use crate::exchange::Opened;
use crate::filter::{AnswerFilter, is_tool_error};
use crate::gateway::Gateway;
use crate::legacy::NOBODY;
use crate::modern::farewell;
use crate::pulse::{Pulse, STANDING};
use crate::resuming::Resuming;
use crate::snapshot::ServerEntry;

/// A stream being passed on.
pub(crate) struct Relay {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) call: Option<Call>,
    pub(crate) filter: AnswerFilter,
    pub(crate) evidence: Evidence,
    pub(crate) source: EventStream,
    pub(crate) side: Side,
    /// The client's request id, as JSON text.
    pub(crate) client_id: String,
    /// Put before event ids on the aggregate endpoint, so that they lead back to their server.
    pub(crate) event_prefix: Option<String>,
    pub(crate) resumable: bool,
    /// Whether the client could resume it.
    pub(crate) comes_back: bool,
    pub(crate) changes: Changes,
    pub(crate) pulse: Pulse,
}

/// Which era feeds the stream.
pub(crate) enum Side {
    Modern,
    Legacy(Arc<LegacySession>, Option<Box<SessionReply>>),
}

impl Relay {
    /// The client's stream.
    pub(crate) fn into_stream(self) -> ByteStream {
        Box::pin(futures_util::stream::unfold(
            Some(self),
            |relay| async move {
                let mut relay = relay?;
                let bytes = relay.next().await?;
                let next = relay.call.is_some().then_some(relay);
                Some((bytes, next))
            },
        ))
    }

    /// The next bytes; after the answer, `call` is gone and the stream ends.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let now = self.gateway.clock.monotonic();
            if self.pulse.must_look(now)
                && let Some(kind) = self.must_end()
            {
                return self.end(Outcome::Kind(kind), None).await;
            }
            // A stop waits for answers, not for news.
            if self.filter.method == Method::Listen && self.gateway.vigil.is_closing() {
                let last = self.count(farewell(&self.client_id));
                return self.end(Outcome::Ok, Some(last)).await;
            }
            let item = tokio::select! {
                item = tokio::time::timeout(STANDING, self.source.next()) => item,
                changed = self.changes.next() => {
                    self.pulse.spoke(now);
                    return Some(self.count(encode(&SseEvent::message(changed))));
                }
            };
            let Ok(item) = item else {
                if self.pulse.must_speak(self.gateway.clock.monotonic()) {
                    return Some(Bytes::from_static(sse::keep_alive()));
                }
                continue;
            };
            self.pulse.spoke(now);
            match item {
                Ok(Some(SseItem::Comment)) => return Some(Bytes::from_static(sse::keep_alive())),
                Ok(Some(SseItem::Event(event))) => {
                    if let Some(bytes) = self.event(event).await {
                        return Some(bytes);
                    }
                    self.call.as_ref()?;
                }
                Ok(None) => return self.broken_off(UpstreamErrorKind::Broken).await,
                // A connection that broke, or fell silent, ends a stream like its server does.
                Err(error)
                    if matches!(
                        error.kind,
                        UpstreamErrorKind::Broken | UpstreamErrorKind::Timeout
                    ) =>
                {
                    return self.broken_off(error.kind).await;
                }
                Err(error) => {
                    let error = EngineError::from(error);
                    return self.fail(&error).await;
                }
            }
        }
    }

    async fn event(&mut self, mut event: SseEvent) -> Option<Bytes> {
        if let Some(id) = &mut event.id {
            self.resumable = true;
            if let Side::Legacy(_, Some(reply)) = &mut self.side {
                reply.keep_for_resumption();
            }
            if let Some(prefix) = &self.event_prefix {
                *id = format!("{prefix}/{id}");
            }
        }
        let Some(data) = event.data.as_ref().filter(|data| !data.is_empty()) else {
            // A priming event, or a retry: the client's business.
            return Some(encode(&event));
        };
        let Ok(text) = std::str::from_utf8(data) else {
            return None;
        };
        let message = match &self.side {
            Side::Legacy(session, _) => session.restore(text),
            Side::Modern => modern_message(text, &self.client_id),
        };
        match message {
            // The answer to another request has no business on this stream.
            Restored::Answer { ours, .. } if !self.concerns(ours) => None,
            Restored::Answer { text, .. } => {
                if let Side::Legacy(_, Some(reply)) = &mut self.side {
                    reply.complete();
                }
                self.answer(event, text).await
            }
            Restored::Progress { ours, .. } if !self.concerns(ours) => None,
            Restored::Progress { text, .. } | Restored::Notification(text) => {
                let mut text = self.filter.notification(&self.gateway, text)?;
                if let Side::Legacy(session, _) = &self.side {
                    text = self.gateway.understood(session, text)?;
                }
                text = self.changes.take(text)?;
                event.data = Some(Bytes::from(text));
                Some(self.count(encode(&event)))
            }
            Restored::Request(text) => {
                let Side::Legacy(session, _) = &self.side else {
                    return None;
                };
                if self.filter.reveals(&text) {
                    return None;
                }
                let call = self.call.as_ref()?;
                let asked = self
                    .gateway
                    .push(
                        &call.principal,
                        &self.filter.entry,
                        &self.evidence,
                        session,
                        text,
                    )
                    .await?;
                event.data = Some(Bytes::from(asked.text));
                Some(self.count(encode(&event)))
            }
            Restored::Stray => None,
        }
    }

    /// Whether an id of ours is that of the request whose stream this is. A resumed stream may
    /// belong to any request of its session.
    const fn concerns(&self, ours: i64) -> bool {
        match &self.side {
            Side::Legacy(_, Some(reply)) => reply.ours() == ours,
            Side::Legacy(_, None) | Side::Modern => true,
        }
    }

    async fn answer(&mut self, mut event: SseEvent, text: String) -> Option<Bytes> {
        match self.filter.answer(&self.gateway, text) {
            Ok(text) => {
                let outcome = outcome_of(self.filter.method, &text);
                event.data = Some(Bytes::from(text));
                // The answer does not wait for a list.
                let unread = self.changes.unread().into_iter();
                let mut bytes: BytesMut = unread
                    .flat_map(|text| encode(&SseEvent::message(text)))
                    .collect();
                bytes.extend_from_slice(&encode(&event));
                let bytes = self.count(bytes.freeze());
                self.end(outcome, Some(bytes)).await
            }
            Err(error) => self.fail(&error).await,
        }
    }

    /// The stream ended. Before the answer that is a failure, unless the client can
    /// come back for it with `Last-Event-ID`.
    async fn broken_off(&mut self, kind: UpstreamErrorKind) -> Option<Bytes> {
        if self.resumable && self.comes_back && matches!(self.side, Side::Legacy(..)) {
            return self.end(Outcome::Ok, None).await;
        }
        let error = failed(&self.filter.entry, kind);
        self.fail(&error).await
    }

    async fn fail(&mut self, error: &EngineError) -> Option<Bytes> {
        if let Side::Legacy(_, Some(reply)) = &mut self.side {
            reply.abandon();
        }
        let call = self.call.as_ref()?;
        tracing::info!(request.id = %call.id, mcp.server.id = %self.filter.entry.id, error = %error, "stream failed");
        let reported = error.report(call.id);
        let text = reported.rpc.response(Some(&self.client_id));
        let bytes = encode(&SseEvent::message(text));
        self.end(Outcome::Kind(reported.kind), Some(bytes)).await
    }

    async fn end(&mut self, outcome: Outcome, last: Option<Bytes>) -> Option<Bytes> {
        let call = self.call.take()?;
        let id = call.id;
        if call.close(outcome).await {
            last
        } else {
            let reported = EngineError::AuditUnavailable.report(id);
            Some(encode(&SseEvent::message(
                reported.rpc.response(Some(&self.client_id)),
            )))
        }
    }

    fn count(&mut self, bytes: Bytes) -> Bytes {
        if let Some(call) = &mut self.call {
            call.audit.add_response_bytes(bytes.len() as u64);
        }
        bytes
    }

    /// Why the stream may not go on, if so. A call that runs may finish when its server is removed;
    /// what is only listened to has no end of its own.
    fn must_end(&self) -> Option<ErrorKind> {
        let (principal, admission) = (&self.filter.principal, &self.filter.admission);
        let listens =
            self.filter.method == Method::Listen || matches!(self.side, Side::Legacy(_, None));
        if self.call.is_none() || !self.gateway.still_stands(principal, admission) {
            Some(ErrorKind::Unauthenticated)
        } else if listens
            && !self.gateway.still_serves(
                principal,
                admission,
                &self.filter.entry,
                self.filter.listens,
            )
        {
            Some(ErrorKind::NotFound)
        } else {
            None
        }
    }
}

impl Gateway {
    /// Whether what this caller began may go on.
    pub(crate) fn still_stands(&self, principal: &Principal, admission: &Admission) -> bool {
        let now = self.clock.now();
        principal.expires_at.is_none_or(|end| now < end)
            && admission
                .proof
                .as_ref()
                .is_none_or(|proof| proof.holds(now))
            && self.standing.holds(principal, admission)
    }

    /// Whether the caller of a request would be let in still: asked again after what takes time, such
    /// as a body.
    pub fn stands(&self, call: &Call) -> bool {
        self.still_stands(&call.principal, &call.admission)
    }

    /// Does something on a principal's behalf for as long as it stands, and nothing at all if it fell
    /// since it was let in: a body may have taken its time.
    pub(crate) async fn while_standing<T>(
        &self,
        principal: &Principal,
        admission: &Admission,
        mut work: impl Future<Output = Result<T, EngineError>> + Unpin,
    ) -> Result<T, EngineError> {
        if !self.still_stands(principal, admission) {
            return Err(EngineError::NoLongerStands);
        }
        loop {
            match tokio::time::timeout(STANDING, &mut work).await {
                Ok(done) => return done,
                Err(_) if self.still_stands(principal, admission) => {}
                Err(_) => return Err(EngineError::NoLongerStands),
            }
        }
    }

    /// The final answer within the server's time, however much comes before it.
    pub(crate) async fn whole_answer(
        self: &Arc<Self>,
        entry: &Arc<ServerEntry>,
        evidence: &Evidence,
        opened: Opened,
    ) -> Result<String, EngineError> {
        let limit = entry.upstream.server().timeout;
        tokio::time::timeout(limit, self.final_answer(entry, evidence, opened))
            .await
            .unwrap_or_else(|_| Err(failed(entry, UpstreamErrorKind::Timeout)))
    }

    /// Reads on to the final answer; progress is dropped, and requests to the client are refused,
    /// because there is none.
    async fn final_answer(
        self: &Arc<Self>,
        entry: &Arc<ServerEntry>,
        evidence: &Evidence,
        opened: Opened,
    ) -> Result<String, EngineError> {
        // The place in the session is held until the answer is here.
        let (reply, session, place) = match opened {
            Opened::Modern(reply) => (reply, None, None),
            Opened::Legacy(session, mut waiting) => {
                let reply = std::mem::replace(&mut waiting.reply, Reply::Accepted);
                (reply, Some(session), Some(waiting))
            }
        };
        let own = place.as_ref().map(SessionReply::ours);
        let understand = |text: &str| match &session {
            Some(session) => match session.restore(text) {
                Restored::Answer { ours, .. } if Some(ours) != own => Restored::Stray,
                restored => restored,
            },
            None => modern_message(text, "1"),
        };
        match reply {
            Reply::Accepted => Err(bad_answer(entry)),
            Reply::Message { body, .. } => {
                let text = String::from_utf8(body.into()).map_err(|_| bad_answer(entry))?;
                match understand(&text) {
                    Restored::Answer { text, .. } => Ok(text),
                    _ => Err(bad_answer(entry)),
                }
            }
            Reply::Stream(stream) => {
                let mut stream = Resuming::of(stream);
                while let Some(text) = stream
                    .next_text(self, entry, evidence, session.as_deref())
                    .await?
                {
                    match understand(&text) {
                        Restored::Answer { text, .. } => return Ok(text),
                        Restored::Request(text) => {
                            if let Some(session) = &session {
                                self.refuse_push(entry, evidence, session, &text, NOBODY)
                                    .await;
                            }
                        }
                        Restored::Progress { .. } | Restored::Notification(_) | Restored::Stray => {
                        }
                    }
                }
                Err(bad_answer(entry))
            }
        }
    }
}

/// On a stateless stream the ids are the client's own; only the answer to this request counts, and
/// servers must not send requests (2026-07-28).
pub(crate) fn modern_message(text: &str, client_id: &str) -> Restored {
    let Ok(envelope) = Envelope::parse(text.as_bytes()) else {
        return Restored::Stray;
    };
    match envelope.kind {
        Kind::Response { id, .. } if same_id(id.as_json(), client_id) => Restored::Answer {
            ours: 0,
            text: text.to_owned(),
        },
        Kind::Notification { .. } => Restored::Notification(text.to_owned()),
        Kind::Response { .. } | Kind::Request { .. } => Restored::Stray,
    }
}

/// Ids are the same when they are the same JSON value; a server may escape a string differently.
fn same_id(left: &str, right: &str) -> bool {
    fn text(id: &str) -> Option<Cow<'_, str>> {
        serde_json::from_str::<String>(id).ok().map(Cow::Owned)
    }
    left == right || (left.starts_with('"') && right.starts_with('"') && text(left) == text(right))
}

/// How an answered request ended.
pub(crate) fn outcome_of(method: Method, text: &str) -> Outcome {
    if method == Method::ToolsCall && is_tool_error(text) {
        Outcome::ToolError
    } else {
        Outcome::Ok
    }
}

pub(crate) fn encode(event: &SseEvent) -> Bytes {
    let mut out = BytesMut::with_capacity(event.data.as_ref().map_or(0, Bytes::len) + 64);
    event.encode(&mut out);
    out.freeze()
}

/// A request's end in an error, which the operator is told here; `id` is what the client called it.
pub(crate) fn error_answer(
    error: &EngineError,
    request: RequestId,
    id: Option<&str>,
) -> (http::StatusCode, Outcome, String) {
    error.log(request);
    let reported = error.report(request);
    (
        reported.status,
        Outcome::Kind(reported.kind),
        reported.rpc.response(id),
    )
}
