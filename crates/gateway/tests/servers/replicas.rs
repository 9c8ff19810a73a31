//! Several gateways on one store.

use std::sync::Arc;

use portcullis_core::SystemClock;
use portcullis_testkit::gateway::{Ask, MockServer, TestGateway};
use serde_json::json;

use super::support::PRIVATE;

const ADMIN: &str = "sk-pc-root-7Qm2vT9dKx4RzP1sWn8uYb3";

#[tokio::test(flavor = "multi_thread")]
async fn what_one_replica_defines_the_others_serve_and_what_it_takes_away_they_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("shared.db");
    let yaml = format!(
        "{PRIVATE}identity:\n  keys:\n    - {{id: root, key: {ADMIN}, role: admin, all_servers: true}}\n"
    );
    let clock = Arc::new(SystemClock::start());
    let one = TestGateway::sharing(&database, &yaml, clock.clone()).await;
    let other = TestGateway::sharing(&database, &yaml, clock.clone()).await;
    let mock = MockServer::start().await;
    let (here, there) = (one.bearer(ADMIN), other.bearer(ADMIN));
    let body = json!({"server_name": "tools", "url": format!("{}/mcp", mock.url())});
    let made = here.ask(Ask::post("/v1/mcp/server", &body)).await;
    assert_eq!(made.status, 201, "{made:?}");
    // As soon as it follows the store, which it does by itself.
    let serves = async |wanted: bool| {
        loop {
            let listed = there.ask(Ask::get("/v1/mcp/server/health")).await.json();
            if listed.as_array().unwrap().len() == usize::from(wanted) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    serves(true).await;
    let shown = there.ask(Ask::get("/v1/mcp/server/tools")).await;
    assert_eq!(shown.header("etag"), made.header("etag"));
    let late = TestGateway::sharing(&database, &yaml, clock).await;
    let listed = late
        .bearer(ADMIN)
        .ask(Ask::get("/v1/mcp/server/health"))
        .await;
    assert_eq!(
        listed.json(),
        json!([{"server_id": "tools", "status": "unknown"}])
    );
    let gone = here
        .ask(super::support::delete("/v1/mcp/server/tools"))
        .await;
    assert_eq!(gone.status, 202, "{gone:?}");
    serves(false).await;
    one.stands().await;
}
