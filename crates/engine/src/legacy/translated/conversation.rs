//! One call of a client with a session on a server without: asked, asked again with what the client
//! answered, and told about on the way. It runs by itself, because its client may lose the
//! connection and come back.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use portcullis_mcp::eras::legacy_client::{self, Reading, Retry, Stamp};
use portcullis_mcp::{
    ClientCapabilities, Edits, Envelope, Kind, Method, Revision, RpcError, SseEvent, SseItem,
    header_value,
};
use portcullis_policy::Operation;
use portcullis_upstream::{EventStream, Reply, Restored, UpstreamErrorKind};
use tokio::sync::oneshot;

use super::super::LegacyClient;
use super::own_info;
use super::recording::Recording;
use super::request::{Beginning, Translated};
use super::running::Place;
use super::tape::Tape;
use super::told::Told;
use crate::audit::Outcome;
use crate::call::Call;
use crate::catalog::{bad_answer, failed};
use crate::error::EngineError;
use crate::exchange::{Note, Opened, Speech, revealing};
use crate::filter::AnswerFilter;
use crate::gateway::Gateway;
use crate::legacy::answer;
use crate::pulse::STANDING;
use crate::relay::{modern_message, outcome_of};
use crate::rest::mirrored;
use crate::view::View;

/// How often a server may ask before it answers.
const MOST_ROUNDS: usize = 8;
/// How long a call goes on that nobody reads any more.
const LINGER: Duration = Duration::from_mins(10);
/// When a client whose connection broke shall come back.
const RETRY_MS: u64 = 1000;

/// The call.
pub(super) struct Conversation {
    pub(super) gateway: Arc<Gateway>,
    pub(super) call: Option<Call>,
    pub(super) view: View,
    pub(super) client: LegacyClient,
    /// The client's request id, as JSON text.
    pub(super) client_id: String,
    pub(super) request: Translated,
    /// What the server may ask the client for.
    pub(super) declared: ClientCapabilities,
    pub(super) filter: AnswerFilter,
    pub(super) place: Place,
    pub(super) recording: Recording,
    /// Whoever waits for how the answer begins, until it has begun.
    pub(super) begun: Option<oneshot::Sender<Beginning>>,
    pub(super) told: Told,
    /// Of what went out last, known also when nobody waits for it any more.
    pub(super) note: Note,
}

impl Conversation {
    /// Sees the call through, unless its client cancels it, or nobody waits for it for long.
    pub(super) async fn run(mut self) {
        let cancelled = self.place.cancelled.clone();
        let (gateway, tape) = (Arc::clone(&self.gateway), Arc::clone(&self.recording.tape));
        let principal = Arc::clone(&self.filter.principal);
        let admission = self.filter.admission.clone();
        let ended = {
            let mut work = Box::pin(self.converse());
            loop {
                if !gateway.still_stands(&principal, &admission) {
                    break Some(Err(EngineError::NoLongerStands));
                }
                let looked = tokio::select! {
                    biased;
                    () = cancelled.cancelled() => break None,
                    looked = tokio::time::timeout(STANDING, &mut work) => looked,
                };
                match looked {
                    Ok(done) => break Some(done),
                    Err(_) if is_forsaken(&gateway, &tape) => break None,
                    Err(_) => {}
                }
            }
        };
        if let Some(call) = &mut self.call {
            call.held.sent(self.note.sent);
        }
        match ended {
            Some(Ok(text)) => {
                let outcome = outcome_of(self.request.method, &text);
                self.answer(outcome, text).await;
            }
            Some(Err(error)) => self.fail(error).await,
            // What was cancelled is not answered (all revisions, "Cancellation").
            None => {
                self.begin().await;
                if let Some(call) = self.call.take() {
                    call.audit.finish(Outcome::Abandoned);
                }
            }
        }
    }

    async fn converse(&mut self) -> Result<String, EngineError> {
        let mut retry = Retry::default();
        for round in 0..=MOST_ROUNDS {
            let asked = match self.attempt(&retry).await? {
                Reading::Answer(text) => return Ok(text),
                Reading::Asks(asked) => asked,
                Reading::HeadersRefused | Reading::RevisionRefused { .. } => {
                    return Err(failed(&self.request.entry, UpstreamErrorKind::Status(400)));
                }
            };
            if round == MOST_ROUNDS {
                break;
            }
            retry = match self.ask(asked).await {
                Ok(retry) => retry,
                Err(text) => return Ok(self.unable(&text)),
            };
            self.require_still_allowed()?;
            self.told.anew();
        }
        let text = format!("The server asked {MOST_ROUNDS} times and did not answer.");
        Ok(self.unable(&text))
    }

    /// The answer of a call that cannot go on, through no fault of the wire.
    fn unable(&self, text: &str) -> String {
        legacy_client::unable(self.request.method, &self.client_id, text)
    }

