//! Pins in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Mutex;

use async_trait::async_trait;

use super::lock;
use crate::{PinChange, PinObjects, PinPlace, PinRecord, PinStore, StoreError};

#[derive(Debug, Default)]
pub(super) struct MemoryPins {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    rows: BTreeMap<PinPlace, (u64, PinRecord, PinObjects)>,
    changes: BTreeMap<u64, PinPlace>,
}

impl State {
    fn put(&mut self, change: &PinChange) -> bool {
        let place = &change.record.place;
        let before = self.rows.get(place);
        if before.map(|(_, before, _)| before.version) != change.follows {
            return false;
        }
        let stays = before.map(|(_, _, objects)| objects.pinned.clone());
        let objects = PinObjects {
            pinned: change.pinned.clone().or(stays).unwrap_or_default(),
            seen: change.seen.clone(),
        };
        if let Some(former) = before.map(|(number, _, _)| *number) {
            self.changes.remove(&former);
        }
        self.last += 1;
        self.changes.insert(self.last, place.clone());
        let row = (self.last, change.record.clone(), objects);
        self.rows.insert(place.clone(), row);
        true
    }
}

#[async_trait]
impl PinStore for MemoryPins {
    async fn put(&self, changes: &[PinChange]) -> Result<Vec<bool>, StoreError> {
        let mut state = lock(&self.state, "pins.put")?;
        Ok(changes.iter().map(|change| state.put(change)).collect())
    }

    async fn get(&self, place: &PinPlace) -> Result<Option<(PinRecord, PinObjects)>, StoreError> {
        let state = lock(&self.state, "pins.get")?;
        let row = state.rows.get(place);
        Ok(row.map(|(_, record, objects)| (record.clone(), objects.clone())))
    }

    async fn changed_since(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, PinRecord)>, StoreError> {
        let state = lock(&self.state, "pins.changed_since")?;
        Ok(state
            .changes
            .range((Bound::Excluded(after), Bound::Unbounded))
            .take(limit)
            .filter_map(|(change, place)| {
                let (_, record, _) = state.rows.get(place)?;
                Some((*change, record.clone()))
            })
            .collect())
    }
}
