//! A call that a server has begun to answer.

use std::sync::Arc;
use std::time::Duration;

use portcullis_mcp::eras::modern_client::{Conversation, Heard};
use portcullis_mcp::{RpcError, SseItem};
use portcullis_policy::Evidence;
use portcullis_upstream::{
    EventStream, LegacySession, Restored, SessionReply, SessionWish, UpstreamErrorKind,
};

use super::departure::cancelled;
use super::resuming::Thread;
use crate::catalog::{bad_answer, failed};
use crate::error::EngineError;
use crate::exchange::revealing;
use crate::filter::AnswerFilter;
use crate::gateway::Gateway;
use crate::limits::Held;

/// The call and its stream.
pub(super) struct Running {
    pub(super) conversation: Conversation,
    pub(super) filter: AnswerFilter,
    pub(super) evidence: Evidence,
    pub(super) session: Arc<LegacySession>,
    pub(super) reply: SessionReply,
    pub(super) source: EventStream,
    /// Where the stream goes on if it breaks.
    pub(super) thread: Thread,
    /// What the session was opened for.
    pub(super) wish: SessionWish,
    /// What the call holds while it waits for its client's answers: no request has it then. Given up, it
    /// settles by itself.
    pub(super) held: Held,
}

/// What came of waiting for the server.
pub(in crate::modern) enum News {
    /// Nothing came.
    Silence,
    /// Something came that is nobody's business, or a comment.
    Nothing,
    Comment,
    /// A notification for the client.
    Tell(String),
    /// The answer, and the code if it is an error.
    Answer(String, Option<i64>),
    /// A question waits, or was taken back.
    Asked,
    /// The client's user has to open addresses first.
    OpenFirst,
    /// The client cannot answer what the server asked.
    Unable(RpcError),
    /// There is no answer.
    Failed(EngineError),
}

/// A call under way; dropped, its client went away, and the server is told.
pub(in crate::modern) struct Underway {
    gateway: Arc<Gateway>,
    running: Option<Box<Running>>,
}

impl Underway {
    pub(super) fn boxed(gateway: &Arc<Gateway>, running: Running) -> Box<Self> {
        Box::new(Self {
            gateway: Arc::clone(gateway),
            running: Some(Box::new(running)),
        })
    }

    pub(super) fn resumed(gateway: &Arc<Gateway>, running: Box<Running>) -> Self {
        Self {
            gateway: Arc::clone(gateway),
            running: Some(running),
        }
    }

    pub(super) const fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    pub(super) fn running(&mut self) -> Option<&mut Running> {
        self.running.as_deref_mut()
    }

    /// Lets go of it without telling the server: it has answered, or is parked.
    pub(super) fn take(&mut self) -> Option<Box<Running>> {
        self.running.take()
    }

    /// Waits so long for the server.
    pub(super) async fn hear(&mut self, limit: Duration) -> News {
        match &mut self.running {
            Some(running) => running.hear(&self.gateway, limit).await,
            None => News::Nothing,
        }
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.gateway.cancel_behind(running);
        }
    }
}

