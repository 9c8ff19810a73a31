//! What a caller is told, in the form of its revision.

use portcullis_testkit::gateway::{Ask, Reply};
use serde_json::{Value, json};

use super::support::{ALICE, ANN, House};

const OPENS: &str = r#"{"elicitation":{"form":{},"url":{}}}"#;

fn modern(capabilities: &str, more: &str) -> Ask {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{{"message":"hi"}}{more},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{{"name":"t","version":"1"}},"io.modelcontextprotocol/clientCapabilities":{capabilities}}}}}}}"#
    );
    Ask::rpc("/mcp/support", "tools/call", &Value::Null)
        .body(body)
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "echo")
}

async fn session(house: &House, revision: &str, capabilities: &Value) -> String {
    let params = json!({"protocolVersion": revision, "capabilities": capabilities, "clientInfo": {"name": "t", "version": "1"}});
    let opened = house
        .person(ALICE)
        .rpc("/mcp/support", "initialize", params)
        .await;
    assert_eq!(opened.status, 200, "{opened:?}");
    opened.header("mcp-session-id").unwrap().to_owned()
}

async fn legacy(house: &House, session: &str, revision: &str) -> Reply {
    let params = json!({"name": "echo", "arguments": {"message": "hi"}});
    let ask = Ask::rpc("/mcp/support", "tools/call", &params)
        .header("mcp-session-id", session)
        .header("mcp-protocol-version", revision);
    house.person(ALICE).ask(ask).await
}

/// The id at the end of the address of a page.
fn id_in(url: &Value) -> String {
    let url = url.as_str().unwrap();
    let (_, id) = url.split_once("/approvals/").unwrap();
    id.to_owned()
}

#[tokio::test]
async fn a_stateless_client_that_opens_addresses_is_sent_to_the_page_and_calls_again() {
    let house = House::open().await;
    let alice = house.person(ALICE);
    let asked = alice.ask(modern(OPENS, "")).await.json();
    let result = &asked["result"];
    assert_eq!(result["resultType"], "input_required", "{asked}");
    let (key, question) = result["inputRequests"]
        .as_object()
        .unwrap()
        .iter()
        .next()
        .unwrap();
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(question["params"]["mode"], "url");
    let id = id_in(&question["params"]["url"]);
    let retry = |action: &str| {
        let answers = json!({key: {"action": action}});
        modern(
            OPENS,
            &format!(
                r#","inputResponses":{answers},"requestState":{}"#,
                result["requestState"]
            ),
        )
    };
    let still = alice.ask(retry("accept")).await.json();
    assert_eq!(still["result"]["resultType"], "input_required", "{still}");
    assert_eq!(house.calls().await, 0);
    let declined = alice.ask(retry("decline")).await.json();
    assert_eq!(declined["result"]["isError"], true, "{declined}");
    let said = declined["result"]["content"][0]["text"].as_str().unwrap();
    assert!(said.contains("needs an approval"), "{said}");
    house.approved(&id).await;
    let done = alice.ask(retry("accept")).await;
    assert!(done.text().contains("hi"), "{done:?}");
    assert_eq!(done.json()["result"]["isError"], false, "{done:?}");
    assert_eq!(house.calls().await, 1);
    let again = alice.ask(retry("accept")).await.json();
    assert_eq!(again["result"]["resultType"], "input_required", "{again}");
    assert_eq!(
        house.calls().await,
        1,
        "the state of an old question is no approval"
    );
}

#[tokio::test]
async fn a_session_of_2025_11_25_that_opens_addresses_gets_the_elicitation() {
    let house = House::open().await;
    let revision = "2025-11-25";
    let able = session(&house, revision, &json!({"elicitation": {"url": {}}})).await;
    let told = legacy(&house, &able, revision).await.json();
    assert_eq!(told["error"]["code"], -32042, "{told}");
    let elicitation = &told["error"]["data"]["elicitations"][0];
    assert_eq!(elicitation["mode"], "url");
    let id = id_in(&elicitation["url"]);
    let mut stream = house.person(ALICE).listen("/mcp/support", &able).await;
    house.approved(&id).await;
    assert!(stream.until("notifications/elicitation/complete").await);
    let done = legacy(&house, &able, revision).await;
    assert!(done.text().contains("hi"), "{done:?}");
    assert_eq!(house.calls().await, 1);
}

#[tokio::test]
async fn any_other_client_reads_how_to_go_on() {
    let house = House::open().await;
    let mut ids = Vec::new();
    for revision in ["2025-11-25", "2025-06-18", "2025-03-26"] {
        let plain = session(&house, revision, &json!({})).await;
        let told = legacy(&house, &plain, revision).await.json();
        let said = told["result"]["content"][0]["text"]
            .as_str()
            .unwrap_or_default();
        assert_eq!(told["result"]["isError"], true, "{told}");
        assert!(said.contains("same arguments"), "{told}");
        let (_, rest) = said.split_once("(approval ").unwrap();
        ids.push(rest.split(')').next().unwrap().to_owned());
    }
    let told = house.person(ALICE).ask(modern("{}", "")).await.json();
    assert_eq!(told["result"]["isError"], true, "{told}");
    assert_eq!(told["result"]["resultType"], "complete");
    let said = told["result"]["content"][0]["text"].as_str().unwrap();
    assert!(
        ids.iter().all(|id| said.contains(id.as_str())),
        "one call, one approval: {ids:?} {said}"
    );
    let reply = house.decides(ANN, &ids[0], "deny", "no").await;
    assert_eq!(reply.status, 200);
    let told = house.person(ALICE).ask(modern(OPENS, "")).await.json();
    assert_eq!(told["result"]["isError"], true, "{told}");
    let said = told["result"]["content"][0]["text"].as_str().unwrap();
    assert!(said.contains("not approved"), "{said}");
    assert_eq!(house.calls().await, 0);
}

#[tokio::test]
async fn a_legacy_client_that_brings_a_state_is_asked_all_the_same() {
    let house = House::open().await;
    let revision = "2025-06-18";
    let session = session(&house, revision, &json!({})).await;
    let params =
        json!({"name": "echo", "arguments": {"message": "hi"}, "requestState": "anything"});
    let ask = Ask::rpc("/mcp/support", "tools/call", &params)
        .header("mcp-session-id", &session)
        .header("mcp-protocol-version", revision);
    let told = house.person(ALICE).ask(ask).await.json();
    assert_eq!(told["result"]["isError"], true, "{told}");
    assert_eq!(house.calls().await, 0);
}
