//! Who sees what waits, and who decides.

use portcullis_testkit::gateway::Ask;
use serde_json::{Value, json};

use super::support::{ALICE, ANN, BOB, House, ROOT, VERA};

#[tokio::test]
async fn approvers_and_administrators_decide_viewers_look_and_nobody_else_sees_anything() {
    let house = House::open().await;
    for (key, sees, decides) in [
        (BOB, false, false),
        (VERA, true, false),
        (ANN, true, true),
        (ROOT, true, true),
    ] {
        let id = house.waits(ALICE, r#"{"message":"hello"}"#).await;
        let person = house.person(key);
        for ask in [
            Ask::get("/v1/approvals"),
            Ask::get(&format!("/v1/approvals/{id}")),
        ] {
            let reply = person.ask(ask).await;
            assert_eq!(reply.status == 200, sees, "{key}: {reply:?}");
            assert_eq!(reply.text().contains("hello"), sees, "{key}: {reply:?}");
        }
        let reply = house.decides(key, &id, "approve", "").await;
        assert_eq!(reply.status == 200, decides, "{key}: {reply:?}");
        let status = if decides { "granted" } else { "pending" };
        assert_eq!(house.status(ALICE, &id).await, status, "{key}");
        if decides {
            assert_eq!(
                house.echo(ALICE, r#"{"message":"hello"}"#).await.status,
                200
            );
        }
    }
    // An approver is nothing but that.
    for ask in [
        Ask::get("/key/list"),
        Ask::get("/v1/audit"),
        Ask::get("/v1/revocations"),
        Ask::get("/metrics"),
        Ask::post("/v1/policy/explain", &json!({"as": "x", "tool": "y"})),
        Ask::post("/key/generate", &json!({"servers": ["support"]})),
        Ask::post("/v1/config/reload", &json!({})),
    ] {
        let line = ask.line();
        let reply = house.person(ANN).ask(ask).await;
        assert_eq!(reply.status, 403, "{line}: {reply:?}");
    }
}

#[tokio::test]
async fn what_waits_is_shown_with_what_is_to_be_judged() {
    let house = House::open().await;
    let id = house.waits(ALICE, r#"{"n":1.50,"message":"x"}"#).await;
    let ann = house.person(ANN);
    let shown = ann.ask(Ask::get(&format!("/v1/approvals/{id}"))).await;
    let shown: Value = shown.json();
    assert_eq!(
        shown["arguments"], r#"{"n":1.50,"message":"x"}"#,
        "as written"
    );
    assert_eq!(shown["principal"], "key:file:alice");
    assert_eq!(shown["name"], "alice");
    assert_eq!(
        (&shown["server"], &shown["tool"]),
        (&json!("support"), &json!("echo"))
    );
    assert_eq!(shown["decision"], Value::Null);
    let other = house.waits(BOB, "{}").await;
    house.approved(&other).await;
    let listed = async |query: &str| {
        let ask = Ask::get(&format!("/v1/approvals{query}"));
        let listed = house.person(ANN).ask(ask).await.json();
        let ids = listed["approvals"].as_array().unwrap();
        let ids: Vec<Value> = ids.iter().map(|one| one["id"].clone()).collect();
        (ids, listed["next"].clone())
    };
    assert_eq!(listed("?status=pending").await.0, [json!(id)]);
    assert_eq!(listed("?status=granted").await.0, [json!(other)]);
    let (first, next) = listed("?limit=1").await;
    let (second, last) = listed(&format!("?limit=1&after={}", next.as_str().unwrap())).await;
    assert_eq!(last, Value::Null);
    let mut both: Vec<String> = [first, second]
        .concat()
        .iter()
        .map(Value::to_string)
        .collect();
    both.sort();
    let mut all = [json!(id).to_string(), json!(other).to_string()];
    all.sort();
    assert_eq!(both, all);
    for query in ["?status=maybe", "?limit=0", "?limit=1001", "?state=pending"] {
        let ask = Ask::get(&format!("/v1/approvals{query}"));
        let reply = house.person(ANN).ask(ask).await;
        assert_eq!(reply.status, 400, "{query}: {reply:?}");
    }
}

#[tokio::test]
async fn nobody_decides_about_their_own_call_unless_the_operator_says_so() {
    let house = House::open().await;
    for key in [ANN, ROOT] {
        let own = house.waits(key, "{}").await;
        let reply = house.decides(key, &own, "approve", "").await;
        assert_eq!(reply.status, 403, "{reply:?}");
        assert!(reply.text().contains("allow_own_decisions"), "{reply:?}");
        assert_eq!(house.status(key, &own).await, "pending");
    }
    let relaxed = House::with(
        "    require_approval: always\n",
        "policy: {approvals: {allow_own_decisions: true}}\n",
    )
    .await;
    let own = relaxed.waits(ROOT, "{}").await;
    assert_eq!(relaxed.decides(ROOT, &own, "approve", "").await.status, 200);
    assert_eq!(relaxed.echo(ROOT, "{}").await.status, 200);
}

#[tokio::test]
async fn one_decision_is_made_and_what_was_decided_stays() {
    let house = House::open().await;
    let id = house.waits(ALICE, "{}").await;
    let verbs = ["approve", "deny", "approve", "deny"];
    let decisions = verbs.map(|verb| house.decides(ANN, &id, verb, verb));
    let replies = futures_util::future::join_all(decisions).await;
    let done: Vec<_> = replies.iter().filter(|reply| reply.status == 200).collect();
    assert_eq!(done.len(), 1, "{replies:?}");
    assert_eq!(
        replies.iter().filter(|reply| reply.status == 409).count(),
        3
    );
    let status = done[0].json()["status"].clone();
    assert_eq!(house.status(ALICE, &id).await, status);
    for (id, status) in [("nothing", 404), ("%ff", 404), (&*"9".repeat(500), 404)] {
        let reply = house.decides(ANN, id, "approve", "").await;
        assert_eq!(reply.status, status, "{reply:?}");
    }
    let long = house.waits(BOB, "{}").await;
    let reply = house.decides(ANN, &long, "deny", &"x".repeat(501)).await;
    assert_eq!(reply.status, 400, "{reply:?}");
    assert_eq!(house.status(BOB, &long).await, "pending");
}

#[tokio::test]
async fn somebody_elses_approval_does_not_exist_for_a_caller() {
    let house = House::open().await;
    let id = house.waits(ALICE, "{}").await;
    assert_eq!(house.status(BOB, &id).await, 404);
    assert_eq!(house.status(BOB, "nothing").await, 404);
    let anonymous = house.gateway.anonymous();
    let reply = anonymous
        .ask(Ask::get(&format!("/mcp-rest/approvals/{id}")))
        .await;
    assert_eq!(reply.status, 401, "{reply:?}");
    // Whoever asked is told how it stands, and not who decided.
    let reply = house.decides(ANN, &id, "deny", "no").await;
    assert_eq!(reply.status, 200);
    let ask = Ask::get(&format!("/mcp-rest/approvals/{id}"));
    let told = house.person(ALICE).ask(ask).await;
    assert_eq!(told.json()["reason"], "no");
    assert!(!told.text().contains("ann"), "{told:?}");
}
