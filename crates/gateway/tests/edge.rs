//! What arrives at the socket: malformed, oversized, slow, smuggled, too much.

#[cfg(test)]
mod edge {
    use std::time::Duration;

    use bytes::Bytes;
    use futures_util::StreamExt;
    use http_body_util::{BodyExt, Full};
    use hyper::client::conn::http2;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use portcullis_server::listen::ListenSettings;
    use portcullis_testkit::eventually;
    use portcullis_testkit::gateway::{Actor, Ask, Connection, MockServer, TestGateway};
    use serde_json::{Value, json};
    use tokio::net::TcpStream;
    use tokio_util::task::TaskTracker;

    async fn calls(gateway: &TestGateway) -> u64 {
        gateway.mock().stats().await.calls
    }

    /// Writes raw bytes on one connection and returns every answer's status until it is closed.
    async fn raw(gateway: &TestGateway, bytes: &[u8]) -> Vec<u16> {
        let mut connection = Connection::open(gateway.address()).await;
        connection.write(bytes).await;
        let mut statuses = Vec::new();
        loop {
            match connection.reply().await.status {
                0 => return statuses,
                status => statuses.push(status),
            }
        }
    }

    #[tokio::test]
    async fn a_body_that_is_not_plain_json_is_not_read() {
        // MCP-11, NET-05
        let gateway = TestGateway::with_support().await;
        let caller = gateway.working_key().await;
        let before = calls(&gateway).await;
        let params = json!({"name": "echo", "arguments": {"message": "hi"}});
        let mcp = || Ask::rpc("/mcp/support", "tools/call", &params).without("content-type");
        let rest = || Actor::echo_ask("hi").without("content-type");
        let key = || Ask::post("/key/generate", &json!({})).without("content-type");
        let doors: [&dyn Fn() -> Ask; 2] = [&mcp, &rest];
        for ask in doors {
            assert_eq!(caller.ask(ask()).await.status, 415);
            for kind in [
                "text/plain",
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=x",
                "application/json; charset=utf-7",
                "application/json, text/plain",
                "application/jsonp",
                "",
            ] {
                let reply = caller.ask(ask().header("content-type", kind)).await;
                assert_eq!(reply.status, 415, "{kind}: {reply:?}");
                assert_eq!(reply.header("access-control-allow-origin"), None);
            }
            for encoding in [
                "gzip",
                "br",
                "zstd",
                "deflate",
                "gzip, gzip, gzip",
                "identity",
                "x",
            ] {
                let coded = ask()
                    .header("content-type", "application/json")
                    .header("content-encoding", encoding);
                assert_eq!(caller.ask(coded).await.status, 415, "{encoding}");
            }
            let twice = ask()
                .header("content-type", "application/json")
                .header("content-type", "text/plain");
            assert!(matches!(caller.ask(twice).await.status, 400 | 415));
            for good in ["application/json; charset=utf-8", "Application/JSON"] {
                assert_eq!(
                    caller.ask(ask().header("content-type", good)).await.status,
                    200
                );
            }
        }
        let admin = gateway.admin().await;
        let plain = admin.ask(key().header("content-type", "text/plain")).await;
        assert!(matches!(plain.status, 400 | 415), "{plain:?}");
        assert_eq!(calls(&gateway).await, before + 4);
        gateway.stands().await;
    }

