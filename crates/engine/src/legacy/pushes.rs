//! Requests of a server to the client (sampling, elicitation, roots): only what the operator
//! allows reaches the client, under an id of ours, and only the same principal may answer it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_core::{Principal, PrincipalId, ReplicaId};
use portcullis_mcp::{Edits, Envelope, Kind, Need, RpcError, code, is_presentable};
use portcullis_policy::{Acting, Evidence};
use portcullis_upstream::LegacySession;
use serde_json::value::RawValue;

use crate::error::EngineError;
use crate::gateway::Gateway;
use crate::snapshot::ServerEntry;
use crate::view::View;

/// Most questions that wait for an answer, of all principals together and of one.
const MOST: usize = 10_000;
const MOST_OF_ONE: usize = 100;
/// How long one may wait.
const LIFETIME: Duration = Duration::from_mins(10);

/// Why a question reaches nobody where there is no client.
pub(crate) const NOBODY: &str = "no client to ask";

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
    /// Under which the server wants to hear of progress, as JSON text.
    progress_token: Option<String>,
    since: Duration,
}

/// A question as the client gets it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) text: String,
    /// Our id in it.
    ours: String,
}

/// A push that was taken to be answered, and goes back unless it was.
struct Answering<'a> {
    pushes: &'a Pushes,
    ours: &'a str,
    push: Option<Push>,
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        if let Some(push) = self.push.take() {
            self.pushes.waiting().insert(self.ours.to_owned(), push);
        }
    }
}

impl Push {
    /// Whether this caller is the one who was asked. A question that came while the server was not
    /// asked in the caller's own name is its principal's, whatever stands in view now.
    fn is_for(&self, view: &View) -> bool {
        was_asked(&self.principal, &self.entry, &self.evidence, view)
    }
}

/// Whether the caller of this view is the principal who was asked, and acts as it did then.
pub(super) fn was_asked(
    principal: &PrincipalId,
    entry: &ServerEntry,
    evidence: &Evidence,
    view: &View,
) -> bool {
    *principal == view.principal().id
        && match evidence.acting() {
            Acting::Bearer(..) | Acting::Scoped(..) | Acting::Keyed(..) | Acting::Delegated(..) => {
                view.acting(entry).as_ref() == Some(evidence.acting())
            }
            Acting::Principal(_) | Acting::Service => true,
        }
}

impl Pushes {
    fn waiting(&self) -> MutexGuard<'_, HashMap<String, Push>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session that moves leaves its questions behind: the number alone would be that of another
    /// replica's question too.
    fn add(&self, replica: &ReplicaId, push: Push) -> Option<String> {
        let mut waiting = self.waiting();
        let of_one = waiting
            .values()
            .filter(|other| other.principal == push.principal)
            .count();
        if waiting.len() >= MOST || of_one >= MOST_OF_ONE {
            return None;
        }
        let id = format!(
            "\"portcullis-{replica}-{}\"",
            self.next.fetch_add(1, Ordering::Relaxed)
        );
        waiting.insert(id.clone(), push);
        Some(id)
    }

    fn take<'a>(&'a self, view: &View, ours: &'a str) -> Option<Answering<'a>> {
        let mut waiting = self.waiting();
        if !waiting.get(ours)?.is_for(view) {
            return None;
        }
        let push = waiting.remove(ours);
        drop(waiting);
        Some(Answering {
            pushes: self,
            ours,
            push,
        })
    }

    /// Takes back what a server asked on a session under an id of its own; gives ours.
    fn recall(&self, session: &Arc<LegacySession>, theirs: &str) -> Option<String> {
        let mut waiting = self.waiting();
        let ours = waiting
            .iter()
            .find(|(_, push)| Arc::ptr_eq(&push.session, session) && push.theirs == theirs)
            .map(|(ours, _)| ours.clone())?;
        waiting.remove(&ours);
        Some(ours)
    }

    /// What a principal was asked with this progress token; `None` also when it could be one of
    /// several questions.
    fn with_token(&self, view: &View, token: &str) -> Option<Push> {
        let waiting = self.waiting();
        let mut found = waiting
            .values()
            .filter(|push| push.is_for(view) && push.progress_token.as_deref() == Some(token));
        match (found.next(), found.next()) {
            (Some(push), None) => Some(push.clone()),
            _ => None,
        }
    }

