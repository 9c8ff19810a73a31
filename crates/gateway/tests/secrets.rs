//! Where secrets would get out: an upstream that says everything it was told, errors of every kind,
//! the log at trace level.

#[cfg(test)]
mod secrets {
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::body::{Body, Bytes};
    use axum::http::{HeaderMap, Response};
    use axum::routing::any;
    use portcullis_testkit::Nobody;
    use portcullis_testkit::gateway::{Actor, Ask, MockServer, Process, Reply, Site, TestGateway};
    use serde_json::{Value, json};

    const TOKEN: &str = "upstream-canary-Gq71Lw9Vt4Kp8Rs3Nd6Zx2";
    const EXTRA: &str = "static-canary-8Rs3Nd6Zx2q7Lw9Vt4Kp";

    /// How the upstream tells what it was told.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Tells {
        InResult,
        InToolError,
        InRpcError,
        In500,
        In401,
        InHeaders,
        InGarbage,
    }

    /// An MCP server that repeats our credential, and remembers what it saw.
    struct Parrot {
        site: Site,
        seen: Arc<Mutex<Vec<HeaderMap>>>,
        calls: Arc<AtomicUsize>,
        tells: Arc<Mutex<Tells>>,
    }

    impl Parrot {
        async fn start() -> Self {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let tells = Arc::new(Mutex::new(Tells::InResult));
            let (heard, way) = (Arc::clone(&seen), Arc::clone(&tells));
            let calls = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&calls);
            let handler = move |headers: HeaderMap, body: Bytes| {
                let (heard, way) = (Arc::clone(&heard), Arc::clone(&way));
                if String::from_utf8_lossy(&body).contains("\"tools/call\"") {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
                async move {
                    let told = format!("{headers:?}").replace(['"', '\\'], "'");
                    let way = *way.lock().unwrap();
                    heard.lock().unwrap().push(headers);
                    answer(&body, &told, way)
                }
            };
            let router = Router::new().route("/mcp", any(handler));
            Self {
                site: Site::of(router).await,
                seen,
                calls,
                tells,
            }
        }

        fn tell(&self, way: Tells) {
            *self.tells.lock().unwrap() = way;
        }

        /// How often its tool was called.
        fn calls(&self) -> usize {
            self.calls.load(Ordering::SeqCst)
        }

        fn last(&self) -> HeaderMap {
            self.seen.lock().unwrap().last().unwrap().clone()
        }
    }

    fn answer(body: &[u8], told: &str, way: Tells) -> Response<Body> {
        let message: Value = serde_json::from_slice(body).unwrap_or_default();
        let id = &message["id"];
        let result = |result: Value| json!({"jsonrpc": "2.0", "id": id, "result": result});
        let mut response = Response::builder().header("content-type", "application/json");
        let call = message["method"] == "tools/call";
        let body = match message["method"].as_str() {
            _ if id.is_null() => return response.status(202).body(Body::empty()).unwrap(),
            Some("initialize") => result(json!({
                "protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                "serverInfo": {"name": "parrot", "version": "1"},
            })),
            Some("tools/list") => {
                result(json!({"tools": [{"name": "say", "inputSchema": {"type": "object"}}]}))
            }
            Some("tools/call") => match way {
                Tells::InRpcError => json!({"jsonrpc": "2.0", "id": id, "error": {
                    "code": -32000, "message": format!("you sent {told}"), "data": {"headers": told},
                }}),
                Tells::InToolError => {
                    result(json!({"isError": true, "content": [{"type": "text", "text": told}]}))
                }
                Tells::InResult => result(json!({"content": [{"type": "text", "text": told}]})),
                Tells::InGarbage => json!(told),
                _ => result(json!({"content": []})),
            },
            _ => json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "no"}}),
        };
        if call && way == Tells::In500 {
            return response
                .status(500)
                .body(Body::from(told.to_owned()))
                .unwrap();
        }
        if call && way == Tells::In401 {
            return response
                .status(401)
                .header(
                    "www-authenticate",
                    format!("Bearer realm=\"{TOKEN}\", error=\"invalid_token\""),
                )
                .body(Body::from(told.to_owned()))
                .unwrap();
        }
        if call && way == Tells::InHeaders {
            for (name, value) in [
                ("set-cookie", "gw_session=evil; Domain=localhost"),
                ("clear-site-data", "\"*\""),
                ("alt-svc", "h2=\"evil.test:443\""),
                ("refresh", "0; url=https://evil.test"),
                ("location", "https://evil.test"),
                ("content-security-policy", "default-src *"),
                ("access-control-allow-origin", "*"),
                ("server", "parrot/1.0"),
                ("x-echo", TOKEN),
            ] {
                response = response.header(name, value);
            }
        }
        response.body(Body::from(body.to_string())).unwrap()
    }

    async fn stage() -> (TestGateway, Parrot, Actor) {
        let parrot = Parrot::start().await;
        let yaml = format!(
            "mcp_servers:\n  parrot:\n    url: http://{}/mcp\n    auth_type: bearer_token\n    \
             auth_value: {TOKEN}\n    static_headers: {{x-tenant-key: {EXTRA}}}\n",
            parrot.site.address()
        );
        let gateway = TestGateway::start(&yaml).await;
        gateway.keep_secret("the upstream's token", TOKEN);
        gateway.keep_secret("the static header", EXTRA);
        let caller = gateway.key("caller", &["parrot"]).await;
        (gateway, parrot, caller)
    }

    fn say() -> Ask {
        Ask::post(
            "/mcp-rest/tools/call",
            &json!({"server_id": "parrot", "name": "say", "arguments": {}}),
        )
    }

    fn say_mcp() -> Ask {
        Ask::rpc(
            "/mcp/parrot",
            "tools/call",
            &json!({"name": "say", "arguments": {}}),
        )
    }

    #[tokio::test]
    async fn an_upstream_that_repeats_our_credential_does_not_tell_it_to_the_caller() {
        // LOG-05
        let (gateway, parrot, caller) = stage().await;
        for way in [
            Tells::InRpcError,
            Tells::InToolError,
            Tells::InResult,
            Tells::In500,
            Tells::In401,
            Tells::InHeaders,
            Tells::InGarbage,
        ] {
            parrot.tell(way);
            // What is only in headers of the answer is left out, all else is withheld.
            let is_withheld = way != Tells::InHeaders;
            for (ask, refusal) in [(say(), 502), (say_mcp(), 200)] {
                let before = parrot.calls();
                let reply = caller.ask(ask).await;
                let status = if is_withheld { refusal } else { 200 };
                assert_eq!(reply.status, status, "{way:?}: {reply:?}");
                let is_error = !reply.json()["error"].is_null();
                assert_eq!(is_error, is_withheld, "{way:?}: {reply:?}");
                assert!(parrot.calls() > before, "{way:?}: it was not called");
                assert_eq!(
                    parrot.last()["authorization"],
                    format!("Bearer {TOKEN}"),
                    "it was told"
                );
                for secret in [TOKEN, EXTRA] {
                    assert!(
                        !String::from_utf8_lossy(&reply.raw).contains(secret),
                        "{way:?}: {reply:?}"
                    );
                }
            }
        }
        gateway.stands().await;
    }

    #[tokio::test]
    async fn what_an_upstream_says_in_headers_does_not_reach_the_caller() {
        // HDR-15
        let (gateway, parrot, caller) = stage().await;
        parrot.tell(Tells::InHeaders);
        for ask in [say(), say_mcp()] {
            let reply = caller.ask(ask).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            for name in [
                "set-cookie",
                "clear-site-data",
                "alt-svc",
                "refresh",
                "location",
                "content-security-policy",
                "access-control-allow-origin",
                "server",
                "x-echo",
            ] {
                assert_eq!(reply.header(name), None, "{reply:?}");
            }
        }
        gateway.stands().await;
    }

    #[tokio::test]
    async fn the_upstream_hears_its_own_address_and_nothing_of_the_callers_headers() {
        // HDR-04, HDR-09, HDR-10
        let (gateway, parrot, caller) = stage().await;
        parrot.tell(Tells::InHeaders);
        for ask in [say(), say_mcp()] {
            let ask = ask
                .header("x-forwarded-host", "evil.test")
                .header("x-forwarded-for", "10.0.0.1")
                .header("x-real-ip", "10.0.0.1")
                .header("forwarded", "for=10.0.0.1;host=evil.test")
                .header("cookie", "session=canary-cookie-11")
                .header("connection", "close, x-tenant-key, mcp-protocol-version")
                .header("x-tenant-key", "canary-of-the-caller")
                .header("x_tenant_key", "canary-of-the-caller")
                .header("proxy-authorization", "Basic canary-proxy-12")
                .header("te", "trailers")
                .header("x-custom", "canary-custom-13");
            assert_eq!(caller.ask(ask).await.status, 200);
            let seen = parrot.last();
            assert_eq!(seen["host"], parrot.site.address().to_string());
            assert_eq!(seen.get_all("authorization").iter().count(), 1);
            assert_eq!(seen["authorization"], format!("Bearer {TOKEN}"));
            assert_eq!(seen.get_all("x-tenant-key").iter().count(), 1);
            assert_eq!(seen["x-tenant-key"], EXTRA);
            let text = format!("{seen:?}");
            for foreign in [
                "canary-cookie",
                "canary-of",
                "canary-proxy",
                "canary-custom",
                "evil.test",
                "10.0.0.1",
            ] {
                assert!(!text.contains(foreign), "{text}");
            }
            assert!(!text.contains(caller.credential()), "{text}");
        }
        gateway.stands().await;
    }

    #[tokio::test]
    async fn an_error_says_what_and_which_request_and_nothing_of_the_inside() {
        // LOG-04
        let (gateway, _parrot, caller) = stage().await;
        let nobody = Nobody::there();
        let port = nobody.address().port();
        let dead = TestGateway::start(&format!(
            "mcp_servers:\n  parrot:\n    url: http://127.0.0.1:{port}/mcp\n"
        ))
        .await;
        let other = dead.key("caller", &["parrot"]).await;
        for reply in [
            other.ask(say()).await,
            other.ask(say_mcp()).await,
            other.rpc("/mcp", "tools/list", json!({})).await,
            caller
                .ask(Ask::post(
                    "/mcp-rest/tools/call",
                    &json!({"name": "no-such-tool"}),
                ))
                .await,
            caller.ask(say().body("{")).await,
            caller.ask(say_mcp().body("{")).await,
        ] {
            let text = reply.text();
            assert!(reply.status >= 400 || text.contains("error"), "{reply:?}");
            for inside in [
                "127.0.0.1",
                &port.to_string(),
                "panicked",
                "src/",
                ".rs:",
                "RUST",
                "sqlite",
                "SELECT",
                "Os {",
                "hyper",
                "Error(",
                "Kind(",
            ] {
                assert!(!text.contains(inside), "{inside}: {reply:?}");
            }
        }
        gateway.stands().await;
        dead.stands().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn at_trace_level_the_real_binary_logs_no_secret() {
        // LOG-01, LOG-02, LOG-03
        const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");
        const MASTER: &str = "sk-master-canary-Zp7Qm2vT9dKx4RzL";
        let folder = tempfile::tempdir().unwrap();
        let (mock, parrot) = (MockServer::start().await, Parrot::start().await);
        let text = format!(
            "general_settings:\n  master_key: {MASTER}\nmcp_servers:\n{}  parrot:\n    url: http://{}/mcp\n    \
             auth_type: bearer_token\n    auth_value: {TOKEN}\n    static_headers: {{x-tenant-key: {EXTRA}}}\n  \
             wrong:\n    url: {}/mcp\n    auth_type: oauth2\n    client_id: test-client\n    \
             client_secret: wrong-canary-3Nd6Zx2q7Lw9Vt4K\n    token_url: {}/oauth/token\n",
            mock.entry("support"),
            parrot.site.address(),
            mock.url(),
            mock.url(),
        );
        std::fs::write(folder.path().join("c.yaml"), text).unwrap();
        let args = ["--config", "c.yaml", "--port", "0", "--log", "trace"];
        let mut gateway = Process::serve(PORTCULLIS, folder.path(), &args, &[]);
        let address = gateway.address();
        let ask = async |ask: Ask| -> Reply { ask.bearer(MASTER).send(address).await };
        assert_eq!(ask(Actor::echo_ask("hi")).await.status, 200);
        for way in [
            Tells::InRpcError,
            Tells::In500,
            Tells::In401,
            Tells::InHeaders,
            Tells::InGarbage,
        ] {
            parrot.tell(way);
            for (ask_for, refusal) in [(say(), 502), (say_mcp(), 200)] {
                let before = parrot.calls();
                let reply = ask(ask_for).await;
                let status = if way == Tells::InHeaders {
                    200
                } else {
                    refusal
                };
                assert_eq!(reply.status, status, "{way:?}: {reply:?}");
                assert!(parrot.calls() > before, "{way:?}: it was not called");
            }
        }
        let headers = format!("{:?}", parrot.last());
        assert!(headers.contains(TOKEN) && headers.contains(EXTRA));
        let made = ask(Ask::post("/key/generate", &json!({"key_alias": "x"}))).await;
        assert_eq!(made.status, 200, "{made:?}");
        let made = made.json()["key"].as_str().unwrap().to_owned();
        let in_query = format!("/mcp-rest/tools/list?access_token={made}&server_id=wrong");
        let told = ask(Ask::get(&in_query)).await;
        assert_eq!(told.status, 502, "its token endpoint refused: {told:?}");
        let listed = ask(Ask::rpc("/mcp", "tools/list", &json!({}))).await;
        assert!(listed.text().contains("support-echo"), "{listed:?}");
        let everywhere = Ask::get(&format!("/mcp/{made}?code={made}&state={made}"))
            .header("referer", &format!("https://evil.test/?token={made}"))
            .header("x-litellm-api-key", &made);
        assert_eq!(everywhere.send(address).await.status, 404);
        let basic =
            Ask::get("/mcp-rest/tools/list").header("authorization", &format!("Basic {made}"));
        assert_eq!(basic.send(address).await.status, 401);
        assert_eq!(gateway.end().code(), Some(0));
        let log = gateway.log();
        assert!(log.contains("TRACE"), "the story needs the whole log");
        let stored = read(folder.path());
        for secret in [
            MASTER,
            TOKEN,
            EXTRA,
            mock.client_secret(),
            "wrong-canary-3Nd6Zx2q7Lw9Vt4K",
            &made,
        ] {
            for (name, form) in portcullis_testkit::gateway::forms(secret) {
                for (place, text) in [("the log", &log), ("the store", &stored)] {
                    if let Some(at) = text.find(&form) {
                        let around = &text[at.saturating_sub(300)..(at + 100).min(text.len())];
                        panic!("{secret} stands in {place} as {name}: {around}");
                    }
                }
            }
        }
        // Access tokens are three parts of base64; the first begins the same way always.
        assert!(
            !log.contains("eyJhbGciOi") && !log.contains("eyJ0eXAiOi"),
            "a token stands in the log"
        );
    }

    /// Every byte that the gateway keeps, except for its own configuration.
    fn read(folder: &Path) -> String {
        let mut all = String::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if !path.ends_with("c.yaml") {
                all.push_str(
                    &String::from_utf8_lossy(&std::fs::read(path).unwrap())
                        .replace(|c: char| !c.is_ascii(), " "),
                );
            }
        }
        all
    }
}
