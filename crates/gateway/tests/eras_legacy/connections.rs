//! Clients that cancel, that lose their connection, and that come back.

use portcullis_testkit::upstream::{FakeUpstream, Live, Recorded, Reply, event};

use super::support::{Client, Event, House, Opened, call_params, legacy, raw, server};

const LOG: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"here"}}"#;

async fn running(calls: &Live, alice: &Client) -> (Opened, Event) {
    let before = calls.count();
    let mut running = alice
        .open(&legacy("tools/call", &call_params("echo", "{}")))
        .await;
    calls.opened(before + 1).await;
    let priming = running.event().await.unwrap();
    (running, priming)
}

fn answer_of(upstream: &FakeUpstream) -> String {
    let id = upstream.last("tools/call").id();
    event(&format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","content":[]}}}}"#
    ))
}

async fn outcomes(house: &House, method: &str) -> Vec<String> {
    let events = house.request_events().await;
    let of_method = events.iter().filter(|event| event["method"] == method);
    of_method
        .map(|event| event["outcome"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_client_cancels_its_own_call_and_no_other() {
    let upstream = FakeUpstream::modern().await;
    let calls = upstream.live("tools/call");
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let mut elsewhere = alice.at("/mcp/a");
    elsewhere.initialize("{}").await;
    let (mut stream, _) = running(&calls, &alice).await;
    let cancel = |id: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        )
    };
    assert_eq!(elsewhere.post(&cancel("1")).await.status, 202);
    assert_eq!(alice.post(&cancel("2")).await.status, 202);
    calls.message(LOG);
    assert_eq!(stream.data().await, LOG);
    assert_eq!(alice.post(&cancel("1")).await.status, 202);
    calls.abandoned().await;
    assert!(
        stream.event().await.is_none(),
        "what is cancelled is not answered"
    );
    assert_eq!(outcomes(&house, "tools/call").await, ["abandoned"]);
    house.end().await;
}

#[tokio::test]
async fn a_client_that_lost_its_connection_finds_the_answer() {
    let upstream = FakeUpstream::modern().await;
    let calls = upstream.live("tools/call");
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let (stream, priming) = running(&calls, &alice).await;
    let (other, other_priming) = running(&calls, &alice).await;
    drop((stream, other));
    let id = priming.id.unwrap();
    calls.bytes_on(0, &event(LOG));
    let mut back = alice.get(&[("last-event-id", &id)]).await;
    let log = back.event().await.unwrap();
    assert_eq!(log.data, LOG);
    assert_ne!(log.id.as_ref(), Some(&id));
    drop(back);
    let first = upstream.seen("tools/call").remove(0).id();
    let result = r#"{"resultType":"complete","content":[]}"#;
    calls.bytes_on(
        0,
        &event(&format!(
            r#"{{"jsonrpc":"2.0","id":{first},"result":{result}}}"#
        )),
    );
    let mut back = alice
        .get(&[("last-event-id", log.id.as_ref().unwrap())])
        .await;
    let answer = back.event().await.unwrap();
    assert_eq!(
        answer.data,
        r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#
    );
    assert!(back.event().await.is_none(), "nothing of the other call's");
    assert_eq!(upstream.count("tools/call"), 2, "nothing is run twice");
    let end = answer_of(&upstream);
    calls.bytes_on(1, &end);
    let again = [("last-event-id", other_priming.id.as_deref().unwrap())];
    assert!(alice.get(&again).await.data().await.contains("result"));

    // Nobody else's session leads there, and neither does an id that we did not give.
    let mut elsewhere = alice.at("/mcp/a");
    elsewhere.initialize("{}").await;
    assert_eq!(elsewhere.get(&again).await.status, 404);
    assert_eq!(
        alice
            .get(&[("last-event-id", "portcullis.x.1")])
            .await
            .status,
        404
    );
    assert_eq!(outcomes(&house, "tools/call").await, ["ok", "ok"]);
    house.end().await;
}

#[tokio::test]
async fn a_question_waits_for_a_client_that_comes_back() {
    let upstream = FakeUpstream::modern().await;
    upstream.on("tools/call", |request: &Recorded| {
        if request.raw(&["params", "inputResponses"]).is_some() {
            return Reply::result(request, r#"{"resultType":"complete","content":[]}"#);
        }
        let ask =
            r#"{"resultType":"input_required","inputRequests":{"k":{"method":"roots/list"}}}"#;
        Reply::result(request, ask)
    });
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize(r#"{"roots":{}}"#).await;
    let mut stream = alice
        .open(&legacy("tools/call", &call_params("echo", "{}")))
        .await;
    let priming = stream.event().await.unwrap();
    drop(stream);
    let id = priming.id.unwrap();
    let mut back = alice.get(&[("last-event-id", &id)]).await;
    let question = back.data().await;
    let id = raw(&question, &["id"]).unwrap();
    let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"roots":[]}}}}"#);
    assert_eq!(alice.post(&answer).await.status, 202);
    assert!(back.data().await.contains("content"));
    drop(back);
    house.end().await;
}

#[tokio::test]
async fn the_end_of_a_session_ends_its_calls() {
    let upstream = FakeUpstream::modern().await;
    let calls = upstream.live("tools/call");
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let (mut stream, _) = running(&calls, &alice).await;
    let ended = alice.request(http::Method::DELETE, "", &[]).await;
    assert_eq!(ended.status, 200);
    calls.abandoned().await;
    assert!(stream.event().await.is_none());
    house.end().await;
}

#[tokio::test]
async fn who_has_no_session_cannot_come_back_and_takes_the_call_along() {
    let upstream = FakeUpstream::modern().await;
    let calls = upstream.live("tools/call");
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let stream = alice
        .open(&legacy("tools/call", &call_params("echo", "{}")))
        .await;
    calls.opened(1).await;
    drop(stream);
    calls.abandoned().await;
    house.end().await;
}

#[tokio::test]
async fn a_call_that_broke_off_is_not_made_again() {
    let upstream = FakeUpstream::modern().await;
    let calls = upstream.live("tools/call");
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let (mut stream, _) = running(&calls, &alice).await;
    calls.close();
    let answer = stream.data().await;
    assert_eq!(raw(&answer, &["error", "code"]).unwrap(), "-32603");
    assert_eq!(upstream.count("tools/call"), 1);
    assert_eq!(
        outcomes(&house, "tools/call").await,
        ["upstream_unreachable"]
    );
    house.end().await;
}