    pub(crate) fn expire(&self, now: Duration) {
        self.waiting()
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
    ) -> Option<Asked> {
        let envelope = Envelope::parse(text.as_bytes()).ok()?;
        let Kind::Request { id, method } = envelope.kind else {
            return None;
        };
        let answer = if method == "ping" {
            format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, id.as_json())
        } else if let Err(refused) = askable(entry, session, method, envelope.raw_params()) {
            tracing::info!(mcp.server.id = %entry.id, mcp.method = method, reason = %refused.message, "server may not ask clients for this");
            refused.response(Some(id.as_json()))
        } else {
            let push = Push {
                principal: principal.id.clone(),
                entry: Arc::clone(entry),
                evidence: evidence.clone(),
                session: Arc::clone(session),
                theirs: id.as_json().to_owned(),
                progress_token: envelope
                    .meta()
                    .ok()
                    .flatten()
                    .and_then(|meta| Some(meta.get("progressToken")?.get().to_owned())),
                since: self.clock.monotonic(),
            };
            match self.pushes.add(self.replica_id(), push) {
                Some(ours) => {
                    let mut edits = Edits::of(&text);
                    edits.replace(id.raw(), ours.as_str());
                    let text = edits.finish();
                    return Some(Asked { text, ours });
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
        why: &str,
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
            RpcError::new(code::METHOD_NOT_FOUND, why).response(Some(id.as_json()))
        };
        if let Err(error) = self.tell(entry, evidence, session, answer).await {
            tracing::info!(mcp.server.id = %entry.id, error = %error, "server's question not refused");
        }
    }

    /// Takes a question back that reached no client, and says so to the server.
    pub(super) async fn withdraw(&self, asked: &Asked) {
        let withdrawn = self.pushes.waiting().remove(&asked.ours);
        let Some(push) = withdrawn else {
            return;
        };
        let answer = nobody_to_ask(&push.theirs);
        let told = self.tell(&push.entry, &push.evidence, &push.session, answer);
        if let Err(error) = told.await {
            tracing::info!(mcp.server.id = %push.entry.id, error = %error, "server's question not refused");
        }
    }

    /// A notification of a server in a session as its clients understand it: when the server
    /// takes a question back, the client knows the question by an id of ours.
    pub(crate) fn understood(&self, session: &Arc<LegacySession>, text: String) -> Option<String> {
        let edited = {
            let envelope = Envelope::parse(text.as_bytes()).ok()?;
            match envelope.kind {
                Kind::Notification {
                    method: "notifications/cancelled",
                } => {
                    let theirs = envelope.params()?.get("requestId")?;
                    let ours = self.pushes.recall(session, theirs.get())?;
                    let mut edits = Edits::of(&text);
                    edits.replace(theirs, ours);
                    Some(edits.finish())
                }
                _ => None,
            }
        };
        Some(edited.unwrap_or(text))
    }

    /// Where a client's progress belongs: to the server whose question it is about.
    pub(super) fn asker(
        &self,
        view: &View,
        progress: &Envelope<'_>,
    ) -> Option<(Arc<ServerEntry>, Evidence, Arc<LegacySession>)> {
        let token = progress.params()?.get("progressToken")?;
        let push = self.pushes.with_token(view, token.get())?;
        Some((push.entry, push.evidence, push.session))
    }

    /// Brings a client's answer home. `Ok(None)`: nobody asked this principal under that id.
    pub(crate) async fn push_answered(
        &self,
        view: &View,
        envelope: &Envelope<'_>,
    ) -> Result<Option<()>, EngineError> {
        let Kind::Response { id, .. } = envelope.kind else {
            return Ok(None);
        };
        let Some(mut answering) = self.pushes.take(view, id.as_json()) else {
            return Ok(None);
        };
        let Some(push) = answering.push.clone() else {
            return Ok(None);
        };
        let mut edits = Edits::of(envelope.text);
        edits.replace(id.raw(), push.theirs.as_str());
        self.tell(&push.entry, &push.evidence, &push.session, edits.finish())
            .await?;
        answering.push = None;
        Ok(Some(()))
    }
}

/// Whether a client of this session may be asked this: the operator allows it, the client declared that
/// it can answer it, and it can be put to a person.
fn askable(
    entry: &ServerEntry,
    session: &LegacySession,
    method: &str,
    params: Option<&RawValue>,
) -> Result<(), RpcError> {
    let not_allowed = || RpcError::new(code::METHOD_NOT_FOUND, "Method not allowed by the gateway");
    let declared = session.capabilities();
    if !entry.upstream.server().push.admits(method)
        || !declared.answers(method)
        || !is_presentable(method, params)
    {
        return Err(not_allowed());
    }
    match Need::of(method, params) {
        Some(need) if declared.meets(need) => Ok(()),
        // What clients are to say themselves to a mode or to tools that they did not declare (2025-11-25,
        // "Sampling" and "Elicitation", "Error Handling").
        Some(need) => Err(RpcError::new(code::INVALID_PARAMS, need.undeclared())),
        None => Err(RpcError::new(
            code::INVALID_PARAMS,
            "params says in no way that is known what is asked for",
        )),
    }
}

fn nobody_to_ask(id: &str) -> String {
    RpcError::new(code::METHOD_NOT_FOUND, NOBODY).response(Some(id))
}
