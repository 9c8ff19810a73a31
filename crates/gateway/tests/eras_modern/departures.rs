//! Clients that go away, and calls that nobody comes back for.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::ManualClock;
use portcullis_identity::{MasterKey, NewRevocation, Revoke};
use portcullis_testkit::upstream::{FakeUpstream, Reply};

use super::support::{ASKS, House, server};

const QUESTION: &str = r#"{"jsonrpc":"2.0","id":"theirs","method":"elicitation/create","params":{"message":"?","requestedSchema":{"type":"object","properties":{}}}}"#;

async fn is_cancelled(upstream: &FakeUpstream, times: usize) {
    upstream.arrived("notifications/cancelled", times).await;
    let cancelled = upstream.last("notifications/cancelled");
    assert_eq!(
        cancelled.raw(&["params", "requestId"]).unwrap(),
        upstream.last("tools/call").id()
    );
}

#[tokio::test]
async fn closing_the_stream_cancels_the_call() {
    let upstream = FakeUpstream::legacy().await;
    let calls = upstream.live("tools/call");
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await;
    let opened = alice.open(1, "tools/call", r#""name":"echo""#, "").await;
    calls.opened(1).await;
    drop(opened);
    is_cancelled(&upstream, 1).await;
    calls.abandoned().await;

    // Before there is a stream, too.
    upstream.on("tools/call", |_| Reply::Hang);
    {
        let open = alice.open(1, "tools/call", r#""name":"echo""#, "");
        tokio::select! {
            _ = open => panic!("an answer"),
            () = upstream.arrived("tools/call", 2) => {}
        }
    }
    is_cancelled(&upstream, 2).await;
    let events = house.end().await;
    assert_eq!(events[0]["outcome"], "abandoned");
}

#[tokio::test]
async fn a_call_that_nobody_comes_back_for_is_given_up() {
    for revoked in [false, true] {
        let upstream = FakeUpstream::legacy().await;
        let calls = upstream.live("tools/call");
        let clock = Arc::new(ManualClock::at_millis(1_800_000_000_000));
        let servers = [server("a", &upstream, ASKS)];
        let house = House::by_clock(Some(Arc::clone(&clock)), &servers).await;
        let key = house.key("alice").await;
        let alice = house.client(&key, "/mcp/a");
        let (asked, ()) = tokio::join!(alice.call(""), async {
            calls.opened(1).await;
            calls.message(QUESTION);
        });
        asked.questions();
        let gateway = house.embedded.gateway();
        gateway.keep_house().await;
        assert_eq!(calls.open_now(), 1, "it waits");
        if revoked {
            let new = NewRevocation {
                what: Revoke::Key(key.record.id.clone()),
                before: None,
                until: None,
                reason: None,
            };
            let admin = MasterKey::principal();
            let made = house.embedded.revocations().add(new, |_| None, &admin);
            assert!(made.await.is_ok());
        } else {
            clock.advance(Duration::from_mins(5));
        }
        gateway.keep_house().await;
        is_cancelled(&upstream, 1).await;
        calls.abandoned().await;
        upstream.arrived("RESPONSE", 1).await;
        assert_eq!(
            upstream.last("RESPONSE").body,
            r#"{"jsonrpc":"2.0","id":"theirs","result":{"action":"cancel"}}"#
        );
        assert_eq!(upstream.count("tools/call"), 1);
        house.end().await;
    }
}

#[tokio::test]
async fn who_leaves_after_answering_has_cancelled() {
    let upstream = FakeUpstream::legacy().await;
    let calls = upstream.live("tools/call");
    let house = House::of(&[server("a", &upstream, ASKS)]).await;
    let alice = house.caller("alice").await;
    let (asked, ()) = tokio::join!(alice.call(""), async {
        calls.opened(1).await;
        calls.message(QUESTION);
    });
    let state = asked.raw(&["result", "requestState"]);
    let members = format!(
        r#""name":"echo","inputResponses":{{"question-1":{{"action":"decline"}}}},"requestState":{state}"#
    );
    let opened = alice.open(1, "tools/call", &members, "").await;
    assert_eq!(upstream.count("RESPONSE"), 1);
    drop(opened);
    is_cancelled(&upstream, 1).await;
    calls.abandoned().await;
    house.end().await;
}

#[tokio::test]
async fn who_leaves_before_the_question_is_through_has_cancelled() {
    let upstream = FakeUpstream::legacy().await;
    let calls = upstream.live("tools/call");
    let house = House::of(&[server("a", &upstream, ASKS)]).await;
    let alice = house.caller("alice").await;
    let (opened, ()) = tokio::join!(alice.open(1, "tools/call", r#""name":"echo""#, ""), async {
        calls.opened(1).await;
        calls.message(QUESTION);
    });
    let mut opened = opened;
    assert!(opened.data().await.contains("input_required"));
    // It never asked for the end of it.
    drop(opened);
    is_cancelled(&upstream, 1).await;
    calls.abandoned().await;
    house.end().await;
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_cancelled() {
    let upstream = FakeUpstream::legacy().await;
    upstream.on("tools/call", |_| Reply::Hang);
    let house = House::of(&[server("a", &upstream, &["timeout: 1"])]).await;
    let alice = house.caller("alice").await;
    assert_eq!(alice.call("").await.status, 504);
    is_cancelled(&upstream, 1).await;
    let sent = upstream.last("notifications/cancelled");
    let call = upstream.last("tools/call");
    assert_eq!(sent.header("mcp-session-id"), call.header("mcp-session-id"));
    house.end().await;
}

#[tokio::test]
async fn a_server_that_breaks_off_is_an_error_and_the_call_is_not_made_again() {
    let upstream = FakeUpstream::legacy().await;
    let calls = upstream.live("tools/call");
    let house = House::of(&[server("a", &upstream, ASKS)]).await;
    let alice = house.caller("alice").await;
    let (asked, ()) = tokio::join!(alice.call(""), async {
        calls.opened(1).await;
        calls.message(QUESTION);
    });
    calls.close();
    let broken = alice
        .answer(&asked, r#"{"question-1":{"action":"accept"}}"#)
        .await;
    assert_eq!(broken.code(), -32603);
    assert_eq!(upstream.count("tools/call"), 1);
    let events = house.end().await;
    assert_eq!(events[1]["outcome"], "upstream_unreachable");
}

#[tokio::test]
async fn a_stream_that_can_be_read_on_is_read_on_for_a_client_that_cannot() {
    let upstream = FakeUpstream::legacy().await;
    let calls = upstream.live("tools/call");
    let rest = upstream.live("GET");
    let house = House::of(&[server("a", &upstream, ASKS)]).await;
    let alice = house.caller("alice").await;
    let (done, ()) = tokio::join!(alice.call(""), async {
        calls.opened(1).await;
        calls.bytes("id: e-1\nretry: 1\ndata: \n\n");
        calls.close();
        rest.opened(1).await;
        let id = upstream.last("tools/call").id();
        rest.message(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    });
    done.is_done();
    assert_eq!(upstream.last("GET").header("last-event-id"), Some("e-1"));
    assert_eq!(upstream.count("tools/call"), 1);
    house.end().await;
}
