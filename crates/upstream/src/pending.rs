//! Ids on a shared session: ours go out, the callers' come home.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis_mcp::{Edits, Envelope, Kind};

/// Most requests of one session that may wait for an answer.
const MAX_PENDING: usize = 10_000;
/// Most requests whose client may still come back for the answer; the oldest makes room.
const MAX_KEPT: usize = 1000;

/// Which client of a shared session a request belongs to: its ids are its own, and two clients may
/// use the same one.
pub type Owner = [u8; 32];

/// Requests under way on one session.
#[derive(Debug)]
pub(crate) struct Pending {
    next: AtomicI64,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    waiting: HashMap<i64, Waiting>,
    /// Requests that outlive their stream, oldest first.
    kept: VecDeque<i64>,
}

#[derive(Debug)]
struct Waiting {
    /// Whose it is; `None` for clients without a session.
    owner: Option<Owner>,
    /// The caller's id, as JSON text.
    id: Box<str>,
    /// The caller's progress token, as JSON text.
    progress_token: Option<Box<str>>,
    /// The answer is through; only a replay may still need the id.
    answered: bool,
}

/// What a server's message means to the caller.
#[derive(Debug, PartialEq, Eq)]
pub enum Restored {
    /// The answer to one of our callers' requests, under the caller's own id.
    Answer {
        /// The id under which we had sent it.
        ours: i64,
        /// The message.
        text: String,
    },
    /// Progress of one of our callers' requests, under the caller's own token.
    Progress {
        /// The id under which we had sent it.
        ours: i64,
        /// Whose it is.
        owner: Option<Owner>,
        /// The message.
        text: String,
    },
    /// A notification.
    Notification(String),
    /// A request of the server to the client.
    Request(String),
    /// An answer or progress for something nobody waits for, or no message at all.
    Stray,
}

impl Pending {
    pub(crate) fn new() -> Self {
        Self {
            next: AtomicI64::new(1),
            table: Mutex::default(),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a request an id of ours, in the message too. `None` when too many wait already.
    pub(crate) fn admit(
        &self,
        envelope: &Envelope<'_>,
        edits: &mut Edits<'_>,
        owner: Option<Owner>,
    ) -> Option<i64> {
        let Kind::Request { id, .. } = envelope.kind else {
            return None;
        };
        let ours = self.next.fetch_add(1, Ordering::Relaxed);
        edits.replace(id.raw(), ours.to_string());
        let token = envelope
            .meta()
            .ok()
            .flatten()
            .and_then(|meta| meta.get("progressToken"));
        if let Some(token) = token {
            edits.replace(token, ours.to_string());
        }
        let mut table = self.table();
        if table.waiting.len() >= MAX_PENDING {
            return None;
        }
        table.waiting.insert(
            ours,
            Waiting {
                owner,
                id: id.as_json().into(),
                progress_token: token.map(|token| token.get().into()),
                answered: false,
            },
        );
        Some(ours)
    }

    /// Nobody waits any more.
    pub(crate) fn forget(&self, ours: i64) {
        self.table().waiting.remove(&ours);
    }

    /// Keeps a request's place for a client that may come back with `Last-Event-ID`, also after
    /// its answer, which may have been lost on the way.
    pub(crate) fn keep(&self, ours: i64, answered: bool) {
        let mut table = self.table();
        let Some(waiting) = table.waiting.get_mut(&ours) else {
            return;
        };
        waiting.answered = answered;
        table.kept.push_back(ours);
        if table.kept.len() > MAX_KEPT
            && let Some(oldest) = table.kept.pop_front()
        {
            table.waiting.remove(&oldest);
        }
    }

    /// Our id for a caller's request that is under way, for `notifications/cancelled`. `None` also
    /// when it could be one of several.
    pub(crate) fn ours(&self, theirs: &str, owner: Option<Owner>) -> Option<i64> {
        let table = self.table();
        let mut found = table.waiting.iter().filter(|(_, waiting)| {
            waiting.owner == owner && !waiting.answered && &*waiting.id == theirs
        });
        match (found.next(), found.next()) {
            (Some((ours, _)), None) => Some(*ours),
            _ => None,
        }
    }

    /// The caller's id of a request that is under way, as JSON text.
    pub(crate) fn theirs(&self, ours: i64) -> Option<Box<str>> {
        self.table()
            .waiting
            .get(&ours)
            .map(|waiting| waiting.id.clone())
    }

    /// Puts the caller's id and token back.
    pub(crate) fn restore(&self, text: &str) -> Restored {
        let Ok(envelope) = Envelope::parse(text.as_bytes()) else {
            return Restored::Stray;
        };
        let mut edits = Edits::of(text);
        match envelope.kind {
            Kind::Response { id, .. } => {
                let Some(ours) = id.as_i64() else {
                    return Restored::Stray;
                };
                let table = self.table();
                let Some(found) = table.waiting.get(&ours) else {
                    return Restored::Stray;
                };
                edits.replace(id.raw(), &*found.id);
                drop(table);
                Restored::Answer {
                    ours,
                    text: edits.finish(),
                }
            }
            Kind::Notification {
                method: "notifications/progress",
            } => {
                let token = envelope
                    .params()
                    .and_then(|params| params.get("progressToken"));
                let Some((token, ours)) =
                    token.and_then(|token| Some((token, token.get().parse::<i64>().ok()?)))
                else {
                    return Restored::Stray;
                };
                let table = self.table();
                let found = table.waiting.get(&ours);
                let Some((owner, theirs)) =
                    found.and_then(|found| Some((found.owner, found.progress_token.as_deref()?)))
                else {
                    return Restored::Stray;
                };
                edits.replace(token, theirs);
                drop(table);
                Restored::Progress {
                    ours,
                    owner,
                    text: edits.finish(),
                }
            }
            Kind::Notification { .. } => Restored::Notification(text.to_owned()),
            Kind::Request { .. } => Restored::Request(text.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(pending: &Pending, text: &str) -> (i64, String) {
        let envelope = Envelope::parse(text.as_bytes()).unwrap();
        let mut edits = Edits::of(text);
        let ours = pending.admit(&envelope, &mut edits, None).unwrap();
        (ours, edits.finish())
    }

    #[test]
    fn two_callers_who_both_count_from_one_never_meet() {
        let pending = Pending::new();
        let (first, sent) = admit(
            &pending,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#,
        );
        assert_eq!(
            sent,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#
        );
        let (second, _) = admit(
            &pending,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"b"}}"#,
        );
        assert_ne!(first, second);
        let answer = pending.restore(&format!(
            r#"{{"result":{{"n":1e400}},"id":{second},"jsonrpc":"2.0"}}"#
        ));
        assert_eq!(
            answer,
            Restored::Answer {
                ours: second,
                text: r#"{"result":{"n":1e400},"id":1,"jsonrpc":"2.0"}"#.to_owned()
            }
        );
    }

    #[test]
    fn the_callers_own_id_and_token_come_back_with_their_type() {
        let pending = Pending::new();
        let (ours, sent) = admit(
            &pending,
            r#"{"jsonrpc":"2.0","id":"x-1","method":"tools/call","params":{"name":"a","_meta":{"progressToken":"t"}}}"#,
        );
        assert!(
            sent.contains(&format!(r#""progressToken":{ours}"#)),
            "{sent}"
        );
        let progress = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{ours},"progress":1}}}}"#
        );
        assert_eq!(
            pending.restore(&progress),
            Restored::Progress {
                ours,
                owner: None,
                text: progress.replace(&format!(":{ours},"), ":\"t\",")
            }
        );
        assert_eq!(pending.ours("\"x-1\"", None), Some(ours));
        assert_eq!(pending.ours("\"x-1\"", Some([1; 32])), None);
        pending.forget(ours);
        assert_eq!(pending.restore(&progress), Restored::Stray);
    }

