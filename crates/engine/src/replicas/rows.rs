//! How many sessions' rows a principal has in the store by this process's doing.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis_core::{PrincipalId, Timestamp};

/// Most rows of one principal. A row is 32 KiB at most and goes with its session.
const MOST_OF_ONE: usize = 1000;

/// Until when the rows last, by whose they are.
#[derive(Debug, Default)]
pub(super) struct Rows(Mutex<HashMap<PrincipalId, HashMap<[u8; 32], Timestamp>>>);

impl Rows {
    fn of(&self) -> MutexGuard<'_, HashMap<PrincipalId, HashMap<[u8; 32], Timestamp>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a session may have a row: it has one, or its principal has room for another.
    pub(super) fn admits(
        &self,
        principal: &PrincipalId,
        session: [u8; 32],
        expires: Timestamp,
    ) -> bool {
        let mut rows = self.of();
        let own = rows.entry(principal.clone()).or_default();
        if own.len() >= MOST_OF_ONE && !own.contains_key(&session) {
            return false;
        }
        own.insert(session, expires);
        true
    }

    /// A session ended.
    pub(super) fn forget(&self, principal: &PrincipalId, session: &[u8; 32]) {
        let mut rows = self.of();
        if let Some(own) = rows.get_mut(principal) {
            own.remove(session);
            if own.is_empty() {
                rows.remove(principal);
            }
        }
    }

    pub(super) fn expire(&self, now: Timestamp) {
        self.of().retain(|_, own| {
            own.retain(|_, expires| now < *expires);
            !own.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: usize) -> [u8; 32] {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        digest
    }

    #[test]
    fn a_principal_has_no_more_rows_than_its_share_and_takes_nobody_elses() {
        let rows = Rows::default();
        let (mallory, alice) = (PrincipalId::from("mallory"), PrincipalId::from("alice"));
        let (soon, late) = (Timestamp::from_millis(1), Timestamp::from_millis(2));
        for number in 0..MOST_OF_ONE {
            assert!(rows.admits(&mallory, session(number), soon));
        }
        assert!(!rows.admits(&mallory, session(MOST_OF_ONE), late));
        assert!(rows.admits(&mallory, session(0), late), "it has a row");
        assert!(rows.admits(&alice, session(MOST_OF_ONE), late));
        rows.forget(&mallory, &session(1));
        assert!(rows.admits(&mallory, session(MOST_OF_ONE), late));
        assert!(!rows.admits(&mallory, session(1), late));
        rows.expire(soon);
        assert!(rows.admits(&mallory, session(1), late), "those are over");
    }
}
