//! A server of sessions asks by requests of its own; a stateless client answers by asking again.

use portcullis_testkit::upstream::{FakeUpstream, Live, Reply};

use super::support::{ABLE, ASKS, Answer, Client, House, server};

const NAME: &str = r#"{"jsonrpc":"2.0","id":"theirs-1","method":"elicitation/create","params":{"message":"name?","requestedSchema":{"type":"object","properties":{}}}}"#;
const SAMPLE: &str = r#"{"jsonrpc":"2.0","id":2,"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}"#;
const DONE: &str = r#"{"content":[{"type":"text","text":"hello"}]}"#;
const ACCEPT: &str = r#"{"action":"accept","content":{"name":"x"}}"#;

/// Calls, and lets the server say this before the question that ends the request.
async fn asked(alice: &Client, calls: &Live, members: &str, says: &[&str]) -> Answer {
    let before = calls.count();
    let (answer, ()) = tokio::join!(alice.call(members), async {
        calls.opened(before + 1).await;
        let together: String = says
            .iter()
            .map(|text| portcullis_testkit::upstream::event(text))
            .collect();
        calls.bytes(&together);
    });
    answer
}

fn ours(upstream: &FakeUpstream) -> String {
    upstream.last("tools/call").id()
}

fn finish(upstream: &FakeUpstream, calls: &Live, result: &str) {
    let id = ours(upstream);
    calls.message(&format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#
    ));
}

