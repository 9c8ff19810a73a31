//! HTTP+SSE, the transport of 2024-11-05.

use portcullis_testkit::gateway::{Ask, TestGateway};
use portcullis_testkit::upstream::FakeUpstream;
use serde_json::json;

use super::support::{gateway, in_session, rest, text};

fn server(name: &str, upstream: &FakeUpstream, more: &[&str]) -> String {
    let mut text = format!("  {name}:\n    url: \"{}\"\n", upstream.url());
    for line in more {
        text.extend(["    ", line, "\n"]);
    }
    text
}

async fn over_sse(upstream: &FakeUpstream, more: &[&str]) -> TestGateway {
    let lines: Vec<&str> = ["transport: sse"]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    gateway(&[server("old", upstream, &lines)]).await
}

#[tokio::test]
async fn a_server_of_any_revision_with_sessions_serves_clients_of_later_ones() {
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let upstream = FakeUpstream::legacy().await;
        let side = upstream.over_sse(revision);
        let gateway = over_sse(&upstream, &[]).await;
        let alice = gateway.key("alice", &["old"]).await;
        let reply = rest(&alice, "old", "echo", json!({"n": 1})).await;
        assert_eq!(
            (reply.status, text(&reply).as_str()),
            (200, "done"),
            "{revision}"
        );

        let opened = alice.ask(Ask::initialize("/mcp/old")).await;
        let answered = &opened.json()["result"]["protocolVersion"];
        // A client need not speak any revision but the one that it asks for.
        assert_eq!(answered, "2025-06-18", "{opened:?}");
        let session = opened.header("mcp-session-id").unwrap().to_owned();
        let call = json!({"name": "echo", "arguments": {}});
        let called = alice
            .ask(in_session("/mcp/old", &session, "tools/call", &call))
            .await;
        assert_eq!(text(&called), "done");
        // Ours and the caller's, each on a stream of its own.
        assert!(side.live.count() >= 2);
        gateway.stands().await;
    }
}

#[tokio::test]
async fn a_server_that_wants_no_posts_is_found_to_speak_it() {
    let upstream = FakeUpstream::legacy().await;
    upstream.over_sse("2024-11-05");
    let gateway = gateway(&[server("old", &upstream, &[])]).await;
    let alice = gateway.key("alice", &["old"]).await;
    let reply = rest(&alice, "old", "echo", json!({})).await;
    assert_eq!((reply.status, text(&reply).as_str()), (200, "done"));
    gateway.stands().await;
}

#[tokio::test]
async fn a_server_that_is_busy_or_closed_is_not_taken_for_an_older_one() {
    for status in [401, 403, 429, 500, 503] {
        let upstream = FakeUpstream::legacy().await;
        let side = upstream.over_sse("2024-11-05");
        // As often as the gateway asks: it asks by itself, too, what the server lists.
        for _ in 0..8 {
            side.refuse("initialize", status);
        }
        let gateway = gateway(&[server("old", &upstream, &["protocol_version: 2025-06-18"])]).await;
        let alice = gateway.key("alice", &["old"]).await;
        let reply = rest(&alice, "old", "echo", json!({})).await;
        assert_ne!(reply.status, 200, "{reply:?}");
        // A refused token may be tried once more with a fresh one, a stream is not asked for.
        if status != 401 {
            assert_eq!(upstream.count("GET"), 0, "{status}");
        }
    }
}

#[tokio::test]
async fn requests_at_once_share_one_stream_and_each_gets_its_own_answer() {
    let upstream = FakeUpstream::legacy().await;
    let side = upstream.over_sse("2025-11-25");
    let gateway = over_sse(&upstream, &[]).await;
    let alice = gateway.key("alice", &["old"]).await;
    assert_eq!(rest(&alice, "old", "echo", json!({})).await.status, 200);
    let (opened, before) = (side.live.count(), upstream.count("tools/call"));
    side.hold("tools/call");
    let call = |words: &'static str| rest(&alice, "old", "echo", json!({ "words": words }));
    let answers = async {
        upstream.arrived("tools/call", before + 3).await;
        for request in upstream.seen("tools/call").iter().skip(before).rev() {
            let words = request.text(&["params", "arguments", "words"]).unwrap();
            let result = json!({"content": [{"type": "text", "text": words}]});
            side.answer(request, &result.to_string());
        }
    };
    let (one, two, three, ()) = tokio::join!(call("one"), call("two"), call("three"), answers);
    assert_eq!(
        [text(&one), text(&two), text(&three)],
        ["one", "two", "three"]
    );
    assert_eq!(side.live.count(), opened);
    gateway.stands().await;
}

