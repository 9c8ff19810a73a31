//! A call of a stateless client that waits in one process for an answer: the answer comes to any.

use portcullis_testkit::upstream::FakeUpstream;
use serde_json::{Value, json};

use super::support::{ALICE, BOB, Client, Cluster, server};

const NAME: &str = r#"{"jsonrpc":"2.0","id":"theirs","method":"elicitation/create","params":{"message":"name?","requestedSchema":{"type":"object","properties":{}}}}"#;

/// The call, up to the question; and the retry that answers it.
async fn asked(alice: &Client, calls: &portcullis_testkit::upstream::Live) -> Value {
    let before = calls.count();
    let call = json!({"name": "echo", "arguments": {}});
    let (asked, ()) = tokio::join!(
        alice.modern("tools/call", Some("echo"), call.clone()),
        async {
            calls.opened(before + 1).await;
            calls.message(NAME);
        }
    );
    let requests = asked["result"]["inputRequests"].as_object();
    let name = requests.unwrap_or_else(|| panic!("{asked}")).keys().next();
    let mut retry = call;
    retry["requestState"] = asked["result"]["requestState"].clone();
    retry["inputResponses"] = json!({name.unwrap(): {"action": "accept", "content": {}}});
    retry
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_finds_the_call_that_waits_at_another_replica() {
    let upstream = FakeUpstream::legacy().await;
    let calls = upstream.live("tools/call");
    let Some(cluster) = Cluster::of(&[server("a", &upstream)]).await else {
        return;
    };
    let (alice, bob) = (
        cluster.client(ALICE, "/mcp/a"),
        cluster.client(BOB, "/mcp/a"),
    );
    for number in 1..=3 {
        let retry = asked(&alice, &calls).await;
        let stolen = bob.modern("tools/call", Some("echo"), retry.clone()).await;
        assert_eq!(stolen["error"]["code"], -32602, "{stolen}");
        let (done, ()) = tokio::join!(alice.modern("tools/call", Some("echo"), retry), async {
            upstream.arrived("RESPONSE", number).await;
            let id = upstream.last("tools/call").id();
            calls.message(&format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[]}}}}"#
            ));
        });
        assert_eq!(done["result"]["resultType"], "complete", "{done}");
        assert_eq!(upstream.last("RESPONSE").id(), "\"theirs\"");
        assert_eq!(upstream.count("tools/call"), number, "the call ran once");
    }
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waited_at_a_killed_replica_is_to_be_begun_anew() {
    let upstream = FakeUpstream::legacy().await;
    let calls = upstream.live("tools/call");
    let Some(mut cluster) = Cluster::of(&[server("a", &upstream)]).await else {
        return;
    };
    let alice = cluster.client(ALICE, "/mcp/a");
    let owner = cluster.next();
    let retry = asked(&alice, &calls).await;
    cluster.kill(owner).await;
    for _ in 0..2 {
        let late = alice
            .modern_reply("tools/call", Some("echo"), retry.clone())
            .await;
        assert_eq!(late.status, 503, "{late:?}");
        assert!(late.text().contains("begin it anew"), "{late:?}");
    }
    assert_eq!(upstream.count("tools/call"), 1, "nothing ran twice");
    let next = asked(&alice, &calls).await;
    assert!(next["requestState"].is_string());
    cluster.end().await;
}
