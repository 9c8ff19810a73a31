//! A store that cannot count.

use portcullis_testkit::gateway::Ask;
use serde_json::json;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use super::support::{Stage, echo, passing};

pub(crate) async fn break_it(stage: &Stage, statements: &[&'static str]) {
    let mut tool = SqliteConnectOptions::new()
        .filename(stage.database())
        .connect()
        .await
        .unwrap();
    for statement in statements {
        sqlx::query(*statement).execute(&mut tool).await.unwrap();
    }
}

const BROKEN: &[&str] = &["DROP TABLE rate_counts", "DROP TABLE concurrency_slots"];

#[tokio::test]
async fn what_cannot_be_counted_is_refused_and_the_rest_goes_on() {
    // RL-05
    let stage = Stage::new("", &[]).await;
    let limited = stage.caller(json!({"rpm_limit": 5})).await;
    let seated = stage.caller(json!({"max_parallel_requests": 5})).await;
    let free = stage.gateway.key("free", &["a"]).await;
    assert_eq!(passing(&limited, 1).await, 1);
    assert_eq!(passing(&seated, 1).await, 1);
    break_it(&stage, BROKEN).await;
    for caller in [&limited, &seated] {
        let reply = echo(caller).await;
        assert_eq!(reply.status, 503, "{reply:?}");
        let event = stage.gateway.event_of(&reply).await;
        assert_eq!(event["rule"], "limits_unavailable", "{event}");
        assert_eq!(event["outcome"], "unavailable", "{event}");
    }
    assert_eq!(
        echo(&free).await.status,
        200,
        "who is not limited needs no count"
    );
    assert_eq!(stage.upstream.count("tools/call"), 3);
    stage.gateway.stands().await;
}

#[tokio::test]
async fn a_replica_counts_to_its_share_where_the_operator_says_so() {
    // RL-05
    let stage = Stage::new("limits: {on_store_fault: local_share}\n", &[]).await;
    let limited = stage
        .caller(json!({"rpm_limit": 5, "max_parallel_requests": 1}))
        .await;
    break_it(&stage, BROKEN).await;
    assert_eq!(passing(&limited, 9).await, 5, "it is the only replica");
    stage.advance(12).await;
    assert_eq!(passing(&limited, 3).await, 1);
    stage.gateway.stands().await;
}

#[tokio::test]
async fn money_is_never_spent_unseen() {
    let prices = ["mcp_info: {mcp_server_cost_info: {default_cost_per_query: 0.1}}"];
    let stage = Stage::new("limits: {on_store_fault: local_share}\n", &prices).await;
    let caller = stage.caller(json!({"max_budget": 5})).await;
    assert_eq!(passing(&caller, 1).await, 1);
    break_it(&stage, &["DROP TABLE budget_spending"]).await;
    let reply = echo(&caller).await;
    assert_eq!(reply.status, 503, "{reply:?}");
    assert_eq!(stage.upstream.count("tools/call"), 1);
}

#[tokio::test]
async fn limits_that_somebody_rewrote_in_the_database_open_nothing() {
    let stage = Stage::new("", &[]).await;
    let caller = stage.caller(json!({"rpm_limit": 1})).await;
    let free = stage.gateway.key("free", &["a"]).await;
    assert_eq!(passing(&caller, 2).await, 1);
    break_it(
        &stage,
        &["UPDATE limits SET limits = '{\"rpm_limit\":1000}', change = change + 1000"],
    )
    .await;
    let next = stage.another().await;
    let altered = echo(&next.bearer(caller.credential())).await;
    assert_eq!(altered.status, 503, "{altered:?}");
    assert_eq!(echo(&next.bearer(free.credential())).await.status, 200);
    let admin = &stage.admin;
    let info = caller.ask(Ask::get("/key/info")).await;
    assert_ne!(info.status, 500, "{info:?}");
    assert_eq!(admin.ask(Ask::get("/key/list")).await.status, 200);
}

#[tokio::test]
async fn one_damaged_row_keeps_nobody_else_from_being_limited_and_can_be_written_anew() {
    let stage = Stage::new("", &[]).await;
    let damaged = stage.caller(json!({"user_id": "alice"})).await;
    let other = stage.caller(json!({"user_id": "bob"})).await;
    let admin = &stage.admin;
    let every = json!({
        "rpm_limit": 2, "max_parallel_requests": null, "max_budget": null,
        "budget_duration": null, "mcp_rpm_limit": null,
    });
    for (path, wish) in [
        ("/v1/limits/user/alice", json!({"rpm_limit": 1})),
        ("/v1/limits/user/bob", json!({"rpm_limit": 1})),
    ] {
        let set = admin.ask(Ask::post(path, &wish)).await;
        assert_eq!(set.status, 200, "{set:?}");
    }
    break_it(
        &stage,
        &[
            "UPDATE limits SET change = change + 100",
            "UPDATE limits SET version = -1, change = 1 WHERE scope_id = 'alice'",
        ],
    )
    .await;
    // A start reads every row.
    let next = stage.another().await;
    let (alice, bob) = (
        next.bearer(damaged.credential()),
        next.bearer(other.credential()),
    );
    assert_eq!(passing(&bob, 3).await, 1);
    assert_eq!(echo(&alice).await.status, 503);
    let admin = next.bearer(admin.credential());
    let partly = json!({"rpm_limit": 2});
    let refused = admin.ask(Ask::post("/v1/limits/user/alice", &partly)).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    let mended = admin.ask(Ask::post("/v1/limits/user/alice", &every)).await;
    assert_eq!(mended.status, 200, "{mended:?}");
    assert_eq!(passing(&alice, 3).await, 2);
}

#[tokio::test]
async fn after_a_restore_what_an_administrator_says_is_in_force() {
    let stage = Stage::new("", &[]).await;
    let caller = stage.caller(json!({"user_id": "alice"})).await;
    let admin = &stage.admin;
    let says = async |most: u32| {
        let wish = json!({"rpm_limit": most});
        let said = admin.ask(Ask::post("/v1/limits/user/alice", &wish)).await;
        assert_eq!(said.status, 200, "{said:?}");
        said.json()["limits"]["rpm_limit"].clone()
    };
    says(7).await;
    break_it(&stage, &["CREATE TABLE kept AS SELECT * FROM limits"]).await;
    says(8).await;
    says(9).await;
    // The database comes back as it was; the replica has seen what came after.
    break_it(
        &stage,
        &[
            "DELETE FROM limits",
            "INSERT INTO limits SELECT * FROM kept",
        ],
    )
    .await;
    assert_eq!(says(2).await, 2);
    assert_eq!(passing(&caller, 4).await, 2);
}
