//! Batches of 2025-03-26: each message as if it had come alone, and all of it in one event.

use portcullis_testkit::gateway::{Actor, Ask, TestGateway};
use portcullis_testkit::upstream::FakeUpstream;
use serde_json::{Value, json};

use super::support::{Events, call, gateway, initialize, posted, raw, request};

/// A session of this revision.
async fn session(actor: &Actor, path: &str, revision: &str) -> String {
    let ask = posted(path, &initialize(revision, "{\"sampling\":{}}"));
    let opened = actor.ask(ask).await;
    opened.header("mcp-session-id").unwrap().to_owned()
}

fn batch(path: &str, session: &str, messages: &[String]) -> Ask {
    posted(path, &format!("[{}]", messages.join(","))).header("mcp-session-id", session)
}

/// The answers by their ids.
fn answers(array: &Value) -> Vec<(Value, Value)> {
    let mut answers: Vec<(Value, Value)> = array
        .as_array()
        .unwrap_or_else(|| panic!("{array}"))
        .iter()
        .map(|one| (one["id"].clone(), one.clone()))
        .collect();
    answers.sort_by_key(|(id, _)| id.to_string());
    answers
}

const NOTE: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

#[tokio::test]
async fn each_message_is_decided_answered_and_told_apart() {
    let upstream = FakeUpstream::legacy().await;
    let gateway = gateway(&[("a", &upstream)], &["disallowed_tools: [delete_user]"]).await;
    let alice = gateway.key("alice", &["a"]).await;
    let session = session(&alice, "/mcp", "2025-03-26").await;
    let reply = alice
        .ask(batch(
            "/mcp",
            &session,
            &[
                call("1", "a-echo"),
                call("2", "a-delete_user"),
                NOTE.to_owned(),
                request("3", "tools/list", "{}"),
                initialize("2025-03-26", "{}"),
                "5".to_owned(),
                request("4", "no/such", "{}"),
            ],
        ))
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let answered = answers(&reply.json());
    let ids: Vec<Value> = answered.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(json!(ids), json!([0, 1, 2, 3, 4, null]));
    let error = |at: usize| answered[at].1["error"]["code"].clone();
    assert_eq!(
        json!([error(0), error(2), error(4), error(5)]),
        json!([-32600, -32602, -32601, -32600])
    );
    assert_eq!(answered[1].1["result"]["structuredContent"]["tool"], "echo");
    assert_eq!(answered[3].1["result"]["tools"][0]["name"], "a-echo");
    // Towards servers nothing is batched.
    assert!(
        upstream
            .requests()
            .iter()
            .all(|one| !one.body.starts_with('['))
    );

    let event = gateway.event_of(&reply).await;
    assert_eq!(event["method"], "batch");
    assert_eq!(event["revision"], "2025-03-26");
    assert_eq!(
        (&event["decision"], &event["outcome"]),
        (&json!("deny"), &json!("not_found"))
    );
    let parts = event["batch"].as_array().unwrap();
    let told: Vec<Value> = parts
        .iter()
        .map(|part| json!([part["method"], part["outcome"], part["decision"]]))
        .collect();
    assert_eq!(
        json!(told),
        json!([
            ["tools/call", "ok", "allow"],
            ["tools/call", "not_found", "deny"],
            ["notifications/initialized", "ok", "none"],
            ["tools/list", "ok", "allow"],
            ["initialize", "invalid", "none"],
            [null, "invalid", "none"],
            ["no/such", "invalid", "none"],
        ]),
        "{event:#}"
    );
    assert_eq!(parts[0]["server"], "a");
    assert_eq!(parts[0]["target"]["name"], "a-echo");
    assert!(parts[0]["arguments_hash"].is_string());
    gateway.stands().await;
}

