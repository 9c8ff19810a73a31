//! A gateway that is stopped needs Redis for as long as it serves.

use std::path::Path;

use portcullis_store_redis::testing::Place;
use portcullis_testkit::eventually;
use portcullis_testkit::gateway::{Ask, Connection, Process};
use portcullis_testkit::upstream::FakeUpstream;
use serde_json::json;

const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");
const ALICE: &str = "sk-alice-canary-Yx83bQ71kkPwLm20";
const BOB: &str = "sk-bob-canary-Hq5Tn9vB2cXz7Ks40";

fn echo() -> Ask {
    let body = json!({"server_id": "a", "name": "echo", "arguments": {}});
    Ask::post("/mcp-rest/tools/call", &body)
}

fn serve(folder: &Path) -> Process {
    let args = ["--config", "c.yaml", "--port", "0"];
    Process::serve(PORTCULLIS, folder, &args, &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_gateway_serves_after_its_stop_is_counted_and_keeps_no_place() {
    let Some(place) = Place::fresh() else {
        return;
    };
    let upstream = FakeUpstream::legacy().await;
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "server: {{grace_seconds: 60s, drain_seconds: 60s}}\n\
         redis: {{url: '{}', key_prefix: {}, timeout: 5s}}\n\
         general_settings: {{master_key: sk-master-canary-Zp7Qm2vT9dKx4RzL}}\n\
         identity:\n  keys:\n\
         \x20 - {{id: alice, key: {ALICE}, all_servers: true}}\n\
         \x20 - {{id: bob, key: {BOB}, all_servers: true}}\n\
         limits:\n  keys:\n\
         \x20   alice: {{max_parallel_requests: 1}}\n\
         \x20   bob: {{rpm_limit: 100, max_parallel_requests: 1}}\n\
         mcp_servers:\n  a:\n    url: \"{}\"\n",
        place.url(),
        place.prefix(),
        upstream.url()
    );
    std::fs::write(folder.path().join("c.yaml"), text).unwrap();
    let mut gateway = serve(folder.path());
    assert_eq!(gateway.ask_as(BOB, echo()).await.status, 200);
    let begin = Ask::rpc(
        "/mcp/a",
        "initialize",
        &json!({
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        }),
    );
    let begun = gateway.ask_as(ALICE, begin).await;
    let session = begun.header("mcp-session-id").unwrap().to_owned();
    let live = upstream.live("tools/call");
    let call = Ask::rpc(
        "/mcp/a",
        "tools/call",
        &json!({"name": "echo", "arguments": {}}),
    );
    let call = call.header("mcp-session-id", &session).bearer(ALICE);
    let mut stream = Connection::begin(gateway.address(), &call).await;
    assert!(stream.until("text/event-stream").await, "no stream");
    live.opened(1).await;
    assert_eq!(gateway.ask_as(ALICE, echo()).await.status, 429);

    gateway.signal("TERM");
    eventually("it says that it stops", async || {
        let ready = gateway.ask_as(BOB, Ask::get("/health/ready")).await;
        ready.status == 503
    })
    .await;
    upstream.on("tools/call", |request| {
        portcullis_testkit::upstream::Reply::result(request, r#"{"content":[]}"#)
    });
    for _ in 0..3 {
        let served = gateway.ask_as(BOB, echo()).await;
        assert_eq!(served.status, 200, "{served:?}");
    }
    // At once now: the call under way is cut off.
    gateway.signal("TERM");
    gateway.wait();
    drop(stream);

    let next = serve(folder.path());
    let free = next.ask_as(ALICE, echo()).await;
    assert_eq!(free.status, 200, "{free:?}");
}
