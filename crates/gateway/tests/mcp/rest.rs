//! The REST twins.

use http::Method;
use portcullis_testkit::upstream::{FakeUpstream, Reply, Step, event};

use super::support::{AWKWARD, House, server};

#[tokio::test]
async fn a_tool_is_called_by_any_name_that_says_which() {
    let a = FakeUpstream::legacy().await;
    let b = FakeUpstream::modern().await;
    a.tool_names(&["echo", "only-a"]);
    let house = House::of(&[server("a", &a, &[]), server("b", &b, &["alias: bee"])]).await;
    let caller = house.caller("alice").await;
    let alice = caller.at("/mcp-rest/tools/call");
    for (body, tool) in [
        (r#"{"name":"only-a","arguments":ARGS}"#, "only-a"),
        (r#"{"name":"a-echo","arguments":ARGS}"#, "echo"),
        (r#"{"name":"bee-echo","arguments":ARGS}"#, "echo"),
        (
            r#"{"server_id":"a","name":"echo","arguments":ARGS}"#,
            "echo",
        ),
        (
            r#"{"server_id":"bee","name":"echo","arguments":ARGS}"#,
            "echo",
        ),
        (
            r#"{"server_id":"b","name":"echo","arguments":ARGS,"jsonrpc":"2.0","method":"tools/call","id":7}"#,
            "echo",
        ),
        (
            r#"{"server_id":null,"name":"delete_user","arguments":ARGS}"#,
            "delete_user",
        ),
        (
            r#"{"server_id":"a","name":"a-echo","arguments":ARGS}"#,
            "echo",
        ),
    ] {
        let answer = alice.post(&body.replace("ARGS", AWKWARD)).await;
        assert_eq!(answer.status, 200, "{body}: {answer:?}");
        assert_eq!(answer.raw(&["structuredContent", "arguments"]), AWKWARD);
        assert_eq!(
            answer.raw(&["structuredContent", "tool"]),
            format!("\"{tool}\"")
        );
    }
    let ambiguous = alice.post(r#"{"name":"echo"}"#).await;
    assert_eq!(ambiguous.status, 400);
    assert!(
        ambiguous.text.contains("a-echo") && ambiguous.text.contains("bee-echo"),
        "{ambiguous:?}"
    );
    assert_eq!(
        alice
            .with("x-mcp-servers", "b")
            .post(r#"{"name":"echo"}"#)
            .await
            .status,
        200
    );
    for (body, arguments) in [
        (r#"{"name":"a-echo"}"#, "{}"),
        (r#"{"name":"a-echo","arguments":null}"#, "{}"),
    ] {
        let answer = alice.post(body).await;
        assert_eq!(answer.raw(&["structuredContent", "arguments"]), arguments);
    }
    house.end().await;
}

#[tokio::test]
async fn what_cannot_be_called_says_why_and_calls_nothing() {
    let a = FakeUpstream::legacy().await;
    let hidden = FakeUpstream::legacy().await;
    let rules = [
        "disallowed_tools: [delete_user]",
        "allowed_params:",
        "  echo: [a]",
    ];
    let house = House::of(&[server("a", &a, &rules), server("secret", &hidden, &[])]).await;
    let caller = house.limited("alice", &["a"], &[]).await;
    let alice = caller.at("/mcp-rest/tools/call");
    for (body, status) in [
        ("", 400),
        ("[]", 400),
        ("{", 400),
        (r#"{"arguments":{}}"#, 400),
        (r#"{"name":7}"#, 400),
        (r#"{"name":"echo","name":"delete_user"}"#, 400),
        (r#"{"name":"echo","arguments":[1]}"#, 400),
        (r#"{"name":"echo","arguments":"{}"}"#, 400),
        (r#"{"name":"echo","arguments":{"a":1,"a":2}}"#, 400),
        (r#"{"name":"echo","arguments":{"b":2}}"#, 403),
        (r#"{"name":"echo","server_id":7}"#, 400),
        (r#"{"name":"echo","server_id":"secret"}"#, 404),
        (r#"{"name":"echo","server_id":"nothing"}"#, 404),
        (r#"{"name":"secret-echo"}"#, 404),
        (r#"{"name":"delete_user"}"#, 404),
        (r#"{"name":"a-delete_user"}"#, 404),
        (r#"{"name":"no_such"}"#, 404),
    ] {
        let answer = alice.post(body).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        assert!(answer.json()["request_id"].is_string(), "{body}");
    }
    let hidden_tool = alice.post(r#"{"name":"delete_user"}"#).await.json();
    let absent = alice.post(r#"{"name":"no_such_one"}"#).await.json();
    assert_eq!(hidden_tool["error"], absent["error"]);
    assert_eq!(
        hidden_tool["message"]
            .as_str()
            .unwrap()
            .replace("delete_user", "no_such_one"),
        absent["message"].as_str().unwrap()
    );
    assert_eq!(
        a.count("tools/call")
            + hidden
                .requests()
                .iter()
                .filter(|one| one.kind == "tools/call")
                .count(),
        0
    );
    let listed = caller
        .at("/mcp-rest/tools/list")
        .get(&[])
        .await
        .whole()
        .await;
    assert_eq!(listed.names(), ["echo"]);
    assert_eq!(listed.json()["tools"][0]["mcp_info"]["server_name"], "a");
    for query in [
        "?server_id=secret",
        "?server_id=nothing",
        "?mcp_server_name=secret",
    ] {
        let answer = caller
            .at(&format!("/mcp-rest/tools/list{query}"))
            .get(&[])
            .await
            .whole()
            .await;
        assert_eq!(answer.status, 404, "{query}");
    }
    house.end().await;
}

#[tokio::test]
async fn what_the_tool_says_is_passed_on_and_what_the_server_says_in_anger_is_not() {
    let a = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &a, &["allow_sampling: true"])]).await;
    let alice = house.caller("alice").await.at("/mcp-rest/tools/call");
    let call = r#"{"server_id":"a","name":"echo"}"#;
    a.once("tools/call", |request| {
        Reply::result(
            request,
            r#"{"content":[{"type":"hologram","n":1e400}],"isError":true}"#,
        )
    });
    let failed = alice.post(call).await;
    assert_eq!(
        (failed.status, failed.text.as_str()),
        (
            200,
            r#"{"content":[{"type":"hologram","n":1e400}],"isError":true}"#
        )
    );
    a.once("tools/call", |request| {
        Reply::error(request, 200, r#"{"code":-32000,"message":"stack trace"}"#)
    });
    let failed = alice.post(call).await;
    assert_eq!(failed.status, 502);
    assert!(!failed.text.contains("stack trace"));
    // A stream is read to its answer; nobody is there to be asked.
    a.once("tools/call", |request| {
        Reply::events(vec![
            Step::Bytes(event(
                r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#,
            )),
            Step::Bytes(event(
                r#"{"jsonrpc":"2.0","id":3,"method":"sampling/createMessage","params":{}}"#,
            )),
            Reply::result_event(request, r#"{"content":[]}"#),
        ])
    });
    assert_eq!(alice.post(call).await.text, r#"{"content":[]}"#);
    let told = a.last("RESPONSE");
    assert_eq!(
        (
            told.id().as_str(),
            told.raw(&["error", "code"]).unwrap().as_str()
        ),
        ("3", "-32601")
    );
    let outcomes: Vec<String> = house
        .request_events()
        .await
        .iter()
        .map(|event| event["outcome"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(outcomes, ["tool_error", "upstream_unreachable", "ok"]);
    house.end().await;
}

#[tokio::test]
async fn a_form_of_another_site_calls_nothing() {
    let a = FakeUpstream::legacy().await;
    let house = House::of(&[server("a", &a, &[])]).await;
    let alice = house.caller("alice").await;
    for path in ["/mcp-rest/tools/call", "/mcp", "/mcp/a"] {
        let alice = alice.at(path);
        let crossing = alice
            .with("origin", "https://evil.example")
            .post(r#"{"name":"a-echo"}"#)
            .await;
        assert_eq!(crossing.status, 403, "{path}");
        let rebinding = alice
            .request(Method::POST, "{}", &[("host", "evil.example")])
            .await;
        assert_eq!(rebinding.status, 403, "{path}");
    }
    assert_eq!(a.count("tools/call"), 0);
    house.end().await;
}
