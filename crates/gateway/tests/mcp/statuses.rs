//! What is on record of an answer, and which member of a request is rewritten.

use portcullis_testkit::upstream::{FakeUpstream, Reply};

use super::support::{House, server};

#[tokio::test]
async fn the_record_has_the_status_that_the_server_gave() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    upstream.once("tools/call", |request| {
        Reply::error(request, 422, r#"{"code":-32000,"message":"no"}"#)
    });
    upstream.once("tools/call", |_| Reply::status(202));
    for _ in 0..3 {
        alice.call("echo", "{}").await;
    }
    let statuses: Vec<u64> = house
        .request_events()
        .await
        .iter()
        .filter(|event| event["method"] == "tools/call")
        .map(|event| event["upstream_status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [422, 202, 200]);
    house.end().await;
}

#[tokio::test]
async fn a_task_is_named_to_its_server_whatever_stands_beside_its_handle() {
    const TASKS: &str = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;
    let upstream = FakeUpstream::modern().await;
    upstream.on("tools/call", |request| {
        let task = r#"{"resultType":"task","taskId":"t:1","status":"working"}"#;
        Reply::result(request, task)
    });
    upstream.on("tasks/get", |request| {
        let task = r#"{"resultType":"complete","taskId":"t:1","status":"working"}"#;
        Reply::result(request, task)
    });
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let call = r#""name":"echo","arguments":{}"#;
    let started = alice.modern_open("tools/call", call, TASKS).await;
    let started = started.whole().await.json();
    let handle = started["result"]["taskId"].as_str().unwrap();
    let params = format!(r#""name":"beside","uri":"beside","taskId":"{handle}""#);
    let got = alice.modern_open("tasks/get", &params, TASKS).await;
    assert_eq!(got.whole().await.json()["result"]["taskId"], handle);
    let sent = upstream.last("tasks/get");
    for (member, value) in [("taskId", "t:1"), ("name", "beside"), ("uri", "beside")] {
        assert_eq!(sent.text(&["params", member]).as_deref(), Some(value));
    }
    house.end().await;
}
