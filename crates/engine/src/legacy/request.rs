//! Messages of a legacy client after `initialize`.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, StatusCode};
use portcullis_mcp::{Envelope, Kind, Method, Revision, code};
use portcullis_policy::{Evidence, Operation};
use portcullis_upstream::{Reply, Restored};

use super::LegacyClient;
use super::ending::{accepted, answer, challenged, limited, refuse, step_up};
use super::translated::{Translated, level_of};
use crate::aggregate::Asker;
use crate::answer::{Answer, Elsewhere};
use crate::audit::{CallerText, Outcome};
use crate::call::Call;
use crate::catalog::bad_answer;
use crate::changes::Changes;
use crate::error::EngineError;
use crate::exchange::{Note, Opened, Speech};
use crate::filter::AnswerFilter;
use crate::gateway::Gateway;
use crate::prepare::protocol;
use crate::pulse::Pulse;
use crate::relay::{Relay, Side, error_answer, outcome_of};
use crate::replicas::Setting;
use crate::view::View;

/// A request's answer, before it is on record.
enum Done {
    Text(StatusCode, Outcome, String),
    Stream(Box<Pieces>),
    /// For a server that opens no sessions.
    Translated(Box<Translated>),
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
        call.audit.traced_by(envelope);
        match envelope.kind {
            Kind::Response { .. } => {
                call.audit.method(CallerText::fixed("response"));
                if self.translation.questions.answered(view, client, envelope) {
                    return accepted(call).await;
                }
                match self.push_answered(view, envelope).await {
                    Ok(Some(())) => accepted(call).await,
                    Ok(None) => {
                        let error =
                            protocol(code::INVALID_REQUEST, "no request waits for this response");
                        refuse(call, &error, None).await
                    }
                    Err(EngineError::Elsewhere(owner)) => {
                        Elsewhere::new(call, owner, None, None).into()
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
                        let (entry, evidence) = (&pieces.filter.entry, &pieces.evidence);
                        let relay = Relay {
                            changes: Changes::since_now(self, entry, evidence),
                            gateway: Arc::clone(self),
                            call: Some(call),
                            filter: pieces.filter,
                            evidence: pieces.evidence,
                            source: pieces.source,
                            side: pieces.side,
                            client_id: id.as_json().to_owned(),
                            event_prefix: prefix,
                            resumable: false,
                            comes_back: client.resumes(),
                            pulse: Pulse::started(self.clock.monotonic()),
                        };
                        return Answer::Stream(relay.into_stream());
                    }
                    Ok(Done::Translated(request)) => {
                        let id = id.as_json();
                        // Boxed: every call would carry its room otherwise.
                        let answering = self.translated(call, view, client, id, *request);
                        return Box::pin(answering).await;
                    }
                    Err(EngineError::Elsewhere(owner)) => {
                        let id = Some(id.as_json());
                        return Elsewhere::new(call, owner, Some(StatusCode::OK), id).into();
                    }
                    Err(error) => {
                        return self
                            .legacy_failed(call, client, method, id.as_json(), error)
                            .await;
                    }
                };
                answer(call, status, outcome, text, id.as_json()).await
            }
        }
    }

    /// The end of a request in an error.
    pub(super) async fn legacy_failed(
        &self,
        mut call: Call,
        client: &LegacyClient,
        method: &str,
        id: &str,
        error: EngineError,
    ) -> Answer {
        let (error, outcome, text) = self.legacy_failure(&mut call, client, method, id, error);
        if matches!(
            error,
            EngineError::ConsentRequired(_) | EngineError::ApprovalRequired(_)
        ) {
            return answer(call, StatusCode::OK, outcome, text, id).await;
        }
        if let Some(required) = error.required_scopes() {
            return step_up(call, outcome, text, id, required).await;
        }
        if let Some(challenge) = error.legacy_challenge() {
            return challenged(call, outcome, text, id, challenge).await;
        }
        if let Some(reached) = error.limited() {
            return limited(call, outcome, text, id, reached).await;
        }
        // Legacy errors travel in-band: their clients read the body only of a 200.
        answer(call, StatusCode::OK, outcome, text, id).await
    }

    /// What an error comes to, and the text of it.
    pub(super) fn legacy_failure(
        &self,
        call: &mut Call,
        client: &LegacyClient,
        method: &str,
        id: &str,
        error: EngineError,
    ) -> (EngineError, Outcome, String) {
        let error = self.inviting_at_last(call, error);
        if let EngineError::ConsentRequired(wanted) = &error {
            error.log(call.id);
            let text = self.legacy_consent(call, client, method, wanted, id);
            let outcome = Outcome::Kind(error.kind());
            return (error, outcome, text);
        }
        if let EngineError::ApprovalRequired(held) = &error {
            error.log(call.id);
            let text = self.legacy_held(call, client, held, id);
            let outcome = Outcome::Kind(error.kind());
            return (error, outcome, text);
        }
        let (_, outcome, text) = error_answer(&error, call.id, Some(id));
        (error, outcome, text)
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
                self.count(call).await?;
                if let Ok(level) = level_of(envelope) {
                    let states = &self.translation.states;
                    states.set_level(&call.principal.id, client, level);
                    if let Some(setting) = Setting::of(method, envelope, "") {
                        Box::pin(self.remember_translated(view, client, &setting)).await;
                    }
                }
                Box::pin(self.tell_open_sessions(view, client, envelope)).await;
                return plain("{}");
            }
            _ if view.named().is_none() && method.list_member().is_some() => {
                let (principal, admission) = (Arc::clone(&call.principal), call.admission.clone());
                let page =
                    self.aggregate_page(call, view, method, envelope, Asker::Session(client));
                let page = self.while_standing(&principal, &admission, Box::pin(page));
                let result = page.await?;
                return plain(&result);
            }
            _ => {}
        }
        let asker = Some(Asker::Session(client));
        let prepared = self.prepare(call, view, method, envelope, asker).await?;
        let translated = || {
            Ok(Done::Translated(Box::new(Translated {
                entry: Arc::clone(&prepared.entry),
                evidence: prepared.evidence.clone(),
                method,
                text: prepared.edits.finish(),
                subject: prepared.subject.clone(),
                abroad: prepared.abroad.clone(),
                headers: forwarded(headers),
            })))
        };
        if self.translates(&prepared.entry, &prepared.evidence).await? {
            self.use_approval(call, &prepared).await?;
            return translated();
        }
        let speech = Speech::Legacy(
            client.wish(prepared.entry.upstream.server().push)?,
            client.digest,
        );
        self.use_approval(call, &prepared).await?;
        let mut note = Note::of(&call.audit);
        let exchange = self.exchange(
            &prepared.entry,
            &prepared.evidence,
            &speech,
            envelope,
            prepared.edits.clone(),
            forwarded(headers),
            &mut note,
        );
        let opened = self
            .while_standing(&call.principal, &call.admission, std::pin::pin!(exchange))
            .await;
        note.record(&mut call.audit);
        call.held.sent(note.sent);
        if let Err(error) = &opened
            && self
                .proved_stateless(&prepared.entry, &prepared.evidence, error)
                .await
        {
            return translated();
        }
        let Opened::Legacy(session, mut waiting) = opened? else {
            return Err(bad_answer(&prepared.entry));
        };
        self.listen_if_wanted(call, &prepared.entry, &prepared.evidence, &session, client);
        let setting = Setting::of(method, envelope, &prepared.subject);
        let filter = AnswerFilter {
            method,
            modern: false,
            entry: prepared.entry,
            principal: Arc::clone(&call.principal),
            admission: call.admission.clone(),
            listens: Operation::Use,
            subject: prepared.subject,
            presented: note.presented.into(),
            declared: None,
            watched: Vec::new(),
            asked: None,
            abroad: prepared.abroad,
        };
        match std::mem::replace(&mut waiting.reply, Reply::Accepted) {
            Reply::Message { body, .. } => {
                let text = std::str::from_utf8(&body).map_err(|_| bad_answer(&filter.entry))?;
                let text = match session.restore(text) {
                    Restored::Answer { ours, text } if ours == waiting.ours() => text,
                    _ => return Err(bad_answer(&filter.entry)),
                };
                let text = filter.answer(self, text)?;
                if let Some(setting) = &setting
                    && is_granted(&text)
                {
                    // Boxed: every call would carry its room otherwise.
                    Box::pin(self.remember(
                        &call.principal.id,
                        client,
                        filter.entry.id.as_str(),
                        setting,
                    ))
                    .await;
                }
                // Legacy clients read the body only of a 200, whatever status came with it here.
                Ok(Done::Text(StatusCode::OK, outcome_of(method, &text), text))
            }
            Reply::Stream(source) => {
                // Its answer is still to come; one that is refused is refused again.
                if let Some(setting) = &setting {
                    Box::pin(self.remember(
                        &call.principal.id,
                        client,
                        filter.entry.id.as_str(),
                        setting,
                    ))
                    .await;
                }
                Ok(Done::Stream(Box::new(Pieces {
                    filter,
                    evidence: prepared.evidence,
                    source,
                    side: Side::Legacy(session, Some(Box::new(waiting))),
                })))
            }
            Reply::Accepted => Err(bad_answer(&filter.entry)),
        }
    }
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

/// Whether an answer is none that refuses.
fn is_granted(text: &str) -> bool {
    Envelope::parse(text.as_bytes()).is_ok_and(|envelope| envelope.result().is_some())
}
