//! Requests of a server to the client (sampling, elicitation, roots): only what the operator
//! allows reaches the client, under an id of ours, and only the same principal may answer it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_core::{Principal, PrincipalId};
use portcullis_mcp::{Edits, Envelope, Kind, RpcError, code, is_presentable};
use portcullis_policy::Evidence;
use portcullis_upstream::LegacySession;

use crate::error::EngineError;
use crate::gateway::Gateway;
use crate::snapshot::ServerEntry;

/// Most questions that wait for an answer, of all principals together and of one.
const MOST: usize = 10_000;
const MOST_OF_ONE: usize = 100;
/// How long one may wait.
const LIFETIME: Duration = Duration::from_mins(10);

/// Questions that are with a client.
#[derive(Debug, Default)]
pub(crate) struct Pushes {
    next: AtomicU64,
    waiting: Mutex<HashMap<String, Push>>,
}

#[derive(Clone, Debug)]
struct Push {
    principal: PrincipalId,
    entry: Arc<ServerEntry>,
    evidence: Evidence,
    session: Arc<LegacySession>,
    /// The server's own id, as JSON text.
    theirs: String,
    since: Duration,
}

impl Pushes {
    fn add(&self, push: Push) -> Option<String> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let of_one = waiting
            .values()
            .filter(|other| other.principal == push.principal)
            .count();
        if waiting.len() >= MOST || of_one >= MOST_OF_ONE {
            return None;
        }
        let id = format!(
            "\"portcullis-{}\"",
            self.next.fetch_add(1, Ordering::Relaxed)
        );
        waiting.insert(id.clone(), push);
        Some(id)
    }

    fn take(&self, principal: &Principal, id: &str) -> Option<Push> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.get(id)?.principal != principal.id {
            return None;
        }
        waiting.remove(id)
    }

    pub(crate) fn expire(&self, now: Duration) {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|_, push| now.saturating_sub(push.since) < LIFETIME);
    }
}

impl Gateway {
    /// The question as the client gets it; `None` when it was answered here.
    pub(crate) async fn push(
        &self,
        principal: &Principal,
        entry: &Arc<ServerEntry>,
        evidence: &Evidence,
        session: &Arc<LegacySession>,
        text: String,
    ) -> Option<String> {
        let envelope = Envelope::parse(text.as_bytes()).ok()?;
        let Kind::Request { id, method } = envelope.kind else {
            return None;
        };
        let answer = if method == "ping" {
            format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, id.as_json())
        } else if !entry.upstream.server().push.admits(method)
            || !session.capabilities().answers(method)
            || !is_presentable(method, envelope.raw_params())
        {
            tracing::info!(mcp.server.id = %entry.id, mcp.method = method, "server may not ask clients for this");
            RpcError::new(code::METHOD_NOT_FOUND, "Method not allowed by the gateway")
                .response(Some(id.as_json()))
        } else {
            let push = Push {
                principal: principal.id.clone(),
                entry: Arc::clone(entry),
                evidence: evidence.clone(),
                session: Arc::clone(session),
                theirs: id.as_json().to_owned(),
                since: self.clock.monotonic(),
            };
            match self.pushes.add(push) {
                Some(ours) => {
                    let mut edits = Edits::of(&text);
                    edits.replace(id.raw(), ours);
                    return Some(edits.finish());
                }
                None => RpcError::new(
                    code::INTERNAL_ERROR,
                    "too many questions wait for an answer",
                )
                .response(Some(id.as_json())),
            }
        };
        if let Err(error) = self.tell(entry, evidence, session, answer).await {
            tracing::info!(mcp.server.id = %entry.id, error = %error, "server's question not answered");
        }
        None
    }

    /// Refuses a question where there is no client to ask.
    pub(crate) async fn refuse_push(
        &self,
        entry: &Arc<ServerEntry>,
        evidence: &Evidence,
        session: &LegacySession,
        text: &str,
    ) {
        let Ok(envelope) = Envelope::parse(text.as_bytes()) else {
            return;
        };
        let Kind::Request { id, method } = envelope.kind else {
            return;
        };
        let answer = if method == "ping" {
            format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, id.as_json())
        } else {
            RpcError::new(code::METHOD_NOT_FOUND, "no client to ask").response(Some(id.as_json()))
        };
        if let Err(error) = self.tell(entry, evidence, session, answer).await {
            tracing::info!(mcp.server.id = %entry.id, error = %error, "server's question not refused");
        }
    }

    /// Brings a client's answer home. `Ok(None)`: nobody asked this principal under that id.
    pub(crate) async fn push_answered(
        &self,
        principal: &Principal,
        envelope: &Envelope<'_>,
    ) -> Result<Option<()>, EngineError> {
        let Kind::Response { id, .. } = envelope.kind else {
            return Ok(None);
        };
        let Some(push) = self.pushes.take(principal, id.as_json()) else {
            return Ok(None);
        };
        let mut edits = Edits::of(envelope.text);
        edits.replace(id.raw(), push.theirs);
        self.tell(&push.entry, &push.evidence, &push.session, edits.finish())
            .await?;
        Ok(Some(()))
    }
}
