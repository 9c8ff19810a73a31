//! What the operator says about calls themselves: what arguments hold, when, and from where.

use std::sync::Arc;

use portcullis_core::ManualClock;
use portcullis_testkit::gateway::{Ask, MockServer, Reply, TestGateway};
use serde_json::{Value, json};

const ALICE: &str = "sk-pc-alice-7Qm2vT9dKx4RzP1sWn8uYb3";

/// A Saturday, three in the morning in UTC.
const NIGHT: i64 = 1_795_230_000_000;

/// Four hours later.
const MORNING: i64 = NIGHT + 4 * 3_600_000;

struct House {
    gateway: TestGateway,
    mock: MockServer,
}

async fn house(of_server: &str, sections: &str) -> House {
    house_at(NIGHT, of_server, sections).await
}

async fn house_at(now: i64, of_server: &str, sections: &str) -> House {
    let mock = MockServer::start().await;
    let yaml = format!(
        "mcp_servers:\n{}{of_server}identity:\n  keys:\n    - {{id: alice, key: {ALICE}, servers: [support]}}\n{sections}",
        mock.entry("support")
    );
    let clock = Arc::new(ManualClock::at_millis(now));
    let gateway = TestGateway::by_clock(&yaml, clock).await;
    House { gateway, mock }
}

fn modern(arguments: &str) -> Ask {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{arguments},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{{"name":"t","version":"1"}},"io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    );
    text("/mcp/support", &body)
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "echo")
}

fn legacy(path: &str, name: &str, arguments: &str) -> Ask {
    text(
        path,
        &format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{arguments}}}}}"#
        ),
    )
}

