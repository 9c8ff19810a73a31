//! Streams and notifications that meet a refused token or a broken connection.

use portcullis_testkit::upstream::{
    FakeUpstream, Gate, Recorded, Reply, Step, event, event_with_id,
};

use super::support::{House, call_params, eventually, legacy, m2m, server};

const NEWS: &str = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"news"}}"#;

/// A house whose server has stopped to believe in its first token for requests of this kind.
async fn in_front_of(upstream: &FakeUpstream, kind: &str, good: fn() -> Reply) -> House {
    upstream.on(kind, move |request: &Recorded| {
        if request.header("authorization") == Some("Bearer token-1") {
            Reply::status(401)
        } else {
            good()
        }
    });
    let keys = m2m(upstream);
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    House::of(&[server("a", upstream, &keys)]).await
}

#[tokio::test]
async fn a_listening_stream_comes_back_with_a_fresh_token() {
    let upstream = FakeUpstream::legacy().await;
    let house = in_front_of(&upstream, "GET", || {
        Reply::events(vec![Step::Bytes(event(NEWS)), Step::Hang])
    })
    .await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let mut stream = alice.get(&[]).await;
    assert_eq!(stream.data().await, NEWS);
    drop(stream);
    house.end().await;
}

#[tokio::test]
async fn listening_goes_on_when_there_was_no_token_for_a_while() {
    let upstream = FakeUpstream::legacy().await;
    let house = in_front_of(&upstream, "GET", || {
        Reply::events(vec![Step::Bytes(event(NEWS)), Step::Hang])
    })
    .await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    upstream.once("TOKEN", |_| {
        Reply::json(400, r#"{"error":"invalid_request"}"#)
    });
    let mut stream = alice.get(&[]).await;
    assert_eq!(stream.data().await, NEWS);
    drop(stream);
    house.end().await;
}

#[tokio::test]
async fn a_stream_is_resumed_with_a_fresh_token() {
    let upstream = FakeUpstream::legacy().await;
    let house = in_front_of(&upstream, "GET", || {
        Reply::events(vec![Step::Bytes(event(NEWS))])
    })
    .await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let mut resumed = alice.get(&[("last-event-id", "s1/0")]).await;
    assert_eq!(resumed.status, 200);
    assert_eq!(resumed.data().await, NEWS);
    drop(resumed);
    house.end().await;
}

#[tokio::test]
async fn a_notification_is_told_again_with_a_fresh_token() {
    let upstream = FakeUpstream::legacy().await;
    let kind = "notifications/roots/list_changed";
    let house = in_front_of(&upstream, kind, || Reply::status(202)).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let told = format!(r#"{{"jsonrpc":"2.0","method":"{kind}"}}"#);
    assert_eq!(alice.post(&told).await.status, 202);
    eventually("the second try", || upstream.count(kind) == 2).await;
    assert_eq!(
        upstream.last(kind).header("authorization"),
        Some("Bearer token-2")
    );
    house.end().await;
}

#[tokio::test]
async fn a_connection_that_breaks_is_no_failure_for_a_client_that_can_come_back() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let primed = Gate::closed();
    let wait = primed.clone();
    upstream.once("tools/call", move |_| {
        let priming = Step::Bytes(event_with_id("s1/0", ""));
        Reply::events(vec![priming, Step::Wait(wait.clone()), Step::Reset])
    });
    let call = legacy("tools/call", &call_params("echo", "{}"));
    let mut opened = alice.open(&call).await;
    let priming = opened.event().await.and_then(|event| event.id);
    let id = priming.expect("an id to come back with");
    primed.open();
    assert_eq!(
        opened.event().await,
        None,
        "no error takes the answer's place"
    );
    let ours = upstream.last("tools/call").id();
    upstream.once("GET", move |_| {
        let answer = format!(r#"{{"jsonrpc":"2.0","id":{ours},"result":{{"content":[]}}}}"#);
        Reply::events(vec![Step::Bytes(event_with_id("s1/1", &answer))])
    });
    let mut resumed = alice.get(&[("last-event-id", &id)]).await;
    assert_eq!(
        resumed.data().await,
        r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#
    );
    drop(resumed);
    house.end().await;
}
