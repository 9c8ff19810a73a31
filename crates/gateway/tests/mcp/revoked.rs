//! What runs and what is open when its caller is revoked.

use portcullis_core::ServerGrants;
use portcullis_identity::{CreatedKey, MasterKey, NewRevocation, Revoke};
use portcullis_testkit::upstream::{FakeUpstream, Reply};

use super::support::{Answer, House, eventually, server};

async fn key(house: &House) -> CreatedKey {
    let grants = ServerGrants {
        all: true,
        ..ServerGrants::default()
    };
    house.mint("alice", grants).await
}

/// Puts the key on the list; nobody touches the key itself.
async fn revoke(house: &House, key: &CreatedKey) {
    let new = NewRevocation {
        what: Revoke::Key(key.record.id.clone()),
        before: None,
        until: None,
        reason: None,
    };
    let admin = MasterKey::principal();
    let made = house.embedded.revocations().add(new, |_| None, &admin);
    assert!(made.await.is_ok());
}

fn challenge(answer: &Answer) -> &str {
    let challenge = answer.headers.get("www-authenticate");
    challenge.map_or("none", |value| value.to_str().unwrap())
}

/// RL-09: a call whose server is silent ends with the key, and says where to get another.
#[tokio::test]
async fn a_call_under_way_ends_with_its_key_on_every_surface() {
    for surface in ["legacy", "modern", "rest"] {
        let upstream = match surface {
            "modern" => FakeUpstream::modern().await,
            _ => FakeUpstream::legacy().await,
        };
        upstream.on("tools/call", |_| Reply::Hang);
        let house = House::of(&[server("a", &upstream, &[])]).await;
        let made = key(&house).await;
        let alice = house.client(made.key.expose());
        let calling = async {
            match surface {
                "legacy" => alice.at("/mcp/a").call("echo", "{}").await,
                "modern" => alice.at("/mcp/a").modern_call("echo", "{}").await,
                _ => {
                    let body = r#"{"name":"echo","server_id":"a"}"#;
                    alice.at("/mcp-rest/tools/call").post(body).await
                }
            }
        };
        let revoking = async {
            upstream.arrived("tools/call", 1).await;
            revoke(&house, &made).await;
        };
        let (answer, ()) = tokio::join!(calling, revoking);
        assert_eq!(answer.status, 401, "{surface}: {answer:?}");
        let challenge = challenge(&answer);
        assert!(
            challenge.starts_with("Bearer resource_metadata=")
                && challenge.ends_with(r#"error="invalid_token""#),
            "{surface}: {challenge}"
        );
        let events = house.request_events().await;
        let last = events.last().unwrap();
        assert_eq!(last["outcome"], "unauthenticated", "{surface}");
        assert_eq!(last["credential"], "no-auth", "{surface}: {last}");
        house.end().await;
    }
}

/// MCP-25: no event after the end.
#[tokio::test]
async fn open_streams_of_a_revoked_key_end() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let made = key(&house).await;
    let mut alice = house.client(made.key.expose()).at("/mcp/a");
    alice.initialize("{}").await;
    let live = upstream.live("GET");
    let mut listening = alice.get(&[]).await;
    live.opened(1).await;
    revoke(&house, &made).await;
    upstream.tool_names(&["echo"]);
    live.message(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
    assert_eq!(listening.event().await, None, "nothing is heard any more");
    live.abandoned().await;
    assert_eq!(alice.call("echo", "{}").await.status, 401);
    house.end().await;
}

/// RL-09, RL-10: two processes on one store; what one is told, the other does, in the order in which
/// it was told, and a third that starts later as well.
#[tokio::test]
async fn every_process_on_the_store_refuses_whom_one_was_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("portcullis.db");
    let upstream = FakeUpstream::legacy().await;
    let servers = [server("a", &upstream, &[])];
    let here = House::beside(&database, &servers).await;
    let made = key(&here).await;
    let there = House::beside(&database, &servers).await;
    let alice = there.client(made.key.expose()).at("/mcp/a");
    assert_eq!(alice.call("echo", "{}").await.status, 200);
    let live = upstream.live("GET");
    let mut listener = alice.clone();
    listener.initialize("{}").await;
    let mut listening = listener.get(&[]).await;
    live.opened(1).await;
    revoke(&here, &made).await;
    listening.ends().await;
    assert_eq!(alice.call("echo", "{}").await.status, 401);
    let later = House::beside(&database, &servers).await;
    let refused = later.client(made.key.expose()).call("a-echo", "{}").await;
    assert_eq!(refused.status, 401);
    // They share one trail.
    let houses = [here, there, later];
    let asked: usize = houses.iter().map(House::asked).sum();
    for house in houses {
        house.also_asked(asked - house.asked());
        house.end().await;
    }
    eventually("nobody listens", || live.open_now() == 0).await;
}

/// A stream that is asked for again, of a server that is silent about it, ends with the key too.
#[tokio::test]
async fn whoever_waits_for_the_rest_of_a_stream_is_let_go_with_the_key() {
    let upstream = FakeUpstream::legacy().await;
    upstream.on("GET", |_| Reply::Hang);
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let made = key(&house).await;
    let mut alice = house.client(made.key.expose()).at("/mcp/a");
    alice.initialize("{}").await;
    let resuming = alice.get(&[("last-event-id", "e-1")]);
    let revoking = async {
        upstream.arrived("GET", 1).await;
        revoke(&house, &made).await;
    };
    let (answer, ()) = tokio::join!(resuming, revoking);
    assert_eq!(answer.status, 401);
    house.end().await;
}
