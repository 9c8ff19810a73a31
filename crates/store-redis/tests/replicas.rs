//! Two processes on one server.

use std::time::Duration;

use portcullis_core::{Timestamp, sha256};
use portcullis_store::{OneTimeRecord, OneTimeUse, Redeemed, Topic};
use portcullis_store_redis::testing::Place;

const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn what_one_puts_the_other_redeems_once() {
    let Some(place) = Place::fresh() else { return };
    let (one, other) = (place.open().await, place.open().await);
    let record = OneTimeRecord {
        usage: OneTimeUse::AuthorizationCode,
        digest: sha256(b"code"),
        sealed: vec![1],
        expires_at: NOW.after(PATIENCE),
    };
    assert!(one.one_time.put(&record).await.unwrap());
    assert!(!other.one_time.put(&record).await.unwrap());
    let redeem = async |stores: &portcullis_store_redis::RedisStores| {
        let redeemed = stores.one_time.redeem(record.usage, &record.digest, NOW);
        redeemed.await.unwrap()
    };
    assert_eq!(redeem(&other).await, Redeemed::Value(vec![1]));
    assert_eq!(redeem(&one).await, Redeemed::AlreadyUsed(vec![1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_announces_the_other_hears() {
    let Some(place) = Place::fresh() else { return };
    let (one, other) = (place.open().await, place.open().await);
    let mut heard = other.announcements.hear(Topic::REVOCATIONS);
    let elsewhere = Place::fresh().unwrap();
    let stranger = elsewhere.open().await;
    let unheard = stranger.announcements.hear(Topic::REVOCATIONS);
    for _ in 0..3 {
        one.announcements.announce(Topic::REVOCATIONS).await;
        tokio::time::timeout(PATIENCE, heard.changed())
            .await
            .unwrap();
    }
    assert!(!unheard.has_news(), "another gateway's channel");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_follows_wakes_nobody() {
    let Some(place) = Place::fresh() else { return };
    let stores = place.open().await;
    let mut keys = stores.announcements.hear(Topic::KEYS);
    place.run(&["PUBLISH", "{}:changed", "no such topic"]);
    place.run(&["PUBLISH", "{}:changed", "sessions"]);
    place.run(&["PUBLISH", "{}:changed", "keys"]);
    tokio::time::timeout(PATIENCE, keys.changed())
        .await
        .unwrap();
    assert!(!keys.has_news());
}
