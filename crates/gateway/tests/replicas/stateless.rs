//! Sessions in front of a server that opens none: what is remembered of them is at home with them, and
//! moves when their home is gone.

use portcullis_testkit::upstream::{FakeUpstream, Recorded, Reply};
use serde_json::json;

use super::support::{ALICE, BOB, Cluster, answer_to, server};

fn level_of(request: &Recorded) -> Option<String> {
    request.text(&["params", "_meta", "io.modelcontextprotocol/logLevel"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_of_a_stateless_server_is_answered_through_another_replica() {
    let upstream = FakeUpstream::modern().await;
    upstream.on("tools/call", |request: &Recorded| {
        if request.raw(&["params", "inputResponses"]).is_some() {
            return Reply::result(request, r#"{"resultType":"complete","content":[]}"#);
        }
        let ask = r#"{"k":{"method":"sampling/createMessage","params":{"messages":[]}}}"#;
        let ask = format!(r#"{{"resultType":"input_required","inputRequests":{ask}}}"#);
        Reply::result(request, &ask)
    });
    let Some(cluster) = Cluster::of(&[server("a", &upstream)]).await else {
        return;
    };
    let alice = cluster.client(ALICE, "/mcp/a").initialized().await;
    let bob = cluster.client(BOB, "/mcp/a").initialized().await;
    for number in 0..3 {
        let mut running = alice.call(number + 10).await;
        let question = running.hears("sampling/createMessage").await;
        for _ in 0..3 {
            let stolen = bob.post(&answer_to(&question)).await;
            assert_eq!(stolen.status, 400, "{stolen:?}");
        }
        let answered = alice.post(&answer_to(&question)).await;
        assert_eq!(answered.status, 202, "{answered:?}");
        let result = running.hears("\"result\"").await;
        assert_eq!(result["id"], number + 10);
    }
    assert_eq!(upstream.count("tools/call"), 6);
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_session_had_set_before_a_stateless_server_moves_with_it() {
    let upstream = FakeUpstream::modern().await;
    let listens = upstream.live("subscriptions/listen");
    let Some(mut cluster) = Cluster::of(&[server("a", &upstream)]).await else {
        return;
    };
    let home = cluster.next();
    let alice = cluster.client(ALICE, "/mcp/a").initialized().await;
    for uri in ["x://a", "x://b"] {
        alice
            .result("resources/subscribe", &json!({"uri": uri}))
            .await;
    }
    alice
        .result("resources/unsubscribe", &json!({"uri": "x://a"}))
        .await;
    alice
        .result("logging/setLevel", &json!({"level": "error"}))
        .await;
    let call = json!({"name": "echo", "arguments": {}});
    for _ in 0..3 {
        alice.result("tools/call", &call).await;
        assert_eq!(
            level_of(&upstream.last("tools/call")).as_deref(),
            Some("error")
        );
    }
    cluster.kill(home).await;
    let mut stream = alice.listen().await;
    listens.opened(1).await;
    let asked = upstream.last("subscriptions/listen");
    assert_eq!(
        asked
            .raw(&["params", "notifications", "resourceSubscriptions"])
            .as_deref(),
        Some(r#"["x://b"]"#)
    );
    listens.message(r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"resourceSubscriptions":["x://b"]}}}"#);
    listens.message(
        r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"x://b"}}"#,
    );
    stream.hears("x://b").await;
    alice.result("tools/call", &call).await;
    assert_eq!(
        level_of(&upstream.last("tools/call")).as_deref(),
        Some("error")
    );
    drop(stream);
    cluster.end().await;
}
