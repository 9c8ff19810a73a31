//! Places that are held.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use portcullis_core::Timestamp;
use portcullis_store::{ConcurrencyStore, Seated, Slot, StoreError};
use redis::Script;

use crate::link::Link;
use crate::step::{Keys, Lua, Step};

static ACQUIRE: Lua = LazyLock::new(|| Script::new(include_str!("lua/places_acquire.lua")));
static RENEW: Lua = LazyLock::new(|| Script::new(include_str!("lua/places_renew.lua")));
static RELEASE: Lua = LazyLock::new(|| Script::new(include_str!("lua/places_release.lua")));
static HELD: Lua = LazyLock::new(|| Script::new(include_str!("lua/places_held.lua")));
static PURGE: Lua = LazyLock::new(|| Script::new(include_str!("lua/places_purge.lua")));

/// How long after its end a place is kept at most, if nobody purges: clocks differ, and its end is in it.
const KEPT_OVER: Duration = Duration::from_hours(1);
/// How many places one step forgets.
const BATCH: u64 = 500;

#[derive(Debug)]
pub(crate) struct RedisConcurrency {
    pub(crate) link: Arc<Link>,
    pub(crate) keys: Keys,
}

impl RedisConcurrency {
    fn of_scope(&self, scope: &str) -> String {
        self.keys.key(&["places", scope])
    }

    fn of_holder(&self, holder: &str) -> String {
        self.keys.key(&["holder", holder])
    }

    fn all(&self) -> String {
        self.keys.key(&["held"])
    }
}

fn kept(now: Timestamp, until: Timestamp) -> u128 {
    until.since(now).saturating_add(KEPT_OVER).as_millis()
}

#[async_trait]
impl ConcurrencyStore for RedisConcurrency {
    async fn acquire(
        &self,
        holder: &str,
        slots: &[Slot],
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Seated, StoreError> {
        const OPERATION: &str = "concurrency.acquire";
        let live = self.link.live(OPERATION)?;
        let step = Step::new(OPERATION, &ACQUIRE)
            .key(self.of_holder(holder))
            .key(self.all())
            .text(holder)
            .number(now.as_millis())
            .number(until.as_millis())
            .number(kept(now, until));
        let step = slots.iter().fold(step, |step, slot| {
            step.key(self.of_scope(&slot.scope))
                .text(&slot.scope)
                .number(slot.most)
        });
        let mut answer = self.link.take(&live, step).await?;
        match answer.word()?.as_str() {
            "held" => Ok(Seated::Held),
            "full" => {
                let which = usize::try_from(answer.number()?).ok();
                let which = which.filter(|which| *which < slots.len());
                let which = which.ok_or_else(|| answer.foreign())?;
                Ok(Seated::Full { which })
            }
            _ => Err(answer.foreign()),
        }
    }

    async fn renew(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "concurrency.renew";
        let live = self.link.live(OPERATION)?;
        let begin = self.of_scope("");
        let step = Step::new(OPERATION, &RENEW)
            .key(self.of_holder(holder))
            .key(self.all())
            .text(holder)
            .number(now.as_millis())
            .number(until.as_millis())
            .number(kept(now, until))
            .text(&begin);
        let mut answer = self.link.take(&live, step).await?;
        match answer.word()?.as_str() {
            "renewed" => Ok(true),
            "no" => Ok(false),
            _ => Err(answer.foreign()),
        }
    }

    async fn release(&self, holder: &str) -> Result<(), StoreError> {
        const OPERATION: &str = "concurrency.release";
        let live = self.link.live(OPERATION)?;
        let begin = self.of_scope("");
        let step = Step::new(OPERATION, &RELEASE)
            .key(self.of_holder(holder))
            .key(self.all())
            .text(holder)
            .text(&begin);
        self.link.take(&live, step).await.map(drop)
    }

    async fn held(&self, scope: &str, now: Timestamp) -> Result<u64, StoreError> {
        const OPERATION: &str = "concurrency.held";
        let live = self.link.live(OPERATION)?;
        let step = Step::new(OPERATION, &HELD)
            .key(self.of_scope(scope))
            .number(now.as_millis());
        self.link.take(&live, step).await?.number()
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        const OPERATION: &str = "concurrency.purge";
        let mut purged = 0;
        loop {
            let live = self.link.live(OPERATION)?;
            let (places, holders) = (self.of_scope(""), self.of_holder(""));
            let step = Step::new(OPERATION, &PURGE)
                .key(self.all())
                .number(now.as_millis())
                .number(BATCH)
                .text(&places)
                .text(&holders);
            let count = self.link.take(&live, step).await?.number()?;
            purged += count;
            if count < BATCH {
                return Ok(purged);
            }
        }
    }
}
