//! What says everything itself: any replica reads what any other gave out.

use portcullis_testkit::upstream::{FakeUpstream, Reply};
use serde_json::{Value, json};

use super::support::{ALICE, Cluster, server};

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_goes_on_where_another_replica_stopped() {
    let (one, two) = (FakeUpstream::legacy().await, FakeUpstream::legacy().await);
    for upstream in [&one, &two] {
        upstream.tool_names(&["t1", "t2", "t3"]);
        upstream.pages_of(1);
    }
    let Some(cluster) = Cluster::of(&[server("a", &one), server("b", &two)]).await else {
        return;
    };
    let alice = cluster.client(ALICE, "/mcp").initialized().await;
    let (mut names, mut params) = (Vec::new(), json!({}));
    loop {
        let page = alice.result("tools/list", &params).await;
        let tools = page["tools"].as_array().unwrap();
        names.extend(tools.iter().map(|tool| tool["name"].clone()));
        match &page["nextCursor"] {
            Value::Null => break,
            cursor => params = json!({"cursor": cursor}),
        }
    }
    names.sort_by_key(Value::to_string);
    let expected = ["a-t1", "a-t2", "a-t3", "b-t1", "b-t2", "b-t3"];
    assert_eq!(names, expected);
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn request_state_is_taken_back_by_another_replica() {
    let upstream = FakeUpstream::modern().await;
    upstream.on("tools/call", |request| {
        let answered = request.raw(&["params", "inputResponses"]).is_some();
        if answered {
            let result = r#"{"resultType":"complete","content":[{"type":"text","text":"done"}]}"#;
            return Reply::result(request, result);
        }
        let result = r#"{"resultType":"input_required","inputRequests":{"k":{"method":"elicitation/create","params":{"message":"who?","requestedSchema":{"type":"object","properties":{}}}}},"requestState":"theirs"}"#;
        Reply::result(request, result)
    });
    let Some(cluster) = Cluster::of(&[server("a", &upstream)]).await else {
        return;
    };
    let alice = cluster.client(ALICE, "/mcp/a");
    for _ in 0..3 {
        let call = json!({"name": "echo", "arguments": {}});
        let asked = alice.modern("tools/call", Some("echo"), call.clone()).await;
        let state = asked["result"]["requestState"].clone();
        assert!(state.is_string() && state != "theirs", "{asked}");
        let mut again = call;
        again["requestState"] = state;
        again["inputResponses"] = json!({"k": {"action": "accept", "content": {}}});
        let done = alice.modern("tools/call", Some("echo"), again).await;
        assert_eq!(done["result"]["content"][0]["text"], "done", "{done}");
        let theirs = upstream.last("tools/call");
        assert_eq!(
            theirs.text(&["params", "requestState"]).as_deref(),
            Some("theirs")
        );
    }
    cluster.end().await;
}
