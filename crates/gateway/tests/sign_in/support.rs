//! A gateway with pages.

use std::sync::Arc;

use portcullis_core::ManualClock;
use portcullis_testkit::gateway::{Reply, TestGateway, TestProvider};

pub(crate) const SESSION: &str = "__Host-portcullis_session";

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at_millis(1_800_000_000_000))
}

/// Where an answer sends the browser.
#[track_caller]
pub(crate) fn sent(reply: &Reply) -> &str {
    assert_eq!(reply.status, 303, "{reply:?}");
    reply.header("location").unwrap()
}

/// A page that says no, and leads nowhere.
#[track_caller]
pub(crate) fn refused(reply: &Reply, status: u16, says: &str) {
    assert_eq!(reply.status, status, "{reply:?}");
    assert_eq!(reply.header("location"), None, "{reply:?}");
    assert!(reply.text().contains(says), "{reply:?}");
}

/// A provider, and a gateway that lets people sign in with it.
pub(crate) struct Stage {
    pub(crate) gateway: TestGateway,
    pub(crate) provider: TestProvider,
    pub(crate) clock: Arc<ManualClock>,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        Self::with("").await
    }

    /// The same, with further lines of `identity.login`.
    pub(crate) async fn with(rest: &str) -> Self {
        let clock = clock();
        let provider = TestProvider::start(clock.clone()).await;
        let yaml = format!("identity:\n{}", provider.login(rest));
        let gateway = TestGateway::by_clock(&yaml, clock.clone()).await;
        Self {
            gateway,
            provider,
            clock,
        }
    }
}
