//! How many processes there may be: in all, and of one party, so that nobody takes everybody's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_policy::Party;

/// One party may have this part of all processes.
const PART: usize = 4;

/// Room for processes, of all servers together.
#[derive(Clone, Debug)]
pub struct Processes(Arc<Room>);

#[derive(Debug)]
struct Room {
    most: usize,
    taken: Mutex<HashMap<Party, usize>>,
}

impl Room {
    fn taken(&self) -> MutexGuard<'_, HashMap<Party, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The room of one process, until it has ended.
#[derive(Debug)]
pub(super) struct Permit {
    room: Arc<Room>,
    party: Party,
}

impl Processes {
    /// Room for this many.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Room {
            most,
            taken: Mutex::default(),
        }))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.taken().values().sum()
    }

    pub(super) fn take(&self, party: &Party) -> Option<Permit> {
        let mut taken = self.0.taken();
        let all: usize = taken.values().sum();
        let own = taken.get(party).copied().unwrap_or_default();
        // Our own are as many as the operator wrote servers.
        let most_of_one = match party {
            Party::Service => self.0.most,
            Party::Principal(_) | Party::Strangers => self.0.most.div_ceil(PART),
        };
        if all >= self.0.most || own >= most_of_one {
            return None;
        }
        taken.insert(party.clone(), own + 1);
        drop(taken);
        Some(Permit {
            room: Arc::clone(&self.0),
            party: party.clone(),
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut taken = self.room.taken();
        let left = taken
            .get(&self.party)
            .map_or(0, |own| own.saturating_sub(1));
        if left == 0 {
            taken.remove(&self.party);
        } else {
            taken.insert(self.party.clone(), left);
        }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::PrincipalId;

    use super::*;

    #[test]
    fn one_party_leaves_room_for_the_others_and_all_together_keep_the_limit() {
        let processes = Processes::new(4);
        let party = |name: &str| Party::Principal(PrincipalId::from(name));
        let alices = processes.take(&party("alice")).unwrap();
        assert!(processes.take(&party("alice")).is_none());
        let others: Vec<_> = ["bob", "carol", "dave"]
            .map(|name| processes.take(&party(name)).unwrap())
            .into();
        assert!(processes.take(&party("eve")).is_none());
        assert!(processes.take(&Party::Service).is_none());
        drop(alices);
        assert!(processes.take(&Party::Service).is_some());
        drop(others);
        assert_eq!(processes.count(), 0);
    }
}
