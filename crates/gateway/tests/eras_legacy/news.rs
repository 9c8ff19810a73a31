//! What happens at a server, told on the session's own stream.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::ManualClock;
use portcullis_testkit::upstream::{FakeUpstream, Live, event};

use super::support::{Client, House, Opened, raw, server};

/// Acknowledges what was asked for last on the stream of this number.
fn acknowledge(upstream: &FakeUpstream, listens: &Live, number: usize) {
    let asked = upstream.seen("subscriptions/listen").remove(number);
    let (id, wanted) = (asked.id(), asked.raw(&["params", "notifications"]).unwrap());
    let text = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}},"notifications":{wanted}}}}}"#
    );
    listens.bytes_on(number, &event(&text));
}

/// Says so on the stream of this number; a list that is said to have changed has changed.
fn tell(upstream: &FakeUpstream, listens: &Live, number: usize, method: &str, params: &str) {
    if method == "tools/list_changed" {
        let fresh = format!("fresh-{}", upstream.count("tools/list"));
        upstream.tool_names(&["echo", &fresh]);
    }
    let id = upstream.seen("subscriptions/listen").remove(number).id();
    let text = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/{method}","params":{{{params}"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}}}"#
    );
    listens.bytes_on(number, &event(&text));
}

async fn listening(upstream: &FakeUpstream, listens: &Live) -> (House, Client, Opened) {
    let house = House::of(&[server("a", upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let stream = alice.get(&[]).await;
    listens.opened(1).await;
    acknowledge(upstream, listens, 0);
    (house, alice, stream)
}

const UPDATED: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"x://a"}}"#;

#[tokio::test]
async fn news_come_untagged_and_only_those_that_were_asked_for() {
    let upstream = FakeUpstream::modern().await;
    let listens = upstream.live("subscriptions/listen");
    let (house, alice, mut stream) = listening(&upstream, &listens).await;
    tell(
        &upstream,
        &listens,
        0,
        "resources/updated",
        r#""uri":"x://a","#,
    );
    tell(
        &upstream,
        &listens,
        0,
        "message",
        r#""level":"info","data":1,"#,
    );
    tell(&upstream, &listens, 0, "tools/list_changed", "");
    assert_eq!(
        stream.data().await,
        r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{}}"#
    );
    let sent = upstream.last("subscriptions/listen");
    assert_eq!(sent.header("mcp-method"), Some("subscriptions/listen"));
    drop(stream);
    listens.abandoned().await;
    drop(alice);
    house.end().await;
}

