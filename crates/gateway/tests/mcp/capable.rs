//! A server that lists a tool only to clients that could answer what it asks.

use portcullis_testkit::upstream::{FakeUpstream, Reply};

use super::support::{House, server};

const SAMPLING: &str = r#"{"sampling":{}}"#;

/// Its tool `ask` is listed in sessions that declare sampling.
async fn choosy() -> FakeUpstream {
    let upstream = FakeUpstream::legacy().await;
    upstream.on("initialize", |request| {
        let declared = request.raw(&["params", "capabilities"]).unwrap();
        let session = if declared.contains("sampling") {
            "able"
        } else {
            "plain"
        };
        let result = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}"#;
        Reply::result(request, result).header("mcp-session-id", session)
    });
    upstream.on("notifications/initialized", |_| Reply::status(202));
    upstream.on("tools/list", |request| {
        let schema = r#""inputSchema":{"type":"object"}"#;
        let more = match request.header("mcp-session-id") {
            Some("able") => format!(r#",{{"name":"ask",{schema}}},{{"name":"hidden",{schema}}}"#),
            _ => String::new(),
        };
        Reply::result(
            request,
            &format!(r#"{{"tools":[{{"name":"echo",{schema}}}{more}]}}"#),
        )
    });
    upstream.on("tools/call", |request| {
        Reply::result(request, r#"{"content":[]}"#)
    });
    upstream
}

#[tokio::test]
async fn what_a_server_lists_to_a_client_the_client_can_call() {
    let upstream = choosy().await;
    let line = ["allow_sampling: true", "disallowed_tools: [hidden]"];
    let house = House::of(&[server("a", &upstream, &line)]).await;
    let (alice, bob) = (house.caller("alice").await, house.caller("bob").await);
    for (path, prefix) in [("/mcp/a", ""), ("/mcp", "a-")] {
        let mut able = alice.at(path);
        able.initialize(SAMPLING).await;
        let listed = able.rpc("tools/list", "{}").await;
        assert!(
            listed.text.contains(&format!("{prefix}ask\"")),
            "{listed:?}"
        );
        let called = able.call(&format!("{prefix}ask"), "{}").await;
        assert_eq!(called.raw(&["result"]), r#"{"content":[]}"#);
        let sent = upstream.last("tools/call");
        assert_eq!(sent.header("mcp-session-id"), Some("able"));
        // What the operator denies is denied, whoever lists it, and what nobody lists is unknown.
        let calls = upstream.count("tools/call");
        let denied = able.call(&format!("{prefix}hidden"), "{}").await;
        let unknown = able.call(&format!("{prefix}nothing"), "{}").await;
        assert_eq!(denied.code(), unknown.code());

        // Who did not declare it neither sees nor calls it.
        let mut plain = bob.at(path);
        plain.initialize("{}").await;
        let listed = plain.rpc("tools/list", "{}").await;
        assert!(!listed.text.contains("ask"), "{listed:?}");
        let refused = plain.call(&format!("{prefix}ask"), "{}").await;
        assert_eq!(refused.code(), unknown.code());
        assert_eq!(upstream.count("tools/call"), calls);
    }
    // It is asked once, and not with every call.
    let mut able = house.caller("carol").await.at("/mcp/a");
    able.initialize(SAMPLING).await;
    able.call("ask", "{}").await;
    let lists = upstream.count("tools/list");
    able.call("echo", "{}").await;
    assert_eq!(upstream.count("tools/list"), lists);
    house.end().await;
}

#[tokio::test]
async fn a_stateless_client_calls_what_its_capabilities_show_it() {
    let upstream = choosy().await;
    let house = House::of(&[server("a", &upstream, &["allow_sampling: true"])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let call = |capabilities: &'static str| {
        let members = r#""name":"ask","arguments":{}"#;
        let alice = &alice;
        async move {
            alice
                .modern_open("tools/call", members, capabilities)
                .await
                .whole()
                .await
        }
    };
    let called = call(SAMPLING).await;
    assert_eq!(called.raw(&["result", "content"]), "[]");
    assert_eq!(call("{}").await.code(), -32602);
    assert_eq!(upstream.count("tools/call"), 1);
    house.end().await;
}
