//! Several gateways in front of one server.

use portcullis_testkit::eventually;
use portcullis_testkit::gateway::Ask;
use serde_json::json;

use super::support::{Door, FIRST, HIDDEN, OTHER, POISONED, Stage};

#[tokio::test]
async fn what_one_replica_sees_another_withholds_and_what_one_approves_another_serves() {
    let stage = Stage::new("block").await;
    assert!(Door::Session.calls(&stage.alice, "echo").await);
    let other = stage.another().await;
    let there = stage.alice_at(&other).await;
    for door in Door::ALL {
        assert!(door.calls(&stage.alice, "echo").await, "{door:?}");
        assert!(door.calls(&there, "echo").await, "{door:?}");
    }
    assert_eq!(
        stage.counted("first_seen").await,
        2,
        "the other one found them pinned"
    );
    stage.becomes(&[POISONED, OTHER]).await;
    let pin = stage.is_seen_as("echo", "changed").await;
    // It has the old list at hand, and is not asked for a new one.
    eventually("it is refused there too", async || {
        !Door::Rest.calls(&there, "echo").await
    })
    .await;
    for door in Door::ALL {
        door.refuses(&there, "echo").await;
    }
    let admin = other.bearer(stage.admin.credential());
    let body = json!({"hash": pin["seen_hash"]});
    let approved = admin.ask(Ask::post("/v1/pins/a/echo/approve", &body)).await;
    assert_eq!(approved.status, 200, "{approved:?}");
    for door in Door::ALL {
        assert!(door.calls(&there, "echo").await, "{door:?}");
    }
    eventually("it is served here again", async || {
        Door::Rest.calls(&stage.alice, "echo").await
    })
    .await;
    for door in Door::ALL {
        assert!(door.lists(&stage.alice, "echo").await, "{door:?}");
        assert!(door.calls(&stage.alice, "echo").await, "{door:?}");
    }
}

#[tokio::test]
async fn a_replica_that_never_listed_a_tool_knows_what_it_was() {
    let stage = Stage::new("block").await;
    assert!(Door::Session.calls(&stage.alice, "echo").await);
    // The server changes while nobody looks, and another replica starts.
    stage.becomes(&[HIDDEN, OTHER]).await;
    let other = stage.another().await;
    let there = stage.alice_at(&other).await;
    for door in Door::ALL {
        door.refuses(&there, "echo").await;
        assert!(!door.lists(&there, "echo").await, "{door:?}");
        assert!(door.calls(&there, "other").await, "{door:?}");
    }
    assert_eq!(stage.pin("echo").await["seen"], HIDDEN);
    stage.becomes(&[FIRST, OTHER]).await;
    eventually("it is as it was", async || {
        stage.advance(2).await;
        Door::Rest.calls(&there, "echo").await
    })
    .await;
}
