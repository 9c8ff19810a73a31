//! HTTP+SSE: the stream is the session, and everything else is as it is elsewhere.

use std::sync::Arc;

use portcullis_core::SystemClock;
use portcullis_testkit::gateway::{Actor, Ask, Connection, TestGateway};
use portcullis_testkit::upstream::{FakeUpstream, Reply, Step, event_with_id};
use serde_json::json;

use super::support::{SseClient, call, gateway, initialize, posted, raw, request};

const PUSHES: &[&str] = &["allow_sampling: true", "allow_elicitation: true"];

/// The event of a POST, once it is there.
async fn recorded(gateway: &TestGateway, id: &str, outcome: &str) -> serde_json::Value {
    let find = async || {
        let events = gateway.events().await;
        events.into_iter().find(|event| event["request_id"] == id)
    };
    portcullis_testkit::eventually("the request is on record", async || find().await.is_some())
        .await;
    let event = find().await.unwrap();
    assert_eq!(event["outcome"], outcome, "{event}");
    event
}

#[tokio::test]
async fn clients_of_every_revision_with_a_handshake_are_served_on_every_endpoint() {
    let upstream = FakeUpstream::legacy().await;
    let gateway = gateway(&[("a", &upstream)], &[]).await;
    let alice = gateway.key("alice", &["a"]).await;
    for (path, prefix) in [
        ("/mcp/sse", "a-"),
        ("/mcp/a/sse", ""),
        ("/a/mcp/sse", ""),
        ("/a/sse", ""),
    ] {
        for (asked, got) in [
            ("2024-11-05", "2024-11-05"),
            ("2025-03-26", "2025-03-26"),
            ("2025-06-18", "2025-06-18"),
            ("2025-11-25", "2025-11-25"),
            ("2026-07-28", "2025-11-25"),
            ("whatever", "2025-11-25"),
        ] {
            let mut client = SseClient::open(&gateway, &alice, path).await;
            assert!(
                client
                    .endpoint
                    .starts_with(&format!("{path}/messages?session_id=")),
                "{}",
                client.endpoint
            );
            let hello = client.hello(asked, "{}").await;
            assert_eq!(hello["result"]["protocolVersion"], got, "{path} {hello}");
            let listed = client.ask(&request(r#""one""#, "tools/list", "{}")).await;
            assert_eq!(raw(&listed, &["id"]).unwrap(), r#""one""#);
            assert!(listed.contains(&format!(r#""{prefix}echo""#)), "{listed}");
            let called = client.ask(&call("2", &format!("{prefix}echo"))).await;
            assert!(called.contains(r#""tool":"echo""#), "{called}");
            let seen = upstream.last("tools/call");
            assert_eq!(seen.header("mcp-protocol-version"), Some(got));
            let unknown = client.ask(&call("3", "nothing")).await;
            assert_eq!(raw(&unknown, &["error", "code"]).unwrap(), "-32602");
        }
    }
    gateway.stands().await;
}

#[tokio::test]
async fn a_question_is_put_on_the_stream_while_its_call_runs() {
    let upstream = FakeUpstream::legacy().await;
    let calls = upstream.live("tools/call");
    let gateway = gateway(&[("a", &upstream)], PUSHES).await;
    let alice = gateway.key("alice", &["a"]).await;
    let bob = gateway.key("bob", &["a"]).await;
    let mut client = SseClient::ready(&gateway, &alice, "/mcp/sse").await;
    let others = SseClient::ready(&gateway, &bob, "/mcp/sse").await;
    assert_eq!(client.send(&call("7", "a-echo")).await.status, 202);
    calls.opened(1).await;
    calls.message(r#"{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"sure?","n":1e400}}"#);
    let question = client.events.message().await;
    assert_eq!(
        raw(&question, &["params"]).unwrap(),
        r#"{"message":"sure?","n":1e400}"#
    );
    let id = raw(&question, &["id"]).unwrap();
    let yes = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"action":"accept"}}}}"#);
    assert_eq!(others.send(&yes).await.status, 400, "bob was not asked");
    assert_eq!(client.send(&yes).await.status, 202);
    upstream.arrived("RESPONSE", 1).await;
    assert_eq!(upstream.last("RESPONSE").id(), r#""q""#);
    let ours = upstream.last("tools/call").id();
    calls.message(&format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{ours},"progress":1}}}}"#
    ));
    calls.message(&format!(
        r#"{{"jsonrpc":"2.0","id":{ours},"result":{{"content":[]}}}}"#
    ));
    let answer = client.events.message().await;
    assert_eq!(
        answer,
        r#"{"jsonrpc":"2.0","id":7,"result":{"content":[]}}"#
    );
    gateway.stands().await;
}

#[tokio::test]
async fn news_of_a_server_come_on_the_same_stream() {
    let upstream = FakeUpstream::legacy().await;
    let listens = upstream.live("GET");
    let gateway = gateway(&[("a", &upstream)], PUSHES).await;
    let alice = gateway.key("alice", &["a"]).await;
    let mut client = SseClient::ready(&gateway, &alice, "/mcp/a/sse").await;
    listens.opened(1).await;
    let news = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    upstream.tool_names(&["echo"]);
    listens.bytes(&event_with_id("9", news));
    assert_eq!(client.events.message().await, news);
    listens.message(
        r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"messages":[]}}"#,
    );
    let question = client.events.message().await;
    let id = raw(&question, &["id"]).unwrap();
    let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":"yes"}}}}"#);
    assert_eq!(client.send(&answer).await.status, 202);
    upstream.arrived("RESPONSE", 1).await;
    gateway.stands().await;
}

