//! HTTP+SSE: the stream is at one replica, and messages to it arrive at any.

use portcullis_testkit::gateway::Ask;
use portcullis_testkit::upstream::FakeUpstream;
use serde_json::{Value, json};

use super::support::{ALICE, BOB, Client, Cluster, QUESTION, answer_to, server};

async fn tell(client: &Client, endpoint: &str, message: &Value) -> u16 {
    client.send(Ask::post(endpoint, message)).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_reaches_the_stream_at_another_replica_until_that_is_gone() {
    let upstream = FakeUpstream::legacy().await;
    let Some(mut cluster) = Cluster::of(&[server("a", &upstream)]).await else {
        return;
    };
    let (alice, bob) = (
        cluster.client(ALICE, "/mcp/a"),
        cluster.client(BOB, "/mcp/a"),
    );
    let home = cluster.next();
    let mut stream = alice.get("/mcp/a/sse").await;
    let endpoint = stream.line("data: ").await;
    let params = json!({
        "protocolVersion": "2024-11-05", "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    });
    let hello = json!({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": params});
    assert_eq!(tell(&alice, &endpoint, &hello).await, 202);
    stream.hears("protocolVersion").await;
    for number in 0..4 {
        let id = format!("list-{number}");
        let list = json!({"jsonrpc": "2.0", "id": id, "method": "tools/list"});
        assert_eq!(tell(&bob, &endpoint, &list).await, 404);
        assert_eq!(tell(&alice, &endpoint, &list).await, 202);
        let listed = stream.hears(&id).await;
        assert!(listed["result"]["tools"].is_array(), "{listed}");
    }
    cluster.kill(home).await;
    stream.over().await;
    let list = json!({"jsonrpc": "2.0", "id": 9, "method": "tools/list"});
    assert_eq!(tell(&alice, &endpoint, &list).await, 404);
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_its_question_and_its_cancellation_find_each_other_whichever_replica_they_reach() {
    let upstream = FakeUpstream::legacy().await;
    let calls = upstream.live("tools/call");
    let Some(cluster) = Cluster::of(&[server("a", &upstream)]).await else {
        return;
    };
    let (alice, bob) = (
        cluster.client(ALICE, "/mcp/a"),
        cluster.client(BOB, "/mcp/a"),
    );
    let mut stream = alice.get("/mcp/a/sse").await;
    let endpoint = stream.line("data: ").await;
    let params = json!({
        "protocolVersion": "2024-11-05", "capabilities": {"sampling": {}},
        "clientInfo": {"name": "t", "version": "1"},
    });
    let hello = json!({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": params});
    assert_eq!(tell(&alice, &endpoint, &hello).await, 202);
    stream.hears("protocolVersion").await;
    let call = |id: &str| {
        let params = json!({"name": "echo", "arguments": {}});
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
    };
    let first = cluster.next();
    assert_eq!(tell(&alice, &endpoint, &call("asks")).await, 202);
    calls.opened(1).await;
    calls.message(QUESTION);
    let question = stream.hears("sampling/createMessage").await;
    let answer = answer_to(&question);
    assert_eq!(tell(&bob, &endpoint, &answer).await, 404);
    assert_eq!(upstream.count("RESPONSE"), 0);
    assert_ne!(cluster.next(), first, "it comes another way than the call");
    assert_eq!(tell(&alice, &endpoint, &answer).await, 202);
    upstream.arrived("RESPONSE", 1).await;
    assert_eq!(
        upstream.last("RESPONSE").raw(&["id"]).unwrap(),
        "\"theirs\""
    );
    let ours = upstream.last("tools/call").id();
    calls.message(&format!(
        r#"{{"jsonrpc":"2.0","id":{ours},"result":{{"content":[]}}}}"#
    ));
    let answered = stream.hears("\"asks\"").await;
    assert_eq!(answered["id"], "asks");

    assert_eq!(tell(&alice, &endpoint, &call("leaves")).await, 202);
    calls.opened(2).await;
    let cancel = json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "leaves"},
    });
    assert_eq!(tell(&alice, &endpoint, &cancel).await, 202);
    upstream.arrived("notifications/cancelled", 1).await;
    let cancelled = upstream.last("notifications/cancelled");
    assert_eq!(
        cancelled.raw(&["params", "requestId"]).unwrap(),
        upstream.last("tools/call").id()
    );
    drop(stream);
    cluster.end().await;
}
