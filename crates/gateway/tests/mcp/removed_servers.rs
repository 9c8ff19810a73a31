//! What is listened to when the operator takes a server away, or takes it away from somebody.

use std::sync::Arc;

use portcullis_engine::{ServerEntry, Snapshot};
use portcullis_policy::ScopeRules;
use portcullis_testkit::upstream::{FakeUpstream, Live, Reply, event};

use super::support::{Client, House, Opened, server};

const CHANGED: &str = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1}}}"#;

/// Puts the configuration in force in which only these servers are left.
fn keep(house: &House, servers: &[&str]) {
    let gateway = house.embedded.gateway();
    let before = gateway.snapshot();
    let kept = before.servers().iter();
    let kept = kept.filter(|entry| servers.contains(&entry.id.as_str()));
    gateway.replace_snapshot(Snapshot::new(kept.cloned().collect(), 2));
}

async fn subscribed(client: &Client, lives: &[&Live], opened: usize) -> Opened {
    let acknowledged = r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1},"notifications":{"toolsListChanged":true}}}"#;
    let wanted = r#""notifications":{"toolsListChanged":true}"#;
    let (mut stream, ()) = tokio::join!(
        client.modern_open("subscriptions/listen", wanted, "{}"),
        async {
            for live in lives {
                live.opened(opened).await;
                live.bytes(&event(acknowledged));
            }
        }
    );
    assert!(stream.data().await.contains("acknowledged"));
    stream
}

#[tokio::test]
async fn a_session_hears_nothing_more_of_a_server_that_is_removed() {
    let (gone, stays) = (FakeUpstream::legacy().await, FakeUpstream::legacy().await);
    let (of_gone, of_stays) = (gone.live("GET"), stays.live("GET"));
    let house = House::of(&[server("a", &gone, &[]), server("b", &stays, &[])]).await;
    let alice = house.caller("alice").await;
    let mut named = alice.at("/mcp/a");
    named.initialize("{}").await;
    let mut all = alice.at("/mcp");
    all.initialize("{}").await;
    for tool in ["a-echo", "b-echo"] {
        assert_eq!(all.call(tool, "{}").await.status, 200);
    }
    let mut at_a = named.get(&[]).await;
    let mut at_all = all.get(&[]).await;
    of_gone.opened(1).await;
    of_stays.opened(1).await;
    gone.tool_names(&["echo"]);
    of_gone.bytes(&event(CHANGED));
    assert_eq!(at_a.data().await, CHANGED);
    assert_eq!(at_all.data().await, CHANGED);

    keep(&house, &["b"]);
    tokio::join!(of_gone.abandoned(), at_a.ends());
    stays.tool_names(&["echo"]);
    of_stays.bytes(&event(CHANGED));
    assert_eq!(at_all.data().await, CHANGED, "the other is heard as before");
    drop(at_all);
    house.end().await;
}

#[tokio::test]
async fn a_subscription_hears_nothing_more_of_a_server_that_is_removed() {
    let (gone, stays) = (FakeUpstream::modern().await, FakeUpstream::modern().await);
    let of_gone = gone.live("subscriptions/listen");
    let of_stays = stays.live("subscriptions/listen");
    let house = House::of(&[server("a", &gone, &[]), server("b", &stays, &[])]).await;
    let alice = house.caller("alice").await;
    let mut at_a = subscribed(&alice.at("/mcp/a"), &[&of_gone], 1).await;
    let mut at_all = subscribed(&alice, &[&of_gone, &of_stays], 1).await;

    keep(&house, &["b"]);
    tokio::join!(of_gone.abandoned(), at_a.ends());
    stays.tool_names(&["echo"]);
    of_stays.bytes(&event(CHANGED));
    assert_eq!(at_all.data().await, CHANGED, "the other is heard as before");
    drop(at_all);
    house.end().await;
}

