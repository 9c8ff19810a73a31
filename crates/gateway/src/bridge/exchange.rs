//! One message to the gateway, and everything that comes back for it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;
use portcullis_egress::{EgressError, ResponseBody};
use portcullis_mcp::{
    Envelope, Kind, MessageError, Method, RpcError, SseDecoder, SseEvent, SseItem, code, meta_key,
};
use serde_json::Value;

use super::Bridge;
use super::modern::is_modern;
use super::oldest;
use super::running::Place;
use super::session::Open;
use crate::cli::client::explanation;
use crate::cli::exit::CommandError;

/// Largest message of the gateway.
const MAX_MESSAGE: usize = 64 * 1024 * 1024;
/// How often an answer is come back for whose stream broke off.
const MOST_RESUMED: usize = 10;
/// When, unless the server says otherwise; and the longest that it may say.
const RESUMED_AFTER: Duration = Duration::from_secs(1);
const MAX_WAIT: Duration = Duration::from_secs(30);
/// Most pages of tools that are read to know their headers.
const MOST_PAGES: usize = 50;

pub(super) static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What came back.
pub(super) enum Came {
    /// Nothing more will.
    Accepted,
    /// One document.
    Message(StatusCode, HeaderMap, Bytes),
    /// Messages as they come.
    Stream(HeaderMap, Box<Events>),
}

/// An event stream.
pub(super) struct Events {
    body: ResponseBody,
    decoder: SseDecoder,
}

impl Events {
    pub(super) fn of(body: ResponseBody) -> Box<Self> {
        Box::new(Self {
            body,
            decoder: SseDecoder::new(MAX_MESSAGE),
        })
    }

    /// The next event; `None`: the stream is over, however it ended.
    pub(super) async fn next(&mut self) -> Option<SseEvent> {
        loop {
            match self.decoder.next_event() {
                Ok(Some(SseItem::Event(event))) => return Some(event),
                Ok(Some(SseItem::Comment)) => continue,
                Ok(None) => {}
                Err(_) => return None,
            }
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.decoder.push(data);
            }
        }
    }
}

/// Where an event stream can be taken up again.
#[derive(Debug)]
pub(super) struct Resumption {
    pub(super) last: Option<HeaderValue>,
    pub(super) wait: Duration,
}

impl Default for Resumption {
    fn default() -> Self {
        Self {
            last: None,
            wait: RESUMED_AFTER,
        }
    }
}

impl Resumption {
    /// Notes what an event says of it.
    pub(super) fn note(&mut self, event: &SseEvent) {
        if let Some(id) = event.id.as_deref() {
            self.last = HeaderValue::from_str(id).ok().filter(|id| !id.is_empty());
        }
        if let Some(millis) = event.retry_ms {
            self.wait = Duration::from_millis(millis).min(MAX_WAIT);
        }
    }
}

impl Bridge {
    /// Carries a request to its answer. A request is sent once: only what the gateway says that it did
    /// nothing about is sent again.
    pub(super) async fn request(&self, place: Place, text: Bytes) {
        let Ok(envelope) = Envelope::parse(&text) else {
            return;
        };
        let answering = async {
            self.session.settled().await;
            self.answered(&envelope, &text).await
        };
        let answered = tokio::select! {
            answered = answering => answered,
            () = place.let_go.cancelled() => return,
        };
        if let Err(fault) = answered {
            let error = RpcError::new(code::INTERNAL_ERROR, fault.to_string());
            self.failed(fault);
            self.say(error.response(envelope.kind.id())).await;
        }
    }

