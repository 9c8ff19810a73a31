//! Requests a minute.

use portcullis_testkit::gateway::{Actor, Ask, Reply};
use portcullis_testkit::upstream::FakeUpstream;
use serde_json::{Value, json};

use super::support::{Stage, echo, passing, rest, wait};

const TWO: &str = "limits: {defaults: {key: {rpm_limit: 2}}}\n";

/// A call of `echo` in a session.
async fn in_session(actor: &Actor, session: &str) -> Reply {
    let ask = Ask::rpc(
        "/mcp/a",
        "tools/call",
        &json!({"name": "echo", "arguments": {}}),
    );
    actor.ask(ask.header("mcp-session-id", session)).await
}

/// The same without one.
async fn stateless(actor: &Actor) -> Reply {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({"name": "echo", "arguments": {}, "_meta": meta});
    let ask = Ask::rpc("/mcp/a", "tools/call", &params)
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "echo");
    actor.ask(ask).await
}

/// Refused, on record as such, and told how long to wait.
async fn refused(stage: &Stage, reply: &Reply, secs: u64) -> Value {
    assert_eq!(wait(reply), secs);
    let event = stage.gateway.event_of(reply).await;
    assert_eq!(event["outcome"], "rate_limited", "{event}");
    assert_eq!(event["decision"], "deny", "{event}");
    event
}

#[tokio::test]
async fn whoever_asks_too_often_by_rest_waits_as_long_as_it_is_told() {
    let stage = Stage::new(TWO, &[]).await;
    let caller = stage.gateway.key("caller", &["a"]).await;
    let neighbour = stage.gateway.key("neighbour", &["a"]).await;
    assert_eq!(passing(&caller, 2).await, 2);
    let third = echo(&caller).await;
    let event = refused(&stage, &third, 30).await;
    assert_eq!(event["rule"], "rate_limit:key");
    let body = third.json();
    assert_eq!(body["error"], "rate_limited");
    assert_eq!(
        (&body["scope"], &body["limit"]),
        (&json!("key"), &json!("rate_limit"))
    );
    assert_eq!(echo(&neighbour).await.status, 200);
    stage.advance(29).await;
    assert_eq!(wait(&echo(&caller).await), 1);
    stage.advance(1).await;
    assert_eq!(passing(&caller, 2).await, 1);
    stage.advance(60).await;
    assert_eq!(passing(&caller, 9).await, 2);
    // Lists are requests too.
    let list = caller.ask(Ask::get("/mcp-rest/tools/list")).await;
    assert_eq!(wait(&list), 30);
    let calls = stage.upstream.count("tools/call");
    assert_eq!(calls, 6, "what is refused reaches no server");
    stage.gateway.stands().await;
}

