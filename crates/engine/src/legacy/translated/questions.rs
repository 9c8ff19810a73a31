//! Questions that are with clients: each under an id of ours, for the session that was asked alone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_core::{PrincipalId, ReplicaId};
use portcullis_mcp::{Envelope, Kind};
use portcullis_policy::Evidence;
use tokio::sync::oneshot;

use super::super::LegacyClient;
use super::super::pushes::was_asked;
use crate::snapshot::ServerEntry;
use crate::view::View;

/// Most questions that wait for an answer, of all principals together and of one.
const MOST: usize = 10_000;
const MOST_OF_ONE: usize = 100;

/// Questions without an answer yet, by their id as JSON text.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    next: AtomicU64,
    waiting: Arc<Mutex<HashMap<String, Waiting>>>,
}

#[derive(Debug)]
struct Waiting {
    asked: Asked,
    answer: oneshot::Sender<String>,
}

/// Who was asked, and on whose behalf.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) principal: PrincipalId,
    pub(super) session: [u8; 32],
    pub(super) entry: Arc<ServerEntry>,
    pub(super) evidence: Evidence,
}

/// A question that waits, until this is dropped.
#[derive(Debug)]
pub(super) struct Posed {
    waiting: Arc<Mutex<HashMap<String, Waiting>>>,
    /// Its id as JSON text.
    pub(super) id: String,
    answer: oneshot::Receiver<String>,
}

fn lock(waiting: &Mutex<HashMap<String, Waiting>>) -> MutexGuard<'_, HashMap<String, Waiting>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Questions {
    /// A new question; `None`: too many wait.
    pub(super) fn pose(&self, replica: &ReplicaId, asked: Asked) -> Option<Posed> {
        let mut waiting = lock(&self.waiting);
        let of_one = waiting
            .values()
            .filter(|other| other.asked.principal == asked.principal)
            .count();
        if waiting.len() >= MOST || of_one >= MOST_OF_ONE {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = format!("\"portcullis-{replica}-input-{number}\"");
        let (sender, answer) = oneshot::channel();
        waiting.insert(
            id.clone(),
            Waiting {
                asked,
                answer: sender,
            },
        );
        drop(waiting);
        Some(Posed {
            waiting: Arc::clone(&self.waiting),
            id,
            answer,
        })
    }

    /// Brings a client's answer home. `false`: nobody asked this session under that id.
    pub(in super::super) fn answered(
        &self,
        view: &View,
        client: &LegacyClient,
        response: &Envelope<'_>,
    ) -> bool {
        let Kind::Response { id, .. } = response.kind else {
            return false;
        };
        let mut waiting = lock(&self.waiting);
        let is_theirs = waiting.get(id.as_json()).is_some_and(|one| {
            let asked = &one.asked;
            client.digest == Some(asked.session)
                && was_asked(&asked.principal, &asked.entry, &asked.evidence, view)
        });
        let answered = is_theirs.then(|| waiting.remove(id.as_json())).flatten();
        drop(waiting);
        answered.is_some_and(|one| one.answer.send(response.text.to_owned()).is_ok())
    }
}

impl Posed {
    /// The client's response, as it wrote it. `None` cannot be: whoever could forget the question
    /// holds it.
    pub(super) async fn answered(&mut self) -> Option<String> {
        (&mut self.answer).await.ok()
    }
}

impl Drop for Posed {
    fn drop(&mut self) {
        lock(&self.waiting).remove(&self.id);
    }
}
