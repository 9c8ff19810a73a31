//! Sessions of the legacy era: one upstream session, one stream, one conversation.

use portcullis_testkit::upstream::{FakeUpstream, Reply};
use serde_json::json;

use super::support::{ALICE, BOB, Cluster, QUESTION, answer_to, server};

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_one_session_upstream_whichever_replica_its_requests_reach() {
    let upstream = FakeUpstream::legacy().await;
    let Some(cluster) = Cluster::of(&[server("a", &upstream)]).await else {
        return;
    };
    let alice = cluster.client(ALICE, "/mcp/a").initialized().await;
    for _ in 0..7 {
        let params = json!({"name": "echo", "arguments": {}});
        alice.result("tools/call", &params).await;
    }
    let calls = upstream.seen("tools/call");
    let session = calls[0].header("mcp-session-id").map(str::to_owned);
    assert!(session.is_some());
    for call in &calls {
        assert_eq!(call.header("mcp-session-id"), session.as_deref());
    }
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_through_another_replica_and_by_nobody_else() {
    let upstream = FakeUpstream::legacy().await;
    let calls = upstream.live("tools/call");
    let Some(cluster) = Cluster::of(&[server("a", &upstream)]).await else {
        return;
    };
    let alice = cluster.client(ALICE, "/mcp/a").initialized().await;
    let bob = cluster.client(BOB, "/mcp/a").initialized().await;
    for number in 0..3 {
        let mut running = alice.call(number + 10).await;
        calls.opened(usize::try_from(number).unwrap() + 1).await;
        calls.message(QUESTION);
        let question = running.hears("sampling/createMessage").await;
        assert_ne!(question["id"], "theirs");
        for _ in 0..3 {
            let stolen = bob.post(&answer_to(&question)).await;
            assert_eq!(stolen.status, 400, "{stolen:?}");
        }
        let answered = alice.post(&answer_to(&question)).await;
        assert_eq!(answered.status, 202, "{answered:?}");
        upstream
            .arrived("RESPONSE", usize::try_from(number).unwrap() + 1)
            .await;
        assert_eq!(upstream.last("RESPONSE").id(), "\"theirs\"");
        let request = upstream.last("tools/call").id();
        calls.message(&format!(
            r#"{{"jsonrpc":"2.0","id":{request},"result":{{"content":[]}}}}"#
        ));
        let result = running.hears("\"result\"").await;
        assert_eq!(result["id"], number + 10);
    }
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_reaches_the_request_that_runs_on_another_replica() {
    let upstream = FakeUpstream::legacy().await;
    let calls = upstream.live("tools/call");
    let Some(cluster) = Cluster::of(&[server("a", &upstream)]).await else {
        return;
    };
    let alice = cluster.client(ALICE, "/mcp/a").initialized().await;
    for number in 1..=3 {
        let running = alice.call(77).await;
        calls.opened(number).await;
        let cancelled = json!({
            "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 77},
        });
        assert_eq!(alice.post(&cancelled).await.status, 202);
        upstream.arrived("notifications/cancelled", number).await;
        let told = upstream.last("notifications/cancelled");
        let theirs = told.raw(&["params", "requestId"]).unwrap();
        assert_eq!(theirs, upstream.last("tools/call").id());
        drop(running);
    }
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_hears_what_was_subscribed_to_through_another_replica() {
    let upstream = FakeUpstream::legacy().await;
    upstream.on("resources/subscribe", |request| {
        Reply::result(request, "{}")
    });
    let listen = upstream.live("GET");
    let Some(cluster) = Cluster::of(&[server("a", &upstream)]).await else {
        return;
    };
    let alice = cluster.client(ALICE, "/mcp/a").initialized().await;
    let mut stream = alice.listen().await;
    let uri = json!({"uri": "file:///x"});
    alice.result("resources/subscribe", &uri).await;
    listen.opened(1).await;
    listen.message(r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///x"}}"#);
    let heard = stream.hears("resources/updated").await;
    assert_eq!(heard["params"]["uri"], "file:///x");
    upstream.tool_names(&["echo"]);
    listen.message(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
    stream.hears("tools/list_changed").await;

    listen.message(QUESTION);
    let question = stream.hears("sampling/createMessage").await;
    assert_eq!(alice.post(&answer_to(&question)).await.status, 202);
    upstream.arrived("RESPONSE", 1).await;
    drop(stream);
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_at_one_replica_ends_at_all() {
    let upstream = FakeUpstream::legacy().await;
    let Some(cluster) = Cluster::of(&[server("a", &upstream)]).await else {
        return;
    };
    let alice = cluster.client(ALICE, "/mcp/a").initialized().await;
    alice.result("tools/list", &json!({})).await;
    let stream = alice.listen().await;
    let delete = portcullis_testkit::gateway::Ask::new("DELETE", "/mcp/a");
    assert_eq!(alice.send(delete).await.status, 200);
    stream.over().await;
    // The others hear of it within a second.
    portcullis_testkit::eventually("the session ends", async || {
        let mut gone = 0;
        for _ in 0..3 {
            let reply = alice.rpc("tools/list", &json!({})).await;
            gone += usize::from(reply.status == 404);
        }
        gone == 3
    })
    .await;
    cluster.end().await;
}
