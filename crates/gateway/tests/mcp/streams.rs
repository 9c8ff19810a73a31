//! What arrives while it happens: events, pushes, resumption, and how streams end.

use portcullis_core::ServerGrants;
use portcullis_testkit::upstream::{FakeUpstream, Reply, Step, event, event_with_id};

use super::support::{Client, House, Opened, call_params, eventually, legacy, raw, server};

const PUSHES: &[&str] = &["allow_sampling: true", "allow_elicitation: true"];
const ABLE: &str = r#"{"sampling":{},"elicitation":{}}"#;

fn tool_call() -> String {
    legacy("tools/call", &call_params("echo", "{}"))
}

#[tokio::test]
async fn the_first_event_arrives_before_the_server_has_sent_the_second() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let live = upstream.live("tools/call");
    let mut opened = alice.open(&tool_call()).await;
    assert!(opened.is_stream());
    assert_eq!(opened.headers["x-accel-buffering"], "no");
    for number in 0..3 {
        let log = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"info","data":{number}}}}}"#
        );
        live.message(&log);
        assert_eq!(opened.data().await, log);
    }
    // Split wherever it hurts.
    let ours = upstream.last("tools/call").id();
    let answer = format!(
        "data: {{\"jsonrpc\":\"2.0\",\"id\":{ours},\r\ndata: \"result\":{{\"content\":[]}}}}\r\n\r\n"
    );
    for byte in answer.as_bytes() {
        live.bytes(std::str::from_utf8(&[*byte]).unwrap());
    }
    assert_eq!(
        raw(&opened.data().await, &["result"]).unwrap(),
        r#"{"content":[]}"#
    );
    assert_eq!(opened.event().await, None);
    house.end().await;
}

#[tokio::test]
async fn a_question_is_put_answered_and_brought_home() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, PUSHES)]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize(ABLE).await;
    let mut bob = house.caller("bob").await.at("/mcp/a");
    bob.initialize(ABLE).await;
    let live = upstream.live("tools/call");
    for theirs in ["7", "\"q-1\""] {
        let before = live.count();
        let mut opened = alice.open(&tool_call()).await;
        live.opened(before + 1).await;
        live.message(&format!(r#"{{"jsonrpc":"2.0","id":{theirs},"method":"elicitation/create","params":{{"message":"sure?","x":1e400}}}}"#));
        let question = opened.data().await;
        assert_eq!(
            raw(&question, &["params"]).unwrap(),
            r#"{"message":"sure?","x":1e400}"#
        );
        let id = raw(&question, &["id"]).unwrap();
        let yes = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"action":"accept","content":{{"n":1e400}}}}}}"#
        );
        let answers = upstream.count("RESPONSE");
        assert_eq!(bob.post(&yes).await.status, 400, "bob was not asked");
        assert_eq!(alice.post(&yes).await.status, 202);
        upstream.arrived("RESPONSE", answers + 1).await;
        let told = upstream.last("RESPONSE");
        assert_eq!(told.id(), theirs);
        assert_eq!(
            told.raw(&["result"]).unwrap(),
            r#"{"action":"accept","content":{"n":1e400}}"#
        );
        assert_eq!(
            told.header("mcp-session-id"),
            upstream.last("tools/call").header("mcp-session-id")
        );
        assert_eq!(alice.post(&yes).await.status, 400, "it was answered");
        assert_eq!(upstream.count("RESPONSE"), answers + 1);
        let ours = upstream.last("tools/call").id();
        live.message(&format!(
            r#"{{"jsonrpc":"2.0","id":{ours},"result":{{"content":[]}}}}"#
        ));
        assert_eq!(raw(&opened.data().await, &["id"]).unwrap(), "1");
    }
    house.end().await;
}

async fn asked_and_refused(upstream: &FakeUpstream, alice: &Client, method: &str, params: &str) {
    let live = upstream.live("tools/call");
    let answers = upstream.count("RESPONSE");
    let mut opened = alice.open(&tool_call()).await;
    live.opened(1).await;
    live.message(&format!(
        r#"{{"jsonrpc":"2.0","id":"theirs","method":"{method}","params":{params}}}"#
    ));
    let refused = async {
        upstream.arrived("RESPONSE", answers + 1).await;
        let told = upstream.last("RESPONSE");
        assert_eq!(told.id(), "\"theirs\"");
        assert_eq!(told.raw(&["error", "code"]).unwrap(), "-32601", "{method}");
        let ours = upstream.last("tools/call").id();
        live.message(&format!(
            r#"{{"jsonrpc":"2.0","id":{ours},"result":{{"content":[]}}}}"#
        ));
    };
    let (next, ()) = tokio::join!(opened.data(), refused);
    assert_eq!(
        raw(&next, &["id"]).unwrap(),
        "1",
        "the client was asked: {next}"
    );
}

