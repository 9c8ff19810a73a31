//! What waits, and what an approval is good for.

use std::sync::Arc;

use portcullis_core::{ApprovalId, ManualClock};
use portcullis_testkit::gateway::{Ask, MockServer, TestGateway};
use portcullis_testkit::upstream::FakeUpstream;
use serde_json::{Value, json};

use super::support::{ALICE, ANN, BOB, House, ROOT};

#[tokio::test]
async fn a_call_waits_until_it_is_approved_and_goes_out_once() {
    let house = House::open().await;
    let first = house.echo(ALICE, r#"{"message":"hello"}"#).await;
    assert_eq!(first.status, 202, "{first:?}");
    let told = first.json();
    let id = told["approval_id"].as_str().unwrap().to_owned();
    let event = house.gateway.event_of(&first).await;
    assert_eq!(event["decision"], "require_approval", "{event}");
    assert_eq!(event["rule"], "approval_required:require_approval:always");
    assert_eq!(event["approval"], id);
    assert_eq!(event["outcome"], "approval_required");
    assert!(told["message"].as_str().unwrap().contains(&id), "{told}");

    assert_eq!(house.waits(ALICE, r#"{"message":"hello"}"#).await, id);
    assert_eq!(house.status(ALICE, &id).await, "pending");
    assert_eq!(house.calls().await, 0, "nothing left the house");

    let decided = house.decides(ANN, &id, "approve", " looks fine ").await;
    assert_eq!(decided.status, 200, "{decided:?}");
    let event = house.gateway.event_of(&decided).await;
    assert_eq!(event["method"], "v1/approvals:approve");
    assert_eq!(event["rule"], "role:approver");
    let target = event["target"]["name"].as_str().unwrap();
    assert_eq!(target, format!("{id} support/echo for key:file:alice"));
    assert_eq!(house.status(ALICE, &id).await, "granted");
    assert_eq!(house.calls().await, 0, "the caller calls, nobody else");

    let second = house.echo(ALICE, r#"{"message":"hello"}"#).await;
    assert_eq!(second.status, 200, "{second:?}");
    let event = house.gateway.event_of(&second).await;
    assert_eq!(event["decision"], "allow", "{event}");
    assert_eq!(event["rule"], format!("approval:{id}"));
    assert_eq!(event["approval"], id);
    assert_eq!(house.calls().await, 1);
    assert_eq!(house.status(ALICE, &id).await, "redeemed");

    let third = house.waits(ALICE, r#"{"message":"hello"}"#).await;
    assert_ne!(third, id, "used up");
    assert_eq!(house.calls().await, 1);
}

#[tokio::test]
async fn an_approval_is_good_for_its_caller_and_exactly_its_arguments() {
    let house = House::open().await;
    let id = house.waits(ALICE, r#"{"message":"a","n":1}"#).await;
    house.approved(&id).await;
    for (key, arguments) in [
        (ALICE, r#"{"message":"A","n":1}"#),
        (ALICE, r#"{"message":"a","n":1.0}"#),
        (ALICE, r#"{"message":"a"}"#),
        (ALICE, r#"{"message":"a","n":1,"m":null}"#),
        (BOB, r#"{"message":"a","n":1}"#),
    ] {
        assert_ne!(house.waits(key, arguments).await, id, "{key} {arguments}");
    }
    assert_eq!(house.calls().await, 0);
    // Printed anew it is the same call.
    let again = house
        .echo(ALICE, r#"{ "n": 1, "message": "\u0061" }"#)
        .await;
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(house.calls().await, 1);
}

#[tokio::test]
async fn of_many_calls_with_one_approval_exactly_one_goes_out() {
    let house = House::open().await;
    let id = house.waits(ALICE, "{}").await;
    house.approved(&id).await;
    let calls = (0..8).map(|_| house.echo(ALICE, "{}"));
    let replies = futures_util::future::join_all(calls).await;
    let made = replies.iter().filter(|reply| reply.status == 200).count();
    let held = replies.iter().filter(|reply| reply.status == 202).count();
    assert_eq!((made, held), (1, 7), "{replies:?}");
    assert_eq!(house.calls().await, 1);
}

#[tokio::test]
async fn nothing_is_approved_or_used_after_its_time() {
    let house = House::open().await;
    let late = house.waits(ALICE, r#"{"message":"late"}"#).await;
    house.passes(600).await;
    assert_eq!(house.status(ALICE, &late).await, "expired");
    let reply = house.decides(ANN, &late, "approve", "").await;
    assert_eq!(reply.status, 409, "{reply:?}");
    let anew = house.waits(ALICE, r#"{"message":"late"}"#).await;
    assert_ne!(anew, late);
    house
        .gateway
        .embedded()
        .gateway()
        .end_approvals()
        .await
        .unwrap();
    let ended: Vec<Value> = house
        .gateway
        .events()
        .await
        .into_iter()
        .filter(|event| event["rule"] == "approval_expired")
        .collect();
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert_eq!(ended[0]["approval"], late);

    house.approved(&anew).await;
    house.passes(300).await;
    assert_eq!(house.status(ALICE, &anew).await, "expired");
    assert_ne!(house.waits(ALICE, r#"{"message":"late"}"#).await, anew);
    assert_eq!(house.calls().await, 0);
}

#[tokio::test]
async fn a_refusal_stands_and_says_why() {
    let house = House::open().await;
    let id = house.waits(ALICE, "{}").await;
    let reply = house.decides(ROOT, &id, "deny", "not today").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    for _ in 0..2 {
        let refused = house.echo(ALICE, "{}").await;
        assert_eq!(refused.status, 403, "{refused:?}");
        let told = refused.json();
        assert_eq!(told["error"], "approval_denied");
        assert!(told["message"].as_str().unwrap().contains("not today"));
        let event = house.gateway.event_of(&refused).await;
        assert_eq!(event["decision"], "deny", "{event}");
        assert_eq!(event["rule"], "approval_denied");
    }
    house.passes(600).await;
    assert_ne!(house.waits(ALICE, "{}").await, id);
    assert_eq!(house.calls().await, 0);
}

#[tokio::test]
async fn whoever_names_an_approval_means_that_one() {
    let house = House::open().await;
    let id = house.waits(ALICE, "{}").await;
    house.approved(&id).await;
    let named = async |id: &str| {
        let body =
            json!({"server_id": "support", "name": "echo", "arguments": {}, "approval_id": id});
        let ask = Ask::post("/mcp-rest/tools/call", &body);
        house.person(ALICE).ask(ask).await
    };
    let other = named("0123").await;
    assert_eq!(other.status, 400, "{other:?}");
    assert_eq!(named(&id).await.status, 200);
    let again = named(&id).await;
    assert_eq!(again.status, 400, "{again:?}");
    assert_eq!(house.calls().await, 1);
}

#[tokio::test]
async fn a_rule_asks_only_where_its_condition_holds() {
    let house = House::with(
        "",
        "policy:\n  rules:\n    - {name: large, effect: require_approval, tools: [echo], when: 'size(arguments.message) > 3'}\n    - {name: never, effect: deny, when: 'size(arguments.message) > 9'}\n",
    )
    .await;
    assert_eq!(house.echo(ALICE, r#"{"message":"abc"}"#).await.status, 200);
    let held = house.echo(ALICE, r#"{"message":"abcd"}"#).await;
    assert_eq!(held.status, 202, "{held:?}");
    let event = house.gateway.event_of(&held).await;
    assert_eq!(event["rule"], "approval_required:policy_rule:large");
    // Nobody is asked to approve what is forbidden.
    let denied = house.echo(ALICE, r#"{"message":"0123456789"}"#).await;
    assert_eq!(denied.status, 403, "{denied:?}");
    assert_eq!(house.calls().await, 1);
    let question = json!({"as": "alice", "tool": "echo", "server": "support", "arguments": {"message": "abcd"}});
    let root = house.person(ROOT);
    let explained = root.ask(Ask::post("/v1/policy/explain", &question)).await;
    let explained = explained.json();
    let told = &explained["servers"][0];
    assert_eq!(told["decision"], "require_approval", "{explained}");
    assert_eq!(told["rule"], "approval_required:policy_rule:large");
    assert_eq!(house.calls().await, 1);
}

#[tokio::test]
async fn only_tools_that_are_marked_to_read_go_without_where_the_rest_is_destructive() {
    let upstream = FakeUpstream::legacy().await;
    upstream.tools(&[
        r#"{"name":"look","annotations":{"readOnlyHint":true},"inputSchema":{"type":"object"}}"#,
        r#"{"name":"wipe","annotations":{"readOnlyHint":"true"},"inputSchema":{"type":"object"}}"#,
        r#"{"name":"plain","inputSchema":{"type":"object"}}"#,
    ]);
    let yaml = format!(
        "mcp_servers:\n  files:\n    url: \"{}\"\n    require_approval: destructive\nidentity:\n  keys:\n    - {{id: alice, key: {ALICE}, servers: [files]}}\n",
        upstream.url()
    );
    let gateway = TestGateway::start(&yaml).await;
    for (tool, status) in [("look", 200), ("wipe", 202), ("plain", 202)] {
        let body = json!({"server_id": "files", "name": tool, "arguments": {}});
        let ask = Ask::post("/mcp-rest/tools/call", &body);
        let reply = gateway.bearer(ALICE).ask(ask).await;
        assert_eq!(reply.status, status, "{tool}: {reply:?}");
    }
    assert_eq!(upstream.count("tools/call"), 1);
}

#[tokio::test]
async fn what_whoever_writes_the_store_made_up_approves_nothing() {
    let house = House::open().await;
    let gateway = &house.gateway;
    let id = house.waits(ALICE, r#"{"message":"1"}"#).await;
    let approvals = &gateway.embedded().stores().approvals;
    let now = house.now();
    let until = now.after(std::time::Duration::from_mins(5));
    let forged_id = ApprovalId::from(&*id);
    let forged = approvals.decide(&forged_id, true, "forged", until, now);
    forged.await.unwrap();
    let reply = house.echo(ALICE, r#"{"message":"1"}"#).await;
    assert_eq!(reply.status, 503, "{reply:?}");

    // A decision of ours about another call is none about this one.
    let other = house.waits(ALICE, r#"{"message":"2"}"#).await;
    house.approved(&other).await;
    let third = house.waits(ALICE, r#"{"message":"3"}"#).await;
    let taken = approvals
        .get(&ApprovalId::from(&*other))
        .await
        .unwrap()
        .unwrap();
    let moved = taken.decision.unwrap();
    let third_id = ApprovalId::from(&*third);
    let forged = approvals.decide(&third_id, true, &moved, until, now);
    forged.await.unwrap();
    let reply = house.echo(ALICE, r#"{"message":"3"}"#).await;
    assert_eq!(reply.status, 503, "{reply:?}");
    assert_eq!(house.calls().await, 0);
    assert!(!reply.text().contains("forged"), "{reply:?}");
}

#[tokio::test]
async fn arguments_at_rest_are_sealed() {
    let house = House::open().await;
    let id = house
        .waits(ALICE, r#"{"message":"canary-in-the-mine"}"#)
        .await;
    let approvals = &house.gateway.embedded().stores().approvals;
    let kept = approvals
        .get(&ApprovalId::from(&*id))
        .await
        .unwrap()
        .unwrap();
    assert!(!format!("{kept:?}").contains("canary"), "{kept:?}");
    let events = house.gateway.events().await;
    assert!(!format!("{events:?}").contains("canary"), "{events:?}");
}

#[tokio::test]
async fn only_so_many_calls_of_one_caller_wait() {
    let house = House::open().await;
    for number in 0..32 {
        house.waits(ALICE, &format!(r#"{{"n":{number}}}"#)).await;
    }
    let full = house.echo(ALICE, r#"{"n":32}"#).await;
    assert_eq!(full.status, 429, "{full:?}");
    house.waits(BOB, r#"{"n":32}"#).await;
}

#[tokio::test]
async fn what_one_replica_asks_another_decides_and_either_uses_once() {
    let mock = MockServer::start().await;
    let yaml = format!(
        "mcp_servers:\n{}    require_approval: always\nidentity:\n  keys:\n    - {{id: alice, key: {ALICE}, servers: [support]}}\n    - {{id: ann, key: {ANN}, role: approver}}\n",
        mock.entry("support")
    );
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("store.db");
    let clock = Arc::new(ManualClock::at_millis(1_800_000_000_000));
    let one = TestGateway::sharing(&database, &yaml, Arc::clone(&clock) as _).await;
    let two = TestGateway::sharing(&database, &yaml, clock).await;
    let call = |gateway: &TestGateway| {
        let alice = gateway.bearer(ALICE);
        async move { alice.echo("hello").await }
    };
    let told = call(&one).await.json();
    let id = told["approval_id"].as_str().unwrap();
    let path = format!("/v1/approvals/{id}/approve");
    let approved = two.bearer(ANN).ask(Ask::post(&path, &json!({}))).await;
    assert_eq!(approved.status, 200, "{approved:?}");
    let (left, right) = tokio::join!(call(&one), call(&two));
    let mut statuses = [left.status, right.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 202], "{left:?} {right:?}");
    assert_eq!(mock.stats().await.calls, 1);
}

#[tokio::test]
async fn what_refuses_a_call_before_it_goes_out_leaves_its_approval() {
    let house = House::with("    require_approval: always\n    rpm: 1\n", "").await;
    let first = house.waits(ALICE, r#"{"n":1}"#).await;
    let second = house.waits(ALICE, r#"{"n":2}"#).await;
    house.approved(&first).await;
    house.approved(&second).await;
    assert_eq!(house.echo(ALICE, r#"{"n":1}"#).await.status, 200);
    let limited = house.echo(ALICE, r#"{"n":2}"#).await;
    assert_eq!(limited.status, 429, "{limited:?}");
    let event = house.gateway.event_of(&limited).await;
    assert_eq!(event["rule"], "rate_limit:server", "{event}");
    assert_eq!(house.status(ALICE, &second).await, "granted");
    assert_eq!(house.calls().await, 1);
    house.passes(60).await;
    assert_eq!(house.echo(ALICE, r#"{"n":2}"#).await.status, 200);
    assert_eq!(house.status(ALICE, &second).await, "redeemed");
    assert_eq!(house.calls().await, 2);
}

#[tokio::test]
async fn whoever_comes_too_late_for_an_approval_keeps_no_place() {
    let of_server = "    require_approval: always\n    max_concurrent_requests: 8\n";
    let house = House::with(of_server, "").await;
    let id = house.waits(ALICE, "{}").await;
    house.approved(&id).await;
    let calls = (0..8).map(|_| house.echo(ALICE, "{}"));
    let replies = futures_util::future::join_all(calls).await;
    let made = replies.iter().filter(|reply| reply.status == 200).count();
    assert_eq!(made, 1, "{replies:?}");
    let concurrency = &house.gateway.embedded().stores().concurrency;
    assert_eq!(
        concurrency
            .held("server:support", house.now())
            .await
            .unwrap(),
        0
    );
    assert_eq!(house.calls().await, 1);
}
