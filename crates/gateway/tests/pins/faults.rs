//! A store that cannot be believed, or does not answer.

use portcullis_testkit::eventually;
use portcullis_testkit::gateway::Ask;
use portcullis_testkit::upstream::Era;

use super::support::{Door, FIRST, OTHER, Stage};

const FRESH: &str = r#"{"name":"fresh","description":"new","inputSchema":{"type":"object"}}"#;

#[tokio::test]
async fn a_pin_that_somebody_rewrote_in_the_database_opens_nothing() {
    let stage = Stage::new("block").await;
    assert!(Door::Session.calls(&stage.alice, "echo").await);
    let mut tool = stage.database_tool().await;
    // As if it had been approved.
    let statement = "UPDATE pins SET pinned = zeroblob(32), version = version + 1, \
                     change = change + 1000 WHERE name = 'echo'";
    sqlx::query(statement).execute(&mut tool).await.unwrap();
    let next = stage.another().await;
    for (gateway, alice) in [
        (&next, stage.alice_at(&next).await),
        (&stage.gateway, stage.alice_at(&stage.gateway).await),
    ] {
        eventually("it is refused", async || {
            Door::Rest.call(&alice, "echo").await.status == 503
        })
        .await;
        let refused = Door::Rest.call(&alice, "echo").await;
        let event = gateway.event_of(&refused).await;
        assert_eq!(event["rule"], "pins_unavailable", "{event}");
        for door in Door::ALL {
            assert!(!door.lists(&alice, "echo").await, "{door:?}");
            assert!(!door.calls(&alice, "echo").await, "{door:?}");
            assert!(door.calls(&alice, "other").await, "{door:?}");
        }
    }
    let pin = stage.pin("echo").await;
    assert_eq!(pin["state"], "damaged", "{pin}");
    let hash = "00".repeat(32).into();
    assert_eq!(stage.approve("echo", &hash).await.status, 409);
    let forgotten = stage.admin.ask(Ask::new("DELETE", "/v1/pins/a/echo")).await;
    assert_eq!(forgotten.status, 200, "{forgotten:?}");
    eventually("it is called again", async || {
        stage.advance(2).await;
        Door::Rest.calls(&stage.alice, "echo").await
    })
    .await;
}

#[tokio::test]
async fn an_object_that_somebody_rewrote_is_not_approved() {
    let stage = Stage::new("block").await;
    assert!(Door::Session.lists(&stage.alice, "echo").await);
    stage.becomes(&[super::support::HIDDEN, OTHER]).await;
    let pin = stage.is_seen_as("echo", "changed").await;
    let mut tool = stage.database_tool().await;
    // What an administrator would be shown is not what they would approve.
    let statement = "UPDATE pins SET seen_object = pinned_object WHERE name = 'echo'";
    sqlx::query(statement).execute(&mut tool).await.unwrap();
    assert_eq!(stage.pin("echo").await["state"], "damaged");
    let refused = stage.approve("echo", &pin["seen_hash"]).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    Door::Session.refuses(&stage.alice, "echo").await;
}

/// What is new cannot be pinned, and what is known is known.
async fn without_a_store(on_drift: &str) -> Stage {
    let stage = Stage::new(on_drift).await;
    assert!(Door::Session.calls(&stage.alice, "echo").await);
    let mut tool = stage.database_tool().await;
    let statement = "DROP TABLE pins";
    sqlx::query(statement).execute(&mut tool).await.unwrap();
    stage.becomes(&[FIRST, OTHER, FRESH]).await;
    for door in Door::ALL {
        assert!(door.lists(&stage.alice, "echo").await, "{door:?}");
        assert!(door.calls(&stage.alice, "echo").await, "{door:?}");
    }
    stage
}

#[tokio::test]
async fn what_cannot_be_pinned_is_withheld_where_that_was_asked_for() {
    let stage = Box::pin(without_a_store("block")).await;
    let before = stage.upstream.count("tools/call");
    for door in Door::ALL {
        assert!(!door.lists(&stage.alice, "fresh").await, "{door:?}");
        let refused = door.call(&stage.alice, "fresh").await;
        let event = stage.gateway.event_of(&refused).await;
        assert_eq!(event["outcome"], "unavailable", "{door:?} {event}");
        assert_eq!(event["rule"], "pins_unavailable", "{door:?} {event}");
    }
    assert_eq!(stage.upstream.count("tools/call"), before);
    let listed = stage.admin.ask(Ask::get("/v1/pins")).await;
    assert!(matches!(listed.status, 500 | 503), "{listed:?}");
    stage.gateway.stands().await;
}

#[tokio::test]
async fn what_cannot_be_pinned_is_served_where_changes_are() {
    let stage = Box::pin(without_a_store("warn")).await;
    for door in Door::ALL {
        assert!(door.calls(&stage.alice, "fresh").await, "{door:?}");
        assert!(door.lists(&stage.alice, "fresh").await, "{door:?}");
    }
    stage.gateway.stands().await;
}

#[tokio::test]
async fn of_a_list_that_did_not_change_nothing_is_written() {
    let stage = Stage::of(Era::Legacy, &["on_drift: block"]).await;
    let names: Vec<String> = (0..3000).map(|number| format!("tool-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    stage.upstream.tool_names(&names);
    eventually("all are pinned", async || {
        stage.advance(2).await;
        Door::Rest.calls(&stage.alice, "tool-2999").await
    })
    .await;
    let mut tool = stage.database_tool().await;
    let mut changes = async || {
        let statement = "SELECT last FROM change_counters WHERE feed = 'pins'";
        let row = sqlx::query_as::<_, (i64,)>(statement);
        row.fetch_one(&mut tool).await.unwrap().0
    };
    let written = changes().await;
    assert!(written >= 3000, "{written}");
    let read = stage.upstream.count("tools/list");
    for _ in 0..3 {
        stage.advance(61).await;
        for door in Door::ALL {
            assert!(door.lists(&stage.alice, "tool-7").await, "{door:?}");
            assert!(door.calls(&stage.alice, "tool-7").await, "{door:?}");
        }
    }
    stage.upstream.arrived("tools/list", read + 3).await;
    assert_eq!(changes().await, written);
}
