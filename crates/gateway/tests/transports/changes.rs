//! Servers that become others between two calls, and streams that end before their answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_core::ManualClock;
use portcullis_testkit::gateway::{Ask, Connection, TestGateway};
use portcullis_testkit::upstream::{Era, FakeUpstream, Recorded, Reply, Step};
use serde_json::json;

use super::support::{gateway, in_session, rest, text};

fn is_modern(request: &Recorded) -> bool {
    let meta = request.raw(&["params", "_meta"]);
    meta.is_some_and(|meta| meta.contains("io.modelcontextprotocol/protocolVersion"))
}

#[tokio::test]
async fn a_server_that_was_exchanged_for_one_of_the_other_era_is_asked_anew() {
    let upstream = FakeUpstream::start(Era::Both).await;
    let modern = Arc::new(AtomicBool::new(true));
    let speaks = Arc::clone(&modern);
    upstream.first(
        move |request| match (speaks.load(Ordering::SeqCst), is_modern(request)) {
            (true, true) | (false, false) => Reply::Default,
            (true, false) if request.kind != "initialize" => Reply::status(404),
            _ => Reply::status(400),
        },
    );
    let clock = Arc::new(ManualClock::at_millis(1_800_000_000_000));
    let yaml = format!("mcp_servers: {{a: {{url: '{}'}}}}", upstream.url());
    let gateway = TestGateway::by_clock(&yaml, clock.clone()).await;
    let alice = gateway.key("alice", &["a"]).await;
    let call = || rest(&alice, "a", "echo", json!({}));
    assert_eq!(call().await.status, 200);
    for now_modern in [false, true, false] {
        modern.store(now_modern, Ordering::SeqCst);
        clock.advance(Duration::from_secs(10));
        let before = upstream.count("tools/call");
        let refused = call().await;
        assert_ne!(refused.status, 200, "{refused:?}");
        let reply = call().await;
        assert_eq!(reply.status, 200, "{now_modern} {reply:?}");
        assert_eq!(is_modern(&upstream.last("tools/call")), now_modern);
        // Refused once before anything was done, and run once.
        assert!(upstream.count("tools/call") <= before + 2);
    }
}

#[tokio::test]
async fn a_stream_that_closes_before_its_answer_is_come_back_for_and_nothing_is_asked_twice() {
    let upstream = FakeUpstream::legacy().await;
    let called: Arc<Mutex<Option<Recorded>>> = Arc::default();
    let remembered = Arc::clone(&called);
    upstream.on("tools/call", move |request| {
        *remembered.lock().unwrap() = Some(request.clone());
        Reply::events(vec![Step::Bytes(
            "id: place-1\nretry: 1\ndata:\n\n".to_owned(),
        )])
    });
    let remembered = Arc::clone(&called);
    upstream.on("GET", move |request| {
        match request.header("last-event-id") {
            Some("place-1") => Reply::events(vec![Step::Bytes(
                "id: place-2\nretry: 1\ndata:\n\n".to_owned(),
            )]),
            Some("place-2") => {
                let called = remembered.lock().unwrap().clone().unwrap();
                let result = r#"{"content":[{"type":"text","text":"in the end"}]}"#;
                Reply::events(vec![Reply::result_event(&called, result)])
            }
            _ => Reply::status(405),
        }
    });
    let server = format!("  a:\n    url: \"{}\"\n", upstream.url());
    let gateway = gateway(&[server]).await;
    let alice = gateway.key("alice", &["a"]).await;
    let reply = rest(&alice, "a", "echo", json!({})).await;
    assert_eq!(text(&reply), "in the end");
    assert_eq!(upstream.count("tools/call"), 1);
    gateway.stands().await;
}

#[tokio::test]
async fn progress_breaks_the_silence_and_does_not_prolong_the_whole() {
    let upstream = FakeUpstream::legacy().await;
    let live = upstream.live("tools/call");
    let server = format!(
        "  a:\n    url: \"{}\"\n    timeout: 500ms\n    total_timeout: 1s\n",
        upstream.url()
    );
    let gateway = gateway(&[server]).await;
    let alice = gateway.key("alice", &["a"]).await;
    let session = alice.session("/mcp/a").await;
    let call = json!({"name": "echo", "arguments": {}, "_meta": {"progressToken": 1}});
    let ask = alice.sign(in_session("/mcp/a", &session, "tools/call", &call));
    let mut stream = Connection::begin(gateway.address(), &ask).await;
    live.opened(1).await;
    let token = upstream
        .last("tools/call")
        .raw(&["params", "_meta", "progressToken"])
        .unwrap();
    let progress = async {
        loop {
            live.message(&format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":1}}}}"#
            ));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        found = stream.until(r#""error""#) => assert!(found, "no error"),
        () = progress => {}
    }
    live.abandoned().await;
    assert_eq!(upstream.count("tools/call"), 1);
}

/// What the server says to one caller's own headers, it says to that caller.
#[tokio::test]
async fn what_one_caller_brings_does_not_decide_how_others_are_spoken_for() {
    let upstream = FakeUpstream::start(Era::Both).await;
    upstream.first(|request| match request.header("x-tenant") {
        Some("nonsense") if is_modern(request) => Reply::status(400),
        _ => Reply::Default,
    });
    let server = format!(
        "  a:\n    url: \"{}\"\n    extra_headers: [x-tenant]\n",
        upstream.url()
    );
    let gateway = gateway(&[server]).await;
    let mallory = gateway.key("mallory", &["a"]).await;
    let alice = gateway.key("alice", &["a"]).await;
    let body = json!({"server_id": "a", "name": "echo", "arguments": {}});
    let ask = Ask::post("/mcp-rest/tools/call", &body).header("x-tenant", "nonsense");
    mallory.ask(ask).await;
    let reply = rest(&alice, "a", "echo", json!({})).await;
    assert_eq!(text(&reply), "done");
    let called = upstream.last("tools/call");
    assert!(is_modern(&called) && called.header("x-tenant").is_none());
    gateway.stands().await;
}
