//! One message that a client of HTTP+SSE sends: taken at once, answered on its stream.

use std::sync::Arc;

use futures_util::StreamExt;
use http::{HeaderMap, StatusCode};
use portcullis_core::ErrorKind;
use portcullis_mcp::{Envelope, Kind, Method, code};

use super::SseSession;
use super::stream::event;
use crate::answer::Answer;
use crate::audit::Outcome;
use crate::call::Call;
use crate::gateway::Gateway;
use crate::legacy::ending::{answer, refuse};
use crate::messages::messages_of;
use crate::prepare::protocol;
use crate::view::View;

/// A request on its way: everything that it needs when whoever sent it was answered.
struct Running {
    gateway: Arc<Gateway>,
    session: Arc<SseSession>,
    view: View,
    text: String,
    headers: HeaderMap,
}

impl Gateway {
    /// Takes one message. A request runs on, so that its client can be asked something meanwhile; when
    /// its stream ends, so does the request.
    pub async fn sse_message(
        self: &Arc<Self>,
        call: Call,
        view: &View,
        session: &Arc<SseSession>,
        envelope: &Envelope<'_>,
        headers: &HeaderMap,
    ) -> Answer {
        if !matches!(envelope.kind, Kind::Request { .. }) {
            return match session.client.get() {
                Some(client) => {
                    self.legacy_message(call, view, client, envelope, headers)
                        .await
                }
                None => refuse(call, &not_yet(), None).await,
            };
        }
        let Ok(place) = Arc::clone(&session.running).try_acquire_owned() else {
            let outcome = Outcome::Kind(ErrorKind::RateLimited);
            let text = r#"{"error":"too_many_requests"}"#.to_owned();
            return answer(call, StatusCode::TOO_MANY_REQUESTS, outcome, text, "null").await;
        };
        let running = Running {
            gateway: Arc::clone(self),
            session: Arc::clone(session),
            view: view.clone(),
            text: envelope.text.to_owned(),
            headers: headers.clone(),
        };
        self.tracker.spawn(async move {
            running.run(call).await;
            drop(place);
        });
        Answer::Accepted
    }
}

impl Running {
    async fn run(self, call: Call) {
        // It was read before it was taken.
        let Ok(envelope) = Envelope::parse(self.text.as_bytes()) else {
            return;
        };
        // Not dropped before the server was told: its id is known as long as it runs.
        let mut answered = Box::pin(self.answered(call, &envelope));
        tokio::select! {
            () = &mut answered => {}
            () = self.session.answers.closed() => self.cancel(&envelope).await,
        }
    }

    async fn answered(&self, call: Call, envelope: &Envelope<'_>) {
        let (gateway, session) = (&self.gateway, &self.session);
        let answer = match (envelope.kind.method(), session.client.get()) {
            (Some(name), None) if name == Method::Initialize.as_str() => {
                let opening = gateway.initialize_at(call, &self.view, envelope, Some(session));
                Box::pin(opening).await
            }
            (_, None) => {
                let id = envelope.kind.id();
                refuse(call, &not_yet(), id).await
            }
            (_, Some(client)) => {
                gateway
                    .legacy_message(call, &self.view, client, envelope, &self.headers)
                    .await
            }
        };
        let mut messages = messages_of(answer);
        while let Some(message) = messages.next().await {
            if !session.answers.send(event(message)).await {
                return;
            }
        }
    }

    /// The stream is gone, and nobody waits any more: in these revisions a server must be told.
    async fn cancel(&self, envelope: &Envelope<'_>) {
        let (Some(client), Some(id)) = (self.session.client.get(), envelope.kind.id()) else {
            return;
        };
        let text = format!(
            r#"{{"jsonrpc":"2.0","method":"{}","params":{{"requestId":{id}}}}}"#,
            Method::Cancelled.as_str()
        );
        if let Ok(cancelled) = Envelope::parse(text.as_bytes()) {
            self.gateway
                .tell_open_sessions(&self.view, client, &cancelled)
                .await;
        }
    }
}

fn not_yet() -> crate::error::EngineError {
    protocol(code::INVALID_REQUEST, "the session is not initialized yet")
}