    /// What the client answered took its time; the rules may be others by now.
    fn require_still_allowed(&self) -> Result<(), EngineError> {
        let request = &self.request;
        let envelope = self.envelope()?;
        let arguments = envelope.params().and_then(|params| params.get("arguments"));
        let (what, operation) = match request.method {
            Method::ToolsCall => (
                "tool",
                Operation::CallTool {
                    tool: &request.subject,
                    arguments: arguments.map(serde_json::value::RawValue::get),
                    described: request.entry.described(&self.view, &request.subject),
                },
            ),
            Method::PromptsGet => ("prompt", Operation::Read),
            _ => ("resource", Operation::Read),
        };
        let (principal, admission) = (&self.filter.principal, &self.filter.admission);
        let gateway = &self.gateway;
        // Approved once, the call goes on with whatever its own client answers on the way.
        let approval = request.evidence.approval();
        let entry = &request.entry;
        if gateway.still_serves_approved(principal, admission, entry, operation, approval) {
            return Ok(());
        }
        Err(EngineError::Unknown {
            what,
            name: request.subject.clone(),
        })
    }

    fn envelope(&self) -> Result<Envelope<'_>, EngineError> {
        Envelope::parse(self.request.text.as_bytes()).map_err(|_| bad_answer(&self.request.entry))
    }

    /// One round: asks, and once more after a refusal that looking again can help.
    async fn attempt(&mut self, retry: &Retry) -> Result<Reading, EngineError> {
        let (mut looked, mut repeated) = (false, false);
        loop {
            match self.exchange(retry).await? {
                // The tool's schema may say by now that other arguments are repeated in headers.
                Reading::HeadersRefused if !looked => {
                    looked = true;
                    let (view, entry) = (&self.view, &self.request.entry);
                    if let Err(error) = self.gateway.refresh_tools_of(view, entry).await {
                        tracing::info!(mcp.server.id = %entry.id, error = %error, "catalogue not refreshed");
                    }
                }
                // Behind one address there may be servers of several revisions.
                Reading::RevisionRefused { speaks_ours: true } if !repeated => repeated = true,
                reading => return Ok(reading),
            }
        }
    }

    async fn exchange(&mut self, retry: &Retry) -> Result<Reading, EngineError> {
        let gateway = Arc::clone(&self.gateway);
        let entry = Arc::clone(&self.request.entry);
        let id = gateway.translation.next_id();
        let principal = &self.filter.principal.id;
        let stamp = Stamp {
            id,
            capabilities: &self.declared,
            client_info: own_info(),
            level: Some(gateway.translation.states.level(principal, &self.client)),
        };
        let (text, headers) = {
            let envelope = self.envelope()?;
            let text = legacy_client::request(self.request.method, &envelope, &stamp, retry);
            (text, self.headers(&envelope))
        };
        let outgoing = Envelope::parse(text.as_bytes()).map_err(|_| bad_answer(&entry))?;
        self.note = self
            .call
            .as_ref()
            .map_or_else(Note::default, |call| Note::of(&call.audit));
        let opened = gateway
            .exchange(
                &entry,
                &self.request.evidence,
                &Speech::Modern,
                &outgoing,
                Edits::of(&text),
                headers,
                &mut self.note,
            )
            .await;
        if let Some(call) = &mut self.call {
            self.note.record(&mut call.audit);
            call.held.sent(self.note.sent);
        }
        self.filter.presented.add(self.note.presented.take());
        match opened? {
            Opened::Modern(Reply::Message { body, .. }) => {
                let text = std::str::from_utf8(&body).map_err(|_| bad_answer(&entry))?;
                match modern_message(text, &id.to_string()) {
                    Restored::Answer { text, .. } => self.read(&text),
                    _ => Err(bad_answer(&entry)),
                }
            }
            Opened::Modern(Reply::Stream(source)) => self.follow(source, &id.to_string()).await,
            Opened::Modern(Reply::Accepted) | Opened::Legacy(..) => Err(bad_answer(&entry)),
        }
    }

    /// Under which the client wants to hear of progress, as JSON text.
    fn progress_token(&self) -> Option<String> {
        let envelope = self.envelope().ok()?;
        let meta = envelope.meta().ok()??;
        Some(meta.get("progressToken")?.get().to_owned())
    }

    /// The headers of the revision, which say what the body says.
    fn headers(&self, envelope: &Envelope<'_>) -> HeaderMap {
        let request = &self.request;
        let mut headers = request.headers.clone();
        if request.method == Method::ToolsCall {
            let arguments = envelope.params().and_then(|params| params.get("arguments"));
            let mirrored = mirrored(&self.view, &request.entry, &request.subject, arguments);
            headers.extend(mirrored);
        }
        headers.insert(
            HeaderName::from_static("mcp-method"),
            HeaderValue::from_static(request.method.as_str()),
        );
        // Completion acts on a prompt or resource, but does not say so in a header.
        if !request.subject.is_empty() && request.method != Method::Complete {
            headers.insert(
                HeaderName::from_static("mcp-name"),
                header_value::encode(&request.subject),
            );
        }
        headers
    }

    fn read(&self, text: &str) -> Result<Reading, EngineError> {
        let entry = &self.request.entry;
        if self.filter.reveals(text) {
            return Err(revealing(entry));
        }
        let shown = self.filter.shown(&self.gateway, text)?;
        legacy_client::read(self.request.method, &shown, &self.client_id).map_err(|error| {
            tracing::info!(mcp.server.id = %entry.id, error = %error, "answer not translated");
            bad_answer(entry)
        })
    }

    /// Passes on what happens until the answer is there.
    async fn follow(&mut self, mut source: EventStream, id: &str) -> Result<Reading, EngineError> {
        self.begin().await;
        loop {
            let item = source.next().await;
            let event = match item {
                Ok(Some(SseItem::Event(event))) => event,
                Ok(Some(SseItem::Comment)) => continue,
                Ok(None) => return Err(failed(&self.request.entry, UpstreamErrorKind::Broken)),
                Err(error) => return Err(error.into()),
            };
            let Some(text) = event
                .data
                .as_ref()
                .and_then(|data| std::str::from_utf8(data).ok())
            else {
                continue;
            };
            match modern_message(text, id) {
                Restored::Answer { text, .. } => return self.read(&text),
                Restored::Notification(text) => self.notify(text).await,
                _ => {}
            }
        }
    }

    /// Of what a server tells on the way, progress and log messages are for the client.
    async fn notify(&mut self, text: String) {
        let Some(text) = self.filter.notification(&self.gateway, text) else {
            return;
        };
        let is_wanted = {
            let Ok(envelope) = Envelope::parse(text.as_bytes()) else {
                return;
            };
            match envelope.kind {
                Kind::Notification {
                    method: "notifications/progress",
                } => {
                    let param = |name| envelope.params().and_then(|params| params.get(name));
                    let progress = param("progress").and_then(|raw| raw.get().parse().ok());
                    let token = param("progressToken").map(|raw| raw.get().to_owned());
                    token.is_some() && token == self.progress_token() && self.told.goes_on(progress)
                }
                Kind::Notification {
                    method: "notifications/message",
                } => true,
                _ => false,
            }
        };
        if let Some(text) = legacy_client::plain(&text).filter(|_| is_wanted) {
            self.say(text).await;
        }
    }

    /// Begins the client's stream, if it has not begun.
    pub(super) async fn begin(&mut self) {
        let Some(begun) = self.begun.take() else {
            return;
        };
        if self.recording.keep() && self.client.revision >= Revision::V2025_11_25 {
            let priming = SseEvent {
                retry_ms: Some(RETRY_MS),
                ..SseEvent::message("")
            };
            self.recording.tape.put(priming).await;
        }
        // Who has left may come back for it.
        let _ = begun.send(Beginning::Stream);
    }

    /// Puts a message on the client's stream.
    pub(super) async fn say(&mut self, text: String) {
        self.begin().await;
        if let Some(call) = &mut self.call {
            call.audit.add_response_bytes(text.len() as u64);
        }
        self.recording.tape.put(SseEvent::message(text)).await;
    }

    async fn answer(mut self, outcome: Outcome, text: String) {
        let Some(mut call) = self.call.take() else {
            return;
        };
        if let Some(begun) = self.begun.take() {
            let whole = answer(call, StatusCode::OK, outcome, text, &self.client_id).await;
            let _ = begun.send(Beginning::Whole(whole));
            return;
        }
        call.audit.add_response_bytes(text.len() as u64);
        let request = call.id;
        let last = if call.close(outcome).await {
            text
        } else {
            let reported = EngineError::AuditUnavailable.report(request);
            RpcError::response(&reported.rpc, Some(&self.client_id))
        };
        self.recording.tape.end(Some(SseEvent::message(last)));
    }

    async fn fail(mut self, error: EngineError) {
        let method = self.request.method.as_str();
        let (client, id) = (&self.client, &self.client_id);
        let Some(mut call) = self.call.take() else {
            return;
        };
        if let Some(begun) = self.begun.take() {
            let gateway = &self.gateway;
            let failure = gateway.legacy_failed(call, client, method, id, error).await;
            let _ = begun.send(Beginning::Whole(failure));
            return;
        }
        let (_, outcome, text) = self
            .gateway
            .legacy_failure(&mut call, client, method, id, error);
        self.call = Some(call);
        self.answer(outcome, text).await;
    }
}

/// Whether nobody will come back for the answer: its client left long ago, or we leave.
fn is_forsaken(gateway: &Gateway, tape: &Tape) -> bool {
    let now = gateway.clock.monotonic();
    tape.left_since()
        .is_some_and(|left| gateway.tracker.is_closed() || now.saturating_sub(left) >= LINGER)
}