#[tokio::test]
async fn when_the_stream_ends_so_does_what_runs_for_it() {
    let upstream = FakeUpstream::legacy().await;
    let calls = upstream.live("tools/call");
    let gateway = gateway(&[("a", &upstream)], &[]).await;
    let alice = gateway.key("alice", &["a"]).await;
    let client = SseClient::ready(&gateway, &alice, "/mcp/a/sse").await;
    let running = client.send(&call("7", "echo")).await;
    calls.opened(1).await;
    let ours = upstream.last("tools/call").id();
    let SseClient {
        events,
        endpoint,
        actor,
    } = client;
    drop(events);
    upstream.arrived("notifications/cancelled", 1).await;
    let told = upstream.last("notifications/cancelled");
    assert_eq!(told.raw(&["params", "requestId"]).unwrap(), ours);
    calls.abandoned().await;
    let event = recorded(
        &gateway,
        running.header("x-request-id").unwrap(),
        "abandoned",
    )
    .await;
    assert_eq!(event["method"], "tools/call");
    assert_eq!(event["server"], "a");
    // The stream was the session.
    let late = actor.ask(posted(&endpoint, &call("8", "echo"))).await;
    assert_eq!(late.status, 404, "{late:?}");
    assert_eq!(upstream.count("tools/call"), 1);
    gateway.stands().await;
}

#[tokio::test]
async fn a_handle_is_its_clients_alone_and_for_its_endpoint() {
    let upstream = FakeUpstream::legacy().await;
    let gateway = gateway(&[("a", &upstream), ("b", &upstream)], &[]).await;
    let alice = gateway.key("alice", &["a", "b"]).await;
    let bob = gateway.key("bob", &["a", "b"]).await;
    let mut client = SseClient::ready(&gateway, &alice, "/mcp/a/sse").await;
    let calls = upstream.count("tools/call");
    let message = call("1", "echo");
    let handle = client.endpoint.split_once('?').unwrap().1.to_owned();
    let refused = |actor: Actor, endpoint: String, status: u16| {
        let message = message.clone();
        async move {
            let reply = actor.ask(posted(&endpoint, &message)).await;
            assert_eq!(reply.status, status, "{endpoint}: {reply:?}");
        }
    };
    refused(bob, client.endpoint.clone(), 404).await;
    for other in ["/mcp/b/sse", "/mcp/sse"] {
        refused(alice.clone(), format!("{other}/messages?{handle}"), 404).await;
    }
    let messages = "/mcp/a/sse/messages";
    refused(alice.clone(), messages.to_owned(), 400).await;
    refused(alice.clone(), format!("{messages}?session_id="), 404).await;
    refused(alice.clone(), format!("{messages}?{handle}x"), 404).await;
    refused(alice.clone(), format!("{messages}?{handle}&{handle}"), 400).await;
    refused(gateway.anonymous(), client.endpoint.clone(), 401).await;
    let session = alice.session("/mcp/a").await;
    refused(
        alice.clone(),
        format!("{messages}?session_id={session}"),
        404,
    )
    .await;
    let of_stream = handle.split_once('=').unwrap().1;
    let as_session = Ask::post(
        "/mcp/a",
        &json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}),
    )
    .header("mcp-session-id", of_stream);
    assert_eq!(alice.ask(as_session).await.status, 404);
    assert_eq!(upstream.count("tools/call"), calls);
    // The same server by its other spelling is the same endpoint.
    let other = format!("/a/mcp/sse/messages?{handle}");
    assert_eq!(alice.ask(posted(&other, &message)).await.status, 202);
    assert!(client.events.message().await.contains("done"));
    gateway.stands().await;
}

