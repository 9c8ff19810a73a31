//! Messages of a legacy client after `initialize`.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};
use portcullis_core::ScopeSet;
use portcullis_mcp::{Edits, Envelope, Kind, Method, Revision, RpcError, code};
use portcullis_policy::{Evidence, Operation};
use portcullis_upstream::{LegacySession, Reply, Restored};

use super::LegacyClient;
use crate::answer::Answer;
use crate::audit::{CallerText, Outcome};
use crate::call::Call;
use crate::catalog::bad_answer;
use crate::challenge::Challenge;
use crate::error::EngineError;
use crate::exchange::{Note, Opened, Speech};
use crate::filter::AnswerFilter;
use crate::gateway::Gateway;
use crate::prepare::protocol;
use crate::pulse::Pulse;
use crate::relay::{Relay, Side, error_answer, outcome_of};
use crate::snapshot::ServerEntry;
use crate::view::View;

/// A request's answer, before it is on record.
enum Done {
    Text(StatusCode, Outcome, String),
    Stream(Box<Pieces>),
}

/// What a relay is made of once the call is handed over.
struct Pieces {
    filter: AnswerFilter,
    evidence: Evidence,
    source: portcullis_upstream::EventStream,
    side: Side,
}

impl Gateway {
    /// Takes one message of a client whose session is open (or that works without one).
    pub async fn legacy_message(
        self: &Arc<Self>,
        mut call: Call,
        view: &View,
        client: &LegacyClient,
        envelope: &Envelope<'_>,
        headers: &HeaderMap,
    ) -> Answer {
        call.audit.revision(client.revision.as_str());
        match envelope.kind {
            Kind::Response { .. } => {
                call.audit.method(CallerText::new("response"));
                match self.push_answered(view, envelope).await {
                    Ok(Some(())) => accepted(call).await,
                    Ok(None) => {
                        let error =
                            protocol(code::INVALID_REQUEST, "no request waits for this response");
                        refuse(call, &error, None).await
                    }
                    Err(error) => refuse(call, &error, None).await,
                }
            }
            Kind::Notification { method } => {
                call.audit.method(method_text(method, client.revision));
                self.legacy_notification(view, client, envelope, method)
                    .await;
                accepted(call).await
            }
            Kind::Request { id, method } => {
                call.audit.method(method_text(method, client.revision));
                let done = self
                    .legacy_request(&mut call, view, client, envelope, method, headers)
                    .await;
                let (status, outcome, text) = match done {
                    Ok(Done::Text(status, outcome, text)) => (status, outcome, text),
                    Ok(Done::Stream(pieces)) => {
                        let prefix = view
                            .named()
                            .is_none()
                            .then(|| pieces.filter.entry.id.to_string());
                        let relay = Relay {
                            gateway: Arc::clone(self),
                            call: Some(call),
                            filter: pieces.filter,
                            evidence: pieces.evidence,
                            source: pieces.source,
                            side: pieces.side,
                            client_id: id.as_json().to_owned(),
                            event_prefix: prefix,
                            resumable: false,
                            pulse: Pulse::started(self.clock.monotonic()),
                        };
                        return Answer::Stream(relay.into_stream());
                    }
                    Err(error) => {
                        let error = self.inviting_at_last(&mut call, error);
                        if let EngineError::ConsentRequired(wanted) = &error {
                            error.log(call.id);
                            let text =
                                self.legacy_consent(&call, client, method, wanted, id.as_json());
                            let outcome = Outcome::Kind(error.kind());
                            return answer(call, StatusCode::OK, outcome, text, id.as_json()).await;
                        }
                        // Legacy errors travel in-band: their clients read the body only of a 200.
                        let (_, outcome, text) = error_answer(&error, call.id, Some(id.as_json()));
                        if let Some(required) = error.required_scopes() {
                            return step_up(call, outcome, text, id.as_json(), required).await;
                        }
                        if let Some(challenge) = error.legacy_challenge() {
                            return challenged(call, outcome, text, id.as_json(), challenge).await;
                        }
                        (StatusCode::OK, outcome, text)
                    }
                };
                answer(call, status, outcome, text, id.as_json()).await
            }
        }
    }

