//! Shared tokens.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use portcullis_core::Timestamp;
use portcullis_store::{SharedTokenRecord, SharedTokenStore, StoreError};
use redis::Script;

use crate::link::Link;
use crate::step::{Keys, Lua, Step};

static PUT: Lua = LazyLock::new(|| Script::new(include_str!("lua/token_put.lua")));
static GET: Lua = LazyLock::new(|| Script::new(include_str!("lua/token_get.lua")));
static FORGET: Lua = LazyLock::new(|| Script::new(include_str!("lua/token_forget.lua")));

/// What a token's key is called by.
const TOKEN: &str = "token";

#[derive(Debug)]
pub(crate) struct RedisSharedTokens {
    pub(crate) link: Arc<Link>,
    pub(crate) keys: Keys,
}

#[async_trait]
impl SharedTokenStore for RedisSharedTokens {
    async fn put(&self, record: &SharedTokenRecord, now: Timestamp) -> Result<(), StoreError> {
        const OPERATION: &str = "shared_tokens.put";
        let live = self.link.live(OPERATION)?;
        let kept = record.expires_at.since(now).as_millis().max(1);
        let step = Step::new(OPERATION, &PUT)
            .key(self.keys.of_digest(TOKEN, &record.key))
            .bytes(&record.sealed)
            .number(record.expires_at.as_millis())
            .number(kept);
        self.link.take(&live, step).await.map(drop)
    }

    async fn get(&self, key: &[u8; 32], now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        const OPERATION: &str = "shared_tokens.get";
        let live = self.link.live(OPERATION)?;
        let step = Step::new(OPERATION, &GET)
            .key(self.keys.of_digest(TOKEN, key))
            .number(now.as_millis());
        Ok(self.link.take(&live, step).await?.next())
    }

    async fn forget(&self, key: &[u8; 32], sealed: &[u8]) -> Result<(), StoreError> {
        const OPERATION: &str = "shared_tokens.forget";
        let live = self.link.live(OPERATION)?;
        let step = Step::new(OPERATION, &FORGET)
            .key(self.keys.of_digest(TOKEN, key))
            .bytes(sealed);
        self.link.take(&live, step).await.map(drop)
    }
}