#[tokio::test]
async fn each_door_says_what_it_does_not_take() {
    let upstream = FakeUpstream::legacy().await;
    let gateway = gateway(&[("a", &upstream)], &[]).await;
    let alice = gateway.key("alice", &["a"]).await;
    for (ask, status, allow) in [
        // Clients of Streamable HTTP try this first and fall back upon it.
        (
            posted("/mcp/sse", &initialize("2025-11-25", "{}")),
            405,
            "GET",
        ),
        (Ask::new("DELETE", "/mcp/a/sse"), 405, "GET"),
        (Ask::get("/a/sse/messages"), 405, "POST"),
        (Ask::new("PUT", "/a/mcp/sse/messages"), 405, "POST"),
    ] {
        let line = ask.line();
        let reply = alice.ask(ask).await;
        assert_eq!(reply.status, status, "{line}: {reply:?}");
        assert_eq!(reply.header("allow"), Some(allow), "{line}");
    }
    let plain = Ask::get("/mcp/sse").header("accept", "application/json");
    assert_eq!(alice.ask(plain).await.status, 406);
    assert_eq!(alice.ask(Ask::get("/mcp/sse")).await.status, 406);
    let hidden = Ask::get("/mcp/nothing/sse").header("accept", "text/event-stream");
    assert_eq!(alice.ask(hidden).await.status, 404);
    for path in ["/mcp/sse", "/mcp/a/sse", "/a/mcp/sse", "/a/sse"] {
        for ask in [Ask::get(path), posted(&format!("{path}/messages"), "{}")] {
            let reply = gateway.anonymous().ask(ask).await;
            assert_eq!(reply.status, 401, "{path}");
            let told = reply.header("www-authenticate").unwrap();
            let document = format!("/.well-known/oauth-protected-resource{path}\"");
            assert!(told.contains(&document), "{told}");
        }
    }
    let mut client = SseClient::open(&gateway, &alice, "/mcp/a/sse").await;
    let too_early = client.ask(&call("1", "echo")).await;
    assert_eq!(raw(&too_early, &["error", "code"]).unwrap(), "-32600");
    client.hello("2025-06-18", "{}").await;
    let twice = client.ask(&initialize("2025-06-18", "{}")).await;
    assert_eq!(raw(&twice, &["error", "code"]).unwrap(), "-32600");
    let wrong = Ask::new("POST", &client.endpoint)
        .header("content-type", "text/plain")
        .body("{}");
    assert_eq!(alice.ask(wrong).await.status, 415);
    for (body, code) in [
        ("{", -32700),
        ("[]", -32600),
        ("{}", -32600),
        ("[{}]", -32600),
    ] {
        let reply = client.send(body).await;
        assert_eq!(reply.status, 400, "{reply:?}");
        assert_eq!(reply.json()["error"]["code"], code, "{body}");
    }
    let batch = format!("[{}]", request("1", "ping", "{}"));
    for revision in ["2024-11-05", "2025-03-26"] {
        let mut client = SseClient::open(&gateway, &alice, "/mcp/a/sse").await;
        client.hello(revision, "{}").await;
        let reply = client.send(&batch).await;
        assert_eq!(reply.status, 400, "{reply:?}");
        let error = &reply.json()["error"];
        assert_eq!(error["code"], -32600, "{reply:?}");
        let told = error["message"].as_str().unwrap();
        assert!(told.contains("send each message by itself"), "{told}");
    }
    for (version, status) in [
        ("2025-06-18", 202),
        ("2024-11-05", 202),
        ("2026-07-28", 400),
        ("x", 400),
    ] {
        let ping = posted(&client.endpoint, &request("1", "ping", "{}"));
        let reply = alice
            .ask(ping.header("mcp-protocol-version", version))
            .await;
        assert_eq!(reply.status, status, "{version}: {reply:?}");
    }
    gateway.stands().await;
}

#[tokio::test]
async fn a_broken_answer_is_an_error_because_nobody_can_come_back_for_it() {
    let upstream = FakeUpstream::legacy().await;
    upstream.on("tools/call", |_| {
        Reply::events(vec![Step::Bytes("id: 1\ndata:\n\n".to_owned())])
    });
    let gateway = gateway(&[("a", &upstream)], &[]).await;
    let alice = gateway.key("alice", &["a"]).await;
    let mut client = SseClient::ready(&gateway, &alice, "/mcp/a/sse").await;
    let taken = client.send(&call("7", "echo")).await;
    let answer = client.events.message().await;
    assert_eq!(raw(&answer, &["id"]).unwrap(), "7");
    assert!(raw(&answer, &["error"]).is_some(), "{answer}");
    let id = taken.header("x-request-id").unwrap();
    recorded(&gateway, id, "upstream_unreachable").await;
    gateway.stands().await;
}