#[tokio::test]
async fn a_client_with_a_session_is_told_the_same() {
    let stage = Stage::new(TWO, &[]).await;
    let caller = stage.gateway.key("caller", &["a"]).await;
    let session = caller.session("/mcp/a").await;
    for _ in 0..2 {
        let reply = in_session(&caller, &session).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    let third = in_session(&caller, &session).await;
    refused(&stage, &third, 30).await;
    let error = &third.json()["error"];
    assert_eq!(third.json()["id"], 1);
    assert_eq!(error["data"]["kind"], "rate_limited");
    assert_eq!(error["data"]["scope"], "key");
    assert_eq!(error["data"]["retry_after_seconds"], 30);
    stage.advance(30).await;
    assert_eq!(in_session(&caller, &session).await.status, 200);
    // A merged list is a request as well.
    let merged = caller.session("/mcp").await;
    let list = Ask::rpc("/mcp", "tools/list", &json!({})).header("mcp-session-id", &merged);
    refused(&stage, &caller.ask(list).await, 30).await;
    stage.gateway.stands().await;
}

#[tokio::test]
async fn a_stateless_client_is_told_the_same() {
    let upstream = FakeUpstream::modern().await;
    let stage = Stage::before(upstream, TWO, &[]).await;
    let caller = stage.gateway.key("caller", &["a"]).await;
    for _ in 0..2 {
        let reply = stateless(&caller).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    let third = stateless(&caller).await;
    refused(&stage, &third, 30).await;
    assert_eq!(third.json()["error"]["data"]["limit"], "rate_limit");
    stage.gateway.stands().await;
}

#[tokio::test]
async fn a_crowd_of_keys_of_one_person_is_one_person() {
    // RL-02
    let limits = "limits: {users: {alice: {rpm_limit: 3}}, teams: {ops: {rpm_limit: 4}}}\n";
    let stage = Stage::new(limits, &[]).await;
    let mut passed = 0;
    for _ in 0..5 {
        let key = stage
            .caller(json!({"user_id": "alice", "team_id": "ops"}))
            .await;
        passed += passing(&key, 1).await;
    }
    assert_eq!(passed, 3);
    let colleague = stage
        .caller(json!({"user_id": "bob", "team_id": "ops"}))
        .await;
    assert_eq!(passing(&colleague, 3).await, 1);
    // RL-17: what kind of scope, and nothing of who is in it.
    let told = echo(&colleague).await;
    assert_eq!(told.json()["scope"], "team");
    for name in ["ops", "alice"] {
        assert!(!told.text().contains(name), "{told:?}");
    }
    stage.gateway.stands().await;
}

#[tokio::test]
async fn a_server_and_its_tools_are_spared_by_all_callers_together() {
    let server = ["rpm: 4", "tool_limits: {echo: {rpm: 3}}"];
    let stage = Stage::new("", &server).await;
    let one = stage.gateway.key("one", &["a"]).await;
    let other = stage.gateway.key("other", &["a"]).await;
    assert_eq!(passing(&one, 2).await, 2);
    assert_eq!(passing(&other, 9).await, 1, "of the tool there are three");
    assert_eq!(echo(&one).await.json()["scope"], "tool");
    // Eight refusals later, the server has its fourth left: all or nothing was counted.
    assert_eq!(one.ask(rest("delete_user")).await.status, 200);
    let fifth = one.ask(rest("delete_user")).await;
    assert_eq!(
        (wait(&fifth), fifth.json()["scope"].clone()),
        (15, json!("server"))
    );
    stage.gateway.stands().await;
}

#[tokio::test]
async fn a_key_may_ask_one_server_less_often_than_others() {
    let stage = Stage::new("", &[]).await;
    let caller = stage
        .caller(json!({"mcp_rpm_limit": {"a": 1}, "rpm_limit": 60}))
        .await;
    assert_eq!(passing(&caller, 3).await, 1);
    assert_eq!(wait(&echo(&caller).await), 60);
    let list = caller.ask(Ask::get("/mcp-rest/tools/list")).await;
    assert_eq!(list.status, 200, "{list:?}");
    stage.gateway.stands().await;
}

#[tokio::test]
async fn where_nothing_may_nothing_passes() {
    let stage = Stage::new("", &["rpm: 0"]).await;
    let caller = stage.gateway.key("caller", &["a"]).await;
    assert_eq!(passing(&caller, 2).await, 0);
    stage.advance(600).await;
    assert_eq!(passing(&caller, 2).await, 0);
    let refused = echo(&caller).await;
    assert_eq!(refused.header("retry-after"), None, "waiting does not help");
    assert_eq!(refused.json()["retry_after_seconds"], json!(null));
    assert_eq!(stage.upstream.count("tools/call"), 0);
}

#[tokio::test]
async fn nobody_is_told_to_wait_where_waiting_never_helps() {
    let prices = ["mcp_info: {mcp_server_cost_info: {default_cost_per_query: 2}}"];
    let stage = Stage::new("", &prices).await;
    for members in [
        json!({"rpm_limit": 0}),
        json!({"max_parallel_requests": 0}),
        json!({"max_budget": 1, "budget_duration": "24h"}),
    ] {
        let caller = stage.caller(members.clone()).await;
        let refused = echo(&caller).await;
        assert_eq!(refused.status, 429, "{members}: {refused:?}");
        assert_eq!(
            refused.header("retry-after"),
            None,
            "{members}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn a_key_is_limited_by_the_organization_of_its_team() {
    let sections = "limits: {organizations: {acme: {rpm_limit: 3}}}\n\
        organizations: {acme: {}}\n\
        teams: {ops: {organization_id: acme}, others: {}}\n";
    let stage = Stage::new(sections, &[]).await;
    let one = stage.caller(json!({"team_id": "ops"})).await;
    let both = stage
        .caller(json!({"team_id": "ops", "organization_id": "acme"}))
        .await;
    let neighbour = stage.caller(json!({"team_id": "others"})).await;
    assert_eq!(passing(&one, 2).await, 2);
    assert_eq!(passing(&both, 3).await, 1, "counted once for each request");
    assert_eq!(echo(&one).await.json()["scope"], "organization");
    assert_eq!(passing(&neighbour, 5).await, 5);
    stage.gateway.stands().await;
}