#[tokio::test]
async fn a_subscription_changes_what_is_listened_to_before_the_old_stream_is_left() {
    let upstream = FakeUpstream::modern().await;
    let listens = upstream.live("subscriptions/listen");
    let (house, alice, mut stream) = listening(&upstream, &listens).await;
    tell(&upstream, &listens, 0, "tools/list_changed", "");
    stream.data().await;
    let subscribing = alice.rpc("resources/subscribe", r#"{"uri":"x://a"}"#);
    let served = async {
        listens.opened(2).await;
        assert_eq!(listens.open_now(), 2);
        acknowledge(&upstream, &listens, 1);
    };
    let (answer, ()) = tokio::join!(subscribing, served);
    assert_eq!(answer.raw(&["result"]), "{}");
    tell(
        &upstream,
        &listens,
        1,
        "resources/updated",
        r#""uri":"x://b","#,
    );
    tell(
        &upstream,
        &listens,
        1,
        "resources/updated",
        r#""uri":"x://a","#,
    );
    assert_eq!(stream.data().await, UPDATED);
    assert_eq!(listens.open_now(), 1);
    let again = alice.rpc("resources/subscribe", r#"{"uri":"x://a"}"#).await;
    assert_eq!(again.raw(&["result"]), "{}");
    assert_eq!(listens.count(), 2, "nothing changed");

    let ending = alice.rpc("resources/unsubscribe", r#"{"uri":"x://a"}"#);
    let served = async {
        listens.opened(3).await;
        acknowledge(&upstream, &listens, 2);
    };
    let (answer, ()) = tokio::join!(ending, served);
    assert_eq!(answer.raw(&["result"]), "{}");
    let wanted = |number: usize| {
        let sent = upstream.seen("subscriptions/listen").remove(number);
        sent.raw(&["params", "notifications", "resourceSubscriptions"])
    };
    assert_eq!(
        [wanted(0), wanted(1), wanted(2)],
        [None, Some(r#"["x://a"]"#.to_owned()), None]
    );
    tell(
        &upstream,
        &listens,
        2,
        "resources/updated",
        r#""uri":"x://a","#,
    );
    tell(&upstream, &listens, 2, "prompts/list_changed", "");
    assert!(stream.data().await.contains("prompts/list_changed"));
    assert_eq!(upstream.count("resources/subscribe"), 0);
    drop(stream);
    house.end().await;
}

#[tokio::test]
async fn a_resource_that_the_server_does_not_tell_of_cannot_be_subscribed_to() {
    let upstream = FakeUpstream::modern().await;
    let listens = upstream.live("subscriptions/listen");
    let (house, alice, mut stream) = listening(&upstream, &listens).await;
    tell(&upstream, &listens, 0, "tools/list_changed", "");
    stream.data().await;
    let subscribing = alice.rpc("resources/subscribe", r#"{"uri":"x://a"}"#);
    let served = async {
        listens.opened(2).await;
        let text = r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"toolsListChanged":true}}}"#;
        listens.bytes_on(1, &event(text));
    };
    let (answer, ()) = tokio::join!(subscribing, served);
    assert_eq!(answer.code(), -32002);
    tell(&upstream, &listens, 0, "tools/list_changed", "");
    stream.data().await;
    drop(stream);
    house.end().await;
}

#[tokio::test]
async fn what_was_subscribed_to_before_the_stream_is_listened_to_with_it() {
    let upstream = FakeUpstream::modern().await;
    let listens = upstream.live("subscriptions/listen");
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let answer = alice.rpc("resources/subscribe", r#"{"uri":"x://a"}"#).await;
    assert_eq!(answer.raw(&["result"]), "{}");
    let mut bob = house.caller("bob").await.at("/mcp/a");
    bob.initialize("{}").await;
    let mut stream = alice.get(&[]).await;
    listens.opened(1).await;
    let mut others = bob.get(&[]).await;
    listens.opened(2).await;
    acknowledge(&upstream, &listens, 0);
    acknowledge(&upstream, &listens, 1);
    tell(
        &upstream,
        &listens,
        0,
        "resources/updated",
        r#""uri":"x://a","#,
    );
    assert_eq!(stream.data().await, UPDATED);
    tell(
        &upstream,
        &listens,
        1,
        "resources/updated",
        r#""uri":"x://a","#,
    );
    tell(&upstream, &listens, 1, "resources/list_changed", "");
    assert!(others.data().await.contains("list_changed"));
    drop((stream, others));
    house.end().await;
}

#[tokio::test]
async fn after_an_interruption_everything_may_have_changed() {
    let upstream = FakeUpstream::modern().await;
    let listens = upstream.live("subscriptions/listen");
    let (house, _alice, mut stream) = listening(&upstream, &listens).await;
    tell(&upstream, &listens, 0, "tools/list_changed", "");
    stream.data().await;
    listens.close();
    listens.opened(2).await;
    let text = r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"promptsListChanged":true}}}"#;
    listens.message(text);
    let told = stream.data().await;
    assert_eq!(
        raw(&told, &["method"]).unwrap(),
        "\"notifications/prompts/list_changed\""
    );
    drop(stream);
    house.end().await;
}

#[tokio::test]
async fn a_change_that_the_session_cannot_see_is_no_news() {
    let upstream = FakeUpstream::modern().await;
    let listens = upstream.live("subscriptions/listen");
    let hiding = ["disallowed_tools: [secret]"];
    let house = House::of(&[server("a", &upstream, &hiding)]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let mut stream = alice.get(&[]).await;
    listens.opened(1).await;
    acknowledge(&upstream, &listens, 0);
    // Told of once, so that the stream is known to be heard.
    tell(&upstream, &listens, 0, "prompts/list_changed", "");
    assert!(stream.data().await.contains("prompts"));
    let id = upstream.last("subscriptions/listen").id();
    let read = upstream.count("tools/list");
    upstream.tool_names(&["echo", "delete_user", "secret"]);
    listens.message(&format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{{"hidden":1,"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}}}"#
    ));
    upstream.arrived("tools/list", read + 1).await;
    tell(&upstream, &listens, 0, "tools/list_changed", "");
    let told = stream.data().await;
    assert!(
        told.contains("tools/list_changed") && !told.contains("hidden"),
        "{told}"
    );
}

/// What was listened to on the stream of this number.
fn resources(upstream: &FakeUpstream, number: usize) -> Option<String> {
    let sent = upstream.seen("subscriptions/listen").remove(number);
    sent.raw(&["params", "notifications", "resourceSubscriptions"])
}

#[tokio::test]
async fn a_stream_that_comes_after_minutes_of_silence_hears_all_the_same() {
    let upstream = FakeUpstream::modern().await;
    let listens = upstream.live("subscriptions/listen");
    let clock = Arc::new(ManualClock::at_millis(1_800_000_000_000));
    let house = House::by_clock(Arc::clone(&clock), "", &[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let answer = alice.rpc("resources/subscribe", r#"{"uri":"x://a"}"#).await;
    assert_eq!(answer.raw(&["result"]), "{}");
    clock.advance(Duration::from_mins(6));
    // The gateway has to look at its own lists again first, which asks the server nothing.
    let fresh = async || alice.rpc("ping", "{}").await.status == 200;
    portcullis_testkit::eventually("the gateway has fresh lists", fresh).await;
    let mut stream = alice.get(&[]).await;
    assert_eq!(stream.status, 200);
    listens.opened(1).await;
    assert_eq!(resources(&upstream, 0).unwrap(), r#"["x://a"]"#);
    acknowledge(&upstream, &listens, 0);
    tell(
        &upstream,
        &listens,
        0,
        "resources/updated",
        r#""uri":"x://a","#,
    );
    assert_eq!(stream.data().await, UPDATED);
    drop(stream);
    clock.advance(Duration::from_secs(1));
    listens.abandoned().await;
    house.end().await;
}

#[tokio::test]
async fn a_subscription_whose_client_did_not_wait_is_begun_anew() {
    let upstream = FakeUpstream::modern().await;
    let listens = upstream.live("subscriptions/listen");
    let (house, alice, mut stream) = listening(&upstream, &listens).await;
    tell(&upstream, &listens, 0, "tools/list_changed", "");
    stream.data().await;
    {
        let subscribing = alice.rpc("resources/subscribe", r#"{"uri":"x://a"}"#);
        tokio::select! {
            answer = subscribing => panic!("{answer:?}"),
            () = listens.opened(2) => {}
        }
    }
    let subscribing = alice.rpc("resources/subscribe", r#"{"uri":"x://a"}"#);
    let served = async {
        listens.opened(3).await;
        assert_eq!(resources(&upstream, 2).unwrap(), r#"["x://a"]"#);
        acknowledge(&upstream, &listens, 2);
    };
    let (answer, ()) = tokio::join!(subscribing, served);
    assert_eq!(answer.raw(&["result"]), "{}");
    tell(
        &upstream,
        &listens,
        2,
        "resources/updated",
        r#""uri":"x://a","#,
    );
    assert_eq!(stream.data().await, UPDATED);

    // Nor has it ended before the server knows.
    {
        let ending = alice.rpc("resources/unsubscribe", r#"{"uri":"x://a"}"#);
        tokio::select! {
            answer = ending => panic!("{answer:?}"),
            () = listens.opened(4) => {}
        }
    }
    let ending = alice.rpc("resources/unsubscribe", r#"{"uri":"x://a"}"#);
    let served = async {
        listens.opened(5).await;
        acknowledge(&upstream, &listens, 4);
    };
    let (answer, ()) = tokio::join!(ending, served);
    assert_eq!(answer.raw(&["result"]), "{}");
    assert_eq!(resources(&upstream, 4), None);
    drop(stream);
    house.end().await;
}

#[tokio::test]
async fn of_two_first_subscriptions_at_once_none_is_lost() {
    let upstream = FakeUpstream::modern().await;
    upstream.resources(&[
        r#"{"uri":"x://a","name":"a"}"#,
        r#"{"uri":"x://b","name":"b"}"#,
    ]);
    let listens = upstream.live("subscriptions/listen");
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await;
    alice.initialize("{}").await;
    let mut stream = alice.get(&[]).await;
    let served = async {
        for number in 0..2 {
            listens.opened(number + 1).await;
            acknowledge(&upstream, &listens, number);
        }
    };
    let subscribing = async |uri: &str| {
        let params = format!(r#"{{"uri":"{uri}"}}"#);
        let answer = alice.rpc("resources/subscribe", &params).await;
        assert_eq!(answer.raw(&["result"]), "{}");
    };
    tokio::join!(subscribing("x://a"), subscribing("x://b"), served);
    assert_eq!(resources(&upstream, 1).unwrap(), r#"["x://a","x://b"]"#);
    for uri in ["x://a", "x://b"] {
        let params = format!(r#""uri":"{uri}","#);
        tell(&upstream, &listens, 1, "resources/updated", &params);
        assert!(stream.data().await.contains(uri));
    }
    assert_eq!(listens.open_now(), 1);
    drop(stream);
    house.end().await;
}