#[tokio::test]
async fn what_the_operator_does_not_allow_is_refused_here() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize(ABLE).await;
    // The server was not even told that the client could.
    let declared = upstream
        .last("initialize")
        .raw(&["params", "capabilities"])
        .unwrap();
    assert_eq!(declared, "{}");
    for method in [
        "sampling/createMessage",
        "elicitation/create",
        "vendor/anything",
        "tools/call",
    ] {
        asked_and_refused(&upstream, &alice, method, "{}").await;
    }
    house.end().await;
}

#[tokio::test]
async fn a_client_is_not_asked_what_it_did_not_say_it_can_answer() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, PUSHES)]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize(r#"{"elicitation":{}}"#).await;
    for method in ["sampling/createMessage", "roots/list"] {
        asked_and_refused(&upstream, &alice, method, "{}").await;
    }
    house.end().await;
}

/// Opens a GET stream and waits until the gateway listens upstream for it.
async fn listening(
    alice: &Client,
    live: &portcullis_testkit::upstream::Live,
    count: usize,
) -> Opened {
    let opened = alice.get(&[]).await;
    assert_eq!(opened.status, 200);
    live.opened(count).await;
    opened
}

#[tokio::test]
async fn news_reach_every_stream_of_the_client_and_a_question_just_one() {
    let upstream = FakeUpstream::legacy().await;
    let live = upstream.live("GET");
    let house = House::of(&[server("a", &upstream, PUSHES)]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize(ABLE).await;
    let mut laptop = alice.clone();
    laptop.initialize(ABLE).await;
    let mut bob = house.caller("bob").await.at("/mcp/a");
    bob.initialize(ABLE).await;
    let mut first = listening(&alice, &live, 1).await;
    let mut second = listening(&laptop, &live, 1).await;
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    upstream.tool_names(&["echo"]);
    live.bytes_on(0, &event(changed));
    assert_eq!(first.data().await, changed);
    assert_eq!(second.data().await, changed);
    assert_eq!(live.count(), 1, "one stream upstream serves both");

    let mut of_bob = listening(&bob, &live, 2).await;
    live.bytes_on(
        0,
        &event(r#"{"jsonrpc":"2.0","id":5,"method":"sampling/createMessage","params":{}}"#),
    );
    live.bytes_on(
        0,
        &event(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"end"}}"#),
    );
    let mut asked = 0;
    for stream in [&mut first, &mut second] {
        let mut text = stream.data().await;
        if text.contains("sampling/createMessage") {
            asked += 1;
            text = stream.data().await;
        }
        assert!(text.contains("\"end\""), "{text}");
    }
    assert_eq!(asked, 1);
    live.bytes_on(
        1,
        &event(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"bob"}}"#),
    );
    assert!(of_bob.data().await.contains("\"bob\""));

    drop((first, second, of_bob));
    live.abandoned().await;
    house.end().await;
}

