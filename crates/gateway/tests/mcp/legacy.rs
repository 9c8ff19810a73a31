//! Clients of 2025-03-26 to 2025-11-25.

mod sessions;

use portcullis_testkit::upstream::{FakeUpstream, Recorded, Reply, Step, event};

use super::support::{AWKWARD, House, call_params, legacy, raw, server};

#[tokio::test]
async fn arguments_and_results_pass_as_the_bytes_they_are() {
    let upstream = FakeUpstream::legacy().await;
    let result = format!(
        r#"{{"content":[{{"type":"hologram","depth":1e400}}],"isError":false,"structuredContent":{AWKWARD},"x":{AWKWARD}}}"#
    );
    let answer = result.clone();
    upstream.on("tools/call", move |request| Reply::result(request, &answer));
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;

    let body = format!(
        r#"{{ "params":{{"x-future":{AWKWARD},"arguments":{AWKWARD} ,"name":"echo"}}, "method":"tools/call","id":"\u0031","jsonrpc":"2.0"}}"#
    );
    let called = alice.post(&body).await;
    assert_eq!(called.raw(&["result"]), result);
    assert_eq!(called.raw(&["id"]), r#""\u0031""#);
    let seen = upstream.last("tools/call");
    assert_eq!(seen.raw(&["params", "arguments"]).unwrap(), AWKWARD);
    assert_eq!(seen.raw(&["params", "x-future"]).unwrap(), AWKWARD);
    // Only the id is another.
    assert_eq!(
        seen.body
            .replace(&format!("\"id\":{}", seen.id()), r#""id":"\u0031""#),
        body
    );

    let aggregate = alice.at("/mcp").call("a-echo", AWKWARD).await;
    assert_eq!(aggregate.raw(&["result"]), result);
    assert_eq!(
        upstream.last("tools/call").raw(&["params"]).unwrap(),
        call_params("echo", AWKWARD)
    );
    house.end().await;
}

#[tokio::test]
async fn members_that_stand_twice_are_refused_and_nothing_leaves() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &["disallowed_tools: [delete_user]"])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"echo"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","name":"delete_user"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","\u006eame":"delete_user"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/call","params":{"name":"echo"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"},"params":{"name":"delete_user"}}"#,
        r#"{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{},"arguments":{"a":1}}}"#,
    ] {
        let answer = alice.post(body).await;
        assert!(
            answer.status == 400 || answer.code() == -32602,
            "{body}: {answer:?}"
        );
    }
    assert_eq!(upstream.count("tools/call"), 0);
    house.end().await;
}

#[tokio::test]
async fn what_is_not_json_is_refused_without_a_panic() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let call = legacy("tools/call", &call_params("echo", "{}"));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in [
        "",
        "{",
        "null",
        "[]",
        "\"x\"",
        "1",
        "{}",
        "<html>",
        "\u{feff}{}",
        &format!("{call}{call}"),
        &format!("{call} x"),
        &call.replace("\"id\":1", "\"id\":01"),
        &call.replace("\"id\":1", "\"id\":NaN"),
        &call.replace("\"id\":1", "\"id\":[1]"),
        &call.replace("\"id\":1", "\"id\":null"),
        &call.replace('"', "'"),
        &call.replace("{}", "{/**/}"),
        &call.replace("\"2.0\"", "\"1.0\""),
        &call.replace("{}", &deep),
        &format!("[{call}]"),
    ] {
        let answer = alice.post(body).await;
        let refused = answer.status == 400;
        let shown: String = body.chars().take(80).collect();
        assert!(refused, "{shown}: {} {}", answer.status, answer.text);
    }
    assert_eq!(upstream.count("tools/call"), 0);
    house.end().await;
}

