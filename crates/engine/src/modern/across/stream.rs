//! The client's stream while its call is under way: up to the answer, or up to a question.

use std::time::Duration;

use bytes::Bytes;
use portcullis_core::ErrorKind;
use portcullis_mcp::eras::modern_client::input_required;
use portcullis_mcp::{Method, SseEvent, sse};

use super::parked::Undelivered;
use super::running::{News, Underway};
use crate::answer::ByteStream;
use crate::audit::Outcome;
use crate::call::Call;
use crate::error::EngineError;
use crate::pulse::{Pulse, STANDING};
use crate::relay::{encode, outcome_of};

/// After a question the server's next word is waited for this long, because one that asks several
/// things asks them at once, and each round costs its client a request.
const GATHER: Duration = Duration::from_millis(50);
/// Most messages that are read meanwhile.
const GATHERED: usize = 64;

/// The stream.
pub(in crate::modern) struct Crossing {
    underway: Underway,
    call: Option<Call>,
    method: Method,
    client_id: String,
    /// The digest of what is asked.
    asked: [u8; 32],
    pulse: Pulse,
    /// What came before the stream began.
    first: Option<News>,
    /// Since when a question waits, and how many messages came since.
    gathering: Option<(Duration, usize)>,
    /// The call that waits for the retry, as long as the client may not have been told so.
    parked: Option<Undelivered>,
}

impl Crossing {
    pub(in crate::modern) fn of(
        underway: Underway,
        call: Call,
        method: Method,
        client_id: &str,
        asked: [u8; 32],
        first: News,
    ) -> Self {
        let now = underway.gateway().clock.monotonic();
        Self {
            underway,
            call: Some(call),
            method,
            client_id: client_id.to_owned(),
            asked,
            pulse: Pulse::started(now),
            first: Some(first),
            gathering: None,
            parked: None,
        }
    }

    pub(in crate::modern) fn into_stream(self) -> ByteStream {
        Box::pin(futures_util::stream::unfold(
            Some(self),
            |crossing| async move {
                let mut crossing = crossing?;
                if crossing.call.is_none() {
                    // Whoever writes to the client took the last of it, and asks for more.
                    if let Some(parked) = crossing.parked.take() {
                        parked.delivered();
                    }
                    return None;
                }
                let bytes = crossing.next().await?;
                Some((bytes, Some(crossing)))
            },
        ))
    }

    fn now(&self) -> Duration {
        self.underway.gateway().clock.monotonic()
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let now = self.now();
            if self.pulse.must_look(now) && !self.stands() {
                return self
                    .end(Outcome::Kind(ErrorKind::Unauthenticated), None)
                    .await;
            }
            if self.has_gathered(now) {
                return self.park().await;
            }
            let limit = self.gathering.map_or(STANDING, |_| GATHER);
            let news = match self.first.take() {
                Some(news) => news,
                None => self.underway.hear(limit).await,
            };
            if !matches!(news, News::Silence)
                && let Some((_, count)) = &mut self.gathering
            {
                *count += 1;
            }
            match news {
                News::Silence if self.gathering.is_some() => return self.park().await,
                News::Silence => {
                    if self.pulse.must_speak(self.now()) {
                        return Some(Bytes::from_static(sse::keep_alive()));
                    }
                }
                News::Nothing => {}
                News::Comment => {
                    self.pulse.spoke(now);
                    return Some(Bytes::from_static(sse::keep_alive()));
                }
                News::Tell(text) => {
                    self.pulse.spoke(now);
                    return Some(self.count(text));
                }
                News::Answer(text, _) => {
                    self.underway.take();
                    let outcome = outcome_of(self.method, &text);
                    let bytes = self.count(text);
                    return self.end(outcome, Some(bytes)).await;
                }
                News::Asked => self.look_for_questions(),
                News::OpenFirst => return self.open_first().await,
                News::Unable(error) => return self.fail(&EngineError::Protocol(error)).await,
                News::Failed(error) => return self.fail(&error).await,
            }
        }
    }

    fn stands(&mut self) -> bool {
        let gateway = std::sync::Arc::clone(self.underway.gateway());
        self.underway.running().is_some_and(|running| {
            let filter = &running.filter;
            gateway.still_stands(&filter.principal, &filter.admission)
        })
    }

    fn look_for_questions(&mut self) {
        let now = self.now();
        let waits = self
            .underway
            .running()
            .is_some_and(|running| running.conversation.waits());
        self.gathering = waits.then(|| self.gathering.unwrap_or((now, 0)));
    }

    fn has_gathered(&self, now: Duration) -> bool {
        self.gathering
            .is_some_and(|(since, count)| count >= GATHERED || now.saturating_sub(since) >= GATHER)
    }

    /// Ends the client's request with the questions; the call waits for the retry.
    async fn park(&mut self) -> Option<Bytes> {
        let gateway = std::sync::Arc::clone(self.underway.gateway());
        let mut running = self.underway.take()?;
        // The call goes on, and so does what it holds.
        if let Some(call) = &mut self.call {
            running.held = std::mem::take(&mut call.held);
        }
        let requests = running.conversation.requests();
        match gateway.park(running, &self.asked) {
            Ok((state, parked)) => {
                self.parked = Some(parked);
                let text = input_required(&self.client_id, &requests, &state);
                let bytes = self.count(text);
                self.end(Outcome::Ok, Some(bytes)).await
            }
            Err(error) => self.fail(&error).await,
        }
    }

    async fn open_first(&mut self) -> Option<Bytes> {
        let gateway = std::sync::Arc::clone(self.underway.gateway());
        let running = self.underway.take()?;
        // The server did nothing: the retry is the call.
        if let Some(call) = &mut self.call {
            call.held.costs_nothing();
        }
        match gateway.seal_addresses(&running.filter, &self.asked) {
            Ok(state) => {
                let requests = running.conversation.requests();
                let text = input_required(&self.client_id, &requests, &state);
                let bytes = self.count(text);
                self.end(Outcome::Ok, Some(bytes)).await
            }
            Err(error) => self.fail(&error).await,
        }
    }

    async fn fail(&mut self, error: &EngineError) -> Option<Bytes> {
        let call = self.call.as_ref()?;
        error.log(call.id);
        let reported = error.report(call.id);
        let text = reported.rpc.response(Some(&self.client_id));
        let bytes = self.count(text);
        self.end(Outcome::Kind(reported.kind), Some(bytes)).await
    }

    async fn end(&mut self, outcome: Outcome, last: Option<Bytes>) -> Option<Bytes> {
        let call = self.call.take()?;
        let id = call.id;
        if call.close(outcome).await {
            return last;
        }
        // What the client is told instead leads to no retry.
        self.parked = None;
        let reported = EngineError::AuditUnavailable.report(id);
        let text = reported.rpc.response(Some(&self.client_id));
        Some(encode(&SseEvent::message(text)))
    }

    fn count(&mut self, text: String) -> Bytes {
        let bytes = encode(&SseEvent::message(text));
        if let Some(call) = &mut self.call {
            call.audit.add_response_bytes(bytes.len() as u64);
        }
        bytes
    }
}