    async fn answered(&self, envelope: &Envelope<'_>, text: &Bytes) -> Result<(), CommandError> {
        let (modern, method) = (is_modern(envelope), envelope.kind.method());
        let hello = !modern && method == Some(Method::Initialize.as_str());
        let raised = if hello {
            oldest::raised(envelope)
        } else {
            None
        };
        let sent = raised.as_ref().unwrap_or(text);
        let mut again = false;
        loop {
            let session = if modern || hello {
                None
            } else {
                self.session.now()
            };
            let headers = match &session {
                Some(open) => open.headers(),
                None => self.mirrors.headers(envelope),
            };
            match self.posted(headers, sent.clone()).await? {
                Came::Accepted => return Err(no_answer()),
                Came::Stream(headers, events) => {
                    return self.stream(events, &headers, envelope, session, text).await;
                }
                Came::Message(status, headers, body) => {
                    let first = !std::mem::replace(&mut again, true);
                    if first
                        && status == StatusCode::NOT_FOUND
                        && let Some(lost) = &session
                        && self.reopened(lost).await
                    {
                        continue;
                    }
                    if first && method == Some(Method::ToolsCall.as_str()) && mismatches(&body) {
                        self.learn_tools(envelope).await;
                        continue;
                    }
                    if !self.is_answer(envelope, sent, &headers, &body) {
                        return Err(self.refused(status, &body));
                    }
                    if status.is_success() {
                        self.works();
                    }
                    let lowered = raised.as_ref().and_then(|_| oldest::lowered(&body));
                    self.say(lowered.unwrap_or(body)).await;
                    return Ok(());
                }
            }
        }
    }

    /// Whether this answers the request; what it tells us is noted.
    fn is_answer(
        &self,
        request: &Envelope<'_>,
        text: &Bytes,
        headers: &HeaderMap,
        body: &[u8],
    ) -> bool {
        let Ok(answer) = Envelope::parse(body) else {
            return false;
        };
        let mine =
            matches!(answer.kind, Kind::Response { .. }) && answer.kind.id() == request.kind.id();
        let method = request.kind.method();
        if mine && method == Some(Method::ToolsList.as_str()) && is_modern(request) {
            self.mirrors.learn(&answer);
        }
        if mine && method == Some(Method::Initialize.as_str()) && answer.result().is_some() {
            self.session.opened(text.clone(), headers, &answer);
        }
        mine
    }

    /// Hands a stream on, and comes back for the rest of one that broke off, as far as its server lets
    /// anybody.
    async fn stream(
        &self,
        mut events: Box<Events>,
        headers: &HeaderMap,
        envelope: &Envelope<'_>,
        session: Option<Open>,
        text: &Bytes,
    ) -> Result<(), CommandError> {
        let mut resumption = Resumption::default();
        for _ in 0..=MOST_RESUMED {
            while let Some(event) = events.next().await {
                resumption.note(&event);
                let Some(data) = event.data.filter(|data| !data.is_empty()) else {
                    continue;
                };
                let done = self.is_answer(envelope, text, headers, &data);
                self.works();
                self.say(data).await;
                if done {
                    return Ok(());
                }
            }
            let (Some(open), Some(last)) = (&session, &resumption.last) else {
                break;
            };
            tokio::time::sleep(resumption.wait).await;
            let mut headers = open.headers();
            headers.insert(&LAST_EVENT_ID, last.clone());
            match self.door.get(headers).await {
                Ok(response) if is_stream(&response) => events = Events::of(response.into_body()),
                _ => break,
            }
        }
        match envelope.kind {
            // Over standard input and output that is how a server ends it (2026-07-28 "stdio").
            Kind::Request {
                id,
                method: "subscriptions/listen",
            } => {
                let id = id.as_json();
                let ended = format!(
                    r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
                );
                self.say(ended).await;
                Ok(())
            }
            _ => Err(CommandError::Failed(anyhow::anyhow!(
                "the connection broke off before the answer; the request may have been carried out"
            ))),
        }
    }

    /// Carries what is no request. Nobody waits for what becomes of it.
    pub(super) async fn told(&self, envelope: &Envelope<'_>) {
        let headers = match self.session.now() {
            Some(open) if !is_modern(envelope) => open.headers(),
            _ => self.mirrors.headers(envelope),
        };
        let text = Bytes::copy_from_slice(envelope.text.as_bytes());
        match self.posted(headers, text).await {
            Ok(Came::Message(status, _, body)) if !status.is_success() => {
                let refused = self.refused(status, &body);
                tracing::warn!("a message was not taken: {}", refused.told());
            }
            Ok(_) => {}
            Err(error) => self.failed(error),
        }
    }

