//! Counts in memory.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use portcullis_core::{Timestamp, gcra};

use super::lock;
use crate::{Charge, CounterStore, StoreError, Taken};

#[derive(Debug, Default)]
pub(super) struct MemoryCounters {
    counts: Mutex<HashMap<String, Duration>>,
}

fn since_epoch(now: Timestamp) -> Duration {
    now.since(Timestamp::from_millis(0))
}

#[async_trait]
impl CounterStore for MemoryCounters {
    async fn take(&self, charges: &[Charge], now: Timestamp) -> Result<Taken, StoreError> {
        let mut counts = lock(&self.counts, "counters.take")?;
        let now = since_epoch(now);
        let mut counted: HashMap<&str, Duration> = HashMap::with_capacity(charges.len());
        let mut limited: Option<(usize, Duration)> = None;
        for (which, charge) in charges.iter().enumerate() {
            let scope = charge.scope.as_str();
            let before = counted.get(scope).or_else(|| counts.get(scope)).copied();
            let before = before.map(|before| charge.believed(before, now));
            match gcra(charge.rate, before, now) {
                Ok(after) => {
                    counted.insert(scope, after);
                }
                Err(wait) => {
                    // A count that was not believed is put right, or it would be waited for again.
                    if let Some(before) = before {
                        counts.insert(scope.to_owned(), before);
                    }
                    if limited.is_none_or(|(_, longest)| wait > longest) {
                        limited = Some((which, wait));
                    }
                }
            }
        }
        if let Some((which, retry_after)) = limited {
            return Ok(Taken::Limited { which, retry_after });
        }
        for (scope, after) in counted {
            counts.insert(scope.to_owned(), after);
        }
        Ok(Taken::Taken)
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut counts = lock(&self.counts, "counters.purge")?;
        let (before, now) = (counts.len(), since_epoch(now));
        counts.retain(|_, count| *count >= now);
        Ok((before - counts.len()) as u64)
    }
}