#[tokio::test]
async fn what_is_said_before_the_answers_makes_a_stream_and_the_answers_come_last() {
    let upstream = FakeUpstream::legacy().await;
    let calls = upstream.live("tools/call");
    let gateway = gateway(&[("a", &upstream)], &["allow_sampling: true"]).await;
    let alice = gateway.key("alice", &["a"]).await;
    let session = session(&alice, "/mcp/a", "2025-03-26").await;
    let ask = batch(
        "/mcp/a",
        &session,
        &[call("1", "echo"), request("2", "ping", "{}")],
    );
    let begun = alice.sign(ask);
    let (mut events, ()) = tokio::join!(Events::begin(&gateway, &begun), async {
        calls.opened(1).await;
        calls.message(r#"{"jsonrpc":"2.0","id":"q","method":"sampling/createMessage","params":{"messages":[]}}"#);
    });
    let question = events.event().await.unwrap().1;
    let id = raw(&question, &["id"]).unwrap();
    // Responses come in batches too, and nothing is answered to them.
    let yes = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
    let told = alice
        .ask(batch("/mcp/a", &session, &[yes, NOTE.to_owned()]))
        .await;
    assert_eq!((told.status, told.text()), (202, String::new()));
    upstream.arrived("RESPONSE", 1).await;
    let ours = upstream.last("tools/call").id();
    calls.message(&format!(
        r#"{{"jsonrpc":"2.0","id":{ours},"result":{{"content":[]}}}}"#
    ));
    let mut ids = Vec::new();
    while let Some((_, data)) = events.event().await {
        ids.push(raw(&data, &["id"]).unwrap());
    }
    ids.sort();
    assert_eq!(ids, ["1", "2"]);
    gateway.stands().await;
}

#[tokio::test]
async fn who_leaves_ends_all_of_it() {
    let upstream = FakeUpstream::legacy().await;
    let calls = upstream.live("tools/call");
    let gateway = gateway(&[("a", &upstream)], &[]).await;
    let alice = gateway.key("alice", &["a"]).await;
    let session = session(&alice, "/mcp/a", "2025-03-26").await;
    let ask = batch(
        "/mcp/a",
        &session,
        &[call("1", "echo"), request("2", "ping", "{}")],
    );
    let mut connection =
        portcullis_testkit::gateway::Connection::begin(gateway.address(), &alice.sign(ask)).await;
    calls.opened(1).await;
    calls.message(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":1}}"#);
    assert!(connection.until("notifications/message").await);
    drop(connection);
    calls.abandoned().await;
    let find = async || {
        let events = gateway.events().await;
        events.into_iter().find(|event| event["method"] == "batch")
    };
    portcullis_testkit::eventually("the batch is on record", async || find().await.is_some()).await;
    let event = find().await.unwrap();
    assert_eq!(event["outcome"], "abandoned");
    assert_eq!(event["batch"][0]["outcome"], "abandoned");
    assert_eq!(event["batch"][1]["outcome"], "ok");
    gateway.stands().await;
}

async fn refused(gateway: &TestGateway, actor: &Actor, ask: Ask, status: u16, code: i64) {
    let line = ask.line();
    let reply = actor.ask(ask).await;
    assert_eq!(reply.status, status, "{line}: {reply:?}");
    assert_eq!(reply.json()["error"]["code"], code, "{line}: {reply:?}");
    let event = gateway.event_of(&reply).await;
    assert!(event["batch"].is_null(), "{event}");
}

#[tokio::test]
async fn nobody_else_sends_batches() {
    let upstream = FakeUpstream::legacy().await;
    let gateway = gateway(&[("a", &upstream)], &[]).await;
    let alice = gateway.key("alice", &["a"]).await;
    let bob = gateway.key("bob", &["a"]).await;
    let pings = [request("1", "ping", "{}")];
    for revision in ["2025-06-18", "2025-11-25"] {
        let session = session(&alice, "/mcp", revision).await;
        let ask = batch("/mcp", &session, &pings);
        refused(&gateway, &alice, ask, 400, -32600).await;
    }
    let session = session(&alice, "/mcp", "2025-03-26").await;
    let good = || batch("/mcp", &session, &pings);
    assert_eq!(alice.ask(good()).await.status, 200);
    let versioned = good().header("mcp-protocol-version", "2025-03-26");
    assert_eq!(alice.ask(versioned).await.status, 200);
    refused(&gateway, &bob, good(), 404, -32600).await;
    for version in ["2025-06-18", "2026-07-28", "x"] {
        let ask = good().header("mcp-protocol-version", version);
        refused(&gateway, &alice, ask, 400, -32600).await;
    }
    let nowhere = posted("/mcp", &format!("[{}]", pings[0]));
    refused(&gateway, &alice, nowhere, 400, -32600).await;
    refused(&gateway, &alice, batch("/mcp", &session, &[]), 400, -32600).await;
    let many = vec![pings[0].clone(); 33];
    refused(
        &gateway,
        &alice,
        batch("/mcp", &session, &many),
        400,
        -32600,
    )
    .await;
    let broken = posted("/mcp", "[{}").header("mcp-session-id", &session);
    refused(&gateway, &alice, broken, 400, -32700).await;
    gateway.stands().await;
}