#[tokio::test]
async fn a_tool_that_the_lists_hide_reads_like_one_that_does_not_exist() {
    let upstream = FakeUpstream::legacy().await;
    let rules = ["disallowed_tools: [delete_user]"];
    let house = House::of(&[server("a", &upstream, &rules)]).await;
    let caller = house.caller("alice").await;
    for path in ["/mcp/a", "/mcp", "/a/mcp"] {
        for version in [
            None,
            Some("2025-03-26"),
            Some("2025-06-18"),
            Some("2025-11-25"),
        ] {
            let mut alice = caller.at(path);
            alice.version = version;
            let prefix = if path == "/mcp" { "a-" } else { "" };
            let listed = alice.rpc("tools/list", "{}").await;
            assert_eq!(listed.names(), [format!("{prefix}echo")]);
            let hidden = alice.call(&format!("{prefix}delete_user"), "{}").await;
            let absent = alice.call(&format!("{prefix}no_such_tool"), "{}").await;
            assert_eq!(hidden.status, absent.status);
            assert_eq!(
                hidden.text.replace("delete_user", "X"),
                absent.text.replace("no_such_tool", "X")
            );
            assert_eq!(hidden.code(), -32602);
        }
        for version in ["2024-11-05", "9999-01-01", "garbage"] {
            let answer = caller
                .at(path)
                .with("mcp-protocol-version", version)
                .call("a-delete_user", "{}")
                .await;
            assert_eq!((answer.status, answer.code()), (400, -32022), "{version}");
        }
    }
    assert_eq!(upstream.count("tools/call"), 0);
    house.end().await;
}

#[tokio::test]
async fn names_compare_byte_by_byte() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &["allowed_tools: [echo]"])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    for name in [
        "Echo",
        " echo",
        "echo ",
        "echo\\u200b",
        "ech\\u043e",
        "echo%20",
        "echo\\u0000",
        "a/echo",
        "a-echo",
        "",
        "__proto__",
        "delete_user",
        "Delete_User",
        &"x".repeat(5000),
    ] {
        let answer = alice.call(name, "{}").await;
        assert_eq!(answer.code(), -32602, "{name}");
    }
    assert_eq!(upstream.count("tools/call"), 0);
    // An escape is the same string.
    let same = alice.call("\\u0065cho", "{}").await;
    assert_eq!(same.json()["result"]["structuredContent"]["tool"], "echo");
    house.end().await;
}

