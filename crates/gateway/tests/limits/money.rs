//! What calls cost.

use portcullis_testkit::gateway::{Actor, Ask};
use portcullis_testkit::upstream::{FakeUpstream, Reply as Answer};
use serde_json::{Value, json};

use super::support::{Stage, echo, passing, rest, wait};

const PRICES: &[&str] = &[
    "mcp_info: {mcp_server_cost_info: {default_cost_per_query: 0.4, tool_name_to_cost_per_query: {delete_user: 0.7}}}",
];

pub(crate) async fn info(actor: &Actor) -> Value {
    let info = actor.ask(Ask::get("/key/info")).await;
    assert_eq!(info.status, 200, "{info:?}");
    info.json()["info"].clone()
}

#[tokio::test]
async fn a_budget_is_spent_once_and_begins_anew_at_midnight() {
    let stage = Stage::new("", PRICES).await;
    let caller = stage
        .caller(json!({"max_budget": 1, "budget_duration": "24h"}))
        .await;
    assert_eq!(passing(&caller, 2).await, 2);
    let third = echo(&caller).await;
    assert_eq!(wait(&third), 12 * 3600, "it is noon");
    assert_eq!(third.json()["limit"], "budget");
    let event = stage.gateway.event_of(&third).await;
    assert_eq!(event["rule"], "budget:key", "{event}");
    let shown = info(&caller).await;
    assert_eq!(
        (&shown["spend"], &shown["max_budget"]),
        (&json!(0.8), &json!(1))
    );
    assert_eq!(shown["budget_reset_at"], "2026-11-23T00:00:00.000Z");
    // What is left pays for nothing that costs more.
    let dear = caller.ask(rest("delete_user")).await;
    assert_eq!(dear.status, 429, "{dear:?}");
    stage.advance(12 * 3600).await;
    assert_eq!(info(&caller).await["spend"], 0);
    assert_eq!(caller.ask(rest("delete_user")).await.status, 200);
    assert_eq!(info(&caller).await["spend"], 0.7);
    stage.gateway.stands().await;
}

#[tokio::test]
async fn a_budget_without_an_end_is_spent_for_good() {
    let stage = Stage::new("limits: {teams: {ops: {max_budget: 0.5}}}\n", PRICES).await;
    let caller = stage.caller(json!({"team_id": "ops"})).await;
    assert_eq!(passing(&caller, 1).await, 1);
    let refused = echo(&caller).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!(refused.header("retry-after"), None, "waiting does not help");
    stage.advance(400 * 24 * 3600).await;
    assert_eq!(passing(&caller, 1).await, 0);
}

#[tokio::test]
async fn many_at_once_spend_no_more_than_there_is() {
    let stage = Stage::new("limits: {users: {alice: {max_budget: 2}}}\n", PRICES).await;
    let mut callers = Vec::new();
    for _ in 0..4 {
        callers.push(stage.caller(json!({"user_id": "alice"})).await);
    }
    let calling = callers.iter().map(|caller| passing(caller, 3));
    let passed: usize = futures_util::future::join_all(calling).await.iter().sum();
    assert_eq!(passed, 5, "five times 0.4");
    assert_eq!(stage.upstream.count("tools/call"), 5);
}

#[tokio::test]
async fn what_was_not_made_costs_nothing_and_what_may_have_been_made_costs() {
    let upstream = FakeUpstream::legacy().await;
    let stage = Stage::before(upstream, "", PRICES).await;
    let caller = stage.caller(json!({"max_budget": 10})).await;
    let missing = caller.ask(rest("no_such_tool")).await;
    assert_eq!(missing.status, 404, "{missing:?}");
    assert_eq!(info(&caller).await["spend"], 0);
    stage
        .upstream
        .once("tools/call", |_| Answer::whole(500, "text/plain", "oh"));
    let failed = echo(&caller).await;
    assert_eq!(failed.status, 502, "{failed:?}");
    assert_eq!(info(&caller).await["spend"], 0.4);
    stage.gateway.stands().await;
}

