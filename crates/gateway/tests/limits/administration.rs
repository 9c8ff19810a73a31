//! Who says how much, and who hears of it.

use portcullis_testkit::eventually;
use portcullis_testkit::gateway::{Ask, TestGateway};
use serde_json::json;

use super::support::{Stage, echo, make_key, passing};

#[tokio::test]
async fn a_key_is_made_with_its_limits_and_shows_them() {
    let stage = Stage::new(
        "limits: {defaults: {key: {max_parallel_requests: 7}}}\n",
        &[],
    )
    .await;
    let members = json!({
        "rpm_limit": 5, "max_budget": 2.5, "budget_duration": "30d", "mcp_rpm_limit": {"a": 4},
    });
    let admin = &stage.admin;
    let mut wish = json!({"all_servers": true});
    wish.as_object_mut()
        .unwrap()
        .extend(members.as_object().unwrap().clone());
    let made = admin.ask(Ask::post("/key/generate", &wish)).await.json();
    let key = stage.gateway.bearer(made["key"].as_str().unwrap());
    let info = key.ask(Ask::get("/key/info")).await.json()["info"].clone();
    for shown in [&made, &info] {
        assert_eq!(shown["rpm_limit"], 5);
        assert_eq!(
            shown["max_parallel_requests"], 7,
            "what the file says of every key"
        );
        assert_eq!(shown["max_budget"], 2.5);
        assert_eq!(shown["budget_duration"], "30d");
        assert_eq!(shown["mcp_rpm_limit"], json!({"a": 4}));
        assert_eq!(shown["spend"], 0);
    }
    assert_eq!(passing(&key, 9).await, 4);
    stage.gateway.stands().await;
}

#[tokio::test]
async fn a_limit_that_would_not_be_kept_makes_no_key() {
    let stage = Stage::new("", &[]).await;
    let admin = &stage.admin;
    for (members, said) in [
        (json!({"tpm_limit": 9}), "tpm_limit is not available"),
        (json!({"rpm_limit": -1}), "rpm_limit must be a whole number"),
        (json!({"max_budget": "5"}), "max_budget must be a number"),
        (json!({"budget_duration": "30d"}), "say max_budget too"),
        (
            json!({"max_budget": 1, "budget_duration": "monthly"}),
            "such as 30d",
        ),
        (
            json!({"mcp_rpm_limit": {"b": 1}}),
            "no server is called `b`",
        ),
    ] {
        let reply = admin.ask(Ask::post("/key/generate", &members)).await;
        assert_eq!(reply.status, 400, "{members}: {reply:?}");
        assert!(reply.text().contains(said), "{members}: {reply:?}");
    }
    let keys = admin.ask(Ask::get("/key/list")).await.json();
    assert_eq!(
        keys["keys"].as_array().unwrap().len(),
        1,
        "the administrator's own"
    );
    stage.gateway.stands().await;
}

#[tokio::test]
async fn limits_are_changed_by_administrators_alone_and_at_once() {
    // CFG-07
    let stage = Stage::new("", &[]).await;
    let admin = &stage.admin;
    let key = stage
        .caller(json!({"user_id": "alice", "rpm_limit": 1}))
        .await;
    assert_eq!(passing(&key, 2).await, 1);
    let own = key.ask(Ask::get("/key/info")).await.json()["key"].clone();
    let of_key = format!("/v1/limits/key/{}", own.as_str().unwrap());
    let more = json!({"rpm_limit": 1000});
    for path in [of_key.as_str(), "/v1/limits/user/alice"] {
        let refused = key.ask(Ask::post(path, &more)).await;
        assert_eq!(refused.status, 403, "{refused:?}");
    }
    assert_eq!(key.ask(Ask::get("/v1/limits/user/alice")).await.status, 403);
    let seen = key.ask(Ask::get(&of_key)).await;
    assert_eq!(seen.json()["limits"]["rpm_limit"], 1, "{seen:?}");
    assert_eq!(passing(&key, 1).await, 0);

    let changed = admin.ask(Ask::post(&of_key, &more)).await;
    assert_eq!(changed.json()["limits"]["rpm_limit"], 1000, "{changed:?}");
    let event = stage.gateway.event_of(&changed).await;
    assert_eq!(event["target"]["kind"], "limits", "{event}");
    // What it had counted is so much less of the new minute's worth.
    stage.advance(1).await;
    assert_eq!(passing(&key, 3).await, 3);
    let person = admin
        .ask(Ask::post("/v1/limits/user/alice", &json!({"rpm_limit": 2})))
        .await;
    assert_eq!(person.status, 200, "{person:?}");
    assert_eq!(passing(&key, 5).await, 2);
    let lifted = json!({"rpm_limit": null});
    let none = admin.ask(Ask::post("/v1/limits/user/alice", &lifted)).await;
    assert_eq!(none.json()["limits"]["rpm_limit"], json!(null), "{none:?}");
    assert_eq!(passing(&key, 5).await, 5);
    for (path, body, status) in [
        ("/v1/limits/color/blue", json!({"rpm_limit": 1}), 404),
        ("/v1/limits/team/ops", json!({"speed": 1}), 400),
        (
            "/v1/limits/team/ops",
            json!({"mcp_rpm_limit": {"x": 1}}),
            400,
        ),
    ] {
        let reply = admin.ask(Ask::post(path, &body)).await;
        assert_eq!(reply.status, status, "{path} {body}: {reply:?}");
    }
    stage.gateway.stands().await;
}

#[tokio::test]
async fn another_replica_and_the_next_start_know_the_same() {
    let stage = Stage::new("", &[]).await;
    let other: TestGateway = stage.another().await;
    let admin = &stage.admin;
    let made = make_key(admin, json!({"user_id": "alice"})).await;
    let (here, there) = (stage.gateway.bearer(&made), other.bearer(&made));
    eventually("the key is known there", async || {
        echo(&there).await.status == 200
    })
    .await;
    let set = admin
        .ask(Ask::post("/v1/limits/user/alice", &json!({"rpm_limit": 0})))
        .await;
    assert_eq!(set.status, 200, "{set:?}");
    assert_eq!(echo(&here).await.status, 429);
    eventually("the limit is known there", async || {
        echo(&there).await.status == 429
    })
    .await;
    drop(other);
    let next = stage.another().await;
    assert_eq!(echo(&next.bearer(&made)).await.status, 429);
}
