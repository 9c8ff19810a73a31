//! Calls that wait for their clients' answers: one call, however many requests it takes.

use portcullis_testkit::eventually;
use portcullis_testkit::gateway::{Actor, Ask, Reply};
use portcullis_testkit::upstream::{FakeUpstream, Live, Reply as Answer};
use serde_json::{Value, json};

use super::concurrency::held;
use super::money::info;
use super::support::{Stage, rest, wait};

const NAME: &str = r#"{"jsonrpc":"2.0","id":"theirs","method":"elicitation/create","params":{"message":"name?","requestedSchema":{"type":"object","properties":{}}}}"#;
const FIRST: &str = r#"{"code":-32042,"message":"first","data":{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://a.example/","message":"go"}]}}"#;
/// One at a time, each a minute after the other, for 0.4 dollars.
const SERVER: &[&str] = &[
    "allow_elicitation: true",
    "max_concurrent_requests: 1",
    "tool_limits: {echo: {rpm: 1}}",
    "mcp_info: {mcp_server_cost_info: {default_cost_per_query: 0.4}}",
];

/// A stateless request that calls `echo`.
async fn call(actor: &Actor, more: Value) -> Reply {
    let mut params = json!({"name": "echo", "arguments": {}, "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}, "url": {}}},
    }});
    let members = params.as_object_mut().unwrap();
    members.extend(more.as_object().unwrap().clone());
    let ask = Ask::rpc("/mcp/a", "tools/call", &params)
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "echo");
    actor.ask(ask).await
}

/// The last message of an answer, streamed or not.
fn said(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{reply:?}");
    let text = reply.text();
    let last = text
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("data:"));
    serde_json::from_str(last.unwrap_or(&text)).unwrap_or_else(|_| panic!("{reply:?}"))
}

/// What the retry brings.
fn answer(asked: &Reply, action: &str) -> Value {
    let asked = said(asked);
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    let mut response = json!({"action": action});
    if action == "accept" {
        response["content"] = json!({});
    }
    json!({
        "requestState": asked["result"]["requestState"],
        "inputResponses": {"question-1": response},
    })
}

/// A call up to its question.
async fn asked(actor: &Actor, calls: &Live) -> Reply {
    let before = calls.count();
    let (asked, ()) = tokio::join!(call(actor, json!({})), async {
        calls.opened(before + 1).await;
        calls.message(NAME);
    });
    asked
}

fn finish(stage: &Stage, calls: &Live) {
    let id = stage.upstream.last("tools/call").id();
    calls.message(&format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[]}}}}"#
    ));
}

#[tokio::test]
async fn a_call_that_asks_back_keeps_its_place_and_is_paid_once() {
    let stage = Stage::before(FakeUpstream::legacy().await, "", SERVER).await;
    let calls = stage.upstream.live("tools/call");
    let alice = stage.caller(json!({"max_budget": 0.4})).await;
    let bob = stage.gateway.key("bob", &["a"]).await;
    let first = asked(&alice, &calls).await;
    let retry = answer(&first, "accept");
    assert_eq!(held(&stage, "server:a").await, 1, "it runs at the server");
    let refused = bob.ask(rest("delete_user")).await;
    assert_eq!(wait(&refused), 1);
    // Another question, and then the answer.
    let (second, ()) = tokio::join!(call(&alice, retry), async {
        stage.upstream.arrived("RESPONSE", 1).await;
        calls.message(&NAME.replace("theirs", "theirs-too"));
    });
    let mut retry = answer(&second, "accept");
    retry["inputResponses"] = json!({"question-2": {"action": "accept", "content": {}}});
    assert_eq!(held(&stage, "server:a").await, 1);
    let (done, ()) = tokio::join!(call(&alice, retry), async {
        stage.upstream.arrived("RESPONSE", 2).await;
        finish(&stage, &calls);
    });
    assert_eq!(said(&done)["result"]["resultType"], "complete", "{done:?}");
    assert_eq!(stage.upstream.count("tools/call"), 1, "the call ran once");
    assert_eq!(info(&alice).await["spend"], 0.4);
    assert_eq!(held(&stage, "server:a").await, 0);
    let usage = stage
        .admin
        .ask(Ask::get("/v1/usage?by=server"))
        .await
        .json();
    assert_eq!(usage["total"]["calls"], 1, "{usage}");
    stage.gateway.stands().await;
}

