//! `subscriptions/listen` on a server of sessions: the session's own stream, and
//! `resources/subscribe` for what is to be followed.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use portcullis_credentials::UpstreamCredential;
use portcullis_mcp::eras::modern_client::{Introduction, Subscription};
use portcullis_mcp::{Envelope, Kind, Method, ModernMeta, SseItem};
use portcullis_policy::Evidence;
use portcullis_upstream::{EventStream, LegacySession, Restored};

use super::ears::{Ear, Hearing, Key, Listener};
use super::wish;
use crate::catalog::{bad_answer, rpc_code};
use crate::error::EngineError;
use crate::exchange::{Note, Speech};
use crate::gateway::Gateway;
use crate::snapshot::ServerEntry;

/// How long to wait before a stream that ended is opened again, unless the server says otherwise, and
/// at most.
const RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_secs(30);

/// How long a subscription waits for the session's stream before it is acknowledged without.
const OPENING: Duration = Duration::from_secs(3);

/// Why a question on the session's own stream reaches no client.
const OF_WHICH: &str = "no client to ask: nothing says which call this is about";

/// A session's open stream.
struct Heard {
    session: Arc<LegacySession>,
    stream: EventStream,
    /// With what it was opened.
    presented: UpstreamCredential,
}

/// How a stream ended.
enum End {
    /// It broke, or its server ended it.
    Stream,
    /// Nobody listens any more.
    Unused,
}

impl Gateway {
    /// Listens to a server of sessions for a stateless client; what is honoured is in the listener.
    /// `followed`: of the resources in the request the server's own, as it spells them.
    pub(in crate::modern) async fn listen_to_session(
        self: &Arc<Self>,
        entry: &Arc<ServerEntry>,
        evidence: &Evidence,
        envelope: &Envelope<'_>,
        meta: &ModernMeta<'_>,
        followed: Option<Vec<String>>,
    ) -> Result<Listener, EngineError> {
        let Kind::Request { id, .. } = envelope.kind else {
            return Err(bad_answer(entry));
        };
        let wish = wish(entry, meta.capabilities)?;
        let mut note = Note::default();
        let session = self.session(entry, evidence, &wish, &mut note).await?;
        let wanted = envelope
            .params()
            .and_then(|params| params.object("notifications").ok().flatten())
            .unwrap_or_default();
        let server = Introduction::of(session.initialize_result());
        let mut subscription = Subscription::of(&wanted, &server);
        let asked = std::mem::take(&mut subscription.uris);
        let uris = match followed {
            // Without that capability it follows none.
            Some(_) if asked.is_empty() => Vec::new(),
            Some(own) => own,
            None => asked,
        };
        let mut listener = self.join(entry, evidence, &wish, subscription, id.as_json());
        let mut hearing = listener.ear.hearing.subscribe();
        let heard = tokio::time::timeout(OPENING, async {
            let known = hearing.wait_for(|hearing| *hearing != Hearing::Trying);
            known.await.is_ok_and(|hearing| *hearing == Hearing::Yes)
        });
        if !heard.await.unwrap_or(false) {
            listener.subscription = Subscription::default();
            return Ok(listener);
        }
        for uri in uris {
            if self.follow(&listener.ear, evidence, &uri).await {
                listener.subscription.uris.push(uri);
            }
        }
        Ok(listener)
    }

    /// Follows a resource, once more if it is followed already; says whether the server does.
    async fn follow(self: &Arc<Self>, ear: &Ear, evidence: &Evidence, uri: &str) -> bool {
        let mut followed = ear.followed.lock().await;
        if let Some(times) = followed.get_mut(uri) {
            *times += 1;
            return true;
        }
        let done = self
            .tell_resource(ear, evidence, Method::ResourcesSubscribe, uri)
            .await;
        if done {
            followed.insert(uri.to_owned(), 1);
        }
        drop(followed);
        done
    }

    /// A subscription ended: what nobody else follows is not followed any more.
    pub(super) async fn leave_resources(
        self: &Arc<Self>,
        ear: &Ear,
        evidence: &Evidence,
        uris: Vec<String>,
    ) {
        let mut followed = ear.followed.lock().await;
        for uri in uris {
            let Some(times) = followed.get_mut(&uri) else {
                continue;
            };
            *times -= 1;
            if *times > 0 {
                continue;
            }
            followed.remove(&uri);
            self.tell_resource(ear, evidence, Method::ResourcesUnsubscribe, &uri)
                .await;
        }
        drop(followed);
    }

