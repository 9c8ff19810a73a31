//! A stream of a session whose client cannot come back for the rest: the gateway does, after the event
//! that it read last. Nothing is asked for a second time.

use std::time::Duration;

use http::HeaderValue;
use portcullis_mcp::{SseEvent, SseItem};
use portcullis_policy::Evidence;
use portcullis_upstream::{EventStream, LegacySession, UpstreamErrorKind};

use crate::error::EngineError;
use crate::gateway::Gateway;
use crate::snapshot::ServerEntry;

/// How long to wait before coming back, unless the server says.
const RETRY: Duration = Duration::from_secs(1);
/// Longest such wait that a server is granted.
const MAX_RETRY: Duration = Duration::from_secs(30);
/// How often in a row to come back for nothing.
const MOST_RETRIES: u32 = 10;

/// A stream that is read to the answer, over its breaks.
pub(crate) struct Resuming {
    stream: EventStream,
    last: Option<HeaderValue>,
    retry: Duration,
    in_vain: u32,
}

impl Resuming {
    pub(crate) const fn of(stream: EventStream) -> Self {
        Self {
            stream,
            last: None,
            retry: RETRY,
            in_vain: 0,
        }
    }

    /// The text of the next event that has any; `None` when nothing more can come. Without a session
    /// there is nothing to come back to. Boundless in time: the caller bounds it.
    pub(crate) async fn next_text(
        &mut self,
        gateway: &Gateway,
        entry: &ServerEntry,
        evidence: &Evidence,
        session: Option<&LegacySession>,
    ) -> Result<Option<String>, EngineError> {
        loop {
            let ended = match self.stream.next().await {
                Ok(Some(SseItem::Event(event))) => {
                    if let Some(text) = self.note(event) {
                        return Ok(Some(text));
                    }
                    continue;
                }
                Ok(Some(SseItem::Comment)) => continue,
                Ok(None) => Ok(None),
                Err(error) if error.kind == UpstreamErrorKind::Broken => Err(error.into()),
                Err(error) => return Err(error.into()),
            };
            let (Some(session), Some(last)) = (session, self.last.clone()) else {
                return ended;
            };
            if self.in_vain >= MOST_RETRIES {
                return ended;
            }
            self.in_vain += 1;
            tokio::time::sleep(self.retry).await;
            match gateway
                .stream(entry, evidence, session, Some(&last))
                .await?
            {
                (_, Some(stream)) => self.stream = stream,
                (_, None) => return ended,
            }
        }
    }

    fn note(&mut self, event: SseEvent) -> Option<String> {
        if let Some(id) = event.id {
            // The empty one resets it.
            let named = Some(id).filter(|id| !id.is_empty());
            self.last = named.and_then(|id| HeaderValue::from_str(&id).ok());
        }
        if let Some(millis) = event.retry_ms {
            self.retry = Duration::from_millis(millis).min(MAX_RETRY);
        }
        let text = String::from_utf8(event.data?.into()).ok()?;
        if text.is_empty() {
            return None;
        }
        self.in_vain = 0;
        Some(text)
    }
}
