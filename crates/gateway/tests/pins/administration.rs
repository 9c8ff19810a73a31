//! Looking at what changed, and approving it.

use portcullis_testkit::gateway::{Actor, Ask};
use serde_json::{Value, json};

use super::support::{Door, FIRST, HIDDEN, OTHER, POISONED, Stage};

async fn with_role(stage: &Stage, role: &str) -> Actor {
    let wish = json!({"role": role});
    let made = stage.admin.ask(Ask::post("/key/generate", &wish)).await;
    assert_eq!(made.status, 200, "{made:?}");
    stage.gateway.bearer(made.json()["key"].as_str().unwrap())
}

#[tokio::test]
async fn what_is_approved_is_what_was_looked_at() {
    let stage = Stage::new("block").await;
    assert!(Door::Session.lists(&stage.alice, "echo").await);
    stage.becomes(&[HIDDEN, OTHER]).await;
    let looked_at = stage.is_seen_as("echo", "changed").await;
    // Meanwhile it becomes something worse.
    stage.becomes(&[POISONED, OTHER]).await;
    portcullis_testkit::eventually("that is seen", async || {
        Door::Session.list(&stage.alice).await;
        Door::Session.call(&stage.alice, "echo").await;
        stage.advance(2).await;
        stage.pin("echo").await["seen_hash"] != looked_at["seen_hash"]
    })
    .await;
    let late = stage.approve("echo", &looked_at["seen_hash"]).await;
    assert_eq!(late.status, 409, "{late:?}");
    for hash in [json!(""), json!("00"), looked_at["seen_hash"].clone()] {
        let refused = stage.approve("echo", &hash).await;
        assert_eq!(refused.status, 409, "{refused:?}");
    }
    Door::Session.refuses(&stage.alice, "echo").await;
    let pin = stage.pin("echo").await;
    assert_eq!(pin["seen"], POISONED);
    let approved = stage.approve("echo", &pin["seen_hash"]).await;
    assert_eq!(approved.status, 200, "{approved:?}");
    let event = stage.gateway.event_of(&approved).await;
    assert_eq!(event["method"], "v1/pins:approve", "{event}");
    assert_eq!(event["target"], json!({"kind": "pin", "name": "echo"}));
    assert_eq!(event["server"], "a");
    let pin = approved.json();
    assert_eq!(
        (&pin["state"], &pin["pinned"]),
        (&json!("pinned"), &json!(POISONED))
    );
    assert!(
        pin["changed_by"].as_str().unwrap().starts_with("key:"),
        "{pin}"
    );
    assert!(Door::Session.calls(&stage.alice, "echo").await);
    stage.gateway.stands().await;
}

#[tokio::test]
async fn pins_are_listed_in_pages_by_server_and_state() {
    let stage = Stage::new("warn").await;
    assert!(Door::Session.lists(&stage.alice, "echo").await);
    portcullis_testkit::eventually("both are seen", async || {
        Door::Rest.list(&stage.alice).await;
        stage.pin("other").await["state"] == "pinned"
    })
    .await;
    stage.becomes(&[HIDDEN, OTHER]).await;
    stage.is_seen_as("echo", "changed").await;
    let list = async |query: &str| {
        let reply = stage.admin.ask(Ask::get(&format!("/v1/pins{query}"))).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    };
    let tools = |page: &Value| {
        let rows = page["pins"].as_array().unwrap().iter();
        let tools = rows.map(|row| row["tool"].as_str().unwrap().to_owned());
        tools.collect::<Vec<_>>()
    };
    assert_eq!(tools(&list("").await), ["echo", "other"]);
    assert_eq!(tools(&list("?state=changed").await), ["echo"]);
    assert_eq!(tools(&list("?server=a&state=pinned").await), ["other"]);
    assert!(tools(&list("?server=b").await).is_empty());
    let first = list("?limit=1").await;
    assert_eq!(tools(&first), ["echo"]);
    let next = first["next"].as_str().unwrap();
    let rest = list(&format!("?limit=1&after={}", next.replace('/', "%2F"))).await;
    assert_eq!(tools(&rest), ["other"]);
    assert_eq!(rest["next"], Value::Null);
    for query in ["?state=odd", "?limit=0", "?limit=1001", "?colour=blue"] {
        let refused = stage.admin.ask(Ask::get(&format!("/v1/pins{query}"))).await;
        assert_eq!(refused.status, 400, "{query} {refused:?}");
    }
    let none = stage.admin.ask(Ask::get("/v1/pins/a/nothing")).await;
    assert_eq!(none.status, 404, "{none:?}");
}

#[tokio::test]
async fn viewers_look_and_administrators_alone_decide() {
    let stage = Stage::new("block").await;
    assert!(Door::Session.lists(&stage.alice, "echo").await);
    stage.becomes(&[HIDDEN, OTHER]).await;
    let pin = stage.is_seen_as("echo", "changed").await;
    let (viewer, approver) = (
        with_role(&stage, "viewer").await,
        with_role(&stage, "approver").await,
    );
    for (actor, looks) in [(&viewer, 200), (&approver, 403), (&stage.alice, 403)] {
        for path in ["/v1/pins", "/v1/pins/a/echo"] {
            let reply = actor.ask(Ask::get(path)).await;
            assert_eq!(reply.status, looks, "{path} {reply:?}");
        }
        let body = json!({"hash": pin["seen_hash"]});
        let approve = Ask::post("/v1/pins/a/echo/approve", &body);
        for decision in [approve, Ask::new("DELETE", "/v1/pins/a/echo")] {
            let reply = actor.ask(decision).await;
            assert_eq!(reply.status, 403, "{reply:?}");
        }
    }
    assert_eq!(stage.pin("echo").await["state"], "changed");
    stage.gateway.stands().await;
}

#[tokio::test]
async fn what_is_forgotten_is_seen_for_the_first_time_again() {
    let stage = Stage::new("block").await;
    assert!(Door::Session.lists(&stage.alice, "echo").await);
    stage.becomes(&[HIDDEN, OTHER]).await;
    stage.is_seen_as("echo", "changed").await;
    let forgotten = stage.admin.ask(Ask::new("DELETE", "/v1/pins/a/echo")).await;
    assert_eq!(forgotten.status, 200, "{forgotten:?}");
    let again = stage.admin.ask(Ask::new("DELETE", "/v1/pins/a/echo")).await;
    assert_eq!(again.status, 404, "{again:?}");
    stage.advance(2).await;
    assert!(Door::Session.calls(&stage.alice, "echo").await);
    let pin = stage.pin("echo").await;
    assert_eq!(
        (&pin["state"], &pin["pinned"]),
        (&json!("pinned"), &json!(HIDDEN))
    );
    stage.becomes(&[FIRST, OTHER]).await;
    stage.is_seen_as("echo", "changed").await;
}
