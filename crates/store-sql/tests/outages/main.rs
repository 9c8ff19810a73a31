//! What becomes of a step when the PostgreSQL server is killed, stands still, is out of room, or when the way
//! to it falls silent: it is refused within its time, and afterwards everything is as before. Without
//! PostgreSQL these are skipped, and fail where nothing may be.
#![expect(
    clippy::expect_used,
    reason = "the fixtures of an integration test are test code too"
)]

#[cfg(test)]
mod proxy;
#[cfg(test)]
mod room;
#[cfg(test)]
mod server;
#[cfg(test)]
mod way;

use std::time::Duration;

use portcullis_core::{Timestamp, sha256};
use portcullis_store::{OneTimeRecord, OneTimeUse, Redeemed, StoreError, StoreErrorKind, Stores};
use portcullis_store_sql::testing::Schema;
use portcullis_store_sql::{PostgresSettings, PostgresStores};
use tokio::task::JoinSet;

/// Nobody waits for it but where a promise is broken.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) const CODE: OneTimeUse = OneTimeUse::AuthorizationCode;
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

/// Settings under which nobody waits for long for a server that is silent. On a busy machine they are refused by
/// one that lives, too: what succeeds by them is tried again.
pub(crate) fn impatient(connections: u32) -> PostgresSettings {
    PostgresSettings {
        connections,
        acquire_timeout: Duration::from_secs(1),
        statement_timeout: Duration::from_secs(1),
        ..PostgresSettings::default()
    }
}

/// Stores with connections of their own that wait as long as a busy machine takes.
pub(crate) async fn patient(schema: &Schema) -> Stores {
    let settings = PostgresSettings {
        connections: 4,
        acquire_timeout: PATIENCE,
        statement_timeout: PATIENCE,
        ..PostgresSettings::default()
    };
    let database = PostgresStores::open(&schema.url(), &settings).await;
    database.expect("a server that lives").stores()
}

pub(crate) fn record(number: u8) -> OneTimeRecord {
    OneTimeRecord {
        usage: CODE,
        digest: sha256(&[number]),
        sealed: vec![number, 0, 255],
        expires_at: Timestamp::from_secs(4_000_000_000),
    }
}

pub(crate) async fn redeem(stores: &Stores, number: u8) -> Result<Redeemed, StoreError> {
    let digest = record(number).digest;
    within(stores.one_time.redeem(CODE, &digest, NOW)).await
}

/// Waits for what must come, as an answer or as a refusal.
pub(crate) async fn within<T>(step: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(PATIENCE, step).await;
    ended.expect("a step hangs")
}

#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    let error = result.expect_err("this must be refused");
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error:?}");
}

/// Waits until reading and writing work again.
pub(crate) async fn until_it_works(stores: &Stores) {
    let working = async {
        let mut rounds = 0_u32;
        loop {
            rounds += 1;
            let value = rounds.to_be_bytes();
            if stores.meta.put("working", &value).await.is_ok()
                && let Ok(Some(read)) = stores.meta.get("working").await
            {
                assert_eq!(read, value);
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within(working).await;
}

/// Twice as many at once as there are connections for, until all of them find a place: one that was lost would
/// be missed.
pub(crate) async fn every_place_is_there(stores: &Stores, connections: usize) {
    let all_find_one = async {
        loop {
            let mut steps = JoinSet::new();
            for number in 0..2 * connections {
                let stores = stores.clone();
                steps.spawn(async move {
                    let name = format!("place-{number}");
                    stores.meta.put(&name, b"x").await?;
                    stores.meta.get(&name).await
                });
            }
            let found = steps.join_all().await;
            if found.iter().all(Result::is_ok) {
                return;
            }
        }
    };
    within(all_find_one).await;
}