#[tokio::test]
async fn who_no_longer_sees_a_server_hears_nothing_more_of_it_and_others_do() {
    let upstream = FakeUpstream::legacy().await;
    let live = upstream.live("GET");
    let house = House::of(&[server("a", &upstream, &["access_groups: [blue, red]"])]).await;
    let mut streams = Vec::new();
    for (number, group) in ["blue", "red"].into_iter().enumerate() {
        let mut client = house.limited(group, &[], &[group]).await.at("/mcp/a");
        client.initialize("{}").await;
        streams.push(client.get(&[]).await);
        live.opened(number + 1).await;
    }
    let gateway = house.embedded.gateway();
    let before = Arc::clone(&gateway.snapshot().servers()[0]);
    let mut policy = before.policy.clone();
    policy.access_groups.remove("blue");
    let now = ServerEntry::new(
        &before.alias,
        policy,
        before.auth.clone(),
        Arc::clone(&before.upstream),
        before.info.clone(),
        before.meters.clone(),
    );
    gateway.replace_snapshot(Snapshot::new(vec![Arc::new(now.carrying_over(&before))], 2));
    drop(before);
    let mut red = streams.pop().unwrap();
    let mut blue = streams.pop().unwrap();
    portcullis_testkit::eventually("blue is heard no more", async || live.open_now() == 1).await;
    blue.ends().await;
    upstream.tool_names(&["echo"]);
    live.bytes_on(1, &event(CHANGED));
    assert_eq!(red.data().await, CHANGED);
    drop(red);
    house.end().await;
}

/// Puts the configuration in force in which the one server hands out no prompt and no resource.
fn let_nothing_be_read(house: &House) {
    let gateway = house.embedded.gateway();
    let before = Arc::clone(&gateway.snapshot().servers()[0]);
    let mut policy = before.policy.clone();
    policy.scopes = Some(ScopeRules {
        tools: std::collections::BTreeMap::new(),
        others: None,
    });
    let now = ServerEntry::new(
        &before.alias,
        policy,
        before.auth.clone(),
        Arc::clone(&before.upstream),
        before.info.clone(),
        before.meters.clone(),
    );
    gateway.replace_snapshot(Snapshot::new(vec![Arc::new(now.carrying_over(&before))], 2));
}

/// News of a resource needs what reading it needs, for as long as it is listened to.
#[tokio::test]
async fn who_may_read_no_more_hears_no_more_of_resources_and_still_of_lists() {
    let upstream = FakeUpstream::modern().await;
    let live = upstream.live("subscriptions/listen");
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let wanted = r#""notifications":{"resourceSubscriptions":["file:///x"]}"#;
    let (mut of_resource, ()) = tokio::join!(
        alice.modern_open("subscriptions/listen", wanted, "{}"),
        async {
            live.opened(1).await;
            live.bytes(&event(r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1},"notifications":{"resourceSubscriptions":["file:///x"]}}}"#));
        }
    );
    assert!(of_resource.data().await.contains("acknowledged"));
    let mut of_lists = subscribed(&alice, &[&live], 2).await;

    let_nothing_be_read(&house);
    of_resource.ends().await;
    upstream.tool_names(&["echo"]);
    live.bytes_on(1, &event(CHANGED));
    assert_eq!(of_lists.data().await, CHANGED);
    drop(of_lists);
    house.end().await;
}

/// The same in a session, whose one stream brings all that it hears.
#[tokio::test]
async fn a_session_that_may_read_no_more_hears_no_more_of_what_it_subscribed_to() {
    const UPDATED: &str = r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///x"}}"#;
    let upstream = FakeUpstream::legacy().await;
    let live = upstream.live("GET");
    upstream.on("resources/subscribe", |request| {
        Reply::result(request, "{}")
    });
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let subscribed = alice
        .rpc("resources/subscribe", r#"{"uri":"file:///x"}"#)
        .await;
    assert!(subscribed.json()["result"].is_object(), "{subscribed:?}");
    let mut stream = alice.get(&[]).await;
    live.opened(1).await;
    live.bytes(&event(UPDATED));
    assert_eq!(stream.data().await, UPDATED);

    let_nothing_be_read(&house);
    live.bytes(&event(UPDATED));
    upstream.tool_names(&["echo"]);
    live.bytes(&event(CHANGED));
    assert_eq!(stream.data().await, CHANGED, "lists are heard of still");
    drop(stream);
    house.end().await;
}