#[tokio::test]
async fn only_listed_arguments_pass_where_the_operator_limits_them() {
    let upstream = FakeUpstream::legacy().await;
    let rules = ["allowed_params:", "  echo: [a]"];
    let house = House::of(&[server("a", &upstream, &rules)]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    for arguments in [
        r#"{"a":1,"b":2}"#,
        r#"{"A":1}"#,
        r#"{"a":1,"\u0062":2}"#,
        r#"{"a":1,"a":2}"#,
        "[1]",
        "3",
    ] {
        let answer = alice.call("echo", arguments).await;
        assert_eq!(answer.code(), -32602, "{arguments}: {answer:?}");
    }
    assert_eq!(upstream.count("tools/call"), 0);
    for arguments in [r#"{"a":{"b":1}}"#, "{}", "null"] {
        let answer = alice.call("echo", arguments).await;
        assert_eq!(
            answer.raw(&["result", "structuredContent", "arguments"]),
            arguments
        );
    }
    house.end().await;
}

#[tokio::test]
async fn progress_comes_home_under_the_callers_own_token() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    upstream.on("tools/call", |request| {
        let ours = request.raw(&["params", "_meta", "progressToken"]).unwrap();
        let progress = |token: &str| event(&format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":0.50}}}}"#));
        Reply::events(vec![
            Step::Bytes(progress("999999")),
            Step::Bytes(progress(&ours)),
            Reply::result_event(request, r#"{"content":[]}"#),
        ])
    });
    for token in ["7", "\"7\"", "\"\\u0037\""] {
        let params = format!(r#"{{"name":"echo","_meta":{{"progressToken":{token}}}}}"#);
        let mut opened = alice.open(&legacy("tools/call", &params)).await;
        let progress = opened.data().await;
        assert_eq!(
            raw(&progress, &["params"]).unwrap(),
            format!(r#"{{"progressToken":{token},"progress":0.50}}"#)
        );
        assert_eq!(raw(&opened.data().await, &["id"]).unwrap(), "1");
        assert_eq!(opened.event().await, None);
    }
    house.end().await;
}

#[tokio::test]
async fn a_cancellation_names_the_request_as_the_server_knows_it() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let mut other = alice.clone();
    other.initialize("{}").await;
    let live = upstream.live("tools/call");
    let call =
        legacy("tools/call", &call_params("echo", "{}")).replace("\"id\":1", "\"id\":\"mine\"");
    let running = alice.open(&call).await;
    let of_other = other.open(&call).await;
    live.opened(2).await;
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"mine","reason":"enough"}}"#;
    assert_eq!(other.post(cancel).await.status, 202);
    upstream.arrived("notifications/cancelled", 1).await;
    let calls = upstream.seen("tools/call");
    assert_eq!(
        upstream
            .last("notifications/cancelled")
            .raw(&["params", "requestId"])
            .unwrap(),
        calls[1].id()
    );
    assert_eq!(alice.post(cancel).await.status, 202);
    upstream.arrived("notifications/cancelled", 2).await;
    assert_eq!(
        upstream
            .last("notifications/cancelled")
            .raw(&["params", "requestId"])
            .unwrap(),
        calls[0].id()
    );
    // What is not under way cannot be cancelled, and neither can what is somebody else's.
    let mut bob = house.caller("bob").await.at("/mcp/a");
    bob.initialize("{}").await;
    assert_eq!(bob.post(cancel).await.status, 202);
    assert_eq!(
        alice.post(&cancel.replace("mine", "other")).await.status,
        202
    );
    // What each of them cancels afterwards is the next that the server hears of.
    let mut later = Vec::new();
    for (client, running) in [(&bob, 3), (&alice, 4)] {
        let call = call.replace("mine", "later");
        later.push(client.open(&call).await);
        live.opened(running).await;
        let cancel = cancel.replace("mine", "later");
        assert_eq!(client.post(&cancel).await.status, 202);
        upstream.arrived("notifications/cancelled", running).await;
    }
    let calls = upstream.seen("tools/call");
    let cancelled: Vec<String> = upstream
        .seen("notifications/cancelled")
        .iter()
        .map(|one| one.raw(&["params", "requestId"]).unwrap())
        .collect();
    let expected = [&calls[1], &calls[0], &calls[2], &calls[3]].map(Recorded::id);
    assert_eq!(cancelled, expected);
    drop((running, of_other, later));
    house.end().await;
}

#[tokio::test]
async fn only_what_the_revision_knows_is_forwarded() {
    let upstream = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let before = upstream.requests().len();
    for method in [
        "vendor/anything",
        "tasks/list",
        "server/discover",
        "tools/Call",
        "initialize",
        "sampling/createMessage",
        "subscriptions/listen",
    ] {
        let answer = alice.rpc(method, "{}").await;
        if method == "initialize" {
            assert_eq!(answer.code(), -32602);
        } else {
            assert_eq!(answer.code(), -32601, "{method}");
        }
    }
    assert_eq!(upstream.requests().len(), before);
    assert_eq!(alice.rpc("ping", "{}").await.raw(&["result"]), "{}");
    assert_eq!(upstream.requests().len(), before, "a ping is answered here");
    house.end().await;
}

#[tokio::test]
async fn of_the_callers_headers_only_the_trace_goes_on() {
    let upstream = FakeUpstream::legacy().await;
    let rules = [
        "auth_type: bearer_token",
        "auth_value: \"operator-credential\"",
        "static_headers:",
        "  x-team: \"blue\"",
    ];
    let house = House::of(&[server("a", &upstream, &rules)]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let hostile = alice
        .with("cookie", "session=alice")
        .with("x-team", "red")
        .with("x-mcp-a-authorization", "Bearer mine")
        .with("x-mcp-auth", "mine")
        .with("x-forwarded-for", "203.0.113.9")
        .with("traceparent", trace);
    assert_eq!(hostile.call("echo", "{}").await.status, 200);
    for request in upstream.requests() {
        assert_eq!(
            request.all("authorization"),
            ["Bearer operator-credential"],
            "{}",
            request.kind
        );
        assert_eq!(request.all("x-team"), ["blue"]);
        let everything = format!("{request:?}");
        assert!(!everything.contains(&alice.key), "our key left the house");
        for name in [
            "cookie",
            "x-mcp-a-authorization",
            "x-mcp-auth",
            "x-forwarded-for",
            "x-litellm-api-key",
        ] {
            assert!(request.all(name).is_empty(), "{name}");
        }
    }
    assert_eq!(
        upstream.last("tools/call").header("traceparent"),
        Some(trace)
    );
    house.end().await;
}
