//! What is a change, and to whom it is shown.

use portcullis_testkit::eventually;
use portcullis_testkit::gateway::Ask;
use portcullis_testkit::upstream::{Era, Reply};
use serde_json::json;

use super::support::{Door, FIRST, HIDDEN, OTHER, POISONED, RESPELLED, Stage};

#[tokio::test]
async fn what_no_form_shows_is_a_change_and_other_words_for_the_same_are_none() {
    let stage = Stage::new("block").await;
    assert!(Door::Session.lists(&stage.alice, "echo").await);
    stage.becomes(&[RESPELLED, OTHER]).await;
    stage.advance(61).await;
    for door in Door::ALL {
        assert!(door.lists(&stage.alice, "echo").await, "{door:?}");
        assert!(door.calls(&stage.alice, "echo").await, "{door:?}");
    }
    assert_eq!(stage.pin("echo").await["state"], "pinned");
    stage.becomes(&[HIDDEN, OTHER]).await;
    let pin = stage.is_seen_as("echo", "changed").await;
    assert_eq!(
        pin["differences"],
        json!([{
            "path": "/inputSchema/x-hidden/max", "kind": "changed",
            "old": "123456789012345678901234567890", "new": "123456789012345678901234567891",
        }])
    );
    assert_eq!(
        pin["pinned"], FIRST,
        "as it was written when it was seen first"
    );
    assert_eq!(pin["seen"], HIDDEN);
    for door in Door::ALL {
        assert!(!door.lists(&stage.alice, "echo").await, "{door:?}");
        door.refuses(&stage.alice, "echo").await;
    }
}

#[tokio::test]
async fn what_was_taken_away_and_comes_back_as_another_is_a_change() {
    let stage = Stage::new("block").await;
    assert!(Door::Session.lists(&stage.alice, "echo").await);
    stage.becomes(&[OTHER]).await;
    stage.advance(61).await;
    eventually("it is gone", async || {
        !Door::Rest.lists(&stage.alice, "echo").await
    })
    .await;
    stage.becomes(&[OTHER, POISONED]).await;
    stage.is_seen_as("echo", "changed").await;
    Door::Session.refuses(&stage.alice, "echo").await;
}

#[tokio::test]
async fn a_tool_that_was_never_there_is_pinned_as_it_is_first_seen() {
    let stage = Stage::new("block").await;
    assert!(Door::Session.lists(&stage.alice, "echo").await);
    let fresh = r#"{"name":"fresh","description":"new","inputSchema":{"type":"object"}}"#;
    stage.becomes(&[FIRST, OTHER, fresh]).await;
    // A name that is not known is looked for before it is said not to be there.
    assert!(Door::Session.calls(&stage.alice, "fresh").await);
    for door in Door::ALL {
        assert!(door.lists(&stage.alice, "fresh").await, "{door:?}");
    }
    assert_eq!(stage.pin("fresh").await["state"], "pinned");
    assert!(stage.told("v1/pins:changed").await.is_empty());
}

#[tokio::test]
async fn a_server_that_shows_callers_what_it_does_not_show_us_gains_nothing() {
    let stage = Stage::new("block").await;
    assert!(Door::Session.lists(&stage.alice, "echo").await);
    let honest = format!(r#"{{"tools":[{FIRST},{OTHER}]}}"#);
    let evil = format!(r#"{{"tools":[{POISONED},{OTHER}]}}"#);
    stage.upstream.on("tools/list", move |request| {
        let is_client = request.body.contains("from-a-client");
        Reply::result(request, if is_client { &evil } else { &honest })
    });
    let session = stage.alice.session("/mcp/a").await;
    let params = json!({"_meta": {"x": "from-a-client"}});
    for _ in 0..3 {
        let ask = Ask::rpc("/mcp/a", "tools/list", &params).header("mcp-session-id", &session);
        let listed = stage.alice.ask(ask).await;
        assert!(listed.text().contains("another"), "{listed:?}");
        assert!(!listed.text().contains("id_rsa"), "{listed:?}");
        stage.advance(2).await;
    }
    // The operator learns of it, although our own list says what it always said.
    eventually("it was noticed", async || {
        !stage.told("v1/pins:changed").await.is_empty()
    })
    .await;
}

#[tokio::test]
async fn two_tools_of_one_name_do_not_hide_each_other() {
    let stage = Stage::new("block").await;
    assert!(Door::Session.lists(&stage.alice, "echo").await);
    stage.becomes(&[FIRST, POISONED, OTHER]).await;
    for door in [Door::Session, Door::SessionOnAll, Door::Stateless] {
        let listed = door.list(&stage.alice).await;
        assert!(!listed.text().contains("id_rsa"), "{door:?} {listed:?}");
    }
    stage.is_seen_as("echo", "changed").await;
    Door::Session.refuses(&stage.alice, "echo").await;
}

#[tokio::test]
async fn who_may_not_call_a_tool_does_not_learn_that_it_changed() {
    let stage = Stage::of(
        Era::Legacy,
        &["on_drift: block", "disallowed_tools: [echo]"],
    )
    .await;
    assert!(Door::Session.lists(&stage.alice, "other").await);
    stage.becomes(&[POISONED, OTHER]).await;
    stage.is_seen_as("echo", "changed").await;
    let mut told = Vec::new();
    for name in ["echo", "nothing"] {
        let reply = Door::Session.call(&stage.alice, name).await;
        told.push(reply.text().replace(name, "x"));
    }
    assert_eq!(told[0], told[1]);
}
