//! What becomes of a step when the server is killed, silent, slow, restarted, emptied, or says something else
//! than it should: it is refused, and never granted.
#![expect(
    clippy::expect_used,
    reason = "the fixtures of an integration test are test code too"
)]

#[cfg(test)]
mod proxy;
#[cfg(test)]
mod server;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod values;
#[cfg(test)]
mod wire;

use std::time::Duration;

use portcullis_core::{Timestamp, sha256};
use portcullis_store::{OneTimeRecord, OneTimeUse, Redeemed, StoreError, StoreErrorKind};
use portcullis_store_redis::{RedisSettings, RedisState, RedisStores};

/// Nobody waits for it but where a promise is broken.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) const CODE: OneTimeUse = OneTimeUse::AuthorizationCode;

pub(crate) fn record(number: u8) -> OneTimeRecord {
    OneTimeRecord {
        usage: CODE,
        digest: sha256(&[number]),
        sealed: vec![number, 0, 255],
        expires_at: Timestamp::from_secs(4_000_000_000),
    }
}

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

pub(crate) async fn redeem(stores: &RedisStores, number: u8) -> Result<Redeemed, StoreError> {
    let digest = record(number).digest;
    stores.one_time.redeem(CODE, &digest, NOW).await
}

#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, StoreError>, kind: StoreErrorKind) {
    let error = result.expect_err("this must be refused");
    assert_eq!(error.kind, kind, "{error:?}");
}

/// Settings under which nobody waits for long for a server that is silent.
pub(crate) fn impatient(settings: RedisSettings) -> RedisSettings {
    RedisSettings {
        timeout: Duration::from_millis(200),
        ..settings
    }
}

/// Waits until this is the state.
pub(crate) async fn until(stores: &RedisStores, wanted: impl Fn(&RedisState) -> bool) {
    let reached = tokio::time::timeout(PATIENCE, async {
        while !wanted(&stores.state()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(reached.await.is_ok(), "it stays {:?}", stores.state());
}

pub(crate) fn is_up(state: &RedisState) -> bool {
    matches!(state, RedisState::Up { .. })
}

pub(crate) fn is_down(state: &RedisState) -> bool {
    !is_up(state)
}
