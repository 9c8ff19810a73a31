//! Clients of 2026-07-28.

mod conversations;
mod mirrored;

use http::Method;
use portcullis_testkit::upstream::{Era, FakeUpstream, Reply};

use super::support::{AWKWARD, House, MODERN, modern_body, server};

#[tokio::test]
async fn a_call_passes_as_the_bytes_it_is_and_its_headers_follow_the_body() {
    let upstream = FakeUpstream::modern().await;
    let answer = format!(
        r#"{{"resultType":"complete","content":[{{"type":"hologram"}}],"structuredContent":{AWKWARD},"x":{AWKWARD}}}"#
    );
    let result = answer.clone();
    upstream.on("tools/call", move |request| Reply::result(request, &result));
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let members = format!(r#""name":"echo","arguments":{AWKWARD},"x-future":{AWKWARD}"#);
    let called = alice.modern("tools/call", &members).await;
    assert_eq!(called.raw(&["result"]), answer);
    let seen = upstream.last("tools/call");
    assert_eq!(seen.body, modern_body("tools/call", &members, "{}"));
    for (header, value) in [
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/call"),
        ("mcp-name", "echo"),
    ] {
        assert_eq!(seen.all(header), [value]);
    }
    assert!(seen.header("mcp-session-id").is_none());

    let aggregate = alice
        .at("/mcp")
        .modern("tools/call", &members.replace("echo", "a-echo"))
        .await;
    assert_eq!(aggregate.raw(&["result"]), answer);
    let seen = upstream.last("tools/call");
    assert_eq!(seen.body, modern_body("tools/call", &members, "{}"));
    assert_eq!(seen.all("mcp-name"), ["echo"]);
    house.end().await;
}

#[tokio::test]
async fn a_result_that_does_not_say_its_kind_is_complete_and_says_so() {
    let upstream = FakeUpstream::modern().await;
    upstream.on("tools/call", |request| {
        Reply::result(request, r#"{"content":[]}"#)
    });
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let called = alice.modern("tools/call", r#""name":"echo""#).await;
    let result = called.raw(&["result"]);
    assert_eq!(result, r#"{"resultType":"complete","content":[]}"#);
    house.end().await;
}

#[tokio::test]
async fn a_server_that_refuses_the_revision_once_is_asked_for_its_tools_again() {
    let upstream = FakeUpstream::modern().await;
    upstream.once("tools/list", |request| {
        let data = r#"{"supported":["2026-07-28"],"requested":"2026-07-28"}"#;
        let error = format!(r#"{{"code":-32022,"message":"Unsupported","data":{data}}}"#);
        Reply::error(request, 400, &error)
    });
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let called = alice.modern("tools/call", r#""name":"echo""#).await;
    assert_eq!(called.status, 200, "{called:?}");
    house.end().await;
}

#[tokio::test]
async fn headers_that_do_not_say_what_the_body_says_are_refused() {
    let upstream = FakeUpstream::modern().await;
    upstream.tool_names(&["echo", "grüße", "=?base64?x?="]);
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let body = modern_body("tools/call", r#""name":"echo""#, "{}");
    let version = ("mcp-protocol-version", MODERN);
    let method = ("mcp-method", "tools/call");
    let name = ("mcp-name", "echo");
    let cases: &[&[(&str, &str)]] = &[
        &[method, name],
        &[version, name],
        &[version, method],
        &[version, ("mcp-method", "tools/list"), name],
        &[version, ("mcp-method", "Tools/Call"), name],
        &[version, method, ("mcp-name", "delete_user")],
        &[version, method, ("mcp-name", "Echo")],
        &[version, method, name, name],
        &[version, method, method, name],
        &[version, version, method, name],
        &[("mcp-protocol-version", "2025-11-25"), method, name],
        &[version, method, ("mcp-name", "=?base64?!!!?=")],
        &[version, method, ("mcp-name", "=?base64?ZWNobw?=")],
        &[version, method, ("mcp-name", "=?BASE64?ZWNobw==?=")],
    ];
    for headers in cases {
        let answer = alice
            .request(Method::POST, &body, headers)
            .await
            .whole()
            .await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, -32020),
            "{headers:?}: {answer:?}"
        );
    }
    assert_eq!(upstream.count("tools/call"), 0);
    // The other spellings of the same name.
    for (tool, header) in [
        ("echo", "=?base64?ZWNobw==?="),
        ("echo", "  echo  "),
        ("grüße", "=?base64?Z3LDvMOfZQ==?="),
        ("=?base64?x?=", "=?base64?PT9iYXNlNjQ/eD89?="),
    ] {
        let body = modern_body("tools/call", &format!(r#""name":"{tool}""#), "{}");
        let answer = alice
            .request(
                Method::POST,
                &body,
                &[version, method, ("mcp-name", header)],
            )
            .await
            .whole()
            .await;
        assert_eq!(answer.status, 200, "{tool} {header}: {answer:?}");
        assert!(answer.json()["result"].is_object());
    }
    house.end().await;
}

#[tokio::test]
async fn a_request_without_its_envelope_is_refused() {
    let upstream = FakeUpstream::modern().await;
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let headers = [
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/list"),
    ];
    let whole = modern_body("tools/list", "", "{}");
    for (body, code) in [
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.to_owned(),
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{}}}"#.to_owned(),
            -32602,
        ),
        (
            whole.replace(r#","io.modelcontextprotocol/clientCapabilities":{}"#, ""),
            -32602,
        ),
        (
            whole.replace("Capabilities\":{}", "Capabilities\":[]"),
            -32602,
        ),
        (
            whole.replace("Capabilities\":{}", "Capabilities\":{\"a\":1,\"a\":2}"),
            -32602,
        ),
        (whole.replace("\"2026-07-28\"", "20260728"), -32602),
        (whole.replace("\"id\":1", "\"id\":null"), -32600),
    ] {
        let answer = alice
            .request(Method::POST, &body, &headers)
            .await
            .whole()
            .await;
        assert_eq!((answer.status, answer.code()), (400, code), "{body}");
    }
    let future = whole.replace(MODERN, "2027-01-01");
    let answer = alice
        .request(
            Method::POST,
            &future,
            &[("mcp-protocol-version", "2027-01-01"), headers[1]],
        )
        .await
        .whole()
        .await;
    assert_eq!((answer.status, answer.code()), (400, -32022));
    assert_eq!(answer.json()["error"]["data"]["requested"], "2027-01-01");
    assert!(
        answer.json()["error"]["data"]["supported"]
            .as_array()
            .unwrap()
            .len()
            >= 4
    );
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "tasks/list",
        "tasks/result",
        "vendor/x",
    ] {
        let answer = alice.modern(method, "").await;
        assert_eq!((answer.status, answer.code()), (404, -32601), "{method}");
    }
    for method in [Method::GET, Method::DELETE] {
        let answer = alice
            .request(method.clone(), "", &[headers[0], ("mcp-session-id", "x")])
            .await
            .whole()
            .await;
        assert_eq!(answer.status, 405, "{method}");
    }
    // The gateway's own look at the list may be one.
    assert!(upstream.count("tools/list") <= 1);
    house.end().await;
}

#[tokio::test]
async fn servers_of_each_era_stand_side_by_side() {
    let legacy = FakeUpstream::legacy().await;
    let modern = FakeUpstream::modern().await;
    let both = FakeUpstream::start(Era::Both).await;
    let house = House::of(&[
        server("old", &legacy, &[]),
        server("new", &modern, &[]),
        server("both", &both, &[]),
    ])
    .await;
    let alice = house.caller("alice").await;
    let answered = alice.at("/mcp/old").modern_call("echo", "{}").await;
    assert_eq!(answered.json()["result"]["resultType"], "complete");
    let mut client = alice.at("/mcp/new");
    client.initialize("{}").await;
    assert!(client.call("echo", "{}").await.json()["result"].is_object());
    let mut client = alice.at("/mcp/both");
    assert!(client.modern_call("echo", "{}").await.json()["result"].is_object());
    client.initialize("{}").await;
    assert!(client.call("echo", "{}").await.json()["result"].is_object());
    // On the aggregate a client of either era sees them all.
    for listed in [
        alice.modern("tools/list", "").await,
        alice.rpc("tools/list", "{}").await,
    ] {
        assert_eq!(
            listed.names(),
            [
                "old-echo",
                "old-delete_user",
                "new-echo",
                "new-delete_user",
                "both-echo",
                "both-delete_user"
            ]
        );
        let outcomes = &listed.json()["result"]["_meta"]["litellm.ai/server_outcomes"];
        for name in ["old", "new", "both"] {
            assert_eq!(outcomes[name]["status"], "ok", "{outcomes}");
        }
    }
    house.end().await;
}

#[tokio::test]
async fn what_is_behind_a_grant_is_for_no_shared_cache() {
    let upstream = FakeUpstream::modern().await;
    upstream.resources(&[r#"{"uri":"test://x","name":"x"}"#]);
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await;
    for path in ["/mcp/a", "/mcp"] {
        for (method, members) in [
            ("tools/list", ""),
            ("resources/list", ""),
            ("resources/read", r#""uri":"test://x""#),
            ("server/discover", ""),
        ] {
            let answer = alice.at(path).modern(method, members).await;
            assert_eq!(
                answer.json()["result"]["cacheScope"],
                "private",
                "{path} {method}: {answer:?}"
            );
            assert_eq!(answer.headers["cache-control"], "no-store");
        }
    }
    for scope in ["\"public\"", "17", "null", "\"Private\""] {
        let result =
            format!(r#"{{"resultType":"complete","tools":[],"ttlMs":1e18,"cacheScope":{scope}}}"#);
        upstream.once("tools/list", move |request| Reply::result(request, &result));
        let answer = alice.at("/mcp/a").modern("tools/list", "").await;
        assert_eq!(answer.json()["result"]["cacheScope"], "private");
    }
    house.end().await;
}

#[tokio::test]
async fn mirrored_parameters_go_on_and_broken_annotations_hide_a_tool() {
    let upstream = FakeUpstream::modern().await;
    upstream.tools(&[
        r#"{"name":"route","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}"#,
        r#"{"name":"broken","inputSchema":{"type":"object","properties":{"n":{"type":"number","x-mcp-header":"N"}}}}"#,
    ]);
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await;
    for path in ["/mcp/a", "/mcp"] {
        let prefix = if path == "/mcp" { "a-" } else { "" };
        let alice = alice.at(path);
        assert_eq!(
            alice.modern("tools/list", "").await.names(),
            [format!("{prefix}route")]
        );
        assert_eq!(
            alice
                .modern_call(&format!("{prefix}broken"), "{}")
                .await
                .code(),
            -32602
        );
        let with = alice
            .with("mcp-param-region", "eu")
            .with("mcp-param-unknown", "x");
        let answer = with
            .modern_call(&format!("{prefix}route"), r#"{"region":"eu"}"#)
            .await;
        assert!(answer.json()["result"].is_object(), "{answer:?}");
        let seen = upstream.last("tools/call");
        assert_eq!(seen.all("mcp-param-region"), ["eu"]);
        assert_eq!(seen.all("mcp-param-unknown"), ["x"]);
    }
    let rest = alice
        .at("/mcp-rest/tools/call")
        .post(r#"{"name":"route","arguments":{"region":"us"}}"#)
        .await;
    assert_eq!(rest.status, 200, "{rest:?}");
    assert_eq!(upstream.last("tools/call").all("mcp-param-region"), ["us"]);
    house.end().await;
}