    async fn tell_resource(
        self: &Arc<Self>,
        ear: &Ear,
        evidence: &Evidence,
        method: Method,
        uri: &str,
    ) -> bool {
        let speech = Speech::Legacy(ear.wish.clone(), None);
        let params = serde_json::json!({"uri": uri}).to_string();
        let asked = self.ask(&ear.entry, evidence, &speech, method, &params, None);
        match asked.await {
            Ok(answer) => rpc_code(&answer).is_none(),
            Err(error) => {
                tracing::info!(mcp.server.id = %ear.entry.id, error = %error, "subscription not told");
                false
            }
        }
    }

    /// Listens to a session until nobody needs it.
    pub(super) async fn listen_across(self: &Arc<Self>, ear: &Arc<Ear>, key: &Key) {
        let mut before: Option<Arc<LegacySession>> = None;
        let mut last: Option<HeaderValue> = None;
        let mut wait = RETRY;
        while !self.ears.end_if_unused(key, ear) {
            let Some(evidence) = ear.evidence() else {
                // Only what is being told to the server is left.
                ear.left.notified().await;
                continue;
            };
            match self.open_ear(ear, &evidence, &mut before, &mut last).await {
                Ok(Some(heard)) => {
                    wait = RETRY;
                    ear.hearing.send_replace(Hearing::Yes);
                    let end = self
                        .hear_session(ear, &evidence, heard, &mut last, &mut wait)
                        .await;
                    if matches!(end, End::Unused) {
                        continue;
                    }
                }
                Ok(None) => {
                    ear.hearing.send_replace(Hearing::Never);
                    self.ears.end(key, ear);
                    return;
                }
                Err(error) => {
                    tracing::info!(mcp.server.id = %ear.entry.id, error = %error, "news not heard");
                    wait = (wait * 2).min(MAX_RETRY);
                }
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = ear.left.notified() => {}
            }
        }
    }

    /// Opens the session's stream. After a break of which the server cannot tell what was missed, the
    /// subscriptions are told that everything may have changed.
    async fn open_ear(
        self: &Arc<Self>,
        ear: &Ear,
        evidence: &Evidence,
        before: &mut Option<Arc<LegacySession>>,
        last: &mut Option<HeaderValue>,
    ) -> Result<Option<Heard>, EngineError> {
        let mut note = Note::default();
        let session = self
            .session(&ear.entry, evidence, &ear.wish, &mut note)
            .await?;
        let again = before.is_some();
        let anew = before
            .as_ref()
            .is_some_and(|before| !Arc::ptr_eq(before, &session));
        if anew {
            *last = None;
            let followed: Vec<String> = ear.followed.lock().await.keys().cloned().collect();
            for uri in followed {
                self.tell_resource(ear, evidence, Method::ResourcesSubscribe, &uri)
                    .await;
            }
        }
        if !session.offers_stream() {
            return Ok(None);
        }
        let opened = self
            .stream(&ear.entry, evidence, &session, last.as_ref())
            .await?;
        *before = Some(Arc::clone(&session));
        let (presented, Some(stream)) = opened else {
            return Ok(None);
        };
        if again && last.is_none() {
            ear.everything_changed().await;
        }
        Ok(Some(Heard {
            session,
            stream,
            presented,
        }))
    }

    async fn hear_session(
        self: &Arc<Self>,
        ear: &Ear,
        evidence: &Evidence,
        heard: Heard,
        last: &mut Option<HeaderValue>,
        wait: &mut Duration,
    ) -> End {
        let Heard {
            session,
            mut stream,
            presented,
        } = heard;
        loop {
            let item = tokio::select! {
                item = stream.next() => item,
                () = ear.left.notified() => {
                    if ear.evidence().is_none() {
                        return End::Unused;
                    }
                    continue;
                }
            };
            let event = match item {
                Ok(Some(SseItem::Event(event))) => event,
                Ok(Some(SseItem::Comment)) => continue,
                Ok(None) | Err(_) => return End::Stream,
            };
            if let Some(id) = event.id.as_deref() {
                *last = HeaderValue::from_str(id).ok();
            }
            if let Some(millis) = event.retry_ms {
                *wait = Duration::from_millis(millis).min(MAX_RETRY);
            }
            let text = event
                .data
                .as_ref()
                .and_then(|data| std::str::from_utf8(data).ok());
            let Some(text) = text else { continue };
            if presented.appears_in(text.as_bytes()) {
                tracing::warn!(mcp.server.id = %ear.entry.id, "server repeated our credential: message withheld");
                continue;
            }
            match session.restore(text) {
                Restored::Notification(text) => ear.tell(&text),
                Restored::Request(text) => {
                    // It names no call, and of those that run none is the only one that it can be about.
                    self.refuse_push(&ear.entry, evidence, &session, &text, OF_WHICH)
                        .await;
                }
                Restored::Answer { .. } | Restored::Progress { .. } | Restored::Stray => {}
            }
        }
    }
}
