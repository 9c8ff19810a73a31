//! Gateways that share.

use std::path::PathBuf;
use std::sync::Arc;

use portcullis_core::{Clock, SystemClock};
use portcullis_store_redis::testing::Place;
use portcullis_testkit::gateway::{MockServer, TestGateway, TestProvider};

/// Where a sign-in with the provider begins.
pub(crate) const BEGIN: &str = "/login/provider?return_to=%2Fconnect%2Fsupport";

/// What the gateways of a story have in common.
pub(crate) struct Stage {
    pub(crate) place: Place,
    clock: Arc<dyn Clock>,
    pub(crate) provider: TestProvider,
    pub(crate) mock: MockServer,
    folder: tempfile::TempDir,
}

impl Stage {
    pub(crate) async fn on(place: Place) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        Self {
            provider: TestProvider::start(Arc::clone(&clock)).await,
            mock: MockServer::start().await,
            folder: tempfile::tempdir().unwrap(),
            place,
            clock,
        }
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("portcullis.db")
    }

    /// One more gateway.
    pub(crate) async fn gateway(&self) -> TestGateway {
        // The machine may be busy with everybody's tests.
        let yaml = format!(
            "redis: {{url: '{}', key_prefix: {}, timeout: 2s}}\nidentity:\n{}mcp_servers:\n{}",
            self.place.url(),
            self.place.prefix(),
            self.provider.login(""),
            self.mock.entry("support"),
        );
        let clock = Arc::clone(&self.clock);
        let gateway = TestGateway::sharing(&self.database(), &yaml, clock).await;
        gateway.keep_secret("the mock's client secret", self.mock.client_secret());
        gateway
    }
}