#[tokio::test]
async fn a_server_without_such_a_stream_is_asked_for_it_once() {
    let upstream = FakeUpstream::legacy().await;
    let failing = FakeUpstream::legacy().await;
    failing.on("GET", |_| Reply::status(500));
    let house = House::of(&[server("a", &upstream, &[]), server("b", &failing, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let stream = alice.get(&[]).await;
    upstream.arrived("GET", 1).await;
    // A stream that only failed is asked for again; by then the other would have been, too.
    let mut beside = alice.at("/mcp/b");
    beside.initialize("{}").await;
    let retried = beside.get(&[]).await;
    failing.arrived("GET", 2).await;
    let again = alice.get(&[]).await;
    for _ in 0..5 {
        assert!(alice.call("echo", "{}").await.json()["result"].is_object());
    }
    assert_eq!(upstream.count("GET"), 1);
    drop((stream, retried, again));
    house.end().await;
}

#[tokio::test]
async fn progress_of_one_client_does_not_reach_the_other_on_the_listening_stream() {
    let upstream = FakeUpstream::legacy().await;
    let live = upstream.live("GET");
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let mut laptop = alice.clone();
    laptop.initialize("{}").await;
    let mut first = listening(&alice, &live, 1).await;
    let mut second = listening(&laptop, &live, 1).await;
    let calls = upstream.live("tools/call");
    let params = r#"{"name":"echo","_meta":{"progressToken":"same"}}"#;
    let running = alice.open(&legacy("tools/call", params)).await;
    calls.opened(1).await;
    let token = upstream
        .last("tools/call")
        .raw(&["params", "_meta", "progressToken"])
        .unwrap();
    live.message(&format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":1}}}}"#));
    live.message(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"end"}}"#);
    assert!(first.data().await.contains("\"progressToken\":\"same\""));
    assert!(second.data().await.contains("\"end\""));
    drop((running, first, second));
    house.end().await;
}

#[tokio::test]
async fn a_client_that_lost_its_stream_comes_back_for_the_answer() {
    for path in ["/mcp/a", "/mcp"] {
        let upstream = FakeUpstream::legacy().await;
        let house =
            House::of(&[server("a", &upstream, &["disallowed_tools: [delete_user]"])]).await;
        let mut alice = house.caller("alice").await.at(path);
        alice.initialize("{}").await;
        let tool = if path == "/mcp" { "a-echo" } else { "echo" };
        let call = legacy("tools/call", &call_params(tool, "{}"));
        for lost_before_answer in [true, false] {
            upstream.once("tools/call", move |request| {
                let mut steps = vec![Step::Bytes(event_with_id("s1/0", ""))];
                if !lost_before_answer {
                    let answer = format!(
                        r#"{{"jsonrpc":"2.0","id":{},"result":{{"content":[]}}}}"#,
                        request.id()
                    );
                    steps.push(Step::Bytes(event_with_id("s1/1", &answer)));
                }
                Reply::events(steps)
            });
            let mut opened = alice.open(&call).await;
            let priming = opened.event().await;
            let id = priming
                .and_then(|event| event.id)
                .expect("an id to come back with");
            opened.ends().await;
            let ours = upstream.last("tools/call").id();
            upstream.once("GET", move |request| {
                assert_eq!(request.header("last-event-id"), Some("s1/0"));
                let answer = format!(
                    r#"{{"jsonrpc":"2.0","id":{ours},"result":{{"content":[],"n":1e400}}}}"#
                );
                Reply::events(vec![Step::Bytes(event_with_id("s1/1", &answer))])
            });
            let mut resumed = alice.get(&[("last-event-id", &id)]).await;
            assert_eq!(resumed.status, 200);
            let answer = resumed.data().await;
            assert_eq!(
                answer,
                r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"n":1e400}}"#
            );
            assert_eq!(resumed.event().await, None);
        }
        // A list is filtered also when it is resumed.
        upstream.once("GET", |_| {
            Reply::events(vec![Step::Bytes(event_with_id("s1/2", r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"delete_user"},{"name":"echo"}]}}"#))])
        });
        let id = if path == "/mcp" { "a/s1/0" } else { "s1/0" };
        let mut resumed = alice.get(&[("last-event-id", id)]).await;
        while let Some(event) = resumed.event().await {
            assert!(!event.data.contains("delete_user"), "{}", event.data);
        }
        // Bob cannot come back for it: the server is not shown the session that it belongs to.
        let call = upstream.last("tools/call");
        let of_alice = call.header("mcp-session-id").unwrap().to_owned();
        let owner = of_alice.clone();
        upstream.on("GET", move |request| {
            if request.header("mcp-session-id") == Some(&owner) {
                let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"content":["for alice"]}}"#;
                Reply::events(vec![Step::Bytes(event_with_id("s1/3", answer))])
            } else {
                Reply::Default
            }
        });
        let mut hers = alice.get(&[("last-event-id", id)]).await;
        assert!(hers.data().await.contains("for alice"));
        let mut bob = house.caller("bob").await.at(path);
        bob.initialize("{}").await;
        let before = upstream.count("GET");
        let stolen = bob.get(&[("last-event-id", id)]).await;
        assert_eq!(stolen.status, 404);
        assert_eq!(stolen.whole().await.text, "");
        for asked in upstream.seen("GET").iter().skip(before) {
            assert_ne!(asked.header("mcp-session-id"), Some(of_alice.as_str()));
        }
        drop((resumed, hers));
        house.end().await;
    }
}

