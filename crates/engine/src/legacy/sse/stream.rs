//! The stream of a client of HTTP+SSE: first where to send messages, then answers and news.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use portcullis_core::{ErrorKind, Timestamp, sha256};
use portcullis_mcp::{SseEvent, sse};
use tokio::sync::oneshot;

use super::SseSession;
use crate::answer::Answer;
use crate::audit::{CallerText, Outcome};
use crate::backlog::{NewsReceiver, backlog};
use crate::call::Call;
use crate::gateway::Gateway;
use crate::legacy::ending::answer;
use crate::pulse::until_keep_alive;
use crate::relay::{encode, error_answer};
use crate::view::View;
use crate::vigil::Watch;

/// The parameter that carries the handle.
const HANDLE: &str = "session_id";

impl Gateway {
    /// Opens a stream. `messages`: the path that its client sends messages to.
    pub async fn sse_stream(
        self: &Arc<Self>,
        mut call: Call,
        view: &View,
        messages: &str,
    ) -> Answer {
        call.audit.method(CallerText::fixed("GET"));
        let (label, expires) = (view.label(), SseSession::end(self.clock.now()));
        let handle = match self.seal_handle(&call.principal, &label, expires) {
            Ok(handle) => handle,
            Err(error) => {
                let (status, outcome, text) = error_answer(&error, call.id, None);
                return answer(call, status, outcome, text, "null").await;
            }
        };
        let digest = sha256(handle.as_bytes());
        let (sender, answers) = backlog();
        let (introduces, introduced) = oneshot::channel();
        let session = SseSession {
            principal: call.principal.id.clone(),
            label,
            digest,
            expires,
            answers: sender,
            client: std::sync::OnceLock::new(),
            news: std::sync::Mutex::new(Some(introduces)),
            running: SseSession::room(),
        };
        if self.sse_sessions.add(session).is_none() {
            let outcome = Outcome::Kind(ErrorKind::RateLimited);
            let text = r#"{"error":"too_many_streams"}"#.to_owned();
            return answer(call, StatusCode::TOO_MANY_REQUESTS, outcome, text, "null").await;
        }
        let stream = SseStream {
            watch: self.watch(&call, view.named()),
            answers,
            news: News::Expected(introduced),
            place: Place {
                gateway: Arc::clone(self),
                digest,
            },
            expires,
            call: Some(call),
        };
        let endpoint = SseEvent {
            event: Some("endpoint".to_owned()),
            data: Some(Bytes::from(format!("{messages}?{HANDLE}={handle}"))),
            ..SseEvent::default()
        };
        let first = futures_util::stream::iter([encode(&endpoint)]);
        let rest = futures_util::stream::unfold(stream, SseStream::next);
        Answer::Stream(Box::pin(futures_util::StreamExt::chain(first, rest)))
    }
}

/// A message as it stands on the stream.
pub(super) fn event(message: Bytes) -> Bytes {
    encode(&SseEvent {
        event: Some("message".to_owned()),
        ..SseEvent::message(message)
    })
}

/// An open stream.
struct SseStream {
    watch: Watch,
    answers: NewsReceiver,
    news: News,
    place: Place,
    expires: Timestamp,
    call: Option<Call>,
}

/// What belongs to no request.
enum News {
    /// The client has not said hello.
    Expected(oneshot::Receiver<NewsReceiver>),
    From(NewsReceiver),
}

/// What the stream is known by, until it is gone.
struct Place {
    gateway: Arc<Gateway>,
    digest: [u8; 32],
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(principal) = self.gateway.sse_sessions.remove(&self.digest) {
            self.gateway.translation.end(&principal, &self.digest);
        }
    }
}

impl News {
    /// The next; `None`: the reader fell too far behind.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            match self {
                Self::Expected(introduced) => match introduced.await {
                    Ok(news) => *self = Self::From(news),
                    // Nobody will introduce it any more, so that the stream hears answers only.
                    Err(_) => std::future::pending().await,
                },
                Self::From(news) => return news.recv().await,
            }
        }
    }
}

impl SseStream {
    async fn next(mut self) -> Option<(Bytes, Self)> {
        let silence = until_keep_alive(self.watch.now());
        let said = tokio::select! {
            biased;
            kind = self.watch.over() => return self.end(Outcome::Kind(kind)),
            answer = self.answers.recv() => answer?,
            news = self.news.next() => news?,
            () = tokio::time::sleep(silence) => {
                if self.place.gateway.clock.now() >= self.expires {
                    return self.end(Outcome::Ok);
                }
                Bytes::from_static(sse::keep_alive())
            }
        };
        if let Some(call) = &mut self.call {
            call.audit.add_response_bytes(said.len() as u64);
        }
        Some((said, self))
    }

    fn end<T>(mut self, outcome: Outcome) -> Option<T> {
        if let Some(call) = self.call.take() {
            call.audit.finish(outcome);
        }
        None
    }
}

impl Drop for SseStream {
    fn drop(&mut self) {
        // A client ends it whenever it likes, so that its end is no abandonment.
        if let Some(call) = self.call.take() {
            call.audit.finish(Outcome::Ok);
        }
    }
}
