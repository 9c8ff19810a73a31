//! Ids on a shared session: ours go out, the callers' come home.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_mcp::{Edits, Envelope, Kind};

/// Most requests of one session that may wait for an answer.
const MAX_PENDING: usize = 10_000;
/// How long a request whose client went away waits for it to come back (`Last-Event-ID`).
const KEPT: Duration = Duration::from_mins(10);

/// Which client of a shared session a request belongs to.
pub type Owner = [u8; 32];

/// Requests under way on one session.
#[derive(Debug)]
pub(crate) struct Pending {
    next: AtomicI64,
    waiting: Mutex<HashMap<i64, Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    /// Whose it is: two clients of one session may both cancel their request 1.
    owner: Option<Owner>,
    /// The caller's id, as JSON text.
    id: Box<str>,
    /// The caller's progress token, as JSON text.
    progress_token: Option<Box<str>>,
    /// Since when nobody reads its answer.
    kept: Option<Duration>,
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
    /// A notification, progress under the caller's own token.
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
            waiting: Mutex::new(HashMap::new()),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<i64, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a request an id of ours, in the message too. `None` when too many wait already.
    pub(crate) fn admit(
        &self,
        envelope: &Envelope<'_>,
        edits: &mut Edits<'_>,
        owner: Option<Owner>,
        now: Duration,
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
        let mut waiting = self.waiting();
        if waiting.len() >= MAX_PENDING {
            waiting.retain(|_, waiting| {
                waiting
                    .kept
                    .is_none_or(|since| now.saturating_sub(since) < KEPT)
            });
        }
        if waiting.len() >= MAX_PENDING {
            return None;
        }
        waiting.insert(
            ours,
            Waiting {
                owner,
                id: id.as_json().into(),
                progress_token: token.map(|token| token.get().into()),
                kept: None,
            },
        );
        Some(ours)
    }

    /// Nobody waits any more.
    pub(crate) fn forget(&self, ours: i64) {
        self.waiting().remove(&ours);
    }

    /// Nobody reads the answer any more, but its client may come back for it.
    pub(crate) fn keep(&self, ours: i64, now: Duration) {
        if let Some(waiting) = self.waiting().get_mut(&ours) {
            waiting.kept = Some(now);
        }
    }

    /// Our id for a client's request that is under way, for `notifications/cancelled`.
    pub(crate) fn ours(&self, theirs: &str, owner: Option<Owner>) -> Option<i64> {
        self.waiting()
            .iter()
            .find(|(_, waiting)| &*waiting.id == theirs && waiting.owner == owner)
            .map(|(ours, _)| *ours)
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
                let waiting = self.waiting();
                let Some(found) = waiting.get(&ours) else {
                    return Restored::Stray;
                };
                edits.replace(id.raw(), &*found.id);
                drop(waiting);
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
                let waiting = self.waiting();
                let Some(theirs) = waiting
                    .get(&ours)
                    .and_then(|found| found.progress_token.as_deref())
                else {
                    return Restored::Stray;
                };
                edits.replace(token, theirs);
                drop(waiting);
                Restored::Notification(edits.finish())
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
        let ours = pending
            .admit(&envelope, &mut edits, None, Duration::ZERO)
            .unwrap();
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
            Restored::Notification(progress.replace(&format!(":{ours},"), ":\"t\",").clone())
        );
        assert_eq!(pending.ours("\"x-1\"", None), Some(ours));
        pending.forget(ours);
        assert_eq!(pending.restore(&progress), Restored::Stray);
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

    #[test]
    fn one_client_cannot_cancel_what_another_asked_under_the_same_id() {
        let pending = Pending::new();
        let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#;
        let envelope = Envelope::parse(text.as_bytes()).unwrap();
        let owned = |owner| {
            pending
                .admit(
                    &envelope,
                    &mut Edits::of(text),
                    Some([owner; 32]),
                    Duration::ZERO,
                )
                .unwrap()
        };
        let (alice, bob) = (owned(1), owned(2));
        assert_eq!(pending.ours("1", Some([1; 32])), Some(alice));
        assert_eq!(pending.ours("1", Some([2; 32])), Some(bob));
        assert_eq!(pending.ours("1", None), None);
    }

    #[test]
    fn clients_that_never_come_back_do_not_fill_the_session_for_ever() {
        let pending = Pending::new();
        let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#;
        let envelope = Envelope::parse(text.as_bytes()).unwrap();
        let admit = |now| pending.admit(&envelope, &mut Edits::of(text), None, now);
        for _ in 0..MAX_PENDING {
            let ours = admit(Duration::ZERO).unwrap();
            pending.keep(ours, Duration::ZERO);
        }
        assert_eq!(admit(Duration::from_secs(1)), None);
        assert!(admit(KEPT).is_some());
    }
}
