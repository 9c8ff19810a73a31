//! A tool becomes another, and what that comes to under each `on_drift`.

use portcullis_testkit::eventually;
use portcullis_testkit::upstream::Era;

use super::support::{Door, FIRST, OTHER, POISONED, READS_ONLY, Stage};

/// What changed is neither listed nor called anywhere until it is approved.
async fn is_withheld(era: Era) {
    let stage = Stage::of(era, &["on_drift: block"]).await;
    for door in Door::ALL {
        assert!(door.lists(&stage.alice, "echo").await, "{door:?}");
        assert!(door.calls(&stage.alice, "echo").await, "{door:?}");
    }
    stage.becomes(&[POISONED, OTHER]).await;
    // What the server says is held against the pin before a client reads it, whatever we knew.
    for door in Door::ALL {
        if door != Door::Rest {
            let listed = door.list(&stage.alice).await;
            assert!(!listed.text().contains("id_rsa"), "{door:?} {listed:?}");
            assert!(door.lists(&stage.alice, "other").await, "{door:?}");
        }
    }
    let pin = stage.is_seen_as("echo", "changed").await;
    let before = stage.upstream.count("tools/call");
    for door in Door::ALL {
        let reply = door.refuses(&stage.alice, "echo").await;
        let event = stage.gateway.event_of(&reply).await;
        assert_eq!(event["rule"], "on_drift:block", "{event}");
        assert_eq!(event["decision"], "deny", "{event}");
        assert_eq!(event["outcome"], "forbidden", "{event}");
    }
    assert_eq!(stage.upstream.count("tools/call"), before);
    for door in Door::ALL {
        assert!(!door.lists(&stage.alice, "echo").await, "{door:?}");
        assert!(door.calls(&stage.alice, "other").await, "{door:?}");
    }
    assert!(stage.counted("refused").await >= 5);
    assert!(stage.counted("withheld").await >= 5);

    assert_eq!(pin["on_drift"], "block");
    let approved = stage.approve("echo", &pin["seen_hash"]).await;
    assert_eq!(approved.status, 200, "{approved:?}");
    assert_eq!(approved.json()["state"], "pinned");
    for door in Door::ALL {
        assert!(door.lists(&stage.alice, "echo").await, "{door:?}");
        assert!(door.calls(&stage.alice, "echo").await, "{door:?}");
    }
    stage.gateway.stands().await;
}

#[tokio::test]
async fn a_tool_of_a_server_of_sessions_that_changed_is_withheld_until_it_is_approved() {
    // MCP-26
    Box::pin(is_withheld(Era::Legacy)).await;
}

#[tokio::test]
async fn a_tool_of_a_stateless_server_that_changed_is_withheld_until_it_is_approved() {
    // MCP-26
    Box::pin(is_withheld(Era::Modern)).await;
}

#[tokio::test]
async fn a_tool_that_changed_is_served_and_the_operator_told_unless_the_file_says_otherwise() {
    let stage = Stage::of(Era::Legacy, &[]).await;
    for door in Door::ALL {
        assert!(door.lists(&stage.alice, "echo").await, "{door:?}");
    }
    stage.becomes(&[POISONED, OTHER]).await;
    let pin = stage.is_seen_as("echo", "changed").await;
    assert_eq!(pin["on_drift"], "warn");
    for door in Door::ALL {
        assert!(door.lists(&stage.alice, "echo").await, "{door:?}");
        assert!(door.calls(&stage.alice, "echo").await, "{door:?}");
    }
    let events = stage.told("v1/pins:changed").await;
    let event = events.last().unwrap();
    assert_eq!(event["server"], "a", "{event}");
    assert_eq!(event["target"]["name"], "echo", "{event}");
    assert_eq!(event["rule"], "on_drift:warn", "{event}");
    assert_eq!(stage.counted("first_seen").await, 2);
    assert!(stage.counted("changed").await >= 1);
    assert!(stage.counted("served").await >= 5);
    assert_eq!(stage.counted("refused").await, 0);
    stage.gateway.stands().await;
}

#[tokio::test]
async fn a_tool_that_changed_is_served_in_silence_where_the_operator_wants_that() {
    let stage = Stage::with(Era::Legacy, "policy: {on_drift: allow}\n", &[]).await;
    assert!(Door::Session.calls(&stage.alice, "echo").await);
    stage.becomes(&[POISONED, OTHER]).await;
    stage.advance(61).await;
    eventually("it is written down", async || {
        assert!(Door::Session.calls(&stage.alice, "echo").await);
        stage.pin("echo").await["state"] == "changed"
    })
    .await;
    for door in Door::ALL {
        assert!(door.lists(&stage.alice, "echo").await, "{door:?}");
        assert!(door.calls(&stage.alice, "echo").await, "{door:?}");
    }
    assert!(stage.told("v1/pins:changed").await.is_empty());
}

#[tokio::test]
async fn what_a_server_says_goes_before_what_is_said_of_all_and_a_reload_is_heard() {
    let stage = Stage::with(
        Era::Legacy,
        "policy: {on_drift: block}\n",
        &["on_drift: warn"],
    )
    .await;
    assert!(Door::Session.lists(&stage.alice, "echo").await);
    stage.becomes(&[POISONED, OTHER]).await;
    stage.is_seen_as("echo", "changed").await;
    assert!(Door::Session.calls(&stage.alice, "echo").await);
}

#[tokio::test]
async fn what_is_again_as_it_was_is_served_again() {
    let stage = Stage::new("block").await;
    assert!(Door::Rest.calls(&stage.alice, "echo").await);
    stage.becomes(&[POISONED, OTHER]).await;
    stage.is_seen_as("echo", "changed").await;
    Door::Rest.refuses(&stage.alice, "echo").await;
    stage.becomes(&[FIRST, OTHER]).await;
    eventually("it is called again", async || {
        stage.advance(2).await;
        Door::Rest.calls(&stage.alice, "echo").await
    })
    .await;
    assert_eq!(stage.pin("echo").await["state"], "pinned");
    for door in Door::ALL {
        assert!(door.lists(&stage.alice, "echo").await, "{door:?}");
        assert!(door.calls(&stage.alice, "echo").await, "{door:?}");
    }
    assert!(!stage.told("v1/pins:changed_back").await.is_empty());
    stage.gateway.stands().await;
}

/// Whether somebody has to approve a call is decided by what was held against the pin, not by what was
/// listed a moment before.
#[tokio::test]
async fn a_tool_that_says_for_a_moment_that_it_only_reads_is_called_with_an_approval_all_the_same()
{
    let stage = Stage::of(
        Era::Legacy,
        &["on_drift: block", "require_approval: destructive"],
    )
    .await;
    stage.is_seen_as("echo", "pinned").await;
    stage.becomes(&[READS_ONLY, OTHER]).await;
    stage.is_seen_as("echo", "changed").await;
    stage.becomes(&[FIRST, OTHER]).await;
    let reply = Door::Rest.call(&stage.alice, "echo").await;
    assert_eq!(reply.status, 202, "{reply:?}");
    assert_eq!(stage.upstream.count("tools/call"), 0);
}
