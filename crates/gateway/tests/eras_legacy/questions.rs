//! What a server asks before it answers, asked of the client on the stream of its call.

use portcullis_testkit::upstream::{FakeUpstream, Recorded, Reply};

use super::support::{AWKWARD, Client, House, Opened, call_params, legacy, raw, server};

const PUSHES: &[&str] = &["allow_sampling: true", "allow_elicitation: true"];
const ABLE: &str =
    r#"{"sampling":{},"elicitation":{"form":{},"url":{}},"roots":{"listChanged":true}}"#;
const DONE: &str = r#"{"resultType":"complete","content":[{"type":"text","text":"done"}]}"#;

/// Asks this as long as it is not answered.
fn asks(upstream: &FakeUpstream, kind: &'static str, input: &str) {
    let input = input.to_owned();
    upstream.on(kind, move |request: &Recorded| {
        if request.raw(&["params", "inputResponses"]).is_some() {
            return Reply::result(request, DONE);
        }
        Reply::result(
            request,
            &format!(r#"{{"resultType":"input_required",{input}}}"#),
        )
    });
}

async fn house(upstream: &FakeUpstream) -> (House, Client) {
    let house = House::of(&[server("a", upstream, PUSHES)]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize(ABLE).await;
    (house, alice)
}

async fn calling(client: &Client) -> Opened {
    let mut running = client
        .open(&legacy("tools/call", &call_params("echo", AWKWARD)))
        .await;
    assert_eq!(running.data().await, "", "a priming event");
    running
}

fn answer_to(question: &str, result: &str) -> String {
    let id = raw(question, &["id"]).unwrap();
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

#[tokio::test]
async fn several_questions_are_answered_in_any_order_and_the_call_is_made_again() {
    let upstream = FakeUpstream::modern().await;
    let state = r#""st\u0061te\/ü""#;
    let input = format!(
        r#""inputRequests":{{"one":{{"method":"sampling/createMessage","params":{{"messages":[],"maxTokens":9,"x":1e400}}}},"t\"wo":{{"method":"roots/list"}},"three":{{"method":"elicitation/create","params":{{"mode":"form","message":"?","requestedSchema":{{"type":"object","properties":{{}}}}}}}}}},"requestState":{state}"#
    );
    asks(&upstream, "tools/call", &input);
    let (house, alice) = house(&upstream).await;
    let mut running = calling(&alice).await;
    let sampling = running.data().await;
    let roots = running.data().await;
    let form = running.data().await;
    assert_eq!(
        raw(&sampling, &["method"]).unwrap(),
        "\"sampling/createMessage\""
    );
    assert_eq!(
        raw(&sampling, &["params"]).unwrap(),
        r#"{"messages":[],"maxTokens":9,"x":1e400}"#
    );
    assert_eq!(raw(&roots, &["method"]).unwrap(), "\"roots/list\"");
    assert!(raw(&roots, &["params"]).is_none());
    assert!(raw(&form, &["params", "elicitationId"]).is_none());
    let yes = format!(r#"{{"action":"accept","content":{AWKWARD}}}"#);
    for (question, result) in [(&form, yes.as_str()), (&roots, r#"{"roots":[]}"#)] {
        assert_eq!(alice.post(&answer_to(question, result)).await.status, 202);
    }
    assert_eq!(upstream.count("tools/call"), 1);
    assert_eq!(
        alice
            .post(&answer_to(&sampling, r#"{"role":"assistant"}"#))
            .await
            .status,
        202
    );
    assert_eq!(
        running.data().await,
        r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"done"}]}}"#
    );
    assert!(running.event().await.is_none());
    let again = alice.post(&answer_to(&roots, "{}")).await;
    assert!(again.text.contains("no request waits"), "{again:?}");
    let calls = upstream.seen("tools/call");
    let [first, second] = calls.as_slice() else {
        panic!("{calls:?}");
    };
    assert_ne!(first.id(), second.id());
    assert!(first.raw(&["params", "requestState"]).is_none());
    assert_eq!(second.raw(&["params", "requestState"]).unwrap(), state);
    assert_eq!(
        second.raw(&["params", "inputResponses"]).unwrap(),
        format!(r#"{{"one":{{"role":"assistant"}},"t\"wo":{{"roots":[]}},"three":{yes}}}"#)
    );
    assert_eq!(second.raw(&["params", "arguments"]).unwrap(), AWKWARD);
    assert_eq!(second.header("mcp-name"), Some("echo"));
    house.end().await;
}

#[tokio::test]
async fn nobody_else_answers_a_question() {
    let upstream = FakeUpstream::modern().await;
    asks(
        &upstream,
        "tools/call",
        r#""inputRequests":{"k":{"method":"roots/list"}}"#,
    );
    let (house, alice) = house(&upstream).await;
    let mut running = calling(&alice).await;
    let question = running.data().await;
    let mut elsewhere = alice.at("/mcp/a");
    elsewhere.initialize(ABLE).await;
    let mut mallory = house.caller("mallory").await.at("/mcp/a");
    mallory.initialize(ABLE).await;
    let answer = answer_to(&question, r#"{"roots":[]}"#);
    for stranger in [&elsewhere, &mallory] {
        let refused = stranger.post(&answer).await;
        assert!(refused.text.contains("no request waits"), "{refused:?}");
    }
    assert_eq!(upstream.count("tools/call"), 1);
    assert_eq!(alice.post(&answer).await.status, 202);
    assert!(running.data().await.contains("done"));
    drop(running);
    house.end().await;
}

#[tokio::test]
async fn an_address_is_put_to_a_client_that_opens_it_and_told_to_any_other() {
    let upstream = FakeUpstream::modern().await;
    let ask = |url: &str| {
        format!(
            r#""inputRequests":{{"k":{{"method":"elicitation/create","params":{{"mode":"url","message":"sign in","url":"{url}"}}}}}}"#
        )
    };
    asks(&upstream, "tools/call", &ask("https://a.example/x"));
    let (house, alice) = house(&upstream).await;
    let mut running = calling(&alice).await;
    let question = running.data().await;
    let params = raw(&question, &["params"]).unwrap();
    assert_eq!(raw(&params, &["url"]).unwrap(), "\"https://a.example/x\"");
    let id = raw(&params, &["elicitationId"]).unwrap();
    assert!(id.len() > 32, "{params}");
    alice
        .post(&answer_to(&question, r#"{"action":"accept"}"#))
        .await;
    assert!(running.data().await.contains("done"));
    drop(running);
    let mut other = alice.at("/mcp/a");
    other.initialize(r#"{"elicitation":{}}"#).await;
    let answer = other.call("echo", "{}").await;
    assert_eq!(answer.raw(&["result", "isError"]), "true");
    assert!(answer.text.contains("https://a.example/x"), "{answer:?}");
    asks(&upstream, "tools/call", &ask("javascript:alert(1)"));
    let answer = alice.call("echo", "{}").await;
    assert_eq!(answer.raw(&["result", "isError"]), "true");
    assert!(!answer.text.contains("javascript"), "{answer:?}");
    house.end().await;
}

#[tokio::test]
async fn a_client_is_not_asked_for_what_it_did_not_declare() {
    let upstream = FakeUpstream::modern().await;
    let ask =
        r#""inputRequests":{"k":{"method":"sampling/createMessage","params":{"messages":[]}}}"#;
    for kind in ["tools/call", "prompts/get", "resources/read"] {
        asks(&upstream, kind, ask);
    }
    let closed = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = closed.caller("alice").await.at("/mcp/a");
    // Declared, and withheld by the operator.
    alice.initialize(ABLE).await;
    let answer = alice.call("echo", "{}").await;
    assert_eq!(answer.raw(&["result", "isError"]), "true");
    for (method, params) in [
        ("prompts/get", r#"{"name":"p"}"#),
        ("resources/read", r#"{"uri":"x://a"}"#),
    ] {
        assert_eq!(alice.rpc(method, params).await.code(), -32603);
    }
    closed.end().await;
    let (house, alice) = house(&upstream).await;
    let older = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-03-26","capabilities":{"elicitation":{}},"clientInfo":{"name":"story","version":"1"}}}"#;
    asks(
        &upstream,
        "tools/call",
        r#""inputRequests":{"k":{"method":"elicitation/create","params":{"message":"?"}}}"#,
    );
    let mut old = alice.at("/mcp/a");
    old.version = None;
    let hello = old.post(older).await;
    old.session = Some(hello.headers["mcp-session-id"].to_str().unwrap().to_owned());
    let answer = old.call("echo", "{}").await;
    assert_eq!(answer.raw(&["result", "isError"]), "true");
    house.end().await;
}

#[tokio::test]
async fn a_client_that_refuses_ends_the_call_and_one_that_closes_a_form_does_not() {
    let upstream = FakeUpstream::modern().await;
    asks(
        &upstream,
        "tools/call",
        r#""inputRequests":{"k":{"method":"sampling/createMessage","params":{"messages":[]}}}"#,
    );
    let (house, alice) = house(&upstream).await;
    let no = |question: &str| {
        let id = raw(question, &["id"]).unwrap();
        format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-1,"message":"no"}}}}"#)
    };
    let mut running = calling(&alice).await;
    let question = running.data().await;
    alice.post(&no(&question)).await;
    let answer = running.data().await;
    assert_eq!(raw(&answer, &["result", "isError"]).unwrap(), "true");
    assert_eq!(upstream.count("tools/call"), 1);
    asks(
        &upstream,
        "tools/call",
        r#""inputRequests":{"k":{"method":"elicitation/create","params":{"message":"?"}}}"#,
    );
    let mut running = calling(&alice).await;
    let question = running.data().await;
    alice.post(&no(&question)).await;
    assert!(running.data().await.contains("done"));
    let responses = upstream
        .last("tools/call")
        .raw(&["params", "inputResponses"]);
    assert_eq!(responses.unwrap(), r#"{"k":{"action":"cancel"}}"#);
    drop(running);
    house.end().await;
}

#[tokio::test]
async fn a_server_is_not_asked_for_ever() {
    let upstream = FakeUpstream::modern().await;
    upstream.on("tools/call", |request| {
        Reply::result(
            request,
            r#"{"resultType":"input_required","requestState":"more"}"#,
        )
    });
    let (house, alice) = house(&upstream).await;
    let answer = alice.call("echo", "{}").await;
    assert_eq!(answer.raw(&["result", "isError"]), "true");
    let calls = upstream.seen("tools/call");
    assert_eq!(calls.len(), 9);
    assert!(
        calls
            .iter()
            .all(|call| call.raw(&["params", "inputResponses"]).is_none())
    );
    house.end().await;
}

#[tokio::test]
async fn on_the_aggregate_a_question_goes_the_same_way() {
    let (a, b) = (FakeUpstream::modern().await, FakeUpstream::legacy().await);
    asks(
        &a,
        "prompts/get",
        r#""inputRequests":{"k":{"method":"roots/list"}}"#,
    );
    a.prompts(&[r#"{"name":"p"}"#]);
    let house = House::of(&[server("a", &a, PUSHES), server("b", &b, PUSHES)]).await;
    let mut alice = house.caller("alice").await;
    alice.initialize(ABLE).await;
    assert!(alice.call("b-echo", "{}").await.text.contains("done"));
    let mut running = alice
        .open(&legacy("prompts/get", r#"{"name":"a-p"}"#))
        .await;
    assert_eq!(running.data().await, "");
    let question = running.data().await;
    alice.post(&answer_to(&question, r#"{"roots":[]}"#)).await;
    assert!(running.data().await.contains("done"));
    let sent = a.last("prompts/get");
    assert_eq!(sent.raw(&["params", "name"]).unwrap(), "\"p\"");
    assert_eq!(sent.header("mcp-name"), Some("p"));
    drop(running);
    house.end().await;
}
