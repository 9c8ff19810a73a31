//! HTTP+SSE: the stream is at one replica, and messages to it arrive at any.

use portcullis_testkit::gateway::Ask;
use portcullis_testkit::upstream::FakeUpstream;
use serde_json::{Value, json};

use super::support::{ALICE, BOB, Client, Cluster, server};

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
