//! A store that cannot count.

use portcullis_testkit::gateway::Ask;
use serde_json::json;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use super::support::{Stage, echo, passing};

async fn break_it(stage: &Stage, statements: &[&'static str]) {
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
