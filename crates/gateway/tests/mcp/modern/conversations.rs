//! What clients of 2026-07-28 and servers ask each other while a call is under way.

use portcullis_testkit::upstream::{FakeUpstream, Reply, Step, event};

use super::super::support::{Client, House, raw, server};

const TASKS: &str = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;

/// What the tool asks of its caller.
fn asks(method: &str) -> String {
    format!(
        r#"{{"resultType":"input_required","inputRequests":{{"k":{{"method":"{method}","params":{{"message":"?"}}}}}},"requestState":"the server's own state"}}"#
    )
}

#[tokio::test]
async fn request_state_comes_back_only_from_whom_and_for_what_it_was_given() {
    let upstream = FakeUpstream::modern().await;
    let other = FakeUpstream::modern().await;
    for server in [&upstream, &other] {
        server.on("tools/call", |request| {
            if request.raw(&["params", "requestState"]).is_some() {
                return Reply::Default;
            }
            Reply::result(request, &asks("elicitation/create"))
        });
    }
    let house = House::of(&[
        server("a", &upstream, &["allow_elicitation: true"]),
        server("b", &other, &["allow_elicitation: true"]),
    ])
    .await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let able = r#"{"elicitation":{}}"#;
    let first = alice
        .modern_open("tools/call", r#""name":"echo","arguments":{}"#, able)
        .await
        .whole()
        .await;
    assert_eq!(
        first.json()["result"]["resultType"],
        "input_required",
        "{first:?}"
    );
    let state = first.raw(&["result", "requestState"]);
    assert!(!state.contains("own state"));
    let retry = |tool: &str, state: &str| {
        format!(
            r#""name":"{tool}","arguments":{{}},"inputResponses":{{"k":{{"action":"accept"}}}},"requestState":{state}"#
        )
    };

    let bob = house.caller("bob").await.at("/mcp/a");
    let middle = state.len() / 2;
    let mut tampered = state.clone();
    let swap = if &state[middle..=middle] == "A" {
        "B"
    } else {
        "A"
    };
    tampered.replace_range(middle..=middle, swap);
    let before = upstream.count("tools/call") + other.count("tools/call");
    for (who, tool, state) in [
        (&bob, "echo", state.as_str()),
        (&alice, "delete_user", &state),
        (&alice.at("/mcp/b"), "echo", &state),
        (&alice, "echo", &tampered),
        (&alice, "echo", "\"the server's own state\""),
        (&alice, "echo", "7"),
    ] {
        let answer = who.modern("tools/call", &retry(tool, state)).await;
        assert_eq!(answer.code(), -32602, "{tool} {state}");
    }
    assert_eq!(
        upstream.count("tools/call") + other.count("tools/call"),
        before
    );

    let done = alice.modern("tools/call", &retry("echo", &state)).await;
    assert_eq!(done.json()["result"]["resultType"], "complete");
    let seen = upstream.last("tools/call");
    assert_eq!(
        seen.text(&["params", "requestState"]).unwrap(),
        "the server's own state"
    );
    assert_eq!(
        seen.raw(&["params", "inputResponses"]).unwrap(),
        r#"{"k":{"action":"accept"}}"#
    );
    // The aggregate's spelling of the same tool is the same call.
    let done = alice
        .at("/mcp")
        .modern("tools/call", &retry("a-echo", &state))
        .await;
    assert_eq!(done.json()["result"]["resultType"], "complete");
    house.end().await;
}

#[tokio::test]
async fn what_was_agreed_to_for_some_arguments_is_not_agreed_to_for_others() {
    let upstream = FakeUpstream::modern().await;
    upstream.on("tools/call", |request| {
        if request.raw(&["params", "requestState"]).is_some() {
            return Reply::Default;
        }
        // In a whole answer, or at the end of a stream.
        if request
            .raw(&["params", "arguments"])
            .unwrap()
            .contains("1 EUR")
        {
            return Reply::result(request, &asks("elicitation/create"));
        }
        Reply::events(vec![Reply::result_event(
            request,
            &asks("elicitation/create"),
        )])
    });
    let house = House::of(&[server("a", &upstream, &["allow_elicitation: true"])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let call = async |members: &str| {
        let able = r#"{"elicitation":{}}"#;
        let opened = alice.modern_open("tools/call", members, able).await;
        opened.whole().await
    };
    for pay in ["1 EUR", "2 EUR"] {
        let first = format!(
            r#""name":"echo","arguments":{{"pay":"{pay}","to":{{"iban":1.0,"bic":"ü"}}}},"x":1"#
        );
        let state = call(&first).await.raw(&["result", "requestState"]);
        let answers =
            format!(r#","inputResponses":{{"k":{{"action":"accept"}}}},"requestState":{state}"#);
        let before = upstream.count("tools/call");
        for other in [
            first.replace(pay, "999 EUR"),
            first.replace("1.0", "1"),
            first.replace(r#""to":{"#, r#""to":{"memo":"","#),
            first.replace(r#","x":1"#, ""),
            first.replace(r#""x":1"#, r#""x":2"#),
            r#""name":"echo""#.to_owned(),
        ] {
            let answer = call(&format!("{other}{answers}")).await;
            assert_eq!(answer.code(), -32602, "{other}");
        }
        assert_eq!(upstream.count("tools/call"), before);
        let again = format!(
            r#""x": 1, "arguments":{{ "to":{{"bic":"\u00fc", "iban":1.0}}, "pay":"{pay}" }}, "name":"\u0065cho""#
        );
        for same in [&first, &again] {
            let answer = call(&format!("{same}{answers}")).await;
            assert_eq!(answer.json()["result"]["resultType"], "complete", "{same}");
        }
    }
    house.end().await;
}

#[tokio::test]
async fn a_server_asks_only_for_what_the_operator_allows() {
    let upstream = FakeUpstream::modern().await;
    let house = House::of(&[server("a", &upstream, &["allow_sampling: true"])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    for (method, allowed) in [
        ("elicitation/create", false),
        ("vendor/x", false),
        ("sampling/createMessage", true),
        ("roots/list", true),
    ] {
        let able = r#"{"sampling":{},"elicitation":{},"roots":{}}"#;
        upstream.once("tools/call", move |request| {
            Reply::result(request, &asks(method))
        });
        let answer = alice
            .modern_open("tools/call", r#""name":"echo""#, able)
            .await
            .whole()
            .await;
        if allowed {
            upstream.once("tools/call", move |request| {
                Reply::result(request, &asks(method))
            });
            let unable = alice.modern_call("echo", "{}").await;
            assert_eq!(unable.code(), -32603, "{method} was not declared");
            assert_eq!(
                answer.json()["result"]["resultType"],
                "input_required",
                "{method}"
            );
        } else {
            assert_eq!(answer.code(), -32603, "{method}");
            assert!(!answer.text.contains("own state"));
        }
        let calls = upstream.seen("tools/call");
        let told = calls[if allowed {
            calls.len() - 2
        } else {
            calls.len() - 1
        }]
        .raw(&[
            "params",
            "_meta",
            "io.modelcontextprotocol/clientCapabilities",
        ])
        .unwrap();
        assert_eq!(told, r#"{"sampling":{},"roots":{}}"#);
    }
    house.end().await;
}

#[tokio::test]
async fn a_task_belongs_to_whom_it_was_given() {
    let upstream = FakeUpstream::modern().await;
    upstream.on("tools/call", |request| {
        Reply::result(
            request,
            r#"{"resultType":"task","taskId":"t:1","status":"working"}"#,
        )
    });
    for kind in ["tasks/get", "tasks/cancel", "tasks/update"] {
        upstream.on(kind, |request| {
            let id = request.raw(&["params", "taskId"]).unwrap();
            Reply::result(
                request,
                &format!(r#"{{"resultType":"complete","taskId":{id},"status":"working"}}"#),
            )
        });
    }
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let bob = house.caller("bob").await.at("/mcp/a");
    let ask = async |who: &Client, method: &str, member: &str| {
        let opened = who.modern_open(method, member, TASKS).await;
        opened.whole().await
    };
    let started = ask(&alice, "tools/call", r#""name":"echo""#).await;
    let handle = started.json()["result"]["taskId"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_ne!(handle, "t:1");
    for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
        let member = format!(r#""taskId":"{handle}""#);
        let before = upstream.count(method);
        assert_eq!(ask(&bob, method, &member).await.code(), -32602);
        assert_eq!(
            ask(&alice, method, r#""taskId":"t:1""#).await.code(),
            -32602
        );
        assert_eq!(alice.modern(method, &member).await.code(), -32021);
        assert_eq!(upstream.count(method), before);
        for path in ["/mcp/a", "/mcp"] {
            let answer = ask(&alice.at(path), method, &member).await;
            assert_eq!(answer.json()["result"]["taskId"], handle.as_str());
            let seen = upstream.last(method);
            assert_eq!(seen.text(&["params", "taskId"]).unwrap(), "t:1");
            assert_eq!(seen.all("mcp-name"), ["t:1"]);
        }
    }
    house.end().await;
}

fn acknowledged(id: &str, honoured: &str) -> String {
    event(&format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}},"notifications":{honoured}}}}}"#
    ))
}

#[tokio::test]
async fn a_subscription_is_acknowledged_first_and_then_tells_what_happens() {
    let first = FakeUpstream::modern().await;
    let second = FakeUpstream::modern().await;
    let dead = FakeUpstream::legacy().await;
    let house = House::of(&[
        server("a", &first, &[]),
        server("b", &second, &[]),
        server("c", &dead, &[]),
    ])
    .await;
    let alice = house.caller("alice").await;
    let wanted = r#""notifications":{"toolsListChanged":true,"promptsListChanged":true}"#;
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1}}}"#;
    let of_first = first.live("subscriptions/listen");
    let of_second = second.live("subscriptions/listen");

    let named = alice.at("/mcp/a");
    let (mut opened, ()) = tokio::join!(
        named.modern_open("subscriptions/listen", wanted, "{}"),
        async {
            of_first.opened(1).await;
            of_first.bytes(&acknowledged("1", r#"{"toolsListChanged":true}"#));
        }
    );
    assert!(opened.data().await.contains("acknowledged"));
    first.tool_names(&["echo"]);
    of_first.message(changed);
    assert_eq!(opened.data().await, changed);
    drop(opened);
    of_first.abandoned().await;

    let (mut opened, ()) = tokio::join!(
        alice.modern_open("subscriptions/listen", wanted, "{}"),
        async {
            of_first.opened(2).await;
            of_second.opened(1).await;
            of_first.bytes(&acknowledged("1", r#"{"toolsListChanged":true}"#));
            of_second.bytes(&acknowledged("1", r#"{"promptsListChanged":true}"#));
        }
    );
    let acknowledgement = opened.data().await;
    assert_eq!(
        raw(&acknowledgement, &["params", "notifications"]).unwrap(),
        r#"{"promptsListChanged":true,"toolsListChanged":true}"#
    );
    for (live, upstream) in [(&of_first, &first), (&of_second, &second)] {
        live.bytes(&acknowledged("1", "{}"));
        upstream.tool_names(&["other"]);
        live.message(changed);
        assert_eq!(opened.data().await, changed);
    }
    // When every server has ended, so does the stream, with a result.
    of_first.close();
    of_second.close();
    let farewell = opened.data().await;
    assert_eq!(
        raw(&farewell, &["result", "resultType"]).unwrap(),
        "\"complete\""
    );
    assert_eq!(opened.event().await, None);

    let (opened, ()) = tokio::join!(
        alice.modern_open("subscriptions/listen", wanted, "{}"),
        async {
            of_first.opened(3).await;
            of_second.opened(2).await;
            of_first.bytes(&acknowledged("1", "{}"));
            of_second.bytes(&acknowledged("1", "{}"));
        }
    );
    drop(opened);
    of_first.abandoned().await;
    of_second.abandoned().await;
    house.end().await;
}

#[tokio::test]
async fn answers_under_other_ids_and_questions_are_dropped() {
    let upstream = FakeUpstream::modern().await;
    upstream.on("tools/call", |request| {
        Reply::events(vec![
            Step::Bytes(event(
                r#"{"jsonrpc":"2.0","id":2,"result":{"content":["stranger"]}}"#,
            )),
            Step::Bytes(event(
                r#"{"jsonrpc":"2.0","id":9,"method":"sampling/createMessage","params":{}}"#,
            )),
            Step::Bytes(event("<html>")),
            Reply::result_event(request, r#"{"resultType":"complete","content":["mine"]}"#),
            Reply::result_event(request, r#"{"resultType":"complete","content":["again"]}"#),
        ])
    });
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let mut opened = alice
        .modern_open("tools/call", r#""name":"echo""#, "{}")
        .await;
    assert!(opened.data().await.contains("mine"));
    assert_eq!(opened.event().await, None);
    upstream.on("tools/call", |_| {
        Reply::json(200, r#"{"jsonrpc":"2.0","id":2,"result":{}}"#)
    });
    let answer = alice.modern_call("echo", "{}").await;
    assert_eq!((answer.status, answer.code()), (502, -32603));
    house.end().await;
}

#[tokio::test]
async fn closing_the_stream_cancels_the_call() {
    let upstream = FakeUpstream::modern().await;
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let live = upstream.live("tools/call");
    let opened = alice
        .modern_open("tools/call", r#""name":"echo""#, "{}")
        .await;
    live.opened(1).await;
    drop(opened);
    live.abandoned().await;
    house.end().await;
}
