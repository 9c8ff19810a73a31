//! Tapes of calls that began a stream, so that their clients find them again.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_core::ReplicaId;

use super::tape::Tape;

/// What the ids of our own events begin with; those of servers go on as they are.
const PREFIX: &str = "portcullis";
/// Most streams of one session that can be found again: the oldest are forgotten first.
const MOST_OF_ONE: usize = 32;
/// Most streams, and bytes in those that ended, of all sessions together.
const MOST: usize = 4096;
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// How long the events of a call that ended can be asked for.
const LIFETIME: Duration = Duration::from_mins(5);

#[derive(Debug, Default)]
pub(crate) struct Tapes {
    next: AtomicU64,
    shelf: Mutex<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    of: HashMap<[u8; 32], VecDeque<(u64, Arc<Tape>)>>,
    /// Those that ended, oldest first: when, whose, which and how heavy.
    ended: VecDeque<(Duration, [u8; 32], u64, usize)>,
    count: usize,
    bytes: usize,
}

impl Shelf {
    fn remove(&mut self, session: &[u8; 32], number: u64) {
        let Some(own) = self.of.get_mut(session) else {
            return;
        };
        let before = own.len();
        own.retain(|(other, _)| *other != number);
        self.count -= before - own.len();
        if own.is_empty() {
            self.of.remove(session);
        }
    }

    fn forget_oldest(&mut self) -> bool {
        let Some((_, session, number, weight)) = self.ended.pop_front() else {
            return false;
        };
        self.bytes = self.bytes.saturating_sub(weight);
        self.remove(&session, number);
        true
    }
}

impl Tapes {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new tape, which nobody finds yet. A session may move to another replica, whose own streams
    /// have other ids.
    pub(super) fn blank(&self, replica: &ReplicaId) -> (u64, Arc<Tape>) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let tape = Tape::new(format!("{PREFIX}.{replica}.{number}"));
        (number, Arc::new(tape))
    }

    /// From now on it can be found again. Where there is no room, it is not: the call goes on.
    pub(super) fn keep(&self, session: [u8; 32], number: u64, tape: &Arc<Tape>) {
        let mut shelf = self.shelf();
        while shelf.count >= MOST {
            if !shelf.forget_oldest() {
                return;
            }
        }
        let own = shelf.of.entry(session).or_default();
        own.push_back((number, Arc::clone(tape)));
        let surplus = (own.len() > MOST_OF_ONE).then(|| own.pop_front()).flatten();
        if surplus.is_none() {
            shelf.count += 1;
        }
    }

    /// The call ended: what is kept of it counts from now on.
    pub(super) fn ended(&self, session: [u8; 32], number: u64, tape: &Tape, now: Duration) {
        let weight = tape.weight();
        let mut shelf = self.shelf();
        shelf.ended.push_back((now, session, number, weight));
        shelf.bytes += weight;
        while shelf.bytes > MOST_BYTES && shelf.forget_oldest() {}
    }

    /// Whether an event id is one of ours.
    pub(super) fn knows(id: &str) -> bool {
        id.strip_prefix(PREFIX)
            .is_some_and(|rest| rest.starts_with('.'))
    }

    /// The tape of an event of this session, and the event's number on it.
    pub(super) fn find(
        &self,
        replica: &ReplicaId,
        session: &[u8; 32],
        id: &str,
    ) -> Option<(Arc<Tape>, u64)> {
        let rest = id.strip_prefix(PREFIX)?.strip_prefix('.')?;
        let rest = rest.strip_prefix(replica.as_str())?.strip_prefix('.')?;
        let (tape, event) = rest.split_once('.')?;
        let (tape, event) = (tape.parse::<u64>().ok()?, event.parse::<u64>().ok()?);
        let shelf = self.shelf();
        let mut own = shelf.of.get(session)?.iter();
        let (_, found) = own.find(|(number, _)| *number == tape)?;
        Some((Arc::clone(found), event))
    }

    pub(super) fn forget(&self, session: &[u8; 32]) {
        let mut shelf = self.shelf();
        if let Some(own) = shelf.of.remove(session) {
            shelf.count -= own.len();
        }
    }

    pub(super) fn expire(&self, now: Duration) {
        let mut shelf = self.shelf();
        while let Some((ended, ..)) = shelf.ended.front()
            && now.saturating_sub(*ended) >= LIFETIME
        {
            shelf.forget_oldest();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_found_by_its_own_session_until_it_is_forgotten() {
        let (tapes, here) = (Tapes::default(), ReplicaId::from("aa"));
        let (number, tape) = tapes.blank(&here);
        tapes.keep([1; 32], number, &tape);
        let id = format!("portcullis.aa.{number}.4");
        assert!(Tapes::knows(&id) && !Tapes::knows("portcullis/4"));
        assert_eq!(tapes.find(&here, &[1; 32], &id).unwrap().1, 4);
        assert!(tapes.find(&here, &[2; 32], &id).is_none());
        let elsewhere = ReplicaId::from("bb");
        assert!(tapes.find(&elsewhere, &[1; 32], &id).is_none());
        assert!(tapes.find(&here, &[1; 32], "portcullis.aa.9.4").is_none());
        tapes.ended([1; 32], number, &tape, Duration::ZERO);
        tapes.expire(LIFETIME.saturating_sub(Duration::from_nanos(1)));
        assert!(tapes.find(&here, &[1; 32], &id).is_some());
        tapes.expire(LIFETIME);
        assert!(tapes.find(&here, &[1; 32], &id).is_none());
        assert_eq!(tapes.shelf().count, 0);
    }

    #[test]
    fn one_session_keeps_so_many_streams_and_all_together_so_many() {
        let (tapes, here) = (Tapes::default(), ReplicaId::from("aa"));
        for _ in 0..=MOST_OF_ONE {
            let (number, tape) = tapes.blank(&here);
            tapes.keep([1; 32], number, &tape);
        }
        assert!(tapes.find(&here, &[1; 32], "portcullis.aa.0.0").is_none());
        assert!(tapes.find(&here, &[1; 32], "portcullis.aa.1.0").is_some());
        assert_eq!(tapes.shelf().count, MOST_OF_ONE);
        tapes.forget(&[1; 32]);
        assert_eq!(tapes.shelf().count, 0);
    }
}