    #[tokio::test]
    async fn nesting_without_end_is_an_error_and_not_a_crash() {
        // NET-02
        let gateway = TestGateway::with_support().await;
        let caller = gateway.working_key().await;
        let admin = gateway.admin().await;
        for depth in [10_000_usize, 500_000] {
            for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
                let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
                let wrapped = format!(
                    r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{{"message":{deep}}}}}}}"#
                );
                let rest = format!(r#"{{"name":"echo","arguments":{{"message":{deep}}}}}"#);
                for (target, body) in [
                    ("/mcp/support", &deep),
                    ("/mcp/support", &wrapped),
                    ("/mcp-rest/tools/call", &deep),
                    ("/mcp-rest/tools/call", &rest),
                ] {
                    let ask = Ask::post(target, &Value::Null)
                        .header("accept", "application/json, text/event-stream")
                        .body(body.clone());
                    let reply = caller.ask(ask).await;
                    assert!(
                        matches!(reply.status, 400 | 413),
                        "{target} {depth}: {reply:?}"
                    );
                }
                let ask = Ask::post("/key/generate", &Value::Null).body(deep);
                assert!(matches!(admin.ask(ask).await.status, 400 | 413));
            }
        }
        gateway.stands().await;
    }

    #[tokio::test]
    async fn more_than_the_limits_is_refused_with_the_matching_status() {
        let gateway = TestGateway::with_support().await;
        let caller = gateway.working_key().await;
        let before = calls(&gateway).await;
        let big = "x".repeat(16 * 1024 * 1024);
        let reply = caller.echo(&big).await;
        // The answer may come while the body is still on its way, and the connection ends then.
        assert!(matches!(reply.status, 413 | 0), "{reply:?}");
        let mut many = Ask::get("/mcp-rest/tools/list");
        for number in 0..200 {
            many = many.header(&format!("x-{number}"), "1");
        }
        assert_eq!(many.send(gateway.address()).await.status, 431);
        let long = Ask::get(&format!("/mcp-rest/tools/list?x={}", "y".repeat(100_000)));
        assert!(matches!(
            long.send(gateway.address()).await.status,
            414 | 431
        ));
        assert_eq!(calls(&gateway).await, before);
        let huge = gateway.events().await;
        let refused = huge
            .iter()
            .filter(|event| event["outcome"] == "invalid")
            .count();
        assert_eq!(refused, 1, "the body that was too large is on record");
    }

    #[tokio::test]
    async fn two_ways_to_frame_a_body_are_one_too_many() {
        // NET-08, M56
        let gateway = TestGateway::with_support().await;
        let caller = gateway.working_key().await;
        let before = calls(&gateway).await;
        let inner = String::from_utf8(caller.sign(Actor::echo_ask("smuggled")).bytes()).unwrap();
        let key = caller.credential();
        let head = format!(
            "POST /mcp-rest/tools/call HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\n"
        );
        for (name, framing) in [
            (
                "CL.CL",
                format!(
                    "content-length: 5\r\ncontent-length: {}\r\n\r\n",
                    inner.len()
                ),
            ),
            (
                "TE.CL",
                format!(
                    "transfer-encoding: chunked\r\ncontent-length: {}\r\n\r\n0\r\n\r\n",
                    inner.len() + 5
                ),
            ),
            (
                "CL.TE",
                "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
            ),
            (
                "TE.TE",
                "transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n".to_owned(),
            ),
            (
                "odd TE",
                "transfer-encoding: xchunked\r\n\r\n0\r\n\r\n".to_owned(),
            ),
            ("signed CL", "content-length: +0\r\n\r\n".to_owned()),
            (
                "space before colon",
                "content-length : 0\r\n\r\n".to_owned(),
            ),
            (
                "folded",
                "x-a: b\r\n c: d\r\ncontent-length: 0\r\n\r\n".to_owned(),
            ),
            (
                "bad chunk",
                "transfer-encoding: chunked\r\n\r\n-1\r\n\r\n".to_owned(),
            ),
            (
                "bare LF in a value",
                "x-a: b\nx-c: d\rx\r\ncontent-length: 0\r\n\r\n".to_owned(),
            ),
        ] {
            let statuses = raw(&gateway, format!("{head}{framing}{inner}").as_bytes()).await;
            // One answer, and the connection ends: the smuggled one is never a request.
            assert_eq!(statuses, [400], "{name}");
        }
        assert_eq!(calls(&gateway).await, before, "nothing was smuggled");
        assert_eq!(caller.echo("next").await.status, 200);
        gateway.stands().await;
    }

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
        let private =
            caller.ask(Ask::get("/mcp-rest/tools/list").header("x-mcp-servers", "private"));
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
    async fn a_client_that_sends_its_head_in_drops_is_cut_off_and_others_are_served() {
        // NET-04, bounded
        let settings = ListenSettings {
            header_timeout: Duration::from_millis(300),
            ..ListenSettings::default()
        };
        let gateway = TestGateway::with_support_listening(settings).await;
        let caller = gateway.working_key().await;
        let mut slow = Vec::new();
        for start in [
            "",
            "G",
            "POST /mcp HTTP/1.1\r\n",
            "GET /mcp HTTP/1.1\r\nhost: localhost\r\nx-a: ",
        ] {
            for _ in 0..25 {
                let mut connection = Connection::open(gateway.address()).await;
                connection.write(start.as_bytes()).await;
                slow.push(connection);
            }
        }
        assert_eq!(caller.echo("meanwhile").await.status, 200);
        for mut connection in slow {
            // It ends: this would hang otherwise.
            let said = connection.rest().await;
            assert!(
                said.is_empty() || said.starts_with(b"HTTP/1.1 408"),
                "{said:?}"
            );
        }
        gateway.stands().await;
    }

    #[tokio::test]
    async fn a_body_that_comes_in_drops_is_given_up() {
        // NET-04, bounded
        let mock = MockServer::start().await;
        let yaml = format!(
            "server:\n  body_timeout: 1\nmcp_servers:\n{}",
            mock.entry("support")
        );
        let gateway = TestGateway::start(&yaml).await;
        let caller = gateway.working_key().await;
        for ask in [
            Actor::echo_ask("slow"),
            Ask::rpc("/mcp/support", "tools/list", &json!({})),
            Ask::post("/key/generate", &json!({})),
        ] {
            let bytes = caller.sign(ask).bytes();
            let mut connection = Connection::open(gateway.address()).await;
            connection.write(&bytes[..bytes.len() - 1]).await;
            let reply = connection.reply().await;
            assert!(matches!(reply.status, 400 | 408), "{reply:?}");
            let event = gateway.event_of(&reply).await;
            assert_eq!(event["outcome"], "invalid", "{event}");
        }
        assert_eq!(caller.echo("next").await.status, 200);
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
    async fn when_the_house_is_full_newcomers_wait_and_are_served_when_somebody_leaves() {
        // NET-17: the cap on connections
        let settings = ListenSettings {
            max_connections: 3,
            ..ListenSettings::default()
        };
        let gateway = TestGateway::with_support_listening(settings).await;
        let caller = gateway.working_key().await;
        let mut inside = Vec::new();
        for _ in 0..3 {
            let mut connection = Connection::open(gateway.address()).await;
            assert_eq!(
                caller
                    .ask_on(&mut connection, Actor::echo_ask("in"))
                    .await
                    .status,
                200
            );
            inside.push(connection);
        }
        let outside = caller.echo("outside");
        tokio::pin!(outside);
        // Those inside are served as before while the newcomer waits.
        for connection in &mut inside {
            tokio::select! {
                biased;
                reply = &mut outside => panic!("came in though the house was full: {reply:?}"),
                reply = caller.ask_on(connection, Actor::echo_ask("still")) => assert_eq!(reply.status, 200),
            }
        }
        drop(inside.pop());
        assert_eq!(outside.await.status, 200);
        drop(inside);
        gateway.stands().await;
    }

    #[tokio::test]
    async fn a_client_that_walks_away_is_on_record_as_gone() {
        // NET-07
        let gateway = TestGateway::with_support().await;
        let caller = gateway.working_key().await;
        let ask = caller.sign(Actor::echo_ask("never read"));
        for _ in 0..20 {
            let mut connection = Connection::open(gateway.address()).await;
            let bytes = ask.bytes();
            // The head and half of the body: the handler runs and waits for the rest.
            connection.write(&bytes[..bytes.len() - 10]).await;
            drop(connection);
        }
        // Each is on record once, whenever its connection's end is noticed.
        let all_gone = async || {
            let events = gateway.events().await;
            let gone = events
                .iter()
                .filter(|event| event["outcome"] == "abandoned" || event["outcome"] == "invalid");
            gone.count() == 20
        };
        eventually("each is on record", all_gone).await;
        gateway.stands().await;
    }

    struct H2 {
        send: http2::SendRequest<Full<Bytes>>,
        tasks: TaskTracker,
    }

    impl H2 {
        async fn open(gateway: &TestGateway) -> Self {
            let stream = TcpStream::connect(gateway.address()).await.unwrap();
            let io = TokioIo::new(stream);
            let (send, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
            let tasks = TaskTracker::new();
            tasks.spawn(connection);
            Self { send, tasks }
        }

        async fn ask(&self, request: http::Request<Full<Bytes>>) -> (u16, String) {
            let mut send = self.send.clone();
            let response = send.send_request(request).await.unwrap();
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            (status, String::from_utf8_lossy(&body).into_owned())
        }
    }

    fn h2_echo(authority: &str, key: Option<&str>, message: &str) -> http::Request<Full<Bytes>> {
        let body =
            json!({"server_id": "support", "name": "echo", "arguments": {"message": message}});
        let mut request = http::Request::post(format!("http://{authority}/mcp-rest/tools/call"))
            .header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        request
            .body(Full::new(Bytes::from(body.to_string())))
            .unwrap()
    }

    #[tokio::test]
    async fn each_stream_of_one_http2_connection_is_judged_alone() {
        // AUTH-17, NET-12
        let gateway = TestGateway::with_support().await;
        let caller = gateway.working_key().await;
        let other = gateway.key("other", &[]).await;
        let h2 = H2::open(&gateway).await;
        let asks = (0..99).map(|number| {
            let key = match number % 3 {
                0 => Some(caller.credential()),
                1 => Some(other.credential()),
                _ => None,
            };
            let request = h2_echo("localhost", key, &format!("message-{number}"));
            let h2 = &h2;
            async move { (number, h2.ask(request).await) }
        });
        for (number, (status, body)) in futures_util::future::join_all(asks).await {
            match number % 3 {
                0 => {
                    assert_eq!(status, 200, "{body}");
                    assert!(body.contains(&format!("message-{number}")), "{body}");
                }
                1 => assert_eq!(status, 404, "{body}"),
                _ => assert_eq!(
                    (status, body.as_str()),
                    (401, r#"{"error":"unauthorized"}"#)
                ),
            }
        }
        h2.tasks.close();
        gateway.stands().await;
    }

    #[tokio::test]
    async fn over_http2_the_authority_is_the_host_and_nothing_may_contradict_it() {
        // AUTH-11, NET-12
        let gateway = TestGateway::with_support().await;
        let caller = gateway.working_key().await;
        let h2 = H2::open(&gateway).await;
        let key = Some(caller.credential());
        assert_eq!(h2.ask(h2_echo("localhost", key, "hi")).await.0, 200);
        assert_eq!(h2.ask(h2_echo("evil.test", key, "hi")).await.0, 403);
        let mut desync = h2_echo("localhost", key, "hi");
        desync
            .headers_mut()
            .insert("host", "evil.test".parse().unwrap());
        assert_eq!(h2.ask(desync).await.0, 400);
        let mut twice = h2_echo("localhost", key, "hi");
        let other = format!("Bearer {}", caller.credential());
        twice
            .headers_mut()
            .append("authorization", other.parse().unwrap());
        assert_eq!(h2.ask(twice).await.0, 400);
        h2.tasks.close();
        gateway.stands().await;
    }

    #[tokio::test]
    async fn of_a_mixed_crowd_each_request_is_on_record_once_and_each_call_was_allowed_before() {
        // LOG-07
        let gateway = TestGateway::with_support().await;
        let caller = gateway.working_key().await;
        let blind = gateway.key("blind", &[]).await;
        let before = calls(&gateway).await;
        let wrong = json!({"server_id": "support", "name": "get_customer_info", "arguments": {"customer_id": "NOBODY"}});
        let crowd = (0..600).map(|number| {
            let (gateway, caller, blind, wrong) = (&gateway, &caller, &blind, &wrong);
            async move {
                match number % 6 {
                    0 => caller.echo("one of many").await,
                    1 => gateway.anonymous().echo("nobody").await,
                    2 => blind.echo("not mine").await,
                    3 => caller.ask(Ask::post("/mcp-rest/tools/call", wrong)).await,
                    4 => caller.ask(Actor::echo_ask("x").body("{")).await,
                    _ => {
                        let params = json!({"name": "echo", "arguments": {"message": "mcp"}});
                        caller.rpc("/mcp/support", "tools/call", params).await
                    }
                }
                .status
            }
        });
        let mut statuses: Vec<u16> = futures_util::stream::iter(crowd)
            .buffer_unordered(16)
            .collect()
            .await;
        statuses.sort_unstable();
        let expected = [[200; 300].as_slice(), &[400; 100], &[401; 100], &[404; 100]].concat();
        assert_eq!(statuses, expected);
        let events = gateway.events().await;
        let allowed = events
            .iter()
            .filter(|event| event["decision"] == "allow" && event["method"] == "tools/call")
            .count() as u64;
        let reached = calls(&gateway).await - before;
        assert_eq!((reached, allowed), (300, 300 + 1), "one more: the control");
        for event in &events {
            for field in [
                "at",
                "request_id",
                "surface",
                "outcome",
                "latency_us",
                "client_ip",
            ] {
                assert!(!event[field].is_null(), "{field}: {event}");
            }
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
        let elsewhere =
            Ask::rpc("/mcp", "tools/list", &json!({})).header("mcp-session-id", &session);
        assert_eq!(caller.ask(elsewhere).await.status, 404);
        gateway.stands().await;
    }
}
