//! What a token allows: the request that it travels with.

use super::*;

/// Everything that reaches a server of sessions says who asks for what.
#[tokio::test]
async fn each_request_of_a_session_carries_a_token_for_itself() {
    let upstream = FakeUpstream::legacy().await;
    upstream.prompts(&[r#"{"name":"greet"}"#]);
    upstream.resources(&[r#"{"uri":"mem://r","name":"r"}"#]);
    let house = signing_for(&upstream, &[]).await;
    let judge = Judge::of(&house).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let key = alice_key(&house).await;
    for (method, params) in [
        ("tools/call", r#"{"name":"echo","arguments":{}}"#),
        ("tools/list", "{}"),
        ("prompts/list", "{}"),
        ("prompts/get", r#"{"name":"greet"}"#),
        ("resources/list", "{}"),
        ("resources/templates/list", "{}"),
        ("resources/read", r#"{"uri":"mem://r"}"#),
        (
            "completion/complete",
            r#"{"ref":{"type":"ref/prompt","name":"greet"},"argument":{"name":"n","value":"v"}}"#,
        ),
        ("logging/setLevel", r#"{"level":"info"}"#),
    ] {
        alice.rpc(method, params).await;
    }
    alice
        .post(r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#)
        .await;
    upstream
        .arrived("notifications/roots/list_changed", 1)
        .await;
    let listening = alice.get(&[]).await;
    upstream.arrived("GET", 1).await;
    drop(listening);
    let mut own = HashMap::new();
    for request in upstream.requests() {
        let claims = judge.claims(&request);
        let expected = match request.kind.as_str() {
            "tools/call" => "mcp:tools/call mcp:tools/echo:call".to_owned(),
            // One token opens a session: the request and the notification that belongs to it.
            "initialize" | "notifications/initialized" => "mcp:initialize".to_owned(),
            "GET" | "DELETE" | "RESPONSE" => "mcp:session".to_owned(),
            method => format!("mcp:{method}"),
        };
        assert_eq!(text(&claims, "scope"), expected, "{request:?}");
        if claims["sub"] == *key {
            own.insert(request.kind.clone(), claims);
        } else {
            assert_eq!(claims["sub"], "portcullis", "{claims}");
            assert!(
                ["tools/call", "prompts/get", "resources/read"]
                    .iter()
                    .all(|method| request.kind != *method),
                "the gateway itself only looks around: {request:?}"
            );
        }
    }
    for kind in [
        "initialize",
        "tools/call",
        "prompts/get",
        "resources/read",
        "GET",
    ] {
        assert!(own.contains_key(kind), "{kind}: {own:?}");
    }
    house.end().await;
}

async fn alice_key(house: &House) -> String {
    let events = house.request_events().await;
    events[0]["key_id"]
        .as_str()
        .unwrap_or_else(|| panic!("{}", events[0]))
        .to_owned()
}

#[tokio::test]
async fn each_stateless_request_and_rest_call_carries_a_token_for_itself() {
    let upstream = FakeUpstream::modern().await;
    upstream.prompts(&[r#"{"name":"greet"}"#]);
    let house = signing_for(&upstream, &[]).await;
    let judge = Judge::of(&house).await;
    let alice = house.caller("alice").await;
    for path in ["/mcp", "/mcp/a"] {
        let tool = if path == "/mcp" { "a-echo" } else { "echo" };
        let answer = alice.at(path).modern_call(tool, "{}").await;
        assert!(answer.json()["result"].is_object(), "{answer:?}");
        alice.at(path).modern("tools/list", "").await;
    }
    alice
        .at("/mcp/a")
        .modern("prompts/get", r#""name":"greet""#)
        .await;
    let rest = alice.at("/mcp-rest/tools/call");
    let called = rest
        .post(r#"{"server_id":"a","name":"echo","arguments":{}}"#)
        .await;
    assert_eq!(called.status, 200, "{called:?}");
    assert_eq!(upstream.count("tools/call"), 3);
    for request in upstream.requests() {
        let claims = judge.claims(&request);
        let expected = match request.kind.as_str() {
            "tools/call" => "mcp:tools/call mcp:tools/echo:call".to_owned(),
            method => format!("mcp:{method}"),
        };
        assert_eq!(text(&claims, "scope"), expected, "{request:?}");
    }
    house.end().await;
}

/// SIGN-02.
#[tokio::test]
async fn no_tool_talks_itself_into_another_scope() {
    let evil = [
        "x mcp:tools/delete_all:call",
        "*",
        "a.b",
        "a_b",
        "d\u{e9}j\u{e0}",
    ];
    let upstream = FakeUpstream::legacy().await;
    upstream.tool_names(&evil);
    let house = signing_for(&upstream, &[]).await;
    let judge = Judge::of(&house).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let mut scopes = std::collections::BTreeSet::new();
    for (number, tool) in evil.iter().enumerate() {
        let answer = alice.call(tool, "{}").await;
        assert!(answer.json()["result"].is_object(), "{tool}: {answer:?}");
        assert_eq!(upstream.count("tools/call"), number + 1);
        let claims = judge.claims(&upstream.last("tools/call"));
        let scope = text(&claims, "scope");
        let tokens: Vec<&str> = scope.split(' ').collect();
        assert_eq!(tokens.len(), 2, "{scope}");
        assert_eq!(tokens[0], "mcp:tools/call");
        assert!(tokens[1].starts_with("mcp:tools/") && tokens[1].ends_with(":call"));
        assert!(scopes.insert(tokens[1].to_owned()), "{scope}");
    }
    assert!(!scopes.contains("mcp:tools/delete_all:call"));
    // What cannot stand on one line is not even listed.
    upstream.tool_names(&["echo", "x\\nmcp:tools/y:call"]);
    let before = upstream.count("tools/call");
    let answer = alice.call("x\\nmcp:tools/y:call", "{}").await;
    assert_eq!(answer.code(), -32602, "{answer:?}");
    assert_eq!(upstream.count("tools/call"), before);
    house.end().await;
}

#[tokio::test]
async fn the_guides_three_scopes_and_a_fixed_one_are_written_on_wish() {
    for (lines, of_call, of_list) in [
        (
            "scopes: full",
            "mcp:tools/call mcp:tools/list mcp:tools/echo:call",
            "mcp:tools/call mcp:tools/list",
        ),
        ("allowed_scopes: [b:x, a:y]", "a:y b:x", "a:y b:x"),
    ] {
        let upstream = FakeUpstream::modern().await;
        let house = signing_for(&upstream, &[lines]).await;
        let judge = Judge::of(&house).await;
        let alice = house.caller("alice").await.at("/mcp/a");
        alice.modern_call("echo", "{}").await;
        let of = |kind: &str| judge.claims(&upstream.last(kind))["scope"].clone();
        assert_eq!(of("tools/call"), of_call);
        assert_eq!(of("tools/list"), of_list);
        house.end().await;
    }
}