#[tokio::test]
async fn a_revoked_key_ends_its_streams_however_busy_they_are() {
    let upstream = FakeUpstream::legacy().await;
    let listen = upstream.live("GET");
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let grants = ServerGrants {
        all: true,
        ..ServerGrants::default()
    };
    let created = house.mint("alice", grants).await;
    let mut alice = house.client(created.key.expose()).at("/mcp/a");
    alice.initialize("{}").await;
    let live = upstream.live("tools/call");
    let mut calling = alice.open(&tool_call()).await;
    let mut listening = listening(&alice, &listen, 1).await;
    live.opened(1).await;
    let chatter =
        event(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"x"}}"#);
    live.bytes(&chatter);
    listen.bytes(&chatter);
    calling.data().await;
    listening.data().await;

    let keys = house.embedded.keys();
    let by = portcullis_identity::MasterKey::principal();
    assert!(
        keys.revoke(
            &portcullis_identity::KeySelector::Id(created.record.id.clone()),
            &by
        )
        .await
        .is_ok()
    );
    // The server never falls silent for a second.
    let chattering = async {
        loop {
            live.bytes(&chatter);
            listen.bytes(&chatter);
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    let ending = async {
        calling.ends().await;
        listening.ends().await;
    };
    tokio::select! {
        () = chattering => {}
        ended = tokio::time::timeout(portcullis_testkit::PATIENCE, ending) => {
            assert!(ended.is_ok(), "the streams of a revoked key go on");
        }
    }
    live.abandoned().await;
    listen.abandoned().await;
    assert_eq!(alice.call("echo", "{}").await.status, 401);
    house.end().await;
}

#[tokio::test]
async fn a_client_that_leaves_frees_the_server_and_is_on_record() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let live = upstream.live("tools/call");
    let opened = alice.open(&tool_call()).await;
    live.opened(1).await;
    drop(opened);
    live.abandoned().await;
    let events = house.request_events().await;
    let last = events.last().unwrap();
    assert_eq!(
        (last["method"].as_str(), last["outcome"].as_str()),
        (Some("tools/call"), Some("abandoned"))
    );
    house.end().await;
}

#[tokio::test]
async fn a_log_level_reaches_the_session_that_is_open() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let caller = house.caller("alice").await;
    for path in ["/mcp/a", "/mcp"] {
        let mut alice = caller.at(path);
        alice.initialize("{}").await;
        alice
            .call(if path == "/mcp" { "a-echo" } else { "echo" }, "{}")
            .await;
        let before = upstream.count("logging/setLevel");
        let answer = alice.rpc("logging/setLevel", r#"{"level":"debug"}"#).await;
        assert!(answer.json()["result"].is_object(), "{answer:?}");
        eventually("setLevel upstream", || {
            upstream.count("logging/setLevel") == before + 1
        })
        .await;
    }
    house.end().await;
}

#[tokio::test]
async fn a_storm_of_notifications_passes_through_a_bounded_place() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    upstream.on("tools/call", |request| {
        let note = event(
            r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"storm"}}"#,
        );
        let mut steps: Vec<Step> = (0..200).map(|_| Step::Bytes(note.repeat(50))).collect();
        steps.push(Reply::result_event(request, r#"{"content":[]}"#));
        steps.push(Reply::result_event(request, r#"{"content":["again"]}"#));
        Reply::events(steps)
    });
    let mut opened = alice.open(&tool_call()).await;
    let mut notes = 0;
    let mut answers = Vec::new();
    while let Some(event) = opened.event().await {
        if event.data.contains("storm") {
            notes += 1;
        } else {
            answers.push(event.data);
        }
    }
    assert_eq!(notes, 10_000);
    assert_eq!(
        answers,
        [r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#],
        "the first answer counts"
    );
    house.end().await;
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_https() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, PUSHES)]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize(ABLE).await;
    for url in [
        "javascript:alert(1)",
        "http://10.0.0.1/admin",
        "file:///etc/passwd",
    ] {
        let params = format!(r#"{{"mode":"url","message":"log in","url":"{url}"}}"#);
        asked_and_refused(&upstream, &alice, "elicitation/create", &params).await;
    }
    house.end().await;
}
