use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use portcullis_core::{ManualClock, sha256};

use super::*;

const DAY: i64 = 24 * 60 * 60 * 1000;

/// The memory backend, which can be out of reach.
#[derive(Debug)]
struct Breakable {
    inner: Arc<dyn SessionStore>,
    down: AtomicBool,
    /// How far its numbers fell back with the commits that it lost.
    fallen_back: AtomicU64,
}

impl Breakable {
    fn check(&self) -> Result<(), StoreError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("a test", "down"));
        }
        Ok(())
    }
}

#[async_trait]
impl SessionStore for Breakable {
    async fn terminate(&self, session: &TerminatedSession) -> Result<(), StoreError> {
        self.check()?;
        self.inner.terminate(session).await
    }

    async fn is_terminated(&self, digest: &[u8; 32]) -> Result<bool, StoreError> {
        self.check()?;
        self.inner.is_terminated(digest).await
    }

    async fn terminated_since(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, TerminatedSession)>, StoreError> {
        self.check()?;
        let back = self.fallen_back.load(Ordering::SeqCst);
        let mut news = self.inner.terminated_since(after + back, limit).await?;
        for (number, _) in &mut news {
            *number -= back;
        }
        Ok(news)
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.check()?;
        self.inner.purge(now).await
    }
}

struct Replica {
    clock: ManualClock,
    store: Arc<Breakable>,
    terminated: Terminated,
}

impl Replica {
    fn new() -> Self {
        let clock = ManualClock::at_millis(DAY);
        let store = Arc::new(Breakable {
            inner: portcullis_store::memory::stores().sessions,
            down: AtomicBool::new(false),
            fallen_back: AtomicU64::new(0),
        });
        let terminated = Terminated::new(Arc::clone(&store) as _, clock.monotonic());
        Self {
            clock,
            store,
            terminated,
        }
    }

    fn ended(&self, digest: &[u8; 32]) -> Result<bool, SessionRefusal> {
        self.terminated.contains(digest, self.clock.monotonic())
    }

    async fn follow(&self) {
        self.terminated.follow(&self.clock).await;
    }
}

#[tokio::test]
async fn a_session_that_ended_under_a_number_given_out_twice_is_found() {
    let replica = Replica::new();
    let expires_at = Timestamp::from_millis(2 * DAY);
    for name in [b"a", b"b", b"c"] {
        let digest = sha256(name);
        let ended = TerminatedSession { digest, expires_at };
        replica.store.inner.terminate(&ended).await.unwrap();
    }
    replica.follow().await;
    let digest = sha256(b"late");
    let ended = TerminatedSession { digest, expires_at };
    replica.store.inner.terminate(&ended).await.unwrap();
    replica.store.fallen_back.store(2, Ordering::SeqCst);
    replica.follow().await;
    assert_eq!(replica.ended(&digest), Ok(false));
    replica.clock.advance(Duration::from_mins(5));
    replica.follow().await;
    assert_eq!(replica.ended(&digest), Ok(true));
}

#[tokio::test]
async fn a_list_that_cannot_be_followed_for_a_minute_is_not_trusted_however_rarely_it_was_tried() {
    let replica = Replica::new();
    let digest = sha256(b"unknown");
    replica.follow().await;
    replica.clock.advance(Duration::from_secs(59));
    assert_eq!(replica.ended(&digest), Ok(false));
    replica.store.down.store(true, Ordering::SeqCst);
    replica.follow().await;
    assert_eq!(replica.ended(&digest), Ok(false));
    replica.clock.advance(Duration::from_secs(1));
    assert_eq!(replica.ended(&digest), Err(SessionRefusal::Unavailable));

    replica.store.down.store(false, Ordering::SeqCst);
    replica.follow().await;
    assert_eq!(replica.ended(&digest), Ok(false));
}

#[tokio::test]
async fn a_store_that_fails_often_and_not_for_long_is_still_trusted() {
    let replica = Replica::new();
    replica.store.down.store(true, Ordering::SeqCst);
    for _ in 0..1000 {
        replica.follow().await;
    }
    assert_eq!(replica.ended(&sha256(b"unknown")), Ok(false));
    replica.clock.advance(STALE);
    assert_eq!(
        replica.ended(&sha256(b"unknown")),
        Err(SessionRefusal::Unavailable),
        "a store that was never reached"
    );
}

#[tokio::test]
async fn what_expired_leaves_the_store_once_no_replica_can_need_it() {
    let replica = Replica::new();
    let digest = sha256(b"ended");
    let expires = replica.clock.now().after(Duration::from_mins(10));
    assert!(replica.terminated.add(digest, expires).await.is_ok());
    let stored = || async { replica.store.is_terminated(&digest).await.unwrap() };
    for minutes in [0, 11, 58] {
        replica.clock.advance(Duration::from_mins(minutes));
        replica.follow().await;
        assert!(stored().await, "a clock may be an hour behind");
    }
    replica.clock.advance(Duration::from_mins(2));
    replica.follow().await;
    assert!(!stored().await);
}

#[tokio::test]
async fn the_store_is_purged_once_a_minute_and_not_every_second() {
    let replica = Replica::new();
    replica.follow().await;
    let old = TerminatedSession {
        digest: sha256(b"old"),
        expires_at: Timestamp::from_millis(0),
    };
    replica.store.terminate(&old).await.unwrap();
    for _ in 0..59 {
        replica.clock.advance(Duration::from_secs(1));
        replica.follow().await;
    }
    assert!(replica.store.is_terminated(&old.digest).await.unwrap());
    replica.clock.advance(Duration::from_secs(1));
    replica.follow().await;
    assert!(!replica.store.is_terminated(&old.digest).await.unwrap());
}