#[tokio::test]
async fn a_call_whose_answer_is_of_no_use_was_made() {
    let answers: [fn() -> Answer; 3] = [
        || Answer::whole(200, "text/plain", "no MCP"),
        || Answer::whole(200, "application/json", "{"),
        || Answer::Close,
    ];
    for answer in answers {
        let stage = Stage::new("", PRICES).await;
        let caller = stage.caller(json!({"max_budget": 10})).await;
        assert_eq!(passing(&caller, 1).await, 1);
        stage.upstream.once("tools/call", move |_| answer());
        let failed = echo(&caller).await;
        assert_eq!(failed.status, 502, "{:?}: {failed:?}", answer());
        assert_eq!(stage.upstream.count("tools/call"), 2);
        assert_eq!(info(&caller).await["spend"], 0.8, "{:?}", answer());
    }
}

#[tokio::test]
async fn a_caller_whose_key_is_taken_away_in_the_middle_has_made_its_call() {
    let stage = Stage::new("", PRICES).await;
    let caller = stage
        .caller(json!({"max_budget": 10, "user_id": "alice"}))
        .await;
    assert_eq!(passing(&caller, 1).await, 1);
    let own = caller.ask(Ask::get("/key/info")).await.json()["key"].clone();
    stage.upstream.on("tools/call", |_| Answer::Hang);
    let (failed, ()) = tokio::join!(echo(&caller), async {
        stage.upstream.arrived("tools/call", 2).await;
        let wish = json!({"keys": [own]});
        let gone = stage.admin.ask(Ask::post("/key/delete", &wish)).await;
        assert_eq!(gone.status, 200, "{gone:?}");
    });
    assert_eq!(failed.status, 401, "{failed:?}");
    let usage = stage.admin.ask(Ask::get("/v1/usage?by=user")).await.json();
    assert_eq!(usage["total"]["spend"], 0.8, "{usage}");
}

#[tokio::test]
async fn no_usage_is_left_out_without_saying_so() {
    let stage = Stage::new("", PRICES).await;
    let usage = async || {
        let usage = stage.admin.ask(Ask::get("/v1/usage?by=team")).await;
        assert_eq!(usage.status, 200, "{usage:?}");
        usage.json()
    };
    assert_eq!(usage().await["truncated"], false);
    super::faults::break_it(
        &stage,
        &[
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001) \
           INSERT INTO usage_hours (hour, key_id, user_id, team, server, calls, limited, spent) \
           SELECT 1795348800000, 'k' || i, '', '', '', 1, 0, 0 FROM n",
        ],
    )
    .await;
    let seen = usage().await;
    assert_eq!(seen["truncated"], true, "{seen}");
    assert_eq!(seen["total"]["calls"], 10_000, "{seen}");
}

#[tokio::test]
async fn what_was_used_is_told_by_key_user_team_and_server() {
    let stage = Stage::new("limits: {users: {bob: {rpm_limit: 1}}}\n", PRICES).await;
    let admin = &stage.admin;
    let alice = stage
        .caller(json!({"user_id": "alice", "team_id": "ops"}))
        .await;
    let bob = stage
        .caller(json!({"user_id": "bob", "team_id": "ops"}))
        .await;
    assert_eq!(passing(&alice, 3).await, 3);
    assert_eq!(passing(&bob, 3).await, 1);
    let usage = async |actor: &Actor, query: &str| {
        let reply = actor.ask(Ask::get(&format!("/v1/usage{query}"))).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    };
    let by_user = usage(admin, "?by=user").await;
    let expected = json!([
        {"user_id": "alice", "calls": 3, "limited": 0, "spend": 1.2},
        {"user_id": "bob", "calls": 1, "limited": 2, "spend": 0.4},
    ]);
    assert_eq!(by_user["usage"], expected);
    assert_eq!(
        by_user["total"],
        json!({"calls": 4, "limited": 2, "spend": 1.6})
    );
    let by_team = usage(admin, "?by=team,server").await;
    assert_eq!(by_team["total"], by_user["total"]);
    assert_eq!(by_team["usage"][1]["server"], "a");
    let own = usage(&bob, "").await;
    assert_eq!(
        own["total"],
        json!({"calls": 1, "limited": 2, "spend": 0.4})
    );
    assert_eq!(info(&alice).await["spend"], 1.2);
    let before = usage(admin, "?until=2026-11-22T12:00:00Z").await;
    assert_eq!(before["usage"], json!([]), "this hour began at noon");
    for bad in ["?by=color", "?since=yesterday", "?user=alice"] {
        let reply = admin.ask(Ask::get(&format!("/v1/usage{bad}"))).await;
        assert_eq!(reply.status, 400, "{bad}: {reply:?}");
    }
    stage.gateway.stands().await;
}
