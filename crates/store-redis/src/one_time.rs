//! One-time values.
//!
//! A value is good only in the life of the server in which it was put: one that came back with an older
//! state of its memory, or another server in its place, may not know any more what was used.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use portcullis_core::{Clock, Timestamp, hex};
use portcullis_store::{OneTimeRecord, OneTimeStore, OneTimeUse, Put, Redeemed, StoreError};
use redis::Script;

use crate::link::{Link, Live};
use crate::step::{Answer, Keys, Lua, Step};

static PUT: Lua = LazyLock::new(|| Script::new(include_str!("lua/one_time_put.lua")));
static REDEEM: Lua = LazyLock::new(|| Script::new(include_str!("lua/one_time_redeem.lua")));
static PURGE: Lua = LazyLock::new(|| Script::new(include_str!("lua/one_time_purge.lua")));

/// How long after its time a value is kept at most, if nobody purges: that it was used is still told then.
const KEPT_OVER: Duration = Duration::from_hours(1);
/// How many values one step forgets.
const BATCH: u64 = 500;

#[derive(Debug)]
pub(crate) struct RedisOneTimes {
    pub(crate) link: Arc<Link>,
    pub(crate) keys: Keys,
    pub(crate) clock: Arc<dyn Clock>,
}

impl RedisOneTimes {
    fn value(&self, live: &Live, usage: OneTimeUse, digest: &str) -> String {
        let life = &live.server.life;
        self.keys.key(&["one-time", life, usage.as_str(), digest])
    }

    fn waiting(&self, live: &Live, usage: OneTimeUse) -> String {
        let life = &live.server.life;
        self.keys.key(&["one-time", life, usage.as_str(), WAITING])
    }

    fn all(&self, live: &Live) -> String {
        self.keys.key(&["one-time", &live.server.life, "all"])
    }

    async fn keep(
        &self,
        operation: &'static str,
        record: &OneTimeRecord,
        room: Option<(u64, Timestamp)>,
    ) -> Result<Put, StoreError> {
        let live = self.link.live(operation)?;
        let digest = hex(&record.digest);
        let member = format!("{}:{digest}", record.usage.as_str());
        let kept = record
            .expires_at
            .since(self.clock.now())
            .saturating_add(KEPT_OVER);
        let step = Step::new(operation, &PUT)
            .key(self.value(&live, record.usage, &digest))
            .key(self.waiting(&live, record.usage))
            .key(self.all(&live))
            .bytes(&record.sealed)
            .number(record.expires_at.as_millis())
            .text(&digest)
            .text(&member)
            .number(kept.as_millis());
        let step = match room {
            Some((room, now)) => step.number(room).number(now.as_millis()),
            None => step.text("").text(""),
        };
        let mut answer = self.link.take(&live, step).await?;
        match answer.word()?.as_str() {
            "kept" => Ok(Put::Kept),
            "taken" => Ok(Put::Taken),
            "full" => Ok(Put::Full),
            _ => Err(answer.foreign()),
        }
    }

    async fn look(
        &self,
        operation: &'static str,
        usage: OneTimeUse,
        digest: &[u8; 32],
        now: Timestamp,
        using: &str,
    ) -> Result<Redeemed, StoreError> {
        let live = self.link.live(operation)?;
        let digest = hex(digest);
        let step = Step::new(operation, &REDEEM)
            .key(self.value(&live, usage, &digest))
            .key(self.waiting(&live, usage))
            .number(now.as_millis())
            .text(&digest)
            .text(using);
        redeemed(self.link.take(&live, step).await?)
    }
}

/// What a list of values that nobody used yet is called.
const WAITING: &str = "waiting";

fn redeemed(mut answer: Answer) -> Result<Redeemed, StoreError> {
    match answer.word()?.as_str() {
        "value" => Ok(Redeemed::Value(answer.bytes()?)),
        "used" => Ok(Redeemed::AlreadyUsed(answer.bytes()?)),
        "expired" => Ok(Redeemed::Expired),
        "unknown" => Ok(Redeemed::Unknown),
        _ => Err(answer.foreign()),
    }
}

#[async_trait]
impl OneTimeStore for RedisOneTimes {
    async fn put(&self, record: &OneTimeRecord) -> Result<bool, StoreError> {
        let put = self.keep("one_time.put", record, None).await?;
        Ok(put == Put::Kept)
    }

    async fn put_within(
        &self,
        record: &OneTimeRecord,
        room: u64,
        now: Timestamp,
    ) -> Result<Put, StoreError> {
        self.keep("one_time.put_within", record, Some((room, now)))
            .await
    }

    async fn redeem(
        &self,
        usage: OneTimeUse,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Redeemed, StoreError> {
        self.look("one_time.redeem", usage, digest, now, "1").await
    }

    async fn peek(
        &self,
        usage: OneTimeUse,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.look("one_time.peek", usage, digest, now, "0").await?;
        Ok(match found {
            Redeemed::Value(sealed) => Some(sealed),
            Redeemed::Unknown | Redeemed::AlreadyUsed(_) | Redeemed::Expired => None,
        })
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        const OPERATION: &str = "one_time.purge";
        let mut purged = 0;
        loop {
            let live = self.link.live(OPERATION)?;
            let begin = self.keys.key(&["one-time", &live.server.life, ""]);
            let end = format!(":{WAITING}");
            let step = Step::new(OPERATION, &PURGE)
                .key(self.all(&live))
                .number(now.as_millis())
                .number(BATCH)
                .text(&begin)
                .text(&end);
            let count = self.link.take(&live, step).await?.number()?;
            purged += count;
            if count < BATCH {
                return Ok(purged);
            }
        }
    }
}
