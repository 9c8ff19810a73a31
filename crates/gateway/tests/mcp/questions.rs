//! Questions of servers to their clients: no answer is lost, none goes astray, and what a server
//! takes back its client hears of.

use portcullis_testkit::upstream::{FakeUpstream, Live, Reply};

use super::support::{Client, House, Opened, call_params, legacy, raw, server};

const PUSHES: &[&str] = &["allow_sampling: true", "allow_elicitation: true"];
const ABLE: &str = r#"{"sampling":{},"elicitation":{},"roots":{"listChanged":true}}"#;
const QUESTION: &str = r#"{"jsonrpc":"2.0","id":"theirs","method":"sampling/createMessage","params":{"messages":[],"_meta":{"progressToken":"how-far"}}}"#;
const LOG: &str = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"end"}}"#;

fn cancelled(id: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
    )
}

fn answer_to(question: &str) -> String {
    let id = raw(question, &["id"]).unwrap();
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":"yes"}}}}"#)
}

/// A tool call during which the server asks.
async fn asked(alice: &Client, calls: &Live, tool: &str) -> (Opened, String) {
    let before = calls.count();
    let call = legacy("tools/call", &call_params(tool, "{}"));
    let mut running = alice.open(&call).await;
    calls.opened(before + 1).await;
    calls.message(QUESTION);
    let question = running.data().await;
    (running, question)
}

#[tokio::test]
async fn an_answer_that_did_not_reach_the_server_may_be_given_again() {
    let upstream = FakeUpstream::legacy().await;
    let calls = upstream.live("tools/call");
    let house = House::of(&[server("a", &upstream, PUSHES)]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize(ABLE).await;
    let (running, question) = asked(&alice, &calls, "echo").await;
    let answer = answer_to(&question);
    upstream.once("RESPONSE", |_| Reply::status(500));
    upstream.once("RESPONSE", |_| Reply::Close);
    upstream.once("RESPONSE", |_| {
        let error = r#"{"code":-32000,"message":"busy"}"#;
        Reply::json(
            400,
            format!(r#"{{"jsonrpc":"2.0","id":null,"error":{error}}}"#),
        )
    });
    for _ in 0..3 {
        let failed = alice.post(&answer).await;
        assert!(failed.text.contains("error"), "{failed:?}");
    }
    assert_eq!(alice.post(&answer).await.status, 202);
    assert_eq!(upstream.last("RESPONSE").id(), "\"theirs\"");
    let again = alice.post(&answer).await;
    assert!(again.text.contains("no request waits"), "{again:?}");
    assert_eq!(upstream.count("RESPONSE"), 4);
    drop(running);
    house.end().await;
}

#[tokio::test]
async fn a_question_that_no_client_takes_is_refused() {
    let upstream = FakeUpstream::legacy().await;
    let live = upstream.live("GET");
    let house = House::of(&[server("a", &upstream, PUSHES)]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize(ABLE).await;
    let stream = alice.get(&[]).await;
    live.opened(1).await;
    drop(stream);
    live.message(QUESTION);
    upstream.arrived("RESPONSE", 1).await;
    let refusal = upstream.last("RESPONSE");
    assert_eq!(refusal.id(), "\"theirs\"");
    assert_eq!(refusal.raw(&["error", "code"]).unwrap(), "-32601");
    house.end().await;
}

#[tokio::test]
async fn a_question_that_the_server_takes_back_is_taken_back_from_the_client() {
    let upstream = FakeUpstream::legacy().await;
    let calls = upstream.live("tools/call");
    let listen = upstream.live("GET");
    let house = House::of(&[server("a", &upstream, PUSHES)]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize(ABLE).await;
    let mut stream = alice.get(&[]).await;
    listen.opened(1).await;

    let (mut running, question) = asked(&alice, &calls, "echo").await;
    // Not an id that anybody was asked under, and not one that the client knows.
    calls.message(&cancelled("\"other\""));
    calls.message(&cancelled("\"theirs\""));
    let id = raw(&question, &["id"]).unwrap();
    assert_ne!(id, "\"theirs\"");
    assert_eq!(running.data().await, cancelled(&id));
    let late = alice.post(&answer_to(&question)).await;
    assert!(late.text.contains("no request waits"), "{late:?}");

    listen.message(QUESTION);
    let question = stream.data().await;
    listen.message(&cancelled("\"other\""));
    listen.message(&cancelled("\"theirs\""));
    let id = raw(&question, &["id"]).unwrap();
    assert_eq!(stream.data().await, cancelled(&id));
    listen.message(&cancelled("\"theirs\""));
    listen.message(LOG);
    assert_eq!(stream.data().await, LOG, "it is taken back once");
    assert_eq!(upstream.count("RESPONSE"), 0);
    drop((running, stream));
    house.end().await;
}

#[tokio::test]
async fn what_a_client_tells_reaches_the_server_that_it_concerns_and_no_other() {
    let a = FakeUpstream::legacy().await;
    let b = FakeUpstream::legacy().await;
    let calls = a.live("tools/call");
    let house = House::of(&[server("a", &a, PUSHES), server("b", &b, PUSHES)]).await;
    let mut alice = house.caller("alice").await;
    alice.initialize(ABLE).await;
    alice.call("b-echo", "{}").await;
    let (running, _) = asked(&alice, &calls, "a-echo").await;
    for notification in [
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"how-far","progress":1}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"unknown","progress":2}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"mine","status":"working"}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#,
    ] {
        assert_eq!(alice.post(notification).await.status, 202);
    }
    drop(running);
    // Everything that is told behind is told before the end.
    house.end().await;
    let told =
        |upstream: &FakeUpstream, kind: &str| upstream.count(&format!("notifications/{kind}"));
    for server in [&a, &b] {
        assert_eq!(told(server, "roots/list_changed"), 1);
        assert_eq!(told(server, "tasks/status"), 0);
    }
    assert_eq!(told(&a, "progress"), 1);
    assert_eq!(told(&b, "progress"), 0);
    let progress = a.last("notifications/progress");
    assert_eq!(progress.raw(&["params", "progress"]).unwrap(), "1");
}
