//! The places of tokens that were got in exchange for callers' tokens: one for each caller's token
//! and server, bounded, and forgotten when they serve nobody any more.

use std::collections::BTreeSet;
use std::sync::Arc;

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
    turns: Arc<Semaphore>,
}

pub(crate) struct Subjects(Shares<Party, [u8; 32], Place>);

impl Default for Subjects {
    fn default() -> Self {
        Self(Shares::new(MOST, MOST_OF_ONE))
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
        if let Some(place) = self.0.get(owner, &key) {
            return Arc::clone(&place.slot);
        }
        if self.0.is_full_for(owner) {
            self.0.retain(|place| {
                let ended = place.slot.grant.ends().is_some_and(|ends| ends <= now.wall);
                !ended
            });
        }
        let turns = self.0.any_of(owner).map_or_else(
            || Arc::new(Semaphore::new(AT_ONCE)),
            |place| Arc::clone(&place.turns),
        );
        let bargain = Bargain::new(terms, subject, Arc::clone(&turns));
        let slot = Arc::new(Slot::new(Grant::Exchange(bargain)));
        let place = Place {
            server: server.clone(),
            slot: Arc::clone(&slot),
            turns,
        };
        self.0.insert(owner, key, place);
        slot
    }

    pub(crate) fn keep_only(&mut self, servers: &BTreeSet<ServerId>) {
        self.0.retain(|place| servers.contains(&place.server));
    }
}