impl Running {
    async fn hear(&mut self, gateway: &Arc<Gateway>, limit: Duration) -> News {
        if let Some(at) = self.thread.back_at() {
            if tokio::time::timeout(limit, tokio::time::sleep_until(at))
                .await
                .is_err()
            {
                return News::Silence;
            }
            return self.come_back(gateway).await;
        }
        let Ok(item) = tokio::time::timeout(limit, self.source.next()).await else {
            return News::Silence;
        };
        let event = match item {
            Ok(Some(SseItem::Comment)) => return News::Comment,
            Ok(Some(SseItem::Event(event))) => event,
            Ok(None) => return self.broke_off(),
            Err(error) if error.kind == UpstreamErrorKind::Broken => return self.broke_off(),
            Err(error) => return News::Failed(error.into()),
        };
        self.thread.note(&event);
        let text = event
            .data
            .as_ref()
            .and_then(|data| std::str::from_utf8(data).ok());
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return News::Nothing;
        };
        self.message(gateway, text).await
    }

    fn broke_off(&mut self) -> News {
        if self.thread.breaks() {
            return News::Nothing;
        }
        News::Failed(failed(&self.filter.entry, UpstreamErrorKind::Broken))
    }

    /// Opens the stream again where it broke.
    async fn come_back(&mut self, gateway: &Gateway) -> News {
        let last = self.thread.comes_back();
        let (entry, session) = (&self.filter.entry, &self.session);
        let opened = gateway.stream(entry, &self.evidence, session, last.as_ref());
        match opened.await {
            Ok((presented, Some(stream))) => {
                self.source = stream;
                self.filter.presented.add(Some(presented));
                News::Nothing
            }
            Ok((_, None)) => News::Failed(failed(entry, UpstreamErrorKind::Broken)),
            Err(error) => News::Failed(error),
        }
    }

    async fn message(&mut self, gateway: &Arc<Gateway>, text: &str) -> News {
        let ours = self.reply.ours();
        let text = match self.session.restore(text) {
            Restored::Answer { ours: of, text } if of == ours => {
                if self.filter.reveals(&text) {
                    return News::Failed(revealing(&self.filter.entry));
                }
                text
            }
            Restored::Progress { ours: of, text, .. } if of == ours => text,
            // Also learns that lists changed, which is nothing for this client.
            Restored::Notification(text) => match self.filter.notification(gateway, text) {
                Some(text) => {
                    self.overhear(gateway, &text);
                    text
                }
                None => return News::Nothing,
            },
            Restored::Request(text) => text,
            Restored::Answer { .. } | Restored::Progress { .. } | Restored::Stray => {
                return News::Nothing;
            }
        };
        if self.filter.reveals(&text) {
            return News::Nothing;
        }
        match self.conversation.hears(&text) {
            Heard::Nothing => News::Nothing,
            Heard::Tell(text) => News::Tell(text),
            Heard::Answer(text, error) => match self.filter.answer(gateway, text) {
                Ok(text) => News::Answer(text, error),
                Err(error) => News::Failed(error),
            },
            Heard::Asked => News::Asked,
            Heard::OpenFirst => News::OpenFirst,
            Heard::Respond(answer) => {
                self.respond(gateway, answer).await;
                News::Nothing
            }
            Heard::Unable { respond, error } => {
                if let Some(answer) = respond {
                    self.respond(gateway, answer).await;
                }
                News::Unable(error)
            }
            Heard::Forbidden(method) => News::Failed(EngineError::PushNotAllowed {
                server: self.filter.entry.id.clone(),
                method,
            }),
            Heard::Unreadable => News::Failed(bad_answer(&self.filter.entry)),
        }
    }

    /// Some servers say on whatever stream is open what their subscribers wait for.
    fn overhear(&self, gateway: &Gateway, text: &str) {
        if !(text.contains("list_changed") || text.contains("resources/updated")) {
            return;
        }
        let acting = self.evidence.acting().clone();
        let key = (self.filter.entry.id.clone(), acting, self.wish.clone());
        if let Some(ear) = gateway.ears.of(&key) {
            ear.tell(text);
        }
    }

    // `&mut`, because the body that is read from may be sent to other threads but not shared.
    async fn respond(&mut self, gateway: &Gateway, answer: String) {
        let entry = &self.filter.entry;
        let told = gateway.tell(entry, &self.evidence, &self.session, answer);
        if let Err(error) = told.await {
            tracing::info!(mcp.server.id = %entry.id, error = %error, "server's question not answered");
        }
    }
}

impl Gateway {
    /// Tells the server that nobody waits for a call any more, and then that nobody answers what it
    /// asked, for servers that heed only that.
    pub(super) fn cancel_behind(self: &Arc<Self>, mut running: Box<Running>) {
        let mut messages = vec![cancelled(running.reply.ours())];
        messages.extend(running.conversation.given_up());
        let (entry, evidence) = (Arc::clone(&running.filter.entry), running.evidence.clone());
        let session = Arc::clone(&running.session);
        self.tell_all_behind(entry, evidence, session, messages, running);
    }
}
