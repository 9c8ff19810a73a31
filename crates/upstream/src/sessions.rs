//! The sessions with one server, by who acts and what was wished for: bounded in all, for each acting
//! party, and for each principal, who can make up parties by tokens beside a key. So nobody's wishes
//! push out everybody else's sessions.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::PrincipalId;
use portcullis_policy::{Acting, Party};
use tokio::sync::OnceCell;

use crate::session::LegacySession;
use crate::upstream::SessionWish;

/// Most sessions with one server, of one principal whatever it brings (all strangers together count as
/// one), and of one acting party; the longest idle makes room, and when all is full, that of whoever
/// has most.
const MAX_SESSIONS: usize = 4096;
const MAX_OF_PRINCIPAL: usize = 512;
const MAX_OF_ONE: usize = 64;
/// A session that nobody used for this long is closed.
pub(crate) const SESSION_IDLE: Duration = Duration::from_mins(30);

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
        if !(self.has_room(MAX_OF_ONE, |(other, _)| other == acting)
            && self.has_room(MAX_OF_PRINCIPAL, |(other, _)| other.party() == party)
            && self.has_room_at_all())
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
    /// `idle`: how long a session that nobody uses is kept.
    pub(crate) fn take(
        &mut self,
        closing: Closing,
        now: Duration,
        idle: Duration,
    ) -> Vec<Arc<LegacySession>> {
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
                Closing::Idle => !in_use(session) && now.saturating_sub(session.used()) > idle,
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

    /// Nobody gets a session of this principal any more; those in use are closed when they are not.
    pub(crate) fn leave(&mut self, principal: &PrincipalId) {
        let of_principal = |acting: &Acting| acting.principal() == Some(principal);
        let left = self
            .slots
            .extract_if(|(acting, _), _| of_principal(acting))
            .filter_map(|(_, slot)| slot.get().cloned());
        self.leaving.extend(left);
    }

    /// Whether one more fits among all. Whoever has most makes room, among equals with what is longest
    /// idle; then whoever has next most, because what is just being opened cannot.
    fn has_room_at_all(&mut self) -> bool {
        if self.slots.len() < MAX_SESSIONS {
            return true;
        }
        self.forget_failed();
        if self.slots.len() < MAX_SESSIONS {
            return true;
        }
        let mut counts: HashMap<Party, usize> = HashMap::new();
        for (acting, _) in self.slots.keys() {
            *counts.entry(acting.party()).or_default() += 1;
        }
        self.makes_room(
            |_| true,
            |(acting, _)| Reverse(counts.get(&acting.party()).copied()),
        )
    }

    /// Whether one more fits among those of a kind, making room for it if need be.
    fn has_room(&mut self, most: usize, of_kind: impl Fn(&Key) -> bool + Copy) -> bool {
        let count = |slots: &HashMap<Key, Slot>| slots.keys().filter(|key| of_kind(key)).count();
        if count(&self.slots) < most {
            return true;
        }
        self.forget_failed();
        count(&self.slots) < most || self.makes_room(of_kind, |_| ())
    }

    /// Takes out the one of a kind that comes first, and among equals the longest idle, if one can be.
    fn makes_room<O: Ord + Copy>(
        &mut self,
        of_kind: impl Fn(&Key) -> bool,
        order: impl Fn(&Key) -> O,
    ) -> bool {
        let oldest = self
            .slots
            .iter()
            .filter(|(key, _)| of_kind(key))
            .filter_map(|(key, slot)| {
                let session = slot.get()?;
                let rank = (order(key), in_use(session), session.used());
                Some((rank, key.clone()))
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
