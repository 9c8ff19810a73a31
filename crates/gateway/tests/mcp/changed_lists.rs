//! "Our list changed": who is told of it, and how often the list is read for that.

use portcullis_testkit::upstream::{FakeUpstream, Live, event};

use super::support::{Client, House, Opened, eventually, raw, server};

/// What a server says, numbered so that it is known which saying a client was told of.
fn changed(number: usize) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{{"number":{number},"_meta":{{"io.modelcontextprotocol/subscriptionId":1}}}}}}"#
    )
}

async fn number_told(stream: &mut Opened) -> String {
    raw(&stream.data().await, &["params", "number"]).unwrap()
}

async fn subscribed(client: &Client, live: &Live, times: usize) -> Opened {
    let acknowledged = r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1},"notifications":{"toolsListChanged":true}}}"#;
    let wanted = r#""notifications":{"toolsListChanged":true}"#;
    let (mut stream, ()) = tokio::join!(
        client.modern_open("subscriptions/listen", wanted, "{}"),
        async {
            live.opened(times).await;
            live.bytes(&event(acknowledged));
        }
    );
    assert!(stream.data().await.contains("acknowledged"));
    stream
}

/// What only the server and its operator know of.
const HIDING: &[&str] = &["disallowed_tools: [secret, secret-2]"];

#[tokio::test]
async fn a_session_is_told_only_of_what_it_can_see_to_have_changed() {
    let upstream = FakeUpstream::legacy().await;
    let live = upstream.live("GET");
    let house = House::of(&[server("a", &upstream, HIDING)]).await;
    let alice = house.caller("alice").await;
    let mut streams = Vec::new();
    // One session at the server is heard on both.
    for path in ["/mcp/a", "/mcp"] {
        let mut client = alice.at(path);
        client.initialize("{}").await;
        let tool = if path == "/mcp" { "a-echo" } else { "echo" };
        client.call(tool, "{}").await;
        streams.push(client.get(&[]).await);
    }
    live.opened(1).await;
    for (number, hidden) in ["secret", "secret-2"].into_iter().enumerate() {
        let read = upstream.count("tools/list");
        upstream.tool_names(&["echo", "delete_user", hidden]);
        live.message(&changed(number));
        upstream.arrived("tools/list", read + 1).await;
    }
    upstream.tool_names(&["echo", "delete_user", "secret-2", "fresh"]);
    live.message(&changed(7));
    for stream in &mut streams {
        assert_eq!(number_told(stream).await, "7");
    }
    // What it was told of, it finds.
    assert!(alice.call("a-fresh", "{}").await.json()["result"].is_object());
    drop(streams);
    house.end().await;
}

#[tokio::test]
async fn a_subscription_is_told_only_of_what_it_can_see_to_have_changed() {
    let upstream = FakeUpstream::modern().await;
    let live = upstream.live("subscriptions/listen");
    let house = House::of(&[server("a", &upstream, HIDING)]).await;
    let alice = house.caller("alice").await;
    for (times, path) in ["/mcp/a", "/mcp"].into_iter().enumerate() {
        let mut stream = subscribed(&alice.at(path), &live, times + 1).await;
        let fresh = format!("fresh-{times}");
        // A stream is looked after while it is read.
        let (told, ()) = tokio::join!(number_told(&mut stream), async {
            for tools in [
                ["echo", "delete_user", "secret"],
                ["echo", "delete_user", "secret-2"],
            ] {
                let read = upstream.count("tools/list");
                upstream.tool_names(&tools);
                live.message(&changed(1));
                upstream.arrived("tools/list", read + 1).await;
            }
            upstream.tool_names(&["echo", &fresh]);
            live.message(&changed(2));
        });
        assert_eq!(told, "2");
        // For the next: as it was at first, and known to be so.
        upstream.tool_names(&["echo", "delete_user"]);
        live.message(&changed(3));
        assert_eq!(number_told(&mut stream).await, "3");
        drop(stream);
    }
    house.end().await;
}

#[tokio::test]
async fn a_burst_is_one_change_and_the_list_is_read_once_for_all_who_hear_of_it() {
    let upstream = FakeUpstream::legacy().await;
    let live = upstream.live("GET");
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut streams = Vec::new();
    for (number, name) in ["alice", "bob", "carol"].into_iter().enumerate() {
        let mut client = house.caller(name).await.at("/mcp/a");
        client.initialize("{}").await;
        streams.push(client.get(&[]).await);
        live.opened(number + 1).await;
    }
    let read = upstream.count("tools/list");
    upstream.tool_names(&["echo", "fresh"]);
    for saying in 0..200 {
        for stream in 0..streams.len() {
            live.bytes_on(stream, &event(&changed(saying)));
        }
    }
    for stream in &mut streams {
        number_told(stream).await;
    }
    // Read once for the first of them, and at most once more for those that came while it was read.
    let done = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"done"}}"#;
    for (number, stream) in streams.iter_mut().enumerate() {
        live.bytes_on(number, &event(done));
        assert_eq!(stream.data().await, done, "told once");
    }
    assert!(upstream.count("tools/list") <= read + 2);
    drop(streams);
    house.end().await;
}

#[tokio::test]
async fn who_cannot_be_told_what_changed_is_told_that_something_did() {
    let upstream = FakeUpstream::legacy().await;
    let live = upstream.live("GET");
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let mut stream = alice.get(&[]).await;
    live.opened(1).await;
    upstream.on("tools/list", |_| {
        portcullis_testkit::upstream::Reply::status(500)
    });
    live.message(&changed(1));
    assert_eq!(number_told(&mut stream).await, "1");
    // A stream that nobody reads any more reads no lists either.
    drop(stream);
    eventually("nobody listens", || live.open_now() == 0).await;
    let read = upstream.count("tools/list");
    let mut again = alice.get(&[]).await;
    live.opened(2).await;
    assert_eq!(upstream.count("tools/list"), read);
    live.message(&changed(2));
    assert_eq!(number_told(&mut again).await, "2");
    drop(again);
    house.end().await;
}