    async fn legacy_request(
        self: &Arc<Self>,
        call: &mut Call,
        view: &View,
        client: &LegacyClient,
        envelope: &Envelope<'_>,
        name: &str,
        headers: &HeaderMap,
    ) -> Result<Done, EngineError> {
        let Kind::Request { id, .. } = envelope.kind else {
            return Err(EngineError::KeyRing);
        };
        let method = Method::lookup(name, client.revision)
            .filter(|method| !is_task(*method))
            .ok_or_else(|| protocol(code::METHOD_NOT_FOUND, "Method not found"))?;
        let plain = |result: &str| {
            let text = format!(
                r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#,
                id.as_json()
            );
            Ok(Done::Text(StatusCode::OK, Outcome::Ok, text))
        };
        match method {
            Method::Ping => return plain("{}"),
            Method::Initialize => {
                return Err(protocol(
                    code::INVALID_REQUEST,
                    "the session is already initialized",
                ));
            }
            Method::SetLevel if view.named().is_none() => {
                Box::pin(self.tell_open_sessions(view, client, envelope)).await;
                return plain("{}");
            }
            _ if view.named().is_none() && method.list_member().is_some() => {
                let (principal, admission) = (Arc::clone(&call.principal), call.admission.clone());
                let page = self.aggregate_page(call, view, method, envelope, Some(client));
                let page = self.while_standing(&principal, &admission, Box::pin(page));
                let result = page.await?;
                return plain(&result);
            }
            _ => {}
        }
        let prepared = self.prepare(call, view, method, envelope).await?;
        let speech = Speech::Legacy(
            client.wish(prepared.entry.upstream.server().push)?,
            client.digest,
        );
        let mut note = Note::default();
        let exchange = self.exchange(
            &prepared.entry,
            &prepared.evidence,
            &speech,
            envelope,
            prepared.edits,
            forwarded(headers),
            &mut note,
        );
        let opened = self
            .while_standing(&call.principal, &call.admission, std::pin::pin!(exchange))
            .await;
        note.record(&mut call.audit);
        let Opened::Legacy(session, mut waiting) = opened? else {
            return Err(bad_answer(&prepared.entry));
        };
        self.listen_if_wanted(call, &prepared.entry, &prepared.evidence, &session, client);
        let filter = AnswerFilter {
            method,
            modern: false,
            entry: prepared.entry,
            principal: Arc::clone(&call.principal),
            admission: call.admission.clone(),
            listens: Operation::Use,
            subject: prepared.subject,
            presented: note.presented,
            declared: None,
            watched: Vec::new(),
            asked: None,
        };
        match std::mem::replace(&mut waiting.reply, Reply::Accepted) {
            Reply::Message { body, .. } => {
                let text = std::str::from_utf8(&body).map_err(|_| bad_answer(&filter.entry))?;
                let text = match session.restore(text) {
                    Restored::Answer { ours, text } if ours == waiting.ours() => text,
                    _ => return Err(bad_answer(&filter.entry)),
                };
                let text = filter.answer(self, text)?;
                // Legacy clients read the body only of a 200, whatever status came with it here.
                Ok(Done::Text(StatusCode::OK, outcome_of(method, &text), text))
            }
            Reply::Stream(source) => Ok(Done::Stream(Box::new(Pieces {
                filter,
                evidence: prepared.evidence,
                source,
                side: Side::Legacy(session, Some(waiting)),
            }))),
            Reply::Accepted => Err(bad_answer(&filter.entry)),
        }
    }

    async fn legacy_notification(
        self: &Arc<Self>,
        view: &View,
        client: &LegacyClient,
        envelope: &Envelope<'_>,
        name: &str,
    ) {
        match Method::lookup(name, client.revision) {
            // Finds its way by the id of the request that it is about, and roots are the client's.
            Some(Method::Cancelled | Method::RootsListChanged) => {
                self.tell_open_sessions(view, client, envelope).await;
            }
            Some(Method::Progress) => {
                if let Some((entry, evidence, session)) = self.asker(view, envelope) {
                    self.tell_behind(&entry, &evidence, session, envelope.text.to_owned());
                }
            }
            // A task of the client is some server's business; on the aggregate, nobody knows whose.
            Some(Method::TasksStatus) if view.named().is_some() => {
                self.tell_open_sessions(view, client, envelope).await;
            }
            // The upstream learned `initialized` when its own session was opened.
            _ => {}
        }
    }

    fn tell_behind(
        self: &Arc<Self>,
        entry: &Arc<ServerEntry>,
        evidence: &Evidence,
        session: Arc<LegacySession>,
        text: String,
    ) {
        let (gateway, entry) = (Arc::clone(self), Arc::clone(entry));
        let evidence = evidence.clone();
        self.tracker.spawn(async move {
            if let Err(error) = gateway.tell(&entry, &evidence, &session, text).await {
                tracing::info!(mcp.server.id = %entry.id, error = %error, "not passed on");
            }
        });
    }