    #[test]
    fn one_client_cannot_cancel_what_another_asked_under_the_same_id() {
        let pending = Pending::new();
        let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#;
        let envelope = Envelope::parse(text.as_bytes()).unwrap();
        let owned = |owner| {
            let mut edits = Edits::of(text);
            pending
                .admit(&envelope, &mut edits, Some([owner; 32]))
                .unwrap()
        };
        let (alice, bob) = (owned(1), owned(2));
        assert_eq!(pending.ours("1", Some([1; 32])), Some(alice));
        assert_eq!(pending.ours("1", Some([2; 32])), Some(bob));
        assert_eq!(pending.ours("1", None), None);
    }

    #[test]
    fn an_id_that_could_be_one_of_two_cancels_neither() {
        let pending = Pending::new();
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#;
        let (first, _) = admit(&pending, call);
        assert_eq!(pending.ours("1", None), Some(first));
        let (second, _) = admit(&pending, call);
        assert_eq!(pending.ours("1", None), None);
        pending.keep(first, true);
        assert_eq!(pending.ours("1", None), Some(second));
    }

    #[test]
    fn clients_that_never_come_back_do_not_fill_the_session() {
        let pending = Pending::new();
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#;
        let (first, _) = admit(&pending, call);
        pending.keep(first, false);
        let mut last = first;
        for _ in 0..MAX_PENDING + MAX_KEPT {
            (last, _) = admit(&pending, call);
            pending.keep(last, false);
        }
        let answer = |id: i64| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
        assert_eq!(pending.restore(&answer(first)), Restored::Stray);
        assert!(matches!(
            pending.restore(&answer(last)),
            Restored::Answer { .. }
        ));
    }

    #[test]
    fn an_answer_that_nobody_waits_for_is_dropped() {
        let pending = Pending::new();
        for stray in [
            r#"{"jsonrpc":"2.0","id":99,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":"1","result":{}}"#,
            "<html>",
        ] {
            assert_eq!(pending.restore(stray), Restored::Stray);
        }
    }
}
