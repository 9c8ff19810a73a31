//! Who says how much, and who hears of it.

use portcullis_testkit::eventually;
use portcullis_testkit::gateway::{Ask, TestGateway};
use serde_json::{Value, json};

use super::support::{Stage, echo, make_key, passing, rest};

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

#[tokio::test]
async fn teams_people_organizations_and_end_users_are_limited_where_they_are_defined() {
    let stage = Stage::new("", &[]).await;
    let admin = &stage.admin;
    for (path, id, body) in [
        (
            "/team",
            "team_id",
            json!({"team_id": "ops", "rpm_limit": 2}),
        ),
        (
            "/user",
            "user_id",
            json!({"user_id": "ann", "rpm_limit": 3}),
        ),
        (
            "/organization",
            "organization_id",
            json!({"organization_id": "acme", "rpm_limit": 4}),
        ),
        (
            "/customer",
            "end_user_id",
            json!({"user_id": "carl", "rpm_limit": 1}),
        ),
    ] {
        let made = admin.ask(Ask::post(&format!("{path}/new"), &body)).await;
        assert_eq!(made.status, 200, "{made:?}");
        assert_eq!(made.json()["rpm_limit"], body["rpm_limit"], "{path}");
        let of = body["team_id"].as_str().or(body["user_id"].as_str());
        let of = of.or(body["organization_id"].as_str()).unwrap();
        let info = admin.ask(Ask::get(&format!("{path}/info?{id}={of}"))).await;
        let info = info.json();
        let row = [&info["team_info"], &info["user_info"], &info];
        let row = row.into_iter().find(|row| row.is_object()).unwrap();
        assert_eq!(row["rpm_limit"], body["rpm_limit"], "{path}: {info}");
        assert_eq!(row["max_budget"], Value::Null, "{path}: {info}");
        let kind = match path {
            "/customer" => "end_user",
            other => other.trim_start_matches('/'),
        };
        let same = admin
            .ask(Ask::get(&format!("/v1/limits/{kind}/{of}")))
            .await;
        let same = same.json();
        assert_eq!(same["limits"]["rpm_limit"], body["rpm_limit"], "one truth");
        let listed = admin.ask(Ask::get(&format!("{path}/list"))).await.json();
        let rows = listed["users"].as_array().or(listed.as_array()).unwrap();
        assert_eq!(rows[0]["rpm_limit"], body["rpm_limit"], "{path}: {listed}");
    }
    let of_team = stage.caller(json!({"team_id": "ops"})).await;
    assert_eq!(passing(&of_team, 5).await, 2);
    let of_person = stage.caller(json!({"user_id": "ann"})).await;
    assert_eq!(passing(&of_person, 5).await, 3);
    let of_all = stage.caller(json!({"organization_id": "acme"})).await;
    let for_carl = || rest("echo").header("x-litellm-end-user-id", "carl");
    assert_eq!(of_all.ask(for_carl()).await.status, 200);
    let refused = of_all.ask(for_carl()).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!(
        passing(&of_all, 5).await,
        3,
        "what was refused counts for nobody"
    );

    let lifted = json!({"team_id": "ops", "rpm_limit": null});
    let lifted = admin.ask(Ask::post("/team/update", &lifted)).await;
    assert_eq!(lifted.json()["rpm_limit"], Value::Null, "{lifted:?}");
    assert_eq!(passing(&of_team, 5).await, 5);
    stage.gateway.stands().await;
}

