//! Several gateways on one store.

use std::sync::Arc;

use portcullis_core::SystemClock;
use portcullis_store::ConnectionRecord;
use portcullis_testkit::eventually;
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

/// A replica whose pages are looked at does not thereby miss what is taken away elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_whose_servers_are_listed_all_the_time_serves_what_the_others_do() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("shared.db");
    let yaml = format!(
        "{PRIVATE}identity:\n  keys:\n    - {{id: root, key: {ADMIN}, role: admin, all_servers: true}}\n"
    );
    let clock = Arc::new(SystemClock::start());
    let one = TestGateway::sharing(&database, &yaml, clock.clone()).await;
    let other = TestGateway::sharing(&database, &yaml, clock).await;
    let (here, there) = (one.bearer(ADMIN), other.bearer(ADMIN));
    let body = json!({"server_name": "tools", "url": "https://mcp.example.com/mcp"});
    let listed = async |wanted: usize| {
        eventually("the list shows what the store holds", async || {
            let listed = there.ask(Ask::get("/v1/mcp/server")).await.json();
            listed.as_array().unwrap().len() == wanted
        })
        .await;
        eventually("and that is what is served", async || {
            let served = there.ask(Ask::get("/v1/mcp/server/health")).await.json();
            served.as_array().unwrap().len() == wanted
        })
        .await;
    };
    let made = here.ask(Ask::post("/v1/mcp/server", &body)).await;
    assert_eq!(made.status, 201, "{made:?}");
    listed(1).await;
    let gone = super::support::delete("/v1/mcp/server/tools");
    assert_eq!(here.ask(gone).await.status, 202);
    listed(0).await;
    one.stands().await;
}

/// A record whose name the operator gave to a server of the file is a record and nothing more.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_behind_a_server_of_the_file_is_taken_away_alone() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("shared.db");
    let keys = format!(
        "identity:\n  keys:\n    - {{id: root, key: {ADMIN}, role: admin, all_servers: true}}\n"
    );
    let clock = Arc::new(SystemClock::start());
    let before = TestGateway::sharing(&database, &format!("{PRIVATE}{keys}"), clock.clone()).await;
    let body = json!({"server_name": "tools", "url": "https://of-the-api.example.com/mcp"});
    let made = before
        .bearer(ADMIN)
        .ask(Ask::post("/v1/mcp/server", &body))
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    let file = "mcp_servers:\n  tools: {url: 'https://of-the-file.example.com/mcp'}\n";
    let after = TestGateway::sharing(&database, &format!("{file}{keys}"), clock).await;
    let connections = &after.embedded().stores().connections;
    let connected = ConnectionRecord {
        principal: "alice".into(),
        server: "tools".into(),
        sealed: vec![0],
        version: 1,
    };
    connections.put(&connected).await.unwrap();
    let root = after.bearer(ADMIN);
    let rows = root.ask(Ask::get("/v1/mcp/server")).await.json();
    let told = |row: &serde_json::Value| (row["source"].clone(), row["url"].clone());
    let told: Vec<_> = rows.as_array().unwrap().iter().map(told).collect();
    assert_eq!(
        told,
        [
            (json!("file"), json!("https://of-the-file.example.com/mcp")),
            (json!("api"), json!("https://of-the-api.example.com/mcp")),
        ]
    );
    let problems = rows[1]["problems"].to_string();
    assert!(problems.contains("names two servers"), "{rows}");
    let one = root.ask(Ask::get("/v1/mcp/server/tools")).await.json();
    assert_eq!(one["url"], "https://of-the-api.example.com/mcp", "{one}");

    let gone = super::support::delete("/v1/mcp/server/tools");
    assert_eq!(root.ask(gone).await.status, 202);
    let left = connections.get(&"alice".into(), &"tools".into()).await;
    assert_eq!(left.unwrap(), Some(connected), "it is with the file's");
    let rows = root.ask(Ask::get("/v1/mcp/server")).await.json();
    assert_eq!(rows[0]["source"], "file", "{rows}");
    assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
    after.stands().await;
}
