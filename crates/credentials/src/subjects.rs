//! The places of tokens that were got in exchange for callers' tokens: one for each caller's token
//! and server, bounded, and forgotten when they serve nobody any more.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{ServerId, SubjectToken};

use crate::TokenExchange;
use crate::exchange::Bargain;
use crate::slot::{Grant, Slot};
use crate::token::Moment;

/// Most callers' tokens in memory; the one that was used longest ago makes room.
const MOST: usize = 10_000;

struct Place {
    server: ServerId,
    slot: Arc<Slot>,
    used: Duration,
}

#[derive(Default)]
pub(crate) struct Subjects {
    places: HashMap<[u8; 32], Place>,
}

impl Subjects {
    /// The place of one caller's token.
    pub(crate) fn slot(
        &mut self,
        server: &ServerId,
        terms: &Arc<TokenExchange>,
        subject: &SubjectToken,
        now: Moment,
    ) -> Arc<Slot> {
        let key = terms.cache_key(server.as_str(), subject);
        if let Some(place) = self.places.get_mut(&key) {
            place.used = now.monotonic;
            return place.slot.clone();
        }
        self.make_room(now);
        let slot = Arc::new(Slot::new(Grant::Exchange(Bargain::new(terms, subject))));
        let place = Place {
            server: server.clone(),
            slot: slot.clone(),
            used: now.monotonic,
        };
        self.places.insert(key, place);
        slot
    }

    pub(crate) fn keep_only(&mut self, servers: &BTreeSet<ServerId>) {
        self.places
            .retain(|_, place| servers.contains(&place.server));
    }

    fn make_room(&mut self, now: Moment) {
        if self.places.len() < MOST {
            return;
        }
        self.places.retain(|_, place| {
            let ended = place.slot.grant.ends().is_some_and(|ends| ends <= now.wall);
            !ended
        });
        if self.places.len() < MOST {
            return;
        }
        let oldest = self.places.iter().min_by_key(|(_, place)| place.used);
        if let Some(key) = oldest.map(|(key, _)| *key) {
            self.places.remove(&key);
        }
    }
}