#[tokio::test]
async fn the_stream_ends_with_its_callers_key() {
    let upstream = FakeUpstream::legacy().await;
    let gateway = gateway(&[("a", &upstream)], &[]).await;
    let alice = gateway.key("alice", &["a"]).await;
    let admin = gateway.admin().await;
    let mut client = SseClient::ready(&gateway, &alice, "/mcp/sse").await;
    let ended = admin
        .ask(Ask::post("/key/delete", &json!({"keys": [alice.key_id()]})))
        .await;
    assert_eq!(ended.status, 200, "{ended:?}");
    client.events.end().await;
    assert_eq!(client.send(&call("1", "a-echo")).await.status, 401);
    let events = gateway.events().await;
    let stream = events
        .iter()
        .find(|event| event["method"] == "GET")
        .unwrap();
    assert_eq!(stream["outcome"], "unauthenticated", "{stream}");
    gateway.stands().await;
}

#[tokio::test]
async fn who_does_not_read_is_cut_off() {
    let upstream = FakeUpstream::legacy().await;
    let listens = upstream.live("GET");
    let gateway = gateway(&[("a", &upstream)], &[]).await;
    let alice = gateway.key("alice", &["a"]).await;
    let mut client = SseClient::ready(&gateway, &alice, "/mcp/a/sse").await;
    listens.opened(1).await;
    let long = "x".repeat(1024 * 1024);
    for _ in 0..64 {
        listens.message(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"data":"{long}"}}}}"#
        ));
    }
    // Nobody listens any more for somebody who was cut off.
    listens.abandoned().await;
    client.events.end().await;
    assert_eq!(client.send(&call("1", "echo")).await.status, 404);
    gateway.no_secret_was_told().await;
}

#[tokio::test]
async fn streams_and_what_runs_for_them_are_bounded() {
    let upstream = FakeUpstream::legacy().await;
    let gateway = gateway(&[("a", &upstream)], &[]).await;
    let alice = gateway.key("alice", &["a"]).await;
    let bob = gateway.key("bob", &["a"]).await;
    let mut streams = Vec::new();
    for _ in 0..256 {
        streams.push(SseClient::open(&gateway, &alice, "/mcp/sse").await);
    }
    let ask = || Ask::get("/mcp/a/sse").header("accept", "text/event-stream");
    let refused = alice.ask(ask()).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    SseClient::open(&gateway, &bob, "/mcp/sse").await;
    drop(streams);
    // Whoever left makes room; the gateway learns of it when it reads.
    let asks = alice.sign(ask());
    portcullis_testkit::eventually("there is room again", async || {
        let mut connection = Connection::begin(gateway.address(), &asks).await;
        connection.until("\r\n\r\n").await && connection.heard().starts_with(b"HTTP/1.1 200")
    })
    .await;
    let client = SseClient::ready(&gateway, &bob, "/mcp/a/sse").await;
    let calls = upstream.live("tools/call");
    for number in 0..100 {
        assert_eq!(
            client.send(&call(&number.to_string(), "echo")).await.status,
            202
        );
    }
    calls.opened(100).await;
    let refused = client.send(&call("100", "echo")).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    let question = r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;
    assert_eq!(client.send(question).await.status, 202, "it runs nowhere");
    gateway.no_secret_was_told().await;
}

#[tokio::test]
async fn a_message_that_reaches_another_process_is_refused_and_goes_nowhere() {
    let upstream = FakeUpstream::legacy().await;
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("shared.db");
    let yaml = format!("mcp_servers:\n  a:\n    url: \"{}\"\n", upstream.url());
    let one = TestGateway::sharing(&database, &yaml, Arc::new(SystemClock::start())).await;
    // Before the other starts, which reads the keys that there are.
    let alice = one.key("alice", &["a"]).await;
    let other = TestGateway::sharing(&database, &yaml, Arc::new(SystemClock::start())).await;
    let client = SseClient::ready(&one, &alice, "/mcp/a/sse").await;
    let astray = other.bearer(alice.credential());
    let reply = astray
        .ask(posted(&client.endpoint, &call("1", "echo")))
        .await;
    assert_eq!(reply.status, 404, "{reply:?}");
    let event = other.event_of(&reply).await;
    assert_eq!(event["outcome"], "unavailable", "{event}");
    let changed = client.endpoint.replace("/mcp/a/", "/mcp/");
    assert_eq!(astray.ask(posted(&changed, "{}")).await.status, 404);
    assert_eq!(upstream.count("tools/call"), 0);
}
