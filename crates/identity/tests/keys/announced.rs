//! A change that is announced is known at once: the pulse of these stories comes once in an hour.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::Timestamp;
use portcullis_identity::{AuthnErrorKind, FreshnessSettings, follow};
use portcullis_store::memory::MemoryAnnouncements;
use portcullis_store::{Announcements, ApiKeyStore, Topic};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::house::{House, user_key};

#[tokio::test]
async fn a_key_that_was_revoked_elsewhere_is_refused_when_that_is_announced() {
    let house = House::open().await;
    let elsewhere = house.replica(FreshnessSettings::default());
    let (tracker, token) = (TaskTracker::new(), CancellationToken::new());
    let announcements = MemoryAnnouncements::default();
    follow(
        vec![Arc::clone(&elsewhere.index) as _],
        &announcements,
        FreshnessSettings {
            refresh_every: Duration::from_hours(1),
            ..FreshnessSettings::default()
        },
        &tracker,
        &token,
    );
    let (key, id) = house.mint(user_key()).await;
    announcements.announce(Topic::KEYS).await;
    let until = async |good: bool| {
        let reached = async {
            while elsewhere.knock(&key).await.is_ok() != good {
                tokio::task::yield_now().await;
            }
        };
        let reached = tokio::time::timeout(Duration::from_secs(30), reached).await;
        assert!(reached.is_ok(), "nobody looked");
    };
    until(true).await;
    let revoked = house.store.revoke(&id, Timestamp::from_millis(5)).await;
    assert!(revoked.unwrap().is_some());
    assert!(elsewhere.knock(&key).await.is_ok(), "nobody said so yet");
    announcements.announce(Topic::KEYS).await;
    until(false).await;
    let refused = elsewhere.knock(&key).await.unwrap_err();
    assert_eq!(refused, AuthnErrorKind::Revoked);
    token.cancel();
}
