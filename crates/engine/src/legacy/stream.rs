//! GET and DELETE on a legacy session.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use portcullis_mcp::{Method, sse};
use portcullis_policy::Operation;

use super::LegacyClient;
use super::translated::is_ours;
use crate::answer::Answer;
use crate::audit::{CallerText, Outcome};
use crate::call::Call;
use crate::changes::Changes;
use crate::error::EngineError;
use crate::filter::AnswerFilter;
use crate::gateway::Gateway;
use crate::open_stream::OpenStream;
use crate::pulse::Pulse;
use crate::relay::{Relay, Side, error_answer};
use crate::snapshot::ServerEntry;
use crate::uris::Abroad;
use crate::view::View;

impl Gateway {
    /// Opens the client's stream, or resumes one after `Last-Event-ID`.
    pub async fn legacy_stream(
        self: &Arc<Self>,
        mut call: Call,
        view: &View,
        client: &LegacyClient,
        last_event_id: Option<&str>,
    ) -> Answer {
        call.audit.method(CallerText::fixed("GET"));
        call.audit.revision(client.revision.as_str());
        let call = match last_event_id {
            Some(id) if is_ours(id) => match self.replay(call, view, client, id) {
                Ok(answer) => return answer,
                Err(call) => return not_found(*call).await,
            },
            _ => call,
        };
        if let Some(id) = last_event_id
            && let Some((entry, id)) = origin(view, id)
        {
            return self.resume(call, view, client, &entry, id).await;
        }
        let subscribed = client.digest.and_then(|digest| {
            self.listeners
                .subscribe(&call.principal, client, view, digest)
        });
        let Some(messages) = subscribed else {
            let outcome = Outcome::Kind(portcullis_core::ErrorKind::RateLimited);
            let body = r#"{"error":"too_many_streams"}"#.to_owned();
            return super::ending::answer(
                call,
                StatusCode::TOO_MANY_REQUESTS,
                outcome,
                body,
                "null",
            )
            .await;
        };
        self.listen_to_open_sessions(&call, view, client);
        let open = OpenStream::new(self, call, messages, None, view.named());
        Answer::Stream(open.into_stream(Bytes::from_static(sse::keep_alive())))
    }

    /// Hears from now on what the servers say whose sessions are open for this client.
    pub(super) fn listen_to_open_sessions(
        self: &Arc<Self>,
        call: &Call,
        view: &View,
        client: &LegacyClient,
    ) {
        for entry in view.servers() {
            let Ok(permit) = view.authorize(entry, Operation::Use) else {
                continue;
            };
            let Ok(wish) = client.wish(entry.upstream.server().push) else {
                continue;
            };
            if entry.upstream.opened_no_session_last() {
                self.hear_if_wanted(call, client, entry, permit.evidence());
            } else if let Some(session) = entry.upstream.open_session(permit.evidence(), &wish) {
                self.listen_if_wanted(call, entry, permit.evidence(), &session, client);
            }
        }
    }

    async fn resume(
        self: &Arc<Self>,
        mut call: Call,
        view: &View,
        client: &LegacyClient,
        entry: &Arc<ServerEntry>,
        id: HeaderValue,
    ) -> Answer {
        call.audit.server(&entry.id);
        let (principal, admission) = (Arc::clone(&call.principal), call.admission.clone());
        let resuming = Box::pin(async {
            let permit = view.authorize(entry, Operation::Use)?;
            let evidence = permit.evidence().clone();
            let wish = client.wish(entry.upstream.server().push)?;
            let session = entry.upstream.open_session(&evidence, &wish);
            let Some(session) = session else {
                return Ok(None);
            };
            let (credential, stream) = self.stream(entry, &evidence, &session, Some(&id)).await?;
            Ok::<_, EngineError>(stream.map(|stream| (evidence, session, credential, stream)))
        });
        let resumed = self.while_standing(&principal, &admission, resuming).await;
        let (evidence, session, credential, source) = match resumed {
            Ok(Some(parts)) => parts,
            Ok(None) => return not_found(call).await,
            Err(error) => {
                let (status, outcome, text) = error_answer(&error, call.id, None);
                return super::ending::answer(call, status, outcome, text, "null").await;
            }
        };
        call.audit.allowed(evidence.rule());
        let relay = Relay {
            changes: Changes::since_now(self, entry, &evidence),
            gateway: Arc::clone(self),
            filter: AnswerFilter {
                // Whichever request the replayed answer belongs to: a list in it is filtered.
                method: Method::ToolsList,
                modern: false,
                entry: Arc::clone(entry),
                principal: Arc::clone(&call.principal),
                admission: call.admission.clone(),
                listens: Operation::Use,
                subject: String::new(),
                presented: Some(credential).into(),
                declared: None,
                watched: Vec::new(),
                asked: None,
                abroad: Abroad::of(view, Vec::new()),
            },
            call: Some(call),
            evidence,
            source,
            side: Side::Legacy(session, None),
            client_id: "null".to_owned(),
            event_prefix: view.named().is_none().then(|| entry.id.to_string()),
            resumable: true,
            comes_back: true,
            pulse: Pulse::started(self.clock.monotonic()),
        };
        Answer::Stream(relay.into_stream())
    }

    /// Ends a session.
    pub async fn legacy_delete(self: &Arc<Self>, mut call: Call, client: &LegacyClient) -> Answer {
        call.audit.method(CallerText::fixed("DELETE"));
        let Some(digest) = client.digest else {
            return not_found(call).await;
        };
        self.listeners.unsubscribe(&call.principal.id, &digest);
        self.translation.end(&call.principal.id, &digest);
        if let Err(error) = self.terminated.add(digest, client.expires).await {
            // Ended here, but another replica might still admit it: say so rather than nothing.
            tracing::error!(error = %error, "session termination not stored");
            let outcome = Outcome::Kind(portcullis_core::ErrorKind::Unavailable);
            return super::ending::answer(
                call,
                StatusCode::SERVICE_UNAVAILABLE,
                outcome,
                String::new(),
                "null",
            )
            .await;
        }
        let homes = &self.replicas.homes;
        homes.forget(&call.principal.id, &digest).await;
        super::ending::answer(call, StatusCode::OK, Outcome::Ok, String::new(), "null").await
    }
}

async fn not_found(call: Call) -> Answer {
    let outcome = Outcome::Kind(portcullis_core::ErrorKind::NotFound);
    super::ending::answer(call, StatusCode::NOT_FOUND, outcome, String::new(), "null").await
}

/// Which server an event id came from, and its own id there.
fn origin(view: &View, id: &str) -> Option<(Arc<ServerEntry>, HeaderValue)> {
    if let Some(entry) = view.named() {
        return Some((Arc::clone(entry), HeaderValue::from_str(id).ok()?));
    }
    let (server, own) = id.split_once('/')?;
    let entry = view.servers().find(|entry| entry.id.as_str() == server)?;
    Some((Arc::clone(entry), HeaderValue::from_str(own).ok()?))
}
