//! Counts by the generic cell rate algorithm.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use portcullis_core::Timestamp;
use portcullis_store::{CLOCK_TOLERANCE, Charge, CounterStore, StoreError, Taken};
use redis::Script;

use crate::link::Link;
use crate::step::{Keys, Lua, Step};

static TAKE: Lua = LazyLock::new(|| Script::new(include_str!("lua/counters_take.lua")));
static PURGE: Lua = LazyLock::new(|| Script::new(include_str!("lua/counters_purge.lua")));

#[derive(Debug)]
pub(crate) struct RedisCounters {
    pub(crate) link: Arc<Link>,
    pub(crate) keys: Keys,
}

fn since_epoch(now: Timestamp) -> u128 {
    now.since(Timestamp::from_millis(0)).as_micros()
}

#[async_trait]
impl CounterStore for RedisCounters {
    async fn take(&self, charges: &[Charge], now: Timestamp) -> Result<Taken, StoreError> {
        const OPERATION: &str = "counters.take";
        let live = self.link.live(OPERATION)?;
        let step = Step::new(OPERATION, &TAKE)
            .key(self.keys.key(&["counts"]))
            .number(since_epoch(now))
            .number(CLOCK_TOLERANCE.as_micros());
        let step = charges.iter().fold(step, |step, charge| {
            step.text(&charge.scope)
                .number(charge.rate.every.as_micros())
                .number(charge.rate.burst)
        });
        let mut answer = self.link.take(&live, step).await?;
        match answer.word()?.as_str() {
            "taken" => Ok(Taken::Taken),
            "limited" => {
                let which = usize::try_from(answer.number()?).ok();
                let which = which.filter(|which| *which < charges.len());
                Ok(Taken::Limited {
                    which: which.ok_or_else(|| answer.foreign())?,
                    retry_after: Duration::from_micros(answer.number()?),
                })
            }
            _ => Err(answer.foreign()),
        }
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        const OPERATION: &str = "counters.purge";
        let live = self.link.live(OPERATION)?;
        let step = Step::new(OPERATION, &PURGE)
            .key(self.keys.key(&["counts"]))
            .number(since_epoch(now));
        self.link.take(&live, step).await?.number()
    }
}
