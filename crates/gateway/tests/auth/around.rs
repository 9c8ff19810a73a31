//! What stands around the credential: names, pages, paths and methods.

use super::*;

#[tokio::test]
async fn a_host_that_is_not_ours_is_refused_before_anybody_is_asked_who_they_are() {
    // AUTH-11, CVE-2026-48710
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    let before = gateway.mock().stats().await.calls;
    for (host, status) in [
        ("gw?/healthz", 400),
        ("gw/..", 400),
        ("gw#", 400),
        ("gw:80/.well-known", 400),
        ("", 400),
        ("user@localhost", 400),
        ("localhost:notaport", 400),
        ("evil.test", 403),
        ("localhost.evil.test", 403),
        ("127.0.0.1.evil.test", 403),
    ] {
        let reply = caller.ask(Actor::echo_ask("hi").host(Some(host))).await;
        assert_eq!(reply.status, status, "{host}: {reply:?}");
        let event = gateway.event_of(&reply).await;
        assert_eq!(event["client_ip"], "127.0.0.1", "{event}");
        assert_eq!(event["rule"], "host_or_origin", "{event}");
    }
    let two = caller
        .ask(Actor::echo_ask("hi").header("host", "localhost"))
        .await;
    assert_eq!(two.status, 400);
    assert_eq!(
        caller.ask(Actor::echo_ask("hi").host(None)).await.status,
        400
    );
    // An absolute target that names another authority than the Host.
    let absolute = Ask::new("GET", "http://evil.test/mcp-rest/tools/list");
    assert!(matches!(caller.ask(absolute).await.status, 400 | 403));
    assert_eq!(gateway.mock().stats().await.calls, before);
    gateway.stands().await;
}

#[tokio::test]
async fn a_page_of_another_site_cannot_call_and_gets_no_cors_header() {
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    let from = |origin: &str| Actor::echo_ask("hi").header("origin", origin);
    assert_eq!(caller.ask(from("http://localhost:3000")).await.status, 200);
    for origin in [
        "https://evil.test",
        "null",
        "http://localhost.evil.test",
        "file://",
    ] {
        let reply = caller.ask(from(origin)).await;
        assert_eq!(reply.status, 403, "{origin}");
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
    let twice = from("http://localhost:3000").header("origin", "https://evil.test");
    assert_eq!(caller.ask(twice).await.status, 403);
    gateway.stands().await;
}

#[tokio::test]
async fn a_path_that_looks_public_opens_nothing() {
    // AUTH-12
    let gateway = TestGateway::with_support().await;
    gateway.working_key().await;
    let before = gateway.mock().stats().await.calls;
    let call = json!({"name": "echo", "arguments": {"message": "hi"}});
    for path in [
        "/.well-known/anything",
        "/.well-known/oauth-protected-resource/../../mcp/support",
        "/healthz/../mcp/support",
        "/healthz/..%2fmcp/support",
        "/health/live/mcp",
        "/health/live/../../mcp/support",
        "//mcp/support",
        "/mcp//support",
        "/MCP/support",
        "/healthz",
        "/mcp/support/../../healthz",
        "/mcp;/support",
    ] {
        let reply = gateway
            .anonymous()
            .rpc(path, "tools/call", call.clone())
            .await;
        assert!(matches!(reply.status, 401 | 404 | 405), "{path}: {reply:?}");
    }
    let query = Ask::rpc("/mcp/support?x=/.well-known/", "tools/call", &call);
    is_refused(&gateway.anonymous().ask(query).await, None);
    assert_eq!(gateway.mock().stats().await.calls, before);
    gateway.stands().await;
}

#[tokio::test]
async fn headers_of_a_proxy_that_is_not_there_change_neither_path_nor_method() {
    // AUTH-14
    let gateway = TestGateway::with_support().await;
    gateway.working_key().await;
    for (name, value) in [
        ("x-forwarded-uri", "/healthz"),
        ("x-original-url", "/healthz"),
        ("x-rewrite-url", "/healthz"),
        ("x-forwarded-prefix", "/health"),
        ("x-forwarded-method", "OPTIONS"),
        ("x-http-method-override", "GET"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "localhost"),
        ("x-real-ip", "127.0.0.1"),
        ("x-forwarded-user", "admin"),
        ("remote-user", "admin"),
        ("x-portcullis-role", "admin"),
    ] {
        let reply = gateway
            .anonymous()
            .ask(Actor::echo_ask("hi").header(name, value))
            .await;
        is_refused(&reply, None);
        let event = gateway.event_of(&reply).await;
        assert_eq!(event["client_ip"], "127.0.0.1", "{event}");
    }
    gateway.stands().await;
}

#[tokio::test]
async fn methods_that_no_door_has_are_refused_with_those_that_it_has() {
    // AUTH-16
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    let before = gateway.mock().stats().await;
    for method in ["PUT", "PATCH", "OPTIONS", "TRACE", "FOO", "HEAD"] {
        for path in [
            "/mcp",
            "/mcp/support",
            "/mcp/private",
            "/mcp/absent",
            "/mcp-rest/tools/call",
        ] {
            let reply = caller.ask(Ask::new(method, path)).await;
            assert_eq!(reply.status, 405, "{method} {path}: {reply:?}");
            assert!(reply.header("allow").is_some(), "{method} {path}");
            assert!(!reply.text().contains("private"), "{reply:?}");
        }
    }
    // CONNECT names an authority; there is nothing behind it.
    let connect = Ask::new("CONNECT", "evil.test:443").host(Some("evil.test:443"));
    assert!(matches!(
        connect.send(gateway.address()).await.status,
        400..=405
    ));
    let after = gateway.mock().stats().await;
    assert_eq!((before.calls, before.lists), (after.calls, after.lists));
    gateway.stands().await;
}
