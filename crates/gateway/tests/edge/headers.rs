//! Heads: header fields, selectors and ids that claim what they may not.

use portcullis_testkit::gateway::{Actor, Ask, Connection, TestGateway};
use serde_json::json;

use super::support::raw;

#[tokio::test]
async fn an_upgrade_is_not_followed() {
    // NET-09
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    for protocol in ["websocket", "h2c", "tls/1.2"] {
        let mut connection = Connection::open(gateway.address()).await;
        let ask = Actor::echo_ask("hi")
            .header("connection", "upgrade, http2-settings")
            .header("upgrade", protocol)
            .header("http2-settings", "AAMAAABkAAQAAP__")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-version", "13");
        let reply = caller.ask_on(&mut connection, ask).await;
        assert_eq!(reply.status, 200, "{protocol}: {reply:?}");
        assert_eq!(reply.header("upgrade"), None);
    }
    let known = raw(&gateway, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnot a frame").await;
    assert!(known.is_empty(), "{known:?}");
    gateway.stands().await;
}

/// IP-09: whoever speaks the PROXY protocol to us is no proxy of ours, and says nothing about anybody's
/// address; both versions end the connection, and the next caller is served.
#[tokio::test]
async fn a_proxy_protocol_preface_is_no_request() {
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    let request = format!(
        "GET /v1/mcp/server HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n",
        caller.credential()
    );
    let preface = b"\r\n\r\n\0\r\nQUIT\n";
    let mut second = preface.to_vec();
    // Version 2, PROXY, TCP over IPv4, and a length that promises 64 KiB of what does not come.
    second.extend([0x21, 0x11, 0xff, 0xff]);
    second.extend(request.as_bytes());
    let mut first = b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n".to_vec();
    first.extend(request.as_bytes());
    for bytes in [first, second] {
        let statuses = raw(&gateway, &bytes).await;
        assert!(statuses.iter().all(|status| *status == 400), "{statuses:?}");
    }
    let reply = caller.ask(Actor::echo_ask("hi")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    gateway.stands().await;
}

#[tokio::test]
async fn hop_by_hop_headers_and_those_that_connection_names_change_nothing() {
    // HDR-04: naming our own credential header in Connection does not switch it off or on.
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    for named in [
        "close, authorization, cookie, mcp-name",
        "x-litellm-api-key",
        "keep-alive, te, content-type, content-length, host",
    ] {
        let ask = || {
            Actor::echo_ask("hi")
                .header("connection", named)
                .header("te", "trailers")
        };
        assert_eq!(caller.ask(ask()).await.status, 200, "{named}");
        assert_eq!(gateway.anonymous().ask(ask()).await.status, 401, "{named}");
    }
    gateway.stands().await;
}

#[tokio::test]
async fn look_alikes_of_our_key_header_are_not_our_key_header() {
    // HDR-05
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    let exact = Actor::echo_ask("hi").header("X-LITELLM-API-KEY", caller.credential());
    assert_eq!(gateway.anonymous().ask(exact).await.status, 200);
    for name in [
        "x_litellm_api_key",
        "x-litellm_api-key",
        "x.litellm.api.key",
        "x-litellm-api-key-",
    ] {
        let ask = Actor::echo_ask("hi").header(name, caller.credential());
        assert_eq!(gateway.anonymous().ask(ask).await.status, 401, "{name}");
    }
    gateway.stands().await;
}

#[tokio::test]
async fn a_header_that_may_stand_once_is_refused_when_it_stands_twice() {
    // HDR-07
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    let list = || Ask::rpc("/mcp", "tools/list", &json!({}));
    for (name, first, second) in [
        ("mcp-protocol-version", "2025-06-18", "2025-11-25"),
        ("x-mcp-servers", "support", "support"),
        ("x-mcp-access-groups", "a", "b"),
        ("mcp-session-id", "a", "b"),
        ("host", "localhost", "localhost"),
    ] {
        let reply = caller
            .ask(list().header(name, first).header(name, second))
            .await;
        assert_eq!(reply.status, 400, "{name}: {reply:?}");
    }
    let meta = json!({"_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
    }});
    let modern =
        || Ask::rpc("/mcp", "tools/list", &meta).header("mcp-protocol-version", "2026-07-28");
    let good = caller
        .ask(modern().header("mcp-method", "tools/list"))
        .await;
    assert_eq!(good.status, 200, "{good:?}");
    let twice = modern()
        .header("mcp-method", "tools/list")
        .header("mcp-method", "tools/call");
    let reply = caller.ask(twice).await;
    assert_eq!(
        (reply.status, reply.json()["error"]["code"].clone()),
        (400, json!(-32020))
    );
    gateway.stands().await;
}

#[tokio::test]
async fn selectors_are_names_and_nothing_else() {
    // MCP-33
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    let many = vec!["support"; 10_000].join(",");
    let thirty_three = vec!["support"; 33].join(",");
    for selector in [
        "a,../b",
        "a%2Cb",
        "*",
        "",
        ",",
        "support,",
        "support,,support",
        "sup*",
        "%",
        "süd",
        "support\tprivate",
        "support;private",
        "'",
        "all-proxy-mcpservers",
        &thirty_three,
    ] {
        for ask in [
            Ask::rpc("/mcp", "tools/list", &json!({})),
            Ask::get("/mcp-rest/tools/list"),
            Actor::echo_ask("hi").body(r#"{"name":"echo","arguments":{"message":"x"}}"#),
        ] {
            let reply = caller.ask(ask.header("x-mcp-servers", selector)).await;
            assert!(matches!(reply.status, 400 | 404), "{selector}: {reply:?}");
        }
    }
    let long = Ask::rpc("/mcp", "tools/list", &json!({})).header("x-mcp-servers", &many);
    assert!(matches!(long.send(gateway.address()).await.status, 431));
    for path in [
        "/mcp/support/../private",
        "/mcp/..%2fprivate",
        "/mcp/support%2Cprivate",
        "/mcp/*",
        "/mcp/%00",
        "/mcp/%ff",
        "/%ff/mcp",
        "/mcp/.",
        "/mcp/%20",
    ] {
        let reply = caller.rpc(path, "tools/list", json!({})).await;
        assert!(matches!(reply.status, 400 | 404), "{path}: {reply:?}");
    }
    // A selector narrows; it never widens.
    let private = caller.ask(Ask::get("/mcp-rest/tools/list").header("x-mcp-servers", "private"));
    assert_eq!(private.await.status, 404);
    let narrowed = Ask::get("/mcp-rest/tools/list").header("x-mcp-servers", "support");
    assert_eq!(caller.ask(narrowed).await.status, 200);
    gateway.stands().await;
}

#[tokio::test]
async fn a_query_that_is_not_understood_is_not_answered_to_strangers() {
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    let admin = gateway.admin().await;
    for target in [
        "/v1/audit?limit=-1",
        "/v1/audit?limit=x",
        "/key/list?size=x",
        "/v1/audit?order=sideways",
        "/v1/audit?since=yesterday",
        "/v1/audit?after=%00",
        "/mcp-rest/tools/list?server_id=a&server_id=b",
    ] {
        assert_eq!(
            gateway.anonymous().ask(Ask::get(target)).await.status,
            401,
            "{target}"
        );
        let known = caller.ask(Ask::get(target)).await;
        assert!(matches!(known.status, 400 | 403), "{target}: {known:?}");
        let reply = admin.ask(Ask::get(target)).await;
        assert_eq!(reply.status, 400, "{target}: {reply:?}");
    }
    gateway.stands().await;
}

#[tokio::test]
async fn answers_of_every_kind_forbid_sniffing_and_storing_and_name_no_software() {
    // NET-15
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    let admin = gateway.admin().await;
    for reply in [
        caller.echo("hi").await,
        gateway.anonymous().echo("hi").await,
        caller.rpc("/mcp/absent", "tools/list", json!({})).await,
        caller.rpc("/mcp", "tools/list", json!({})).await,
        gateway.anonymous().ask(Ask::get("/health/live")).await,
        gateway.anonymous().ask(Ask::get("/nothing")).await,
        caller
            .ask(Actor::echo_ask("hi").host(Some("evil.test")))
            .await,
        admin.ask(Ask::get("/metrics")).await,
        admin.ask(Ask::get("/v1/audit")).await,
    ] {
        assert_eq!(
            reply.header("x-content-type-options"),
            Some("nosniff"),
            "{reply:?}"
        );
        assert!(
            reply.header("cache-control").unwrap().contains("no-store"),
            "{reply:?}"
        );
        assert_eq!(reply.header("server"), None);
        assert_eq!(reply.header("x-powered-by"), None);
        assert_eq!(reply.header("set-cookie"), None);
    }
    gateway.stands().await;
}

#[tokio::test]
async fn a_request_id_of_the_clients_own_is_not_taken_over() {
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    let first = caller.echo("first").await;
    let taken = first.header("x-request-id").unwrap();
    for id in [taken, "1", "canary-log-line"] {
        let reply = caller
            .ask(Actor::echo_ask("again").header("x-request-id", id))
            .await;
        assert_eq!(reply.status, 200);
        assert_ne!(reply.header("x-request-id"), Some(id));
    }
    gateway.stands().await;
}

#[tokio::test]
async fn a_session_id_that_a_client_made_up_is_not_found() {
    // HDR-10
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    let other = gateway.key("other", &["support"]).await;
    let session = caller.session("/mcp/support").await;
    let list = |session: &str| {
        Ask::rpc("/mcp/support", "tools/list", &json!({})).header("mcp-session-id", session)
    };
    assert_eq!(caller.ask(list(&session)).await.status, 200);
    for made_up in [
        "",
        "1",
        "00000000-0000-0000-0000-000000000000",
        &session[1..],
    ] {
        let reply = caller.ask(list(made_up)).await;
        assert_eq!(reply.status, 404, "{made_up}: {reply:?}");
    }
    // Neither another key nor another endpoint may go on with it.
    assert_eq!(other.ask(list(&session)).await.status, 404);
    let elsewhere = Ask::rpc("/mcp", "tools/list", &json!({})).header("mcp-session-id", &session);
    assert_eq!(caller.ask(elsewhere).await.status, 404);
    gateway.stands().await;
}
