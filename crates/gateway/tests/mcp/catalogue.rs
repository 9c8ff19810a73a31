//! What servers list, and what becomes of a name when one of them cannot say.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_testkit::upstream::{FakeUpstream, Gate, Recorded, Reply};

use super::support::{House, server};

/// A page with nothing on it, and another after it.
fn never_the_last(request: &Recorded, padding: usize) -> Reply {
    let cursor = "c".repeat(padding);
    Reply::result(
        request,
        &format!(r#"{{"tools":[],"nextCursor":"{cursor}"}}"#),
    )
}

#[tokio::test]
async fn a_list_that_never_ends_is_given_up_in_the_servers_time() {
    let upstream = FakeUpstream::legacy().await;
    let gates: Arc<Mutex<Vec<Gate>>> = Arc::default();
    let waiting = Arc::clone(&gates);
    upstream.on("tools/list", move |request| {
        let gate = Gate::closed();
        waiting.lock().unwrap().push(gate.clone());
        Reply::After(gate, Box::new(never_the_last(request, 1)))
    });
    let house = House::of(&[server("a", &upstream, &["timeout: 1s"])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    // Each page comes well in time.
    let dribbling = async {
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            for gate in gates.lock().unwrap().drain(..) {
                gate.open();
            }
        }
    };
    let answer = tokio::select! {
        answer = alice.call("echo", "{}") => answer,
        () = dribbling => unreachable!("it dribbles for ever"),
    };
    assert_eq!(
        answer.json()["error"]["data"]["kind"],
        "timeout",
        "{answer:?}"
    );
    house.end().await;
}

#[tokio::test]
async fn a_list_that_fills_the_memory_is_given_up() {
    let upstream = FakeUpstream::legacy().await;
    upstream.on("tools/list", |request| never_the_last(request, 3 << 20));
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let answer = alice.call("echo", "{}").await;
    assert_eq!(
        answer.json()["error"]["data"]["kind"],
        "upstream_unreachable",
        "{answer:?}"
    );
    let asked = upstream.count("tools/list");
    assert!(asked <= 2 * 6, "{asked} pages of three megabytes were read");
    house.end().await;
}

#[tokio::test]
async fn a_change_that_could_not_be_read_is_read_later() {
    let upstream = FakeUpstream::legacy().await;
    let live = upstream.live("GET");
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    assert!(alice.call("echo", "{}").await.json()["result"].is_object());
    let mut stream = alice.get(&[]).await;
    live.opened(1).await;
    upstream.once("tools/list", |_| Reply::status(500));
    upstream.tool_names(&["other"]);
    let listed = upstream.count("tools/list");
    live.message(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
    stream.data().await;
    // While the server cannot say what changed, a name leads where it led.
    assert!(alice.call("echo", "{}").await.json()["result"].is_object());
    assert_eq!(upstream.count("tools/list"), listed + 1);
    let gone = async {
        while alice.call("echo", "{}").await.json()["result"].is_object() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let learned = tokio::time::timeout(Duration::from_secs(20), gone).await;
    assert!(learned.is_ok(), "the change was forgotten");
    drop(stream);
    house.end().await;
}

#[tokio::test]
async fn a_server_that_cannot_list_is_not_asked_by_every_call() {
    let upstream = FakeUpstream::legacy().await;
    upstream.on("tools/list", |_| Reply::status(500));
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let started = tokio::time::Instant::now();
    for _ in 0..100 {
        assert_eq!(alice.call("echo", "{}").await.code(), -32603);
    }
    // Once a second at most, beside the look that the gateway takes when it starts.
    let most = 2 + started.elapsed().as_secs();
    let asked = upstream.count("tools/list") as u64;
    assert!(asked <= most, "a hundred calls asked {asked} times");
    house.end().await;
}

#[tokio::test]
async fn a_bare_name_leads_nowhere_while_another_server_may_have_it_too() {
    let a = FakeUpstream::legacy().await;
    let b = FakeUpstream::legacy().await;
    b.on("tools/list", |_| Reply::status(500));
    let house = House::of(&[server("a", &a, &[]), server("b", &b, &[])]).await;
    let alice = house.caller("alice").await.at("/mcp-rest/tools/call");
    let guess = alice.post(r#"{"name":"echo"}"#).await;
    assert_eq!(guess.status, 400, "{guess:?}");
    for word in ["server b", "server_id", "a-echo"] {
        assert!(guess.text.contains(word), "{guess:?}");
    }
    assert_eq!(a.count("tools/call"), 0);
    for named in [r#"{"name":"a-echo"}"#, r#"{"name":"echo","server_id":"a"}"#] {
        assert_eq!(alice.post(named).await.status, 200, "{named}");
    }
    assert_eq!(
        alice.post(r#"{"name":"nobody_has_it"}"#).await.status,
        502,
        "b may have it"
    );
    house.end().await;
}

#[tokio::test]
async fn a_name_of_the_server_that_comes_first_does_not_fall_to_the_next() {
    let first = FakeUpstream::legacy().await;
    let second = FakeUpstream::legacy().await;
    first.tool_names(&["b-echo"]);
    let servers = [server("a", &first, &[]), server("a-b", &second, &[])];
    let house = House::of(&servers).await;
    let alice = house.caller("alice").await;
    assert!(alice.call("a-b-echo", "{}").await.json()["result"].is_object());
    assert_eq!(
        (first.count("tools/call"), second.count("tools/call")),
        (1, 0)
    );
    house.end().await;

    first.on("tools/list", |_| Reply::status(500));
    let house = House::of(&servers).await;
    let alice = house.caller("alice").await;
    let unsure = alice.call("a-b-echo", "{}").await;
    assert_eq!(unsure.code(), -32603, "{unsure:?}");
    assert_eq!(
        (first.count("tools/call"), second.count("tools/call")),
        (1, 0)
    );
    house.end().await;
}