#[tokio::test]
async fn what_is_refused_leaves_no_limits_behind_and_takes_none_away() {
    let stage = Stage::new("", &[]).await;
    let admin = &stage.admin;
    let ops = json!({"team_id": "ops", "rpm_limit": 2});
    assert_eq!(admin.ask(Ask::post("/team/new", &ops)).await.status, 200);
    let key = stage
        .caller(json!({"team_id": "ops", "key_alias": "ci"}))
        .await;
    let key_id = key.ask(Ask::get("/key/info")).await.json()["key"].clone();
    for (path, body, status) in [
        // It is there already.
        ("/team/new", json!({"team_id": "ops", "rpm_limit": 9}), 409),
        // Nobody defined it.
        (
            "/team/update",
            json!({"team_id": "dev", "rpm_limit": 9}),
            404,
        ),
        // Somebody else changed it meanwhile.
        (
            "/team/update",
            json!({"team_id": "ops", "rpm_limit": 9, "version": 7}),
            409,
        ),
        // No limit of any kind.
        (
            "/team/update",
            json!({"team_id": "ops", "rpm_limit": -9, "blocked": true}),
            400,
        ),
        (
            "/team/update",
            json!({"team_id": "ops", "tpm_limit": 9, "blocked": true}),
            400,
        ),
        (
            "/team/update",
            json!({"team_id": "ops", "soft_budget": 9}),
            400,
        ),
        (
            "/team/update",
            json!({"team_id": "ops", "rpm_limit": 9, "object_permission": {"mcp_tool_permissions": {"x": ["y"]}}}),
            400,
        ),
        (
            "/key/update",
            json!({"key_id": key_id, "rpm_limit": 9, "version": "00"}),
            409,
        ),
        (
            "/key/update",
            json!({"key_id": key_id, "rpm_limit": 9, "key_alias": " "}),
            400,
        ),
        (
            "/key/generate",
            json!({"key_alias": "ci", "rpm_limit": 9}),
            409,
        ),
    ] {
        let reply = admin.ask(Ask::post(path, &body)).await;
        assert_eq!(reply.status, status, "{path} {body}: {reply:?}");
        let event = stage.gateway.event_of(&reply).await;
        assert!(event.get("changes").is_none(), "{path} {body}: {event}");
    }
    let team = admin.ask(Ask::get("/team/info?team_id=ops")).await.json();
    assert_eq!(team["team_info"]["rpm_limit"], 2);
    assert_eq!(team["team_info"]["blocked"], false);
    let limits = format!("/v1/limits/key/{}", key_id.as_str().unwrap());
    let limits = admin.ask(Ask::get(&limits)).await.json();
    assert_eq!(limits["limits"]["rpm_limit"], Value::Null);
    let dev = admin.ask(Ask::get("/v1/limits/team/dev")).await.json();
    assert_eq!(dev["limits"]["rpm_limit"], Value::Null);
    assert_eq!(passing(&key, 5).await, 2);
    stage.gateway.stands().await;
}

#[tokio::test]
async fn a_key_is_changed_together_with_its_limits_and_tells_what_it_spent() {
    let stage = Stage::new(
        "",
        &["mcp_info: {mcp_server_cost_info: {default_cost_per_query: 0.5}}"],
    )
    .await;
    let admin = &stage.admin;
    let key = stage
        .caller(json!({"user_id": "ann", "team_id": "ops"}))
        .await;
    assert_eq!(passing(&key, 3).await, 3);
    let id = key.ask(Ask::get("/key/info")).await.json()["key"].clone();
    let wish = json!({
        "key_id": id, "key_alias": "ci", "rpm_limit": 60, "max_budget": 1, "budget_duration": "1mo",
    });
    let changed = admin.ask(Ask::post("/key/update", &wish)).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let row = changed.json();
    assert_eq!(
        (&row["key_alias"], &row["rpm_limit"]),
        (&json!("ci"), &json!(60))
    );
    assert_eq!(
        (&row["max_budget"], &row["budget_duration"]),
        (&json!(1), &json!("1mo"))
    );
    assert!(row["budget_reset_at"].is_string(), "{row}");
    assert_eq!(passing(&key, 5).await, 2, "a budget begins when it is set");
    let none = json!({"key_id": id, "max_budget": null});
    let row = admin.ask(Ask::post("/key/update", &none)).await.json();
    assert_eq!(
        (&row["max_budget"], &row["budget_duration"]),
        (&Value::Null, &Value::Null)
    );
    // Without a budget, it is what is remembered: of the key, of its person and of its team.
    for path in ["/v1/limits/user/ann", "/v1/limits/team/ops"] {
        let limits = admin.ask(Ask::get(path)).await.json();
        assert_eq!(limits["limits"]["spend"], 2.5, "{path}");
    }
    assert_eq!(row["spend"], 2.5);
    let unknown = admin.ask(Ask::get("/v1/limits/organization/acme")).await;
    assert_eq!(unknown.json()["limits"]["spend"], Value::Null);
    stage.gateway.stands().await;
}

#[tokio::test]
async fn another_replica_takes_no_key_in_before_the_limits_it_was_made_with() {
    let stage = Stage::new("", &[]).await;
    let other = stage.another().await;
    for round in 0..10 {
        let made = make_key(&stage.admin, json!({"rpm_limit": 0})).await;
        let there = other.bearer(&made);
        let mut first = 401;
        eventually("the key is known there", async || {
            first = echo(&there).await.status;
            first != 401
        })
        .await;
        assert_eq!(first, 429, "{round}");
    }
}
