//! What is kept beside the database, and whose changes are told to other replicas.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use portcullis_config::Config;
use portcullis_credentials::SharedTokens;
use portcullis_server::Probe;
use portcullis_store::{OneTimesByUse, Stores, announced};
use portcullis_store_redis::{RedisDeps, RedisSettings, RedisState, RedisStores, RedisUrl};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::rooms::{Storage, Vaults};
use crate::cli::exit::CommandError;

/// How long a start waits for Redis. One that is away is used when it comes.
const PATIENCE: Duration = Duration::from_secs(3);

/// The Redis server of a configuration, as its settings name it.
pub(super) fn settings(config: &Config) -> anyhow::Result<Option<RedisSettings>> {
    let Some(redis) = &config.redis else {
        return Ok(None);
    };
    let url = RedisUrl::read(&redis.url.value, redis.allow_unverified)
        .map_err(|error| CommandError::Configuration(format!("redis.url: {error}")))?;
    Ok(Some(RedisSettings {
        url,
        key_prefix: redis.key_prefix.clone(),
        timeout: redis.timeout,
        ca_file: redis.ca_file.clone(),
    }))
}

/// Begins to connect, and says what came of it.
pub(super) async fn open(
    settings: &RedisSettings,
    deps: &RedisDeps,
) -> anyhow::Result<(RedisStores, RedisState)> {
    let place = || format!("Redis at {} (redis)", settings.url);
    let redis = RedisStores::open(settings, deps).with_context(place)?;
    let state = redis.wait(PATIENCE).await;
    Ok((redis, state))
}

/// Redis of this configuration, where there is one, until `closing`. What nobody shares needs none.
pub(super) async fn of(
    config: &Config,
    storage: &Storage,
    vaults: &Vaults,
    tracker: &TaskTracker,
    closing: &CancellationToken,
) -> anyhow::Result<Option<RedisStores>> {
    if matches!(storage, Storage::Memory) {
        return Ok(None);
    }
    let Some(settings) = settings(config)? else {
        return Ok(None);
    };
    let deps = RedisDeps {
        clock: Arc::clone(&vaults.clock),
        entropy: Arc::clone(&vaults.entropy),
        tracker: tracker.clone(),
        stop: closing.clone(),
    };
    let (redis, state) = open(&settings, &deps).await?;
    match state {
        RedisState::Up { version, evicts } => {
            tracing::info!(server = version, at = %settings.url, "Redis is used");
            if evicts {
                tracing::warn!(
                    "Redis forgets what it has no room for: set `maxmemory-policy noeviction`, or give \
                     the gateway a server of its own"
                );
            }
        }
        RedisState::Down(why) => tracing::error!(
            at = %settings.url,
            why,
            "Redis cannot be used: what needs it is refused until it can"
        ),
    }
    Ok(Some(redis))
}

/// The stores with what Redis keeps of them. Each kind of value has one owner, whatever happens: what is
/// Redis's is not looked for in the database when Redis is away, where it could be used a second time.
pub(super) fn joined(stores: Stores, redis: Option<&RedisStores>) -> Stores {
    announced(match redis {
        None => stores,
        Some(redis) => Stores {
            one_time: Arc::new(OneTimesByUse {
                forgetful: Arc::clone(&redis.one_time),
                lasting: stores.one_time,
            }),
            // What money was spent is for the database to remember.
            counters: Arc::clone(&redis.counters),
            concurrency: Arc::clone(&redis.concurrency),
            shared_tokens: Arc::clone(&redis.shared_tokens),
            announcements: Arc::clone(&redis.announcements),
            ..stores
        },
    })
}

/// Tokens that one replica fetches for all, where there is a place for them.
pub(super) fn shared_tokens(vaults: &Vaults, redis: Option<&RedisStores>) -> Option<SharedTokens> {
    let redis = redis?;
    Some(SharedTokens {
        store: Arc::clone(&redis.shared_tokens),
        // A lease is where that is which it guards.
        leases: Arc::clone(&redis.leases),
        ring: Arc::clone(&vaults.ring),
    })
}

/// Whether Redis answers, for whoever asks the gateway.
#[derive(Debug)]
pub(super) struct RedisProbe(pub(super) RedisStores);

impl Probe for RedisProbe {
    fn is_up(&self) -> bool {
        matches!(self.0.state(), RedisState::Up { .. })
    }
}
