//! How many calls may wait for their clients.

use portcullis_testkit::upstream::{FakeUpstream, Reply, Step, event};

use super::support::{ASKS, House, server};

/// As in the engine.
const MOST_OF_ONE: usize = 32;

#[tokio::test]
async fn one_principal_has_so_many_calls_waiting_and_takes_nobody_elses_place() {
    let upstream = FakeUpstream::legacy().await;
    upstream.on("tools/call", |_| {
        let question = r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#;
        Reply::events(vec![Step::Bytes(event(question)), Step::Hang])
    });
    let house = House::of(&[server("a", &upstream, ASKS)]).await;
    let alice = house.caller("alice").await;
    let bob = house.caller("bob").await;
    let calls = (0..MOST_OF_ONE).map(|_| alice.call(""));
    for asked in futures_util::future::join_all(calls).await {
        asked.questions();
    }
    let refused = alice.call("").await;
    assert_eq!(refused.code(), -32603);
    assert_eq!(refused.json()["error"]["data"]["kind"], "rate_limited");
    upstream.arrived("notifications/cancelled", 1).await;
    bob.call("").await.questions();
    house.end().await;
}
