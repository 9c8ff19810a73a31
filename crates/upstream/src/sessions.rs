//! The sessions with one server, by who acts and what was wished for: bounded in all, and for each
//! acting party, so that nobody's wishes push out everybody else's sessions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use portcullis_policy::{Acting, Party};
use tokio::sync::OnceCell;

use crate::session::LegacySession;
use crate::upstream::SessionWish;

/// Most sessions with one server, of one acting party, and of one principal whatever it brings (all
/// strangers together count as one); the longest idle of the same kind makes room.
const MAX_SESSIONS: usize = 4096;
const MAX_OF_ONE: usize = 64;
const MAX_OF_PRINCIPAL: usize = 512;
/// A session that nobody used for this long is closed.
const SESSION_IDLE: Duration = Duration::from_mins(30);

/// Which sessions to take out and close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// Those that nobody used for long.
    Idle,
    /// Those that nobody uses now.
    Unused,
    /// All.
    All,
}

/// Where a session is, or comes to be while somebody holds the slot.
pub(crate) type Slot = Arc<OnceCell<Arc<LegacySession>>>;

type Key = (Acting, SessionWish);

/// What is open, what is being opened, and what waits to be closed.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    slots: HashMap<Key, Slot>,
    /// Had to make room. Whoever still uses one may finish.
    leaving: Vec<Arc<LegacySession>>,
}

impl Sessions {
    /// The slot for this wish. `None`: there is no room, because all that could make it is just
    /// being opened.
    pub(crate) fn slot(&mut self, acting: &Acting, wish: &SessionWish) -> Option<Slot> {
        let key = (acting.clone(), wish.clone());
        if let Some(slot) = self.slots.get(&key)
            && !slot.get().is_some_and(|session| session.is_lost())
        {
            return Some(Arc::clone(slot));
        }
        self.slots.remove(&key);
        let party = acting.party();
        let most = match party {
            Party::Service => MAX_OF_ONE,
            Party::Principal(_) | Party::Strangers => MAX_OF_PRINCIPAL,
        };
        if !(self.has_room(MAX_OF_ONE, |(other, _)| other == acting)
            && self.has_room(most, |(other, _)| other.party() == party)
            && self.has_room(MAX_SESSIONS, |_| true))
        {
            return None;
        }
        let slot = Slot::default();
        self.slots.insert(key, Arc::clone(&slot));
        Some(slot)
    }

    /// The open session for this wish.
    pub(crate) fn open(&self, acting: &Acting, wish: &SessionWish) -> Option<Arc<LegacySession>> {
        let key = (acting.clone(), wish.clone());
        let session = self.slots.get(&key)?.get()?;
        (!session.is_lost()).then(|| Arc::clone(session))
    }

    pub(crate) fn count(&self) -> usize {
        self.slots
            .values()
            .filter(|slot| slot.get().is_some())
            .count()
    }

    /// Takes out what is to be closed, and what had to make room, and forgets what never came to be.
    pub(crate) fn take(&mut self, closing: Closing, now: Duration) -> Vec<Arc<LegacySession>> {
        self.forget_failed();
        let mut taken: Vec<_> = self
            .leaving
            .extract_if(.., |session| closing == Closing::All || !in_use(session))
            .collect();
        self.slots.retain(|_, slot| {
            let Some(session) = slot.get() else {
                return true;
            };
            let closes = match closing {
                Closing::Idle => {
                    !in_use(session) && now.saturating_sub(session.used()) > SESSION_IDLE
                }
                Closing::Unused => !in_use(session),
                Closing::All => true,
            };
            if closes {
                taken.push(Arc::clone(session));
            }
            !closes
        });
        taken.retain(|session| !session.is_lost());
        taken
    }

    /// Whether one more fits among those of a kind, making room for it if need be.
    fn has_room(&mut self, most: usize, of_kind: impl Fn(&Key) -> bool) -> bool {
        let count = |slots: &HashMap<Key, Slot>| slots.keys().filter(|key| of_kind(key)).count();
        if count(&self.slots) < most {
            return true;
        }
        self.forget_failed();
        if count(&self.slots) < most {
            return true;
        }
        let oldest = self
            .slots
            .iter()
            .filter(|(key, _)| of_kind(key))
            .filter_map(|(key, slot)| {
                let session = slot.get()?;
                Some(((in_use(session), session.used()), key.clone()))
            })
            .min_by_key(|(rank, _)| *rank);
        let Some((_, key)) = oldest else {
            return false;
        };
        self.leaving.extend(
            self.slots
                .remove(&key)
                .and_then(|slot| slot.get().map(Arc::clone)),
        );
        true
    }

    /// Drops lost sessions, and slots whose handshake failed: empty, and held by nobody who would
    /// try again.
    fn forget_failed(&mut self) {
        self.slots.retain(|_, slot| match slot.get() {
            Some(session) => !session.is_lost(),
            None => Arc::strong_count(slot) > 1,
        });
    }
}

/// Somebody else holds it while a request or stream is under way.
fn in_use(session: &Arc<LegacySession>) -> bool {
    Arc::strong_count(session) > 1
}

#[cfg(test)]
mod tests;