    /// Passes a message on to every session that is open for this client, ids translated.
    async fn tell_open_sessions(
        self: &Arc<Self>,
        view: &View,
        client: &LegacyClient,
        envelope: &Envelope<'_>,
    ) {
        for entry in view.servers() {
            let Ok(permit) = view.authorize(entry, Operation::Use) else {
                continue;
            };
            let Ok(wish) = client.wish(entry.upstream.server().push) else {
                continue;
            };
            let Some(session) = entry.upstream.open_session(permit.evidence(), &wish) else {
                continue;
            };
            if !matches!(envelope.kind, Kind::Request { .. }) {
                // The client is not kept waiting for a server that takes its time.
                if let Some(text) = translated(&session, client, envelope) {
                    self.tell_behind(entry, permit.evidence(), session, text);
                }
                continue;
            }
            let mut note = Note::default();
            let told = self
                .exchange(
                    entry,
                    permit.evidence(),
                    &Speech::Legacy(wish, client.digest),
                    envelope,
                    Edits::of(envelope.text),
                    HeaderMap::new(),
                    &mut note,
                )
                .await;
            if let Err(error) = told {
                tracing::info!(mcp.server.id = %entry.id, error = %error, "not passed on");
            }
        }
    }
}

/// A notification as the server knows it; `None` when it concerns a request that is not there.
fn translated(
    session: &LegacySession,
    client: &LegacyClient,
    envelope: &Envelope<'_>,
) -> Option<String> {
    let Kind::Notification {
        method: "notifications/cancelled",
    } = envelope.kind
    else {
        return Some(envelope.text.to_owned());
    };
    let id = envelope.params()?.get("requestId")?;
    let ours = session.our_id_of(id.get(), client.digest)?;
    let mut edits = Edits::of(envelope.text);
    edits.replace(id, ours.to_string());
    Some(edits.finish())
}

/// A known method's name costs nothing; another is kept as the caller wrote it.
pub(crate) fn method_text(name: &str, revision: Revision) -> CallerText {
    match Method::lookup(name, revision) {
        Some(method) => CallerText::fixed(method.as_str()),
        None => CallerText::new(name),
    }
}

const fn is_task(method: Method) -> bool {
    matches!(
        method,
        Method::TasksGet
            | Method::TasksCancel
            | Method::TasksList
            | Method::TasksResult
            | Method::TasksUpdate
    )
}

/// Of a legacy client's headers only the trace context goes on (W3C Trace Context).
fn forwarded(headers: &HeaderMap) -> HeaderMap {
    static TRACE: [HeaderName; 2] = [
        HeaderName::from_static("traceparent"),
        HeaderName::from_static("tracestate"),
    ];
    let mut out = HeaderMap::new();
    for name in &TRACE {
        if let Some(value) = headers.get(name) {
            out.insert(name, value.clone());
        }
    }
    out
}

/// 202, once it is on record.
pub(crate) async fn accepted(call: Call) -> Answer {
    let id = call.id;
    if call.close(Outcome::Ok).await {
        Answer::Accepted
    } else {
        let (status, _, body) = error_answer(&EngineError::AuditUnavailable, id, None);
        Answer::json(status, body)
    }
}

async fn refuse(call: Call, error: &EngineError, id: Option<&str>) -> Answer {
    let (status, outcome, text) = error_answer(error, call.id, id);
    answer(call, status, outcome, text, id.unwrap_or("null")).await
}

/// Tells which scopes would help, once it is on record: with 403 in every era, because that is what
/// a client asks its authorization server for more upon.
pub(crate) async fn step_up(
    call: Call,
    outcome: Outcome,
    text: String,
    id: &str,
    required: &ScopeSet,
) -> Answer {
    match answer(call, StatusCode::FORBIDDEN, outcome, text, id).await {
        Answer::Json { status, body, .. } if status == StatusCode::FORBIDDEN => {
            Answer::InsufficientScope {
                body,
                required: required.clone(),
            }
        }
        unavailable => unavailable,
    }
}

/// 401 once it is on record, whoever asks for what: that is what a client gets a token upon.
pub(crate) async fn challenged(
    mut call: Call,
    outcome: Outcome,
    text: String,
    id: &str,
    challenge: Challenge,
) -> Answer {
    challenge.record(&mut call.audit);
    match answer(call, StatusCode::UNAUTHORIZED, outcome, text, id).await {
        Answer::Json { status, body, .. } if status == StatusCode::UNAUTHORIZED => {
            Answer::Unauthenticated { body, challenge }
        }
        unavailable => unavailable,
    }
}

/// Gives a whole answer, once it is on record.
pub(crate) async fn answer(
    mut call: Call,
    status: StatusCode,
    outcome: Outcome,
    text: String,
    id: &str,
) -> Answer {
    call.audit.add_response_bytes(text.len() as u64);
    let request = call.id;
    if call.close(outcome).await {
        return Answer::json(status, Bytes::from(text));
    }
    let reported = EngineError::AuditUnavailable.report(request);
    Answer::json(reported.status, RpcError::response(&reported.rpc, Some(id)))
}