#[tokio::test]
async fn a_call_that_nobody_comes_back_for_gives_its_place_back_and_has_cost() {
    let stage = Stage::before(FakeUpstream::legacy().await, "", SERVER).await;
    let calls = stage.upstream.live("tools/call");
    let alice = stage.caller(json!({"max_budget": 1})).await;
    asked(&alice, &calls).await;
    assert_eq!(held(&stage, "server:a").await, 1);
    stage.advance(300).await;
    let gateway = stage.gateway.embedded().gateway();
    gateway.keep_limits().await;
    assert_eq!(
        held(&stage, "server:a").await,
        1,
        "nobody has given it up yet"
    );
    gateway.keep_house().await;
    eventually("the place is free", async || {
        held(&stage, "server:a").await == 0
    })
    .await;
    eventually("it is paid", async || info(&alice).await["spend"] == 0.4).await;
    stage.gateway.stands().await;
}

#[tokio::test]
async fn an_answer_that_finds_its_call_nowhere_takes_nothing() {
    let stage = Stage::before(FakeUpstream::legacy().await, "", SERVER).await;
    let calls = stage.upstream.live("tools/call");
    let alice = stage.caller(json!({"max_budget": 1})).await;
    let first = asked(&alice, &calls).await;
    let retry = answer(&first, "accept");
    // Another replica, which cannot hand it over: the place that the call itself has is not in its way.
    let other = stage.another().await;
    let strayed = call(&other.bearer(alice.credential()), retry.clone()).await;
    assert_eq!(strayed.status, 503, "{strayed:?}");
    let (done, ()) = tokio::join!(call(&alice, retry.clone()), async {
        stage.upstream.arrived("RESPONSE", 1).await;
        finish(&stage, &calls);
    });
    assert_eq!(said(&done)["result"]["resultType"], "complete", "{done:?}");
    // What was answered already is none.
    let again = said(&call(&alice, retry).await);
    assert_eq!(again["error"]["code"], -32602, "{again}");
    assert_eq!(info(&alice).await["spend"], 0.4);
    let usage = stage
        .admin
        .ask(Ask::get("/v1/usage?by=server"))
        .await
        .json();
    assert_eq!(usage["total"]["limited"], 0, "{usage}");
    assert_eq!(held(&stage, "server:a").await, 0);
}

#[tokio::test]
async fn a_server_that_did_nothing_before_addresses_are_open_is_not_paid() {
    let server: Vec<&str> = SERVER
        .iter()
        .copied()
        .filter(|line| !line.contains("rpm"))
        .collect();
    let stage = Stage::before(FakeUpstream::legacy().await, "", &server).await;
    let alice = stage.caller(json!({"max_budget": 0.4})).await;
    for streamed in [false, true] {
        stage.upstream.once("tools/call", move |request| {
            if streamed {
                let id = request.id();
                let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{FIRST}}}"#);
                let text = portcullis_testkit::upstream::event(&text);
                return Answer::events(vec![portcullis_testkit::upstream::Step::Bytes(text)]);
            }
            Answer::error(request, 200, FIRST)
        });
        let first = call(&alice, json!({})).await;
        let declined = said(&call(&alice, answer(&first, "decline")).await);
        assert_eq!(declined["result"]["isError"], true, "{declined}");
        assert_eq!(info(&alice).await["spend"], 0, "streamed: {streamed}");
    }
    assert_eq!(
        said(&call(&alice, json!({})).await)["result"]["resultType"],
        "complete"
    );
    assert_eq!(info(&alice).await["spend"], 0.4);
    stage.gateway.stands().await;
}
