//! A replica that is killed: the others go on, and what it held ends where it can be seen.

use portcullis_testkit::upstream::{FakeUpstream, Reply};
use serde_json::json;

use super::support::{ALICE, Cluster, QUESTION, answer_to, server, soon};

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_on_at_another_replica_with_what_its_client_had_set() {
    let upstream = FakeUpstream::legacy().await;
    for kind in [
        "resources/subscribe",
        "logging/setLevel",
        "resources/unsubscribe",
    ] {
        upstream.on(kind, |request| Reply::result(request, "{}"));
    }
    let listen = upstream.live("GET");
    let Some(mut cluster) = Cluster::of(&[server("a", &upstream)]).await else {
        return;
    };
    let home = cluster.next();
    let alice = cluster.client(ALICE, "/mcp/a").initialized().await;
    for uri in ["file:///x", "file:///y", "file:///z"] {
        alice
            .result("resources/subscribe", &json!({"uri": uri}))
            .await;
    }
    alice
        .result("resources/unsubscribe", &json!({"uri": "file:///y"}))
        .await;
    alice
        .result("logging/setLevel", &json!({"level": "warning"}))
        .await;
    let before = upstream.last("logging/setLevel");
    let before = before.header("mcp-session-id").map(str::to_owned);

    cluster.kill(home).await;
    let mut stream = alice.listen().await;
    listen.opened(1).await;
    listen.message(r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///z"}}"#);
    stream.hears("file:///z").await;
    let level = upstream.last("logging/setLevel");
    assert_eq!(level.text(&["params", "level"]).as_deref(), Some("warning"));
    let now = level.header("mcp-session-id").map(str::to_owned);
    assert_ne!(now, before);
    let again: Vec<_> = upstream
        .seen("resources/subscribe")
        .iter()
        .filter(|one| one.header("mcp-session-id") == now.as_deref())
        .filter_map(|one| one.text(&["params", "uri"]))
        .collect();
    assert_eq!(again, ["file:///x", "file:///z"]);

    // It is at home at one of the two that are left, and in one session there.
    for _ in 0..4 {
        let params = json!({"name": "echo", "arguments": {}});
        alice.result("tools/call", &params).await;
        let call = upstream.last("tools/call");
        assert_eq!(call.header("mcp-session-id"), now.as_deref());
    }
    drop(stream);
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_killed_replica_held_ends_and_nothing_hangs() {
    let upstream = FakeUpstream::legacy().await;
    let calls = upstream.live("tools/call");
    let Some(mut cluster) = Cluster::of(&[server("a", &upstream)]).await else {
        return;
    };
    let home = cluster.next();
    let alice = cluster.client(ALICE, "/mcp/a").initialized().await;
    // It reaches another replica than its home, which hands it over.
    let mut running = alice.call(7).await;
    calls.opened(1).await;
    calls.message(QUESTION);
    let question = running.hears("sampling/createMessage").await;
    cluster.kill(home).await;
    Box::pin(soon("the end of the call", running.over())).await;
    let late = alice.post(&answer_to(&question)).await;
    assert_eq!(late.status, 400, "{late:?}");
    assert!(late.text().contains("no request waits"), "{late:?}");
    assert_eq!(upstream.count("RESPONSE"), 0);
    let other = cluster.client(ALICE, "/mcp/a").initialized().await;
    for _ in 0..3 {
        other.result("tools/list", &json!({})).await;
        alice.result("tools/list", &json!({})).await;
    }
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_at_a_stateless_server_goes_on_at_another_replica() {
    let upstream = FakeUpstream::modern().await;
    let listens = upstream.live("subscriptions/listen");
    let Some(mut cluster) = Cluster::of(&[server("a", &upstream)]).await else {
        return;
    };
    let home = cluster.next();
    let alice = cluster.client(ALICE, "/mcp/a").initialized().await;
    alice
        .result("resources/subscribe", &json!({"uri": "x://a"}))
        .await;
    cluster.kill(home).await;
    let stream = alice.listen().await;
    listens.opened(1).await;
    let listened = upstream.last("subscriptions/listen");
    assert!(listened.body.contains("x://a"), "{}", listened.body);
    drop(stream);
    cluster.end().await;
}