fn rest(arguments: &str) -> Ask {
    text(
        "/mcp-rest/tools/call",
        &format!(r#"{{"name":"echo","arguments":{arguments},"server_id":"support"}}"#),
    )
}

/// As it is written, also what `serde_json` would not write.
fn text(path: &str, body: &str) -> Ask {
    Ask::rpc(path, "tools/call", &Value::Null).body(body)
}

/// The same call by every door.
fn doors(arguments: &str) -> Vec<Ask> {
    vec![
        legacy("/mcp/support", "echo", arguments),
        legacy("/mcp", "support-echo", arguments),
        modern(arguments),
        rest(arguments),
    ]
}

impl House {
    async fn asks(&self, ask: Ask) -> Reply {
        self.gateway.bearer(ALICE).ask(ask).await
    }

    async fn passes(&self, arguments: &str) {
        for ask in doors(arguments) {
            let before = self.mock.stats().await.calls;
            let reply = self.asks(ask).await;
            assert_eq!(reply.status, 200, "{arguments}: {reply:?}");
            assert_eq!(
                self.mock.stats().await.calls,
                before + 1,
                "{arguments}: {reply:?}"
            );
        }
    }

    /// Refused by this rule at every door, with these words, and nothing left the house.
    async fn refuses(&self, arguments: &str, rule: &str, words: &str) {
        let before = self.mock.stats().await.calls;
        for ask in doors(arguments) {
            let reply = self.asks(ask).await;
            assert!(reply.text().contains(words), "{arguments}: {reply:?}");
            assert!(!reply.text().contains("canary"), "{reply:?}");
            let event = self.gateway.event_of(&reply).await;
            assert_eq!(event["rule"], rule, "{arguments}: {event}");
            assert_eq!(event["decision"], "deny", "{event}");
            assert!(!event.to_string().contains("canary"), "{event}");
        }
        assert_eq!(
            self.mock.stats().await.calls,
            before,
            "nothing left the house"
        );
    }
}

const SCHEMA: &str = "    argument_schemas: {echo: {properties: {message: {type: string, pattern: '^/srv/'}, n: {type: number, maximum: 5}}, required: [message]}}\n";

#[tokio::test]
async fn an_argument_that_holds_what_the_schema_forbids_goes_nowhere_by_any_door() {
    let house = house(SCHEMA, "").await;
    house.passes(r#"{"message":"/srv/a","n":5.0}"#).await;
    let rule = "argument_schemas";
    for (arguments, words) in [
        (
            r#"{"message":"/etc/canary"}"#,
            "`pattern` of what is allowed for this tool: message",
        ),
        (
            r#"{"message":"/srv/canary","n":5.1}"#,
            "`maximum` of what is allowed for this tool: n",
        ),
        ("{}", "`required` of what is allowed for this tool: message"),
    ] {
        house.refuses(arguments, rule, words).await;
    }
    let twice = r#"{"message":"/srv/a","message":"/etc/canary"}"#;
    house
        .refuses(twice, "unreadable_arguments", "no member stands twice")
        .await;
    let reply = house.asks(modern(r#"{"n":1}"#)).await;
    assert_eq!(
        (reply.status, &reply.json()["error"]["code"]),
        (403, &json!(-32602))
    );
    assert_eq!(house.asks(rest(r#"{"n":1}"#)).await.status, 403);
    house.gateway.no_secret_was_told().await;
}

const NIGHTS: &str = r#"policy:
  rules:
    - name: nights
      effect: deny
      tools: [echo]
      when: time.getHours() < 6 && principal.key_id == "alice"
    - name: no-etc
      effect: deny
      when: has(arguments.message) && arguments.message.startsWith("/etc")
"#;

#[tokio::test]
async fn a_rule_that_denies_is_named_on_record_and_to_the_caller() {
    let house = house("", NIGHTS).await;
    let words = "the rule `nights` of this gateway forbids this";
    house
        .refuses(r#"{"message":"hi"}"#, "policy_rule:nights", words)
        .await;
    let reply = house.asks(modern(r#"{"message":"hi"}"#)).await;
    assert_eq!(reply.status, 403, "{reply:?}");
    // What it concerns is listed all the same, and other tools are not its concern.
    let listed = house
        .asks(Ask::rpc("/mcp/support", "tools/list", &json!({})))
        .await;
    assert!(listed.text().contains("echo"), "{listed:?}");

    let house = house_at(MORNING, "", NIGHTS).await;
    house.passes(r#"{"message":"hi"}"#).await;
    let words = "the rule `no-etc` of this gateway forbids this";
    house
        .refuses(r#"{"message":"/etc/canary"}"#, "policy_rule:no-etc", words)
        .await;
    let failed = "cannot be told";
    house
        .refuses(r#"{"message":7}"#, "policy_rule_failed:no-etc", failed)
        .await;
    house.gateway.no_secret_was_told().await;
}

#[tokio::test]
async fn where_rules_say_what_is_allowed_the_rest_is_refused() {
    let rules = r#"policy:
  rules:
    - {name: short, effect: allow, servers: [support], when: size(arguments.message) < 5}
    - {name: from-afar, effect: allow, when: client.ip.within("203.0.113.0/24")}
"#;
    let house = house("", rules).await;
    house.passes(r#"{"message":"hi"}"#).await;
    let reply = house.asks(rest(r#"{"message":"hi"}"#)).await;
    let event = house.gateway.event_of(&reply).await;
    assert_eq!(event["rule"], "policy_rule:short", "{event}");
    let words = "no rule of this gateway allows this";
    house
        .refuses(r#"{"message":"canary"}"#, "no_rule_allows", words)
        .await;
}

async fn explains(gateway: &TestGateway, question: &Value) -> Value {
    let admin = gateway.admin().await;
    let reply = admin.ask(Ask::post("/v1/policy/explain", question)).await;
    assert_eq!(reply.status, 200, "{question}: {reply:?}");
    reply.json()
}

/// What is told beforehand is what then happens, and is put on record.
#[tokio::test]
async fn an_explanation_is_what_a_call_then_meets() {
    let sections =
        format!("{NIGHTS}    - {{name: hi, effect: allow, when: arguments.message != 'bye'}}\n");
    for now in [NIGHT, MORNING] {
        let house = house_at(now, SCHEMA, &sections).await;
        for arguments in [
            r#"{"message":"/srv/a"}"#,
            r#"{"message":"/srv/a","n":9}"#,
            r#"{"message":"/srv/a","message":"b"}"#,
            "{}",
            "null",
        ] {
            let before = house.mock.stats().await.calls;
            let question = format!(
                r#"{{"as":"alice","tool":"echo","server":"support","arguments":{arguments}}}"#
            );
            let admin = house.gateway.admin().await;
            let ask = Ask::post("/v1/policy/explain", &Value::Null).body(question);
            let told = admin.ask(ask).await;
            assert_eq!(told.status, 200, "{told:?}");
            assert_eq!(house.mock.stats().await.calls, before, "nothing is called");
            let told = told.json()["servers"][0].clone();
            let event = house
                .gateway
                .event_of(&house.asks(rest(arguments)).await)
                .await;
            assert_eq!(told["rule"], event["rule"], "{told} {event}");
            assert_eq!(told["decision"], event["decision"], "{told} {event}");
            let steps = told["steps"].as_array().unwrap();
            let last = steps.last().unwrap();
            assert_eq!(
                last["passed"] == true,
                told["decision"] == "allow",
                "{told}"
            );
            assert_eq!(
                steps[0],
                json!({"check": "sight", "passed": true, "by": "grant_server"})
            );
        }
    }
}

#[tokio::test]
async fn explanations_are_for_those_who_may_read_everything() {
    let house = house("", NIGHTS).await;
    let question = json!({"as": "alice", "tool": "echo"});
    let told = explains(&house.gateway, &question).await;
    assert_eq!(told["servers"][0]["rule"], "policy_rule:nights", "{told}");
    assert_eq!(
        told["servers"][0]["why"],
        "the condition of the rule `nights` holds"
    );
    assert_eq!(told["side"], "outside");

    let ask = || Ask::post("/v1/policy/explain", &question);
    let refused = house.asks(ask()).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(!refused.text().contains("nights"), "{refused:?}");
    assert_eq!(house.gateway.anonymous().ask(ask()).await.status, 401);

    let admin = house.gateway.admin().await;
    for (question, status) in [
        (json!({"as": "nobody", "tool": "echo"}), 404),
        (json!({"as": ALICE, "tool": "echo"}), 404),
        (
            json!({"as": "alice", "tool": "echo", "server": "other"}),
            404,
        ),
        (json!({"as": "alice", "tol": "echo"}), 400),
        (
            json!({"as": "alice", "tool": "echo", "address": "here"}),
            400,
        ),
        (json!(["alice", "echo"]), 400),
    ] {
        let reply = admin.ask(Ask::post("/v1/policy/explain", &question)).await;
        assert_eq!(reply.status, status, "{question}: {reply:?}");
        assert!(!reply.text().contains(ALICE), "{reply:?}");
    }
}
