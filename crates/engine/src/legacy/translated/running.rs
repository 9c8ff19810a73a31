//! Calls under way, so that their client can cancel them by the id that it gave them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_core::PrincipalId;
use tokio_util::sync::CancellationToken;

/// Most translated calls under way, of all principals together and of one.
const MOST: usize = 10_000;
const MOST_OF_ONE: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Running(Arc<Mutex<Calls>>);

#[derive(Debug, Default)]
struct Calls {
    next: u64,
    under_way: HashMap<u64, One>,
    of: HashMap<PrincipalId, usize>,
    /// By session and the client's own id, as JSON text. A client that uses an id twice cancels the
    /// later call.
    named: HashMap<([u8; 32], String), u64>,
}

#[derive(Debug)]
struct One {
    principal: PrincipalId,
    name: Option<([u8; 32], String)>,
    cancelled: CancellationToken,
}

/// A call's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    calls: Arc<Mutex<Calls>>,
    number: u64,
    pub(super) cancelled: CancellationToken,
}

fn lock(calls: &Mutex<Calls>) -> MutexGuard<'_, Calls> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Running {
    /// A place for another call; `None`: too many are under way.
    pub(super) fn admit(
        &self,
        principal: &PrincipalId,
        session: Option<[u8; 32]>,
        id: &str,
    ) -> Option<Place> {
        let mut calls = lock(&self.0);
        let of_one = calls.of.get(principal).copied().unwrap_or_default();
        if calls.under_way.len() >= MOST || of_one >= MOST_OF_ONE {
            return None;
        }
        calls.of.insert(principal.clone(), of_one + 1);
        let number = calls.next;
        calls.next = number.wrapping_add(1);
        let name = session.map(|session| (session, id.to_owned()));
        if let Some(name) = &name {
            calls.named.insert(name.clone(), number);
        }
        let cancelled = CancellationToken::new();
        let one = One {
            principal: principal.clone(),
            name,
            cancelled: cancelled.clone(),
        };
        calls.under_way.insert(number, one);
        drop(calls);
        Some(Place {
            calls: Arc::clone(&self.0),
            number,
            cancelled,
        })
    }

    /// Cancels a session's call of this id.
    pub(in super::super) fn cancel(&self, session: [u8; 32], id: &str) {
        let calls = lock(&self.0);
        let number = calls.named.get(&(session, id.to_owned()));
        if let Some(one) = number.and_then(|number| calls.under_way.get(number)) {
            one.cancelled.cancel();
        }
    }

    /// Cancels all calls of a session.
    pub(super) fn cancel_all(&self, session: &[u8; 32]) {
        let calls = lock(&self.0);
        let of_session = |one: &&One| matches!(&one.name, Some((own, _)) if own == session);
        for one in calls.under_way.values().filter(of_session) {
            one.cancelled.cancel();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut calls = lock(&self.calls);
        let Some(one) = calls.under_way.remove(&self.number) else {
            return;
        };
        if let Some(name) = one.name
            && calls.named.get(&name) == Some(&self.number)
        {
            calls.named.remove(&name);
        }
        if let Some(count) = calls.of.get_mut(&one.principal) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                calls.of.remove(&one.principal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_more_calls_under_way_than_there_is_room_for() {
        let running = Running::default();
        let (alice, bob) = (PrincipalId::from("alice"), PrincipalId::from("bob"));
        let mut places: Vec<Place> = (0..MOST_OF_ONE)
            .map(|number| running.admit(&alice, None, &number.to_string()).unwrap())
            .collect();
        assert!(running.admit(&alice, None, "more").is_none());
        assert!(running.admit(&bob, None, "1").is_some());
        places.pop();
        assert!(running.admit(&alice, None, "again").is_some());
    }

    #[test]
    fn a_call_is_cancelled_by_its_session_and_id_alone() {
        let running = Running::default();
        let alice = PrincipalId::from("alice");
        let call = running.admit(&alice, Some([1; 32]), "7").unwrap();
        running.cancel([2; 32], "7");
        running.cancel([1; 32], "\"7\"");
        assert!(!call.cancelled.is_cancelled());
        let later = running.admit(&alice, Some([1; 32]), "7").unwrap();
        drop(call);
        running.cancel([1; 32], "7");
        assert!(later.cancelled.is_cancelled());
        drop(later);
        assert!(lock(&running.0).named.is_empty());
    }
}
