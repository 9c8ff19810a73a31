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

#[derive(Debug, Default)]
struct Limits(std::sync::atomic::AtomicBool);

#[async_trait::async_trait]
impl portcullis_identity::Followed for Limits {
    fn name(&self) -> &'static str {
        "limits"
    }

    async fn take_in(&self) -> Result<(), portcullis_store::StoreError> {
        if self.0.load(std::sync::atomic::Ordering::SeqCst) {
            return Ok(());
        }
        Err(portcullis_store::StoreError::unavailable("limits", "cut"))
    }
}

#[tokio::test]
async fn a_key_is_known_after_what_it_was_made_with_and_not_before() {
    let house = House::open().await;
    let there = house.replica(FreshnessSettings::default());
    there.index.refresh().await.unwrap();
    let limits = Arc::new(Limits::default());
    there.index.only_after(limits.clone());
    let (key, _) = house.mint(user_key()).await;
    assert!(there.index.refresh().await.is_err());
    assert_eq!(
        there.knock(&key).await.unwrap_err(),
        AuthnErrorKind::Unknown
    );
    limits.0.store(true, std::sync::atomic::Ordering::SeqCst);
    there.index.refresh().await.unwrap();
    assert!(there.knock(&key).await.is_ok());
}
