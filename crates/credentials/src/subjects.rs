//! The places of tokens that were got in exchange for callers' tokens: one for each caller's token
//! and server, bounded, and forgotten when they serve nobody any more.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use portcullis_core::{ServerId, Shares, SubjectToken};
use portcullis_policy::Party;
use tokio::sync::Semaphore;

use crate::TokenExchange;
use crate::exchange::Bargain;
use crate::slot::{Grant, Slot};
use crate::token::Moment;

/// Most callers' tokens in memory, and most of one principal, who may come with any number of
/// tokens beside a key; what was used longest ago makes room.
const MOST: usize = 10_000;
const MOST_OF_ONE: usize = 2_500;
/// Exchanges of one principal that are under way at one time.
const AT_ONCE: usize = 64;

struct Place {
    server: ServerId,
    slot: Arc<Slot>,
}

pub(crate) struct Subjects {
    places: Shares<Party, [u8; 32], Place>,
    /// By principal, as long as anything of it is there or under way: whoever has all places pushed
    /// out begins no second lot of exchanges beside the first.
    turns: HashMap<Party, Weak<Semaphore>>,
    /// When what had ended was last looked for; monotonic.
    swept: Option<Duration>,
}

impl Default for Subjects {
    fn default() -> Self {
        Self {
            places: Shares::new(MOST, MOST_OF_ONE),
            turns: HashMap::new(),
            swept: None,
        }
    }
}

impl Subjects {
    /// The place of one caller's token.
    pub(crate) fn slot(
        &mut self,
        server: &ServerId,
        terms: &Arc<TokenExchange>,
        owner: &Party,
        subject: &SubjectToken,
        now: Moment,
    ) -> Arc<Slot> {
        let key = terms.cache_key(server.as_str(), subject);
        if let Some(place) = self.places.get(owner, &key) {
            return Arc::clone(&place.slot);
        }
        // Once in a second: among many new ones that have not ended there is nothing to be found.
        let due = now.monotonic.saturating_sub(Duration::from_secs(1));
        if self.places.is_full_for(owner) && self.swept.is_none_or(|swept| swept <= due) {
            self.swept = Some(now.monotonic);
            self.places.retain(|place| {
                let ended = place.slot.grant.ends().is_some_and(|ends| ends <= now.wall);
                !ended
            });
        }
        let turns = self.turns_of(owner);
        let bargain = Bargain::new(terms, subject, turns);
        let slot = Arc::new(Slot::new(Grant::Exchange(bargain)));
        let place = Place {
            server: server.clone(),
            slot: Arc::clone(&slot),
        };
        self.places.insert(owner, key, place);
        slot
    }

    fn turns_of(&mut self, owner: &Party) -> Arc<Semaphore> {
        if let Some(turns) = self.turns.get(owner).and_then(Weak::upgrade) {
            return turns;
        }
        if self.turns.len() >= 2 * MOST {
            self.turns.retain(|_, turns| turns.strong_count() > 0);
        }
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        self.turns.insert(owner.clone(), Arc::downgrade(&turns));
        turns
    }

    pub(crate) fn keep_only(&mut self, servers: &BTreeSet<ServerId>) {
        self.places.retain(|place| servers.contains(&place.server));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(name: &str) -> Party {
        Party::Principal(portcullis_core::PrincipalId::from(name))
    }

    /// Exchanges that are under way count, whether their places are still there or not.
    #[test]
    fn whose_places_were_pushed_out_keeps_the_turns_that_are_under_way() {
        let mut subjects = Subjects::default();
        let under_way = subjects.turns_of(&who("mallory"));
        assert!(Arc::ptr_eq(&under_way, &subjects.turns_of(&who("mallory"))));
        assert!(!Arc::ptr_eq(&under_way, &subjects.turns_of(&who("alice"))));
        for number in 0..3 * MOST {
            subjects.turns_of(&who(&format!("m{number}")));
        }
        assert!(subjects.turns.len() <= 2 * MOST);
        assert!(Arc::ptr_eq(&under_way, &subjects.turns_of(&who("mallory"))));
    }
}
