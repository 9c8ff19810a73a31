//! Batches of 2025-03-26: each message goes the way that it would go alone, all at the same time. Their
//! answers are given together, when all of them are on record.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::{HeaderMap, StatusCode};
use portcullis_mcp::{Envelope, Kind, Method, SseEvent, code, sse};

use super::LegacyClient;
use super::ending::{accepted, refuse};
use crate::answer::Answer;
use crate::audit::{CallerText, Outcome};
use crate::call::Call;
use crate::error::EngineError;
use crate::gateway::Gateway;
use crate::messages::{Messages, messages_of};
use crate::prepare::protocol;
use crate::pulse::until_keep_alive;
use crate::relay::{encode, error_answer};
use crate::view::View;

/// A batch under way. Its messages end before the event of the whole does.
struct Batch {
    gateway: Arc<Gateway>,
    messages: Messages,
    answers: Vec<Bytes>,
    call: Option<Call>,
}

/// One message of it.
struct Batched {
    gateway: Arc<Gateway>,
    view: View,
    client: LegacyClient,
    headers: HeaderMap,
    text: String,
}

impl Gateway {
    /// Takes the messages of one batch: an array of answers, or a stream if anything else is to be
    /// said before them.
    pub async fn legacy_batch(
        self: &Arc<Self>,
        mut call: Call,
        view: &View,
        client: &LegacyClient,
        texts: &[&str],
        headers: &HeaderMap,
    ) -> Answer {
        let each: Vec<Messages> = texts
            .iter()
            .map(|text| {
                let batched = Batched {
                    gateway: Arc::clone(self),
                    view: view.clone(),
                    client: LegacyClient {
                        in_batch: true,
                        ..client.clone()
                    },
                    headers: headers.clone(),
                    text: (*text).to_owned(),
                };
                let part = call.part();
                let messages = stream::once(batched.answered(part)).flat_map(messages_of);
                Box::pin(messages) as Messages
            })
            .collect();
        call.audit.method(CallerText::fixed("batch"));
        call.audit.revision(client.revision.as_str());
        let mut batch = Batch {
            gateway: Arc::clone(self),
            messages: Box::pin(stream::select_all(each)),
            answers: Vec::new(),
            call: Some(call),
        };
        match batch.next_before_answers().await {
            Some(first) => {
                let first = stream::iter([batch.said(first)]);
                let rest = stream::unfold(batch, Batch::next);
                Answer::Stream(Box::pin(first.chain(rest)))
            }
            None => batch.whole().await,
        }
    }
}

impl Batched {
    async fn answered(self, mut call: Call) -> Answer {
        let Self {
            gateway,
            view,
            client,
            headers,
            text,
        } = &self;
        let envelope = match Envelope::parse(text.as_bytes()) {
            Ok(envelope) => envelope,
            // The batch is JSON, so that this is.
            Err(error) => {
                let error = protocol(code::INVALID_REQUEST, error.to_string());
                return refuse(call, &error, None).await;
            }
        };
        if envelope.kind.method() == Some(Method::Initialize.as_str()) {
            call.audit
                .method(CallerText::new(Method::Initialize.as_str()));
            let error = protocol(code::INVALID_REQUEST, "`initialize` stands in no batch");
            return refuse(call, &error, envelope.kind.id()).await;
        }
        let answering = gateway.legacy_message(call, view, client, &envelope, headers);
        let answer = Box::pin(answering).await;
        match envelope.kind {
            Kind::Request { .. } => answer,
            // Nothing is answered to what is no request; what became of it is on record.
            Kind::Notification { .. } | Kind::Response { .. } => Answer::Accepted,
        }
    }
}

impl Batch {
    /// The next message that is no answer; `None` when everything is answered.
    async fn next_before_answers(&mut self) -> Option<Bytes> {
        while let Some(message) = self.messages.next().await {
            // What does not parse is the error about something that has no id.
            let aside = Envelope::parse(&message)
                .is_ok_and(|envelope| !matches!(envelope.kind, Kind::Response { .. }));
            if aside {
                return Some(message);
            }
            self.answers.push(message);
        }
        None
    }

    /// A message as it goes out.
    fn said(&mut self, message: Bytes) -> Bytes {
        let bytes = encode(&SseEvent::message(message));
        if let Some(call) = &mut self.call {
            call.audit.add_response_bytes(bytes.len() as u64);
        }
        bytes
    }

    /// Ends the event; `Err` is what is answered in the place of everything.
    async fn close(&mut self) -> Result<(), Answer> {
        let Some(call) = self.call.take() else {
            return Ok(());
        };
        let request = call.id;
        if call.close(Outcome::Ok).await {
            return Ok(());
        }
        let (status, _, text) = error_answer(&EngineError::AuditUnavailable, request, None);
        Err(Answer::json(status, text))
    }

    /// All answers as one document.
    async fn whole(mut self) -> Answer {
        let Some(mut call) = self.call.take() else {
            return Answer::Accepted;
        };
        if self.answers.is_empty() {
            return accepted(call).await;
        }
        let mut text = Vec::from(*b"[");
        for (place, answer) in self.answers.iter().enumerate() {
            if place > 0 {
                text.push(b',');
            }
            text.extend_from_slice(answer);
        }
        text.push(b']');
        call.audit.add_response_bytes(text.len() as u64);
        self.call = Some(call);
        match self.close().await {
            Ok(()) => Answer::json(StatusCode::OK, text),
            Err(unavailable) => unavailable,
        }
    }

    /// The next bytes of the stream; the answers come last, together.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        self.call.as_ref()?;
        let silence = until_keep_alive(self.gateway.clock.monotonic());
        let message = tokio::select! {
            biased;
            message = self.next_before_answers() => message,
            () = tokio::time::sleep(silence) => {
                return Some((Bytes::from_static(sse::keep_alive()), self));
            }
        };
        if let Some(message) = message {
            return Some((self.said(message), self));
        }
        let mut last = Vec::new();
        for answer in std::mem::take(&mut self.answers) {
            last.extend_from_slice(&self.said(answer));
        }
        if let Err(unavailable) = self.close().await {
            last.clear();
            let mut messages = messages_of(unavailable);
            while let Some(message) = messages.next().await {
                last.extend_from_slice(&self.said(message));
            }
        }
        Some((Bytes::from(last), self))
    }
}
