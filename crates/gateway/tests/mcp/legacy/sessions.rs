//! Sessions of many clients: whose they are, and what happens when one is gone.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use http::Method;
use portcullis_testkit::upstream::{FakeUpstream, Gate, Recorded, Reply, Step, event};

use super::super::support::{House, legacy, raw, server};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hundreds_of_clients_who_all_count_from_one_never_meet() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let gate = Gate::closed();
    let held = gate.clone();
    upstream.on("tools/call", move |request| {
        let canary = request.raw(&["params", "arguments", "canary"]).unwrap();
        let progress = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{},"message":{canary}}}}}"#,
            request.raw(&["params", "_meta", "progressToken"]).unwrap()
        );
        let answer = format!(r#"{{"content":[],"canary":{canary}}}"#);
        let number: usize = canary.trim_matches('"').parse().unwrap();
        let mut steps = vec![Step::Wait(held.clone())];
        if number.is_multiple_of(3) {
            return Reply::After(held.clone(), Box::new(Reply::result(request, &answer)));
        }
        steps.push(Step::Bytes(event(&progress)));
        steps.push(Reply::result_event(request, &answer));
        Reply::events(steps)
    });
    let calls = (0..300).map(|number| {
        let alice = alice.clone();
        async move {
            let params = format!(r#"{{"name":"echo","arguments":{{"canary":"{number}"}},"_meta":{{"progressToken":"p"}}}}"#);
            let mut opened = alice.open(&legacy("tools/call", &params)).await;
            let mut last = String::new();
            if opened.is_stream() {
                while let Some(event) = opened.event().await {
                    assert!(event.data.contains(&format!("\"{number}\"")), "{number}: {}", event.data);
                    assert!(event.data.contains("\"progressToken\":\"p\"") || event.data.contains("\"id\":1,"), "{}", event.data);
                    last = event.data;
                }
            } else {
                last = opened.whole().await.text;
            }
            assert_eq!(raw(&last, &["result", "canary"]).unwrap(), format!("\"{number}\""));
        }
    });
    let (_, ()) = tokio::join!(join_all(calls), async {
        upstream.arrived("tools/call", 300).await;
        gate.open();
    });
    let ids: BTreeSet<String> = upstream
        .seen("tools/call")
        .iter()
        .map(Recorded::id)
        .collect();
    assert_eq!(ids.len(), 300);
    // The client's own initialize, and that of the gateway's own lists.
    assert!(
        upstream.count("initialize") <= 2,
        "{}",
        upstream.count("initialize")
    );
    house.end().await;
}

#[tokio::test]
async fn sessions_are_shared_by_one_principal_and_never_between_two() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    let mut again = alice.clone();
    let mut bob = house.caller("bob").await.at("/mcp/a");
    for client in [&mut alice, &mut again, &mut bob] {
        client.initialize("{}").await;
        client.call("echo", "{}").await;
    }
    let mut able = alice.clone();
    able.initialize(r#"{"roots":{}}"#).await;
    able.call("echo", "{}").await;
    let of = |index: usize| {
        upstream.seen("tools/call")[index]
            .header("mcp-session-id")
            .unwrap()
            .to_owned()
    };
    assert_eq!(of(0), of(1));
    assert_ne!(of(0), of(2));
    assert_ne!(of(0), of(3));
    assert_ne!(alice.session, again.session);
    house.end().await;
    assert_eq!(
        upstream.session_count(),
        0,
        "sessions are closed at the end"
    );
}

#[tokio::test]
async fn a_session_id_is_worth_nothing_to_others_elsewhere_or_after_its_end() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &[]), server("b", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    assert_eq!(alice.call("echo", "{}").await.status, 200);
    let before = upstream.count("tools/call");

    let bob = house.caller("bob").await.at("/mcp/a").in_session_of(&alice);
    assert_eq!(bob.call("echo", "{}").await.status, 404);
    assert_eq!(bob.get(&[]).await.whole().await.status, 404);
    assert_eq!(
        bob.request(Method::DELETE, "", &[])
            .await
            .whole()
            .await
            .status,
        404
    );
    for path in ["/mcp/b", "/mcp"] {
        let elsewhere = alice.at(path).in_session_of(&alice);
        assert_eq!(elsewhere.call("echo", "{}").await.status, 404, "{path}");
    }
    let mut forged = alice.clone();
    let mut id: Vec<char> = alice.session.clone().unwrap().chars().collect();
    let middle = id.len() / 2;
    id[middle] = if id[middle] == 'A' { 'B' } else { 'A' };
    forged.session = Some(id.into_iter().collect());
    assert_eq!(forged.call("echo", "{}").await.status, 404);

    assert_eq!(
        alice
            .request(Method::DELETE, "", &[])
            .await
            .whole()
            .await
            .status,
        200
    );
    assert_eq!(alice.call("echo", "{}").await.status, 404);
    assert_eq!(alice.get(&[]).await.whole().await.status, 404);
    assert_eq!(upstream.count("tools/call"), before);
    house.end().await;
}

#[tokio::test]
async fn a_forgotten_session_is_opened_anew_once_and_the_tool_runs_once() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    alice.call("echo", "{}").await;
    let handshakes = upstream.count("initialize");
    upstream.forget_sessions();
    let answer = alice.call("echo", r#"{"again":true}"#).await;
    assert_eq!(
        answer.raw(&["result", "structuredContent", "arguments"]),
        r#"{"again":true}"#
    );
    assert_eq!(upstream.count("initialize"), handshakes + 1);
    let executed = upstream.seen("tools/call");
    assert_eq!(executed.len(), 3, "the first, the refused, the repeated");

    // A server that forgets every time is not asked for ever.
    upstream.on("tools/call", |request| {
        Reply::error(request, 404, r#"{"code":-32001,"message":"gone"}"#)
    });
    let before = upstream.count("tools/call");
    let refused = alice.call("echo", "{}").await;
    assert_eq!(refused.code(), -32603);
    assert_eq!(upstream.count("tools/call"), before + 2);
    house.end().await;
}