#[tokio::test]
async fn a_question_ends_the_request_and_the_retry_goes_on_with_the_call() {
    let upstream = FakeUpstream::legacy().await;
    let calls = upstream.live("tools/call");
    let house = House::of(&[server("a", &upstream, ASKS)]).await;
    let alice = house.caller("alice").await;
    let first = asked(&alice, &calls, "", &[NAME]).await;
    assert_eq!(
        first.questions(),
        r#"{"question-1":{"method":"elicitation/create","params":{"message":"name?","requestedSchema":{"type":"object","properties":{}}}}}"#
    );
    // Another question in the next round, and then the answer, under the retry's own id.
    let accepted = format!(r#"{{"question-1":{ACCEPT},"more":1}}"#);
    let (second, ()) = tokio::join!(alice.answer(&first, &accepted), async {
        upstream.arrived("RESPONSE", 1).await;
        calls.message(SAMPLE);
    });
    assert_eq!(
        upstream.last("RESPONSE").body,
        format!(r#"{{"jsonrpc":"2.0","id":"theirs-1","result":{ACCEPT}}}"#)
    );
    assert!(second.questions().contains("question-2"));
    let state = second.raw(&["result", "requestState"]);
    let sampled = r#"{"role":"assistant","model":"m","content":{"type":"text","text":"x"}}"#;
    let retry = format!(
        r#""name":"echo","inputResponses":{{"question-2":{sampled}}},"requestState":{state}"#
    );
    let (done, ()) = tokio::join!(alice.open(9, "tools/call", &retry, ""), async {
        upstream.arrived("RESPONSE", 2).await;
        finish(&upstream, &calls, DONE);
    });
    let done = done.whole().await;
    done.is_done();
    assert_eq!(done.raw(&["id"]), "9");
    assert_eq!(upstream.count("tools/call"), 1, "the call ran once");
    assert_eq!(upstream.count("notifications/cancelled"), 0);
    // What was used up is used up.
    for spent in [&first, &second] {
        let again = alice.answer(spent, "{}").await;
        assert_eq!((again.status, again.code()), (200, -32602));
    }
    let events = house.end().await;
    let outcomes: Vec<&str> = events
        .iter()
        .map(|event| event["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["ok", "ok", "ok", "invalid", "invalid"]);
}

#[tokio::test]
async fn questions_that_are_there_are_asked_together_and_what_is_not_answered_again() {
    let upstream = FakeUpstream::legacy().await;
    let calls = upstream.live("tools/call");
    let house = House::of(&[server("a", &upstream, ASKS)]).await;
    let alice = house.caller("alice").await;
    let roots = r#"{"jsonrpc":"2.0","id":3,"method":"roots/list"}"#;
    let first = asked(&alice, &calls, "", &[NAME, SAMPLE, roots]).await;
    for name in ["question-1", "question-2", "question-3"] {
        assert!(first.questions().contains(name), "{first:?}");
    }
    // No answer is none; a malformed one spoils nothing.
    let bad = alice
        .answer(&first, r#"{"question-1":{"action":"maybe"}}"#)
        .await;
    assert_eq!(bad.code(), -32602);
    let second = alice.answer(&first, "{}").await;
    assert_eq!(second.questions(), first.questions());
    assert_eq!(upstream.count("RESPONSE"), 0);
    let third = alice
        .answer(&second, &format!(r#"{{"question-1":{ACCEPT}}}"#))
        .await;
    assert!(!third.questions().contains("question-1"), "{third:?}");
    assert_eq!(upstream.count("RESPONSE"), 1);
    // The server takes one back, and answers without the other.
    let (done, ()) = tokio::join!(alice.answer(&third, "{}"), async {
        calls.message(
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}"#,
        );
        finish(&upstream, &calls, DONE);
    });
    done.is_done();
    house.end().await;
}

#[tokio::test]
async fn nobody_else_and_nothing_else_comes_with_the_answer() {
    let upstream = FakeUpstream::legacy().await;
    let other = FakeUpstream::legacy().await;
    let calls = upstream.live("tools/call");
    let house = House::of(&[server("a", &upstream, ASKS), server("b", &other, ASKS)]).await;
    let alice = house.caller("alice").await;
    let bob = house.caller("bob").await;
    let first = asked(&alice, &calls, r#","arguments":{"pay":1}"#, &[NAME]).await;
    let state = first.raw(&["result", "requestState"]);
    let retry = |arguments: &str, state: &str| {
        format!(
            r#","arguments":{arguments},"inputResponses":{{"question-1":{ACCEPT}}},"requestState":{state}"#
        )
    };
    let agreed = retry(r#"{"pay":1}"#, &state);
    for (who, members) in [
        (&bob, agreed.clone()),
        (&alice.at("/mcp/b"), agreed.clone()),
        (&alice, retry(r#"{"pay":2}"#, &state)),
        (&alice, retry(r#"{"pay":1}"#, "\"made-up\"")),
        (&alice, retry(r#"{"pay":1}"#, "7")),
    ] {
        assert_eq!(who.call(&members).await.code(), -32602, "{members}");
    }
    assert_eq!(upstream.count("RESPONSE") + other.count("RESPONSE"), 0);
    // The aggregate's spelling of the same tool is the same call.
    let aggregate = alice.at("/mcp");
    let members = format!(r#""name":"a-echo"{agreed}"#);
    let (done, ()) = tokio::join!(aggregate.ask("tools/call", &members), async {
        upstream.arrived("RESPONSE", 1).await;
        finish(&upstream, &calls, DONE);
    });
    done.is_done();
    house.end().await;
}

#[tokio::test]
async fn a_server_asks_only_for_what_the_operator_allows_and_the_client_declared() {
    let upstream = FakeUpstream::legacy().await;
    let calls = upstream.live("tools/call");
    let house = House::of(&[server("a", &upstream, &["allow_sampling: true"])]).await;
    let alice = house.caller("alice").await;
    // Withheld by the operator: the server is told, and goes on without.
    let (done, ()) = tokio::join!(alice.call(""), async {
        calls.opened(1).await;
        calls.message(NAME);
        upstream.arrived("RESPONSE", 1).await;
        calls.message(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#);
        upstream.arrived("RESPONSE", 2).await;
        finish(&upstream, &calls, DONE);
    });
    done.is_done();
    let answers = upstream.seen("RESPONSE");
    assert!(answers[0].body.contains("-32601"));
    assert_eq!(answers[1].body, r#"{"jsonrpc":"2.0","id":"p","result":{}}"#);
    // Not declared: the client may come again with it.
    let unable = asked(&alice.able("{}"), &calls, "", &[SAMPLE]).await;
    assert_eq!(unable.code(), -32021);
    assert_eq!(
        unable.raw(&["error", "data", "requiredCapabilities"]),
        r#"{"sampling":{}}"#
    );
    upstream.arrived("notifications/cancelled", 1).await;
    let cancelled = upstream.last("notifications/cancelled");
    assert_eq!(
        cancelled.raw(&["params", "requestId"]).unwrap(),
        ours(&upstream)
    );
    house.end().await;
}

#[tokio::test]
async fn addresses_that_a_server_wants_opened_first_are_a_question_and_the_call_is_made_again() {
    const FIRST: &str = r#"{"code":-32042,"message":"first","data":{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://a.example/","message":"go"}]}}"#;
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, ASKS)]).await;
    let alice = house.caller("alice").await;
    for streamed in [false, true] {
        let before = upstream.count("tools/call");
        for _ in 0..2 {
            upstream.once("tools/call", move |request| {
                if streamed {
                    let id = request.id();
                    let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{FIRST}}}"#);
                    let text = portcullis_testkit::upstream::event(&text);
                    return Reply::events(vec![portcullis_testkit::upstream::Step::Bytes(text)]);
                }
                Reply::error(request, 200, FIRST)
            });
        }
        let first = alice.call("").await;
        assert_eq!(
            first.questions(),
            r#"{"question-1":{"method":"elicitation/create","params":{"mode":"url","url":"https://a.example/","message":"go"}}}"#
        );
        let declined = alice
            .answer(&first, r#"{"question-1":{"action":"decline"}}"#)
            .await;
        assert_eq!(declined.json()["result"]["isError"], true, "{declined:?}");
        assert_eq!(upstream.count("tools/call"), before + 1);
        let unable = alice.able(r#"{"elicitation":{}}"#).call("").await;
        assert_eq!(unable.code(), -32021);
        let opened = alice
            .answer(&first, r#"{"question-1":{"action":"accept"}}"#)
            .await;
        opened.is_done();
        assert_eq!(upstream.count("tools/call"), before + 3);
    }
    assert!(ABLE.contains("url"));
    house.end().await;
}
