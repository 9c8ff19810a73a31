//! Leases.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use portcullis_core::Timestamp;
use portcullis_store::{LeaseStore, StoreError};
use redis::Script;

use crate::link::Link;
use crate::step::{Keys, Lua, Step};

static ACQUIRE: Lua = LazyLock::new(|| Script::new(include_str!("lua/lease_acquire.lua")));
static RELEASE: Lua = LazyLock::new(|| Script::new(include_str!("lua/lease_release.lua")));

/// How long after its end a lease is kept at most: clocks differ, and its end is in it.
const KEPT_OVER: Duration = Duration::from_hours(1);

#[derive(Debug)]
pub(crate) struct RedisLeases {
    pub(crate) link: Arc<Link>,
    pub(crate) keys: Keys,
}

#[async_trait]
impl LeaseStore for RedisLeases {
    async fn acquire(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "leases.acquire";
        let live = self.link.live(OPERATION)?;
        let step = Step::new(OPERATION, &ACQUIRE)
            .key(self.keys.key(&["lease", name]))
            .text(holder)
            .number(now.as_millis())
            .number(until.as_millis())
            .number(until.since(now).saturating_add(KEPT_OVER).as_millis());
        let mut answer = self.link.take(&live, step).await?;
        match answer.word()?.as_str() {
            "taken" => Ok(true),
            "held" => Ok(false),
            _ => Err(answer.foreign()),
        }
    }

    async fn release(&self, name: &str, holder: &str) -> Result<(), StoreError> {
        const OPERATION: &str = "leases.release";
        let live = self.link.live(OPERATION)?;
        let step = Step::new(OPERATION, &RELEASE)
            .key(self.keys.key(&["lease", name]))
            .text(holder);
        self.link.take(&live, step).await.map(drop)
    }
}
