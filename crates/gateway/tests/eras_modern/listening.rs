//! `subscriptions/listen` on servers of sessions.

use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis_testkit::upstream::{FakeUpstream, Recorded, Reply};

use super::support::{House, Opened, raw, server};

const CAPABILITIES: &str = r#"{"tools":{"listChanged":true},"resources":{"subscribe":true}}"#;
const WANTED: &str = r#""notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourceSubscriptions":["test://w"]}"#;
const CHANGED: &str = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
const UPDATED: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"test://w"}}"#;

/// A server whose sessions have news.
async fn telling() -> FakeUpstream {
    let upstream = FakeUpstream::legacy().await;
    upstream.first(|request: &Recorded| {
        if request.kind != "initialize" {
            return Reply::Default;
        }
        let result = format!(
            r#"{{"protocolVersion":"2025-11-25","capabilities":{CAPABILITIES},"serverInfo":{{"name":"fake","version":"1"}}}}"#
        );
        Reply::result(request, &result)
    });
    for kind in ["resources/subscribe", "resources/unsubscribe", "tools/call"] {
        upstream.on(kind, |request| Reply::result(request, r#"{"tools":[]}"#));
    }
    // Each time another list.
    let listed = AtomicUsize::new(0);
    upstream.on("tools/list", move |request| {
        let number = listed.fetch_add(1, Ordering::SeqCst);
        let tool = format!(r#"{{"name":"t{number}","inputSchema":{{"type":"object"}}}}"#);
        Reply::result(request, &format!(r#"{{"tools":[{tool}]}}"#))
    });
    for (kind, listed) in [
        (
            "resources/list",
            r#"{"resources":[{"uri":"test://w","name":"w"}]}"#,
        ),
        ("resources/templates/list", r#"{"resourceTemplates":[]}"#),
    ] {
        upstream.on(kind, move |request| Reply::result(request, listed));
    }
    for kind in ["notifications/initialized", "notifications/cancelled"] {
        upstream.on(kind, |_| Reply::status(202));
    }
    upstream
}

async fn acknowledged(opened: &mut Opened) -> String {
    let first = opened.data().await;
    assert_eq!(
        raw(&first, &["method"]).unwrap(),
        r#""notifications/subscriptions/acknowledged""#
    );
    raw(&first, &["params", "notifications"]).unwrap()
}

async fn hears(opened: &mut Opened, method: &str, id: &str) {
    let news = opened.data().await;
    assert_eq!(raw(&news, &["method"]).unwrap(), format!("\"{method}\""));
    let tag = ["params", "_meta", "io.modelcontextprotocol/subscriptionId"];
    assert_eq!(raw(&news, &tag).unwrap(), id, "{news}");
}

/// A change of a list, which is read first, and one of a resource, which is not.
async fn hears_both(opened: &mut Opened, id: &str) {
    let mut told = Vec::new();
    for _ in 0..2 {
        let news = opened.data().await;
        let tag = ["params", "_meta", "io.modelcontextprotocol/subscriptionId"];
        assert_eq!(raw(&news, &tag).unwrap(), id, "{news}");
        told.push(raw(&news, &["method"]).unwrap());
    }
    told.sort();
    assert_eq!(
        told,
        [
            r#""notifications/resources/updated""#,
            r#""notifications/tools/list_changed""#
        ]
    );
}

#[tokio::test]
async fn a_session_is_listened_to_once_and_a_resource_followed_once_for_all() {
    let upstream = telling().await;
    let news = upstream.live("GET");
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await;
    let mut first = alice.open(1, "subscriptions/listen", WANTED, "").await;
    assert_eq!(
        acknowledged(&mut first).await,
        r#"{"resourceSubscriptions":["test://w"],"toolsListChanged":true}"#
    );
    let mut second = alice
        .at("/mcp")
        .open(2, "subscriptions/listen", WANTED, "")
        .await;
    acknowledged(&mut second).await;
    assert_eq!(
        (news.count(), upstream.count("resources/subscribe")),
        (1, 1)
    );
    // Not what nobody asked for, and not what is somebody else's business.
    news.message(
        r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":1}}"#,
    );
    news.message(&UPDATED.replace("test://w", "test://x"));
    news.message(CHANGED);
    news.message(UPDATED);
    for (opened, id) in [(&mut first, "1"), (&mut second, "2")] {
        hears_both(opened, id).await;
    }
    // Another principal has a session of its own.
    let bob = house.caller("bob").await;
    let mut third = bob.open(3, "subscriptions/listen", WANTED, "").await;
    acknowledged(&mut third).await;
    assert_eq!(
        (news.count(), upstream.count("resources/subscribe")),
        (2, 2)
    );
    drop(third);
    upstream.arrived("resources/unsubscribe", 1).await;
    drop(first);
    news.bytes_on(0, &portcullis_testkit::upstream::event(UPDATED));
    hears(&mut second, "notifications/resources/updated", "2").await;
    assert_eq!(upstream.count("resources/unsubscribe"), 1);
    drop(second);
    upstream.arrived("resources/unsubscribe", 2).await;
    news.abandoned().await;
    house.end().await;
}

#[tokio::test]
async fn after_a_break_everything_may_have_changed() {
    let upstream = telling().await;
    let news = upstream.live("GET");
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await;
    let mut opened = alice.open(1, "subscriptions/listen", WANTED, "").await;
    acknowledged(&mut opened).await;
    news.bytes("retry: 1\n\n");
    news.close();
    news.opened(2).await;
    hears_both(&mut opened, "1").await;
    // With an event id the server tells itself what was missed.
    news.bytes(&portcullis_testkit::upstream::event_with_id("e-1", UPDATED));
    hears(&mut opened, "notifications/resources/updated", "1").await;
    news.bytes("retry: 1\n\n");
    news.close();
    news.opened(3).await;
    assert_eq!(upstream.last("GET").header("last-event-id"), Some("e-1"));
    news.message(UPDATED);
    hears(&mut opened, "notifications/resources/updated", "1").await;
    drop(opened);
    news.abandoned().await;
    house.end().await;
}

#[tokio::test]
async fn a_server_without_news_is_acknowledged_with_nothing() {
    let upstream = telling().await;
    upstream.on("GET", |_| Reply::status(405));
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await;
    let mut opened = alice.open(1, "subscriptions/listen", WANTED, "").await;
    assert_eq!(acknowledged(&mut opened).await, "{}");
    assert_eq!(upstream.count("resources/subscribe"), 0);
    drop(opened);
    house.end().await;
}