    /// Carries a batch as it is.
    pub(super) async fn batch(&self, text: Bytes) {
        let headers = self.session.now().map(|open| open.headers());
        let fault = match self.posted(headers.unwrap_or_default(), text).await {
            Ok(Came::Accepted) => return,
            Ok(Came::Stream(_, mut events)) => {
                while let Some(event) = events.next().await {
                    if let Some(data) = event.data.filter(|data| !data.is_empty()) {
                        self.say(data).await;
                    }
                }
                return;
            }
            Ok(Came::Message(status, _, body)) => {
                let batch = matches!(Envelope::parse(&body), Err(MessageError::Batch));
                if batch || body.starts_with(br#"{"jsonrpc""#) {
                    return self.say(body).await;
                }
                self.refused(status, &body)
            }
            Err(error) => error,
        };
        let error = RpcError::new(code::INTERNAL_ERROR, fault.to_string());
        self.failed(fault);
        self.say(error.response(None)).await;
    }

    /// POSTs a message and looks at what kind of answer comes.
    pub(super) async fn posted(
        &self,
        headers: HeaderMap,
        text: Bytes,
    ) -> Result<Came, CommandError> {
        let response = self.door.post(headers, text).await;
        let response = response.map_err(|source| self.unreachable(source))?;
        if is_stream(&response) {
            let (head, body) = response.into_parts();
            return Ok(Came::Stream(head.headers, Events::of(body)));
        }
        let (head, mut body) = response.into_parts();
        if head.status == StatusCode::ACCEPTED || head.status == StatusCode::NO_CONTENT {
            return Ok(Came::Accepted);
        }
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|source| self.unreachable(source))?;
            if let Ok(data) = frame.into_data() {
                if whole.len() + data.len() > MAX_MESSAGE {
                    return Err(CommandError::Failed(anyhow::anyhow!(
                        "the gateway's answer is larger than {MAX_MESSAGE} bytes"
                    )));
                }
                whole.extend_from_slice(&data);
            }
        }
        Ok(Came::Message(head.status, head.headers, whole.freeze()))
    }

    fn unreachable(&self, source: EgressError) -> CommandError {
        CommandError::Unreachable {
            url: self.door.url(),
            source,
        }
    }

    pub(super) fn refused(&self, status: StatusCode, body: &[u8]) -> CommandError {
        if status == StatusCode::UNAUTHORIZED && !self.door.presents() {
            return CommandError::NoKey;
        }
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let (status, message) = (status.as_u16(), explanation(&body));
        match status {
            401 | 403 => CommandError::Refused { status, message },
            _ => anyhow::anyhow!("the gateway answered {status}: {message}").into(),
        }
    }

    /// Reads which arguments the tools want in headers, in the name of this request's client.
    async fn learn_tools(&self, envelope: &Envelope<'_>) {
        let Ok(Some(meta)) = envelope.meta() else {
            return;
        };
        let meta = meta.rewrite(|name| {
            [
                meta_key::PROTOCOL_VERSION,
                meta_key::CLIENT_CAPABILITIES,
                meta_key::CLIENT_INFO,
            ]
            .contains(&name)
        });
        let mut cursor = String::new();
        for _ in 0..MOST_PAGES {
            let text = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{cursor}"_meta":{meta}}}}}"#
            );
            let Ok(asked) = Envelope::parse(text.as_bytes()) else {
                return;
            };
            let headers = self.mirrors.headers(&asked);
            let came = self.posted(headers, Bytes::from(text.clone())).await;
            let Ok(Came::Message(StatusCode::OK, _, body)) = came else {
                return;
            };
            let next = Envelope::parse(&body)
                .ok()
                .and_then(|answer| self.mirrors.learn(&answer));
            match next {
                Some(next) => cursor = format!(r#""cursor":{},"#, Value::from(next)),
                None => return,
            }
        }
    }
}

fn no_answer() -> CommandError {
    CommandError::Failed(anyhow::anyhow!("the gateway gave no answer"))
}

/// Whether an answer says that headers do not say what the body says.
fn mismatches(body: &[u8]) -> bool {
    let error = Envelope::parse(body).ok().and_then(|answer| answer.error());
    let error: Option<Value> = error.and_then(|raw| serde_json::from_str(raw.get()).ok());
    let code = error.as_ref().and_then(|error| error.get("code"));
    code.and_then(Value::as_i64) == Some(code::HEADER_MISMATCH)
}

/// Whether messages come as they come.
pub(super) fn is_stream(response: &Response<ResponseBody>) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    response.status() == StatusCode::OK
        && kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}