#[tokio::test]
async fn a_stream_that_breaks_fails_what_waits_on_it_and_runs_nothing_twice() {
    let upstream = FakeUpstream::legacy().await;
    let side = upstream.over_sse("2025-11-25");
    let gateway = over_sse(&upstream, &[]).await;
    let alice = gateway.key("alice", &["old"]).await;
    assert_eq!(rest(&alice, "old", "echo", json!({})).await.status, 200);
    let before = upstream.count("tools/call");
    side.hold("tools/call");
    let breaks = async {
        upstream.arrived("tools/call", before + 1).await;
        side.live.close();
    };
    let (reply, ()) = tokio::join!(rest(&alice, "old", "echo", json!({})), breaks);
    assert_eq!(reply.status, 502, "{reply:?}");
    assert_eq!(upstream.count("tools/call"), before + 1);

    let again = async {
        upstream.arrived("tools/call", before + 2).await;
        side.answer(
            &upstream.last("tools/call"),
            r#"{"content":[{"type":"text","text":"new"}]}"#,
        );
    };
    let (reply, ()) = tokio::join!(rest(&alice, "old", "echo", json!({})), again);
    assert_eq!(text(&reply), "new");
    gateway.stands().await;
}

#[tokio::test]
async fn a_stream_whose_place_has_a_name_is_resumed_there() {
    let upstream = FakeUpstream::legacy().await;
    let side = upstream.over_sse("2025-11-25");
    let gateway = over_sse(&upstream, &[]).await;
    let alice = gateway.key("alice", &["old"]).await;
    assert_eq!(rest(&alice, "old", "echo", json!({})).await.status, 200);
    let (streams, before) = (side.live.count(), upstream.count("tools/call"));
    side.endpoint(&format!("/mcp?session={streams}"));
    side.hold("tools/call");
    let interrupted = async {
        upstream.arrived("tools/call", before + 1).await;
        side.live
            .bytes("id: place-7\nretry: 1\nevent: ping\ndata: x\n\n");
        side.live.close();
        upstream.arrived("GET", streams + 1).await;
        side.live.opened(streams + 1).await;
        side.answer(
            &upstream.last("tools/call"),
            r#"{"content":[{"type":"text","text":"kept"}]}"#,
        );
    };
    let (reply, ()) = tokio::join!(rest(&alice, "old", "echo", json!({})), interrupted);
    assert_eq!(text(&reply), "kept");
    assert_eq!(upstream.count("tools/call"), before + 1);
    assert_eq!(
        upstream.last("GET").header("last-event-id"),
        Some("place-7")
    );
    gateway.stands().await;
}

#[tokio::test]
async fn messages_are_sent_to_the_servers_own_origin_only() {
    let (upstream, stranger) = (FakeUpstream::legacy().await, FakeUpstream::legacy().await);
    let side = upstream.over_sse("2024-11-05");
    side.endpoint(&stranger.url());
    let gateway = over_sse(
        &upstream,
        &[
            "auth_type: bearer_token",
            "auth_value: the-servers-own-token",
        ],
    )
    .await;
    gateway.keep_secret("the server's token", "the-servers-own-token");
    let alice = gateway.key("alice", &["old"]).await;
    let reply = rest(&alice, "old", "echo", json!({})).await;
    assert_eq!(reply.status, 502, "{reply:?}");
    assert_eq!(stranger.requests().len(), 0);
    assert_eq!(upstream.count("initialize"), 0);
    gateway.no_secret_was_told().await;
}

#[tokio::test]
async fn the_credential_is_on_the_stream_and_on_each_message_and_is_renewed() {
    let upstream = FakeUpstream::legacy().await;
    let side = upstream.over_sse("2025-06-18");
    let token_url = format!("token_url: \"{}\"", upstream.token_url());
    let gateway = over_sse(
        &upstream,
        &[
            "auth_type: oauth2",
            "oauth2_flow: client_credentials",
            "client_id: the-client",
            "client_secret: the-client-secret",
            &token_url,
        ],
    )
    .await;
    let alice = gateway.key("alice", &["old"]).await;
    assert_eq!(rest(&alice, "old", "echo", json!({})).await.status, 200);
    for kind in [
        "GET",
        "initialize",
        "notifications/initialized",
        "tools/call",
    ] {
        let presented = upstream.last(kind);
        assert_eq!(
            presented.header("authorization"),
            Some("Bearer token-1"),
            "{kind}"
        );
    }
    let before = upstream.count("tools/call");
    side.refuse("tools/call", 401);
    assert_eq!(rest(&alice, "old", "echo", json!({})).await.status, 200);
    let renewed = upstream.last("tools/call");
    assert_eq!(renewed.header("authorization"), Some("Bearer token-2"));
    // Refused once and run once.
    assert_eq!(upstream.count("tools/call"), before + 2);
    gateway.stands().await;
}

#[tokio::test]
async fn a_session_that_the_server_forgot_is_opened_anew() {
    let upstream = FakeUpstream::legacy().await;
    let side = upstream.over_sse("2025-06-18");
    let gateway = over_sse(&upstream, &[]).await;
    let alice = gateway.key("alice", &["old"]).await;
    assert_eq!(rest(&alice, "old", "echo", json!({})).await.status, 200);
    let opened = upstream.count("initialize");
    side.refuse("tools/call", 404);
    assert_eq!(rest(&alice, "old", "echo", json!({})).await.status, 200);
    assert_eq!(upstream.count("initialize"), opened + 1);
    gateway.stands().await;
}
