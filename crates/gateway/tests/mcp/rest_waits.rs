//! How long a REST caller waits for a server that answers with a stream.

use std::time::Duration;

use portcullis_core::ServerGrants;
use portcullis_identity::{KeySelector, MasterKey};
use portcullis_testkit::upstream::FakeUpstream;

use super::support::{House, server};

const LOG: &str = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"x"}}"#;

#[tokio::test]
async fn a_server_that_talks_and_never_answers_is_given_up_in_its_time() {
    let upstream = FakeUpstream::legacy().await;
    let live = upstream.live("tools/call");
    let house = House::of(&[server("a", &upstream, &["timeout: 1s"])]).await;
    let alice = house.caller("alice").await.at("/mcp-rest/tools/call");
    let talking = async {
        live.opened(1).await;
        loop {
            live.message(LOG);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let answer = tokio::select! {
        answer = alice.post(r#"{"name":"a-echo"}"#) => answer,
        () = talking => unreachable!("it talks for ever"),
    };
    assert_eq!(answer.status, 504, "{answer:?}");
    live.abandoned().await;
    house.end().await;
}

#[tokio::test]
async fn a_key_that_is_revoked_while_it_waits_gets_no_answer() {
    let upstream = FakeUpstream::legacy().await;
    let live = upstream.live("tools/call");
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let grants = ServerGrants {
        all: true,
        ..ServerGrants::default()
    };
    let created = house.mint("alice", grants).await;
    let alice = house
        .client(created.key.expose())
        .at("/mcp-rest/tools/call");
    let revoking = async {
        live.opened(1).await;
        let selector = KeySelector::Id(created.record.id.clone());
        let by = MasterKey::principal();
        assert!(house.embedded.keys().revoke(&selector, &by).await.is_ok());
        live.abandoned().await;
    };
    let (answer, ()) = tokio::join!(alice.post(r#"{"name":"a-echo"}"#), revoking);
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(answer.json()["error"], "unauthenticated");
    let events = house.request_events().await;
    assert_eq!(events[0]["outcome"], "unauthenticated");
    house.end().await;
}
