//! What happens at a server, told on the session's own stream.

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
    drop(stream);
    house.end().await;
}
