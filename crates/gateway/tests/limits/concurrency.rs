//! Calls at the same time.

use portcullis_testkit::eventually;
use portcullis_testkit::gateway::{Actor, Ask, Connection};
use serde_json::{Value, json};

use super::support::{Stage, echo, rest, wait};

const ONE: &[&str] = &["max_concurrent_requests: 1"];

/// A call whose answer streams for as long as the server likes.
async fn streaming(stage: &Stage, actor: &Actor, session: &str) -> Connection {
    let params = json!({"name": "echo", "arguments": {}});
    let ask = Ask::rpc("/mcp/a", "tools/call", &params).header("mcp-session-id", session);
    let mut stream = Connection::begin(stage.gateway.address(), &actor.sign(ask)).await;
    assert!(stream.until("text/event-stream").await, "no stream");
    stream
}

/// How many places the store knows to be taken.
pub(crate) async fn held(stage: &Stage, scope: &str) -> u64 {
    let stores = stage.gateway.embedded().stores();
    let now = portcullis_core::Clock::now(&*stage.clock);
    stores.concurrency.held(scope, now).await.unwrap()
}

#[tokio::test]
async fn one_call_after_the_other_always_finds_the_one_place_free() {
    let stage = Stage::new(
        "limits: {defaults: {key: {max_parallel_requests: 1}}}\n",
        ONE,
    )
    .await;
    let caller = stage.gateway.key("caller", &["a"]).await;
    for _ in 0..10 {
        let reply = echo(&caller).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    assert_eq!(held(&stage, "server:a").await, 0);
    stage.gateway.stands().await;
}

#[tokio::test]
async fn a_stream_takes_a_place_until_its_client_leaves() {
    // RL-07
    let stage = Stage::new("", ONE).await;
    let (one, other) = (
        stage.gateway.key("one", &["a"]).await,
        stage.gateway.key("other", &["a"]).await,
    );
    let session = one.session("/mcp/a").await;
    let live = stage.upstream.live("tools/call");
    let stream = streaming(&stage, &one, &session).await;
    live.opened(1).await;
    assert_eq!(held(&stage, "server:a").await, 1);
    let refused = other.ask(rest("echo")).await;
    assert_eq!(wait(&refused), 1);
    assert_eq!(refused.json()["limit"], "concurrency_limit");
    assert_eq!(refused.json()["scope"], "server");
    assert_eq!(stage.upstream.count("tools/call"), 1);

    drop(stream);
    eventually("the place is free", async || {
        held(&stage, "server:a").await == 0
    })
    .await;
    live.abandoned().await;
}

#[tokio::test]
async fn a_call_that_lasts_keeps_its_place_beyond_the_lease() {
    let stage = Stage::new("", ONE).await;
    let caller = stage.gateway.key("caller", &["a"]).await;
    let session = caller.session("/mcp/a").await;
    let live = stage.upstream.live("tools/call");
    let stream = streaming(&stage, &caller, &session).await;
    live.opened(1).await;
    for _ in 0..6 {
        // Each time nearly as long as a place is taken for.
        stage.advance(30).await;
        stage.gateway.embedded().gateway().keep_limits().await;
        assert_eq!(held(&stage, "server:a").await, 1);
    }
    drop(stream);
    eventually("the place is free", async || {
        held(&stage, "server:a").await == 0
    })
    .await;
}

#[tokio::test]
async fn a_gateway_that_died_keeps_no_place_for_long() {
    let stage = Stage::new("", ONE).await;
    let stores = stage.gateway.embedded().stores();
    let now = portcullis_core::Clock::now(&*stage.clock);
    let slots = [portcullis_store::Slot {
        scope: "server:a".to_owned(),
        most: 1,
    }];
    // What another process took, and took with it.
    let until = now.after(std::time::Duration::from_mins(1));
    let seated = stores.concurrency.acquire("the-dead/0", &slots, now, until);
    seated.await.unwrap();
    let caller = stage.gateway.key("caller", &["a"]).await;
    assert_eq!(wait(&echo(&caller).await), 1);
    stage.advance(60).await;
    assert_eq!(echo(&caller).await.status, 200);
    stage.gateway.stands().await;
}

#[tokio::test]
async fn what_a_batch_asks_takes_a_place_each() {
    let stage = Stage::new("limits: {defaults: {key: {rpm_limit: 2}}}\n", &[]).await;
    let caller = stage.gateway.key("caller", &["a"]).await;
    let params = json!({
        "protocolVersion": "2025-03-26", "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    });
    let opened = caller.rpc("/mcp/a", "initialize", params).await;
    let session = opened.header("mcp-session-id").unwrap().to_owned();
    let call = |id: u32| {
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": {"name": "echo", "arguments": {}}})
    };
    let batch: Vec<Value> = (1..=4).map(call).collect();
    let ask = Ask::post("/mcp/a", &Value::Array(batch))
        .header("accept", "application/json, text/event-stream")
        .header("mcp-session-id", &session);
    let reply = caller.ask(ask).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let text = reply.text();
    assert_eq!(text.matches(r#""result""#).count(), 2, "{text}");
    assert_eq!(text.matches(r#""rate_limited""#).count(), 2, "{text}");
}
