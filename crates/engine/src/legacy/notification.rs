//! What a legacy client says without waiting for an answer, and what it sets at every server at once.

use std::sync::Arc;

use http::HeaderMap;
use portcullis_mcp::{Edits, Envelope, Kind, Method};
use portcullis_policy::{Evidence, Operation};
use portcullis_upstream::LegacySession;

use super::LegacyClient;
use crate::exchange::{Note, Speech};
use crate::gateway::Gateway;
use crate::replicas::Setting;
use crate::snapshot::ServerEntry;
use crate::view::View;

impl Gateway {
    pub(super) async fn legacy_notification(
        self: &Arc<Self>,
        view: &View,
        client: &LegacyClient,
        envelope: &Envelope<'_>,
        name: &str,
    ) {
        match Method::lookup(name, client.revision) {
            // Finds its way by the id of the request that it is about, and roots are the client's.
            Some(known @ (Method::Cancelled | Method::RootsListChanged)) => {
                if let (Method::Cancelled, Some(session)) = (known, client.digest)
                    && let Some(id) = envelope.params().and_then(|params| params.get("requestId"))
                {
                    self.translation.running.cancel(session, id.get());
                }
                self.tell_open_sessions(view, client, envelope).await;
            }
            Some(Method::Progress) => {
                if let Some((entry, evidence, session)) = self.asker(view, envelope) {
                    self.tell_behind(&entry, &evidence, session, envelope.text.to_owned());
                }
            }
            // A task of the client is some server's business; on the aggregate, nobody knows whose.
            Some(Method::TasksStatus) if view.named().is_some() => {
                self.tell_open_sessions(view, client, envelope).await;
            }
            // The upstream learned `initialized` when its own session was opened.
            _ => {}
        }
    }

    fn tell_behind(
        self: &Arc<Self>,
        entry: &Arc<ServerEntry>,
        evidence: &Evidence,
        session: Arc<LegacySession>,
        text: String,
    ) {
        let (gateway, entry) = (Arc::clone(self), Arc::clone(entry));
        let evidence = evidence.clone();
        self.tracker.spawn(async move {
            if let Err(error) = gateway.tell(&entry, &evidence, &session, text).await {
                tracing::info!(mcp.server.id = %entry.id, error = %error, "not passed on");
            }
        });
    }

    /// Passes a message on to every session that is open for this client, ids translated.
    pub(super) async fn tell_open_sessions(
        self: &Arc<Self>,
        view: &View,
        client: &LegacyClient,
        envelope: &Envelope<'_>,
    ) {
        for entry in view.servers() {
            let Ok(permit) = view.authorize(entry, Operation::Use) else {
                continue;
            };
            let Ok(wish) = client.wish(entry.upstream.server().push) else {
                continue;
            };
            let Some(session) = entry.upstream.open_session(permit.evidence(), &wish) else {
                continue;
            };
            if !matches!(envelope.kind, Kind::Request { .. }) {
                // The client is not kept waiting for a server that takes its time.
                if let Some(text) = translated(&session, client, envelope) {
                    self.tell_behind(entry, permit.evidence(), session, text);
                }
                continue;
            }
            let mut note = Note::default();
            let told = self
                .exchange(
                    entry,
                    permit.evidence(),
                    &Speech::Legacy(wish, client.digest),
                    envelope,
                    Edits::of(envelope.text),
                    HeaderMap::new(),
                    &mut note,
                )
                .await;
            match told {
                Ok(_) => {
                    if let Some(setting) = Setting::of(Method::SetLevel, envelope, "") {
                        self.remember(&view.principal().id, client, entry.id.as_str(), &setting)
                            .await;
                    }
                }
                Err(error) => {
                    tracing::info!(mcp.server.id = %entry.id, error = %error, "not passed on");
                }
            }
        }
    }
}

/// A notification as the server knows it; `None` when it concerns a request that is not there.
fn translated(
    session: &LegacySession,
    client: &LegacyClient,
    envelope: &Envelope<'_>,
) -> Option<String> {
    let Kind::Notification {
        method: "notifications/cancelled",
    } = envelope.kind
    else {
        return Some(envelope.text.to_owned());
    };
    let id = envelope.params()?.get("requestId")?;
    let ours = session.our_id_of(id.get(), client.digest)?;
    let mut edits = Edits::of(envelope.text);
    edits.replace(id, ours.to_string());
    Some(edits.finish())
}
