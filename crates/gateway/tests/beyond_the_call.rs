//! What a call must not reach, carry along or leave behind: queries, trails, traces, foreign tokens.

#[cfg(test)]
mod beyond_the_call {
    use std::sync::Arc;

    use axum::body::Body;
    use http::{Request, StatusCode};
    use portcullis_config::CommandLine;
    use portcullis_core::{Clock, ManualClock, Role, ServerGrants, SystemClock};
    use portcullis_gateway::wire::Embedded;
    use portcullis_testkit::gateway::{Actor, Ask, MockServer, Process, Reply, TestGateway};
    use portcullis_testkit::upstream::{FakeUpstream, Recorded, Reply as Said};
    use serde_json::{Value, json};
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;
    use tower::ServiceExt;

    const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");
    const MASTER: &str = "sk-master-Zp7Qm2vT9dKx4RzLw8Bn";

    #[tokio::test]
    async fn what_stands_in_a_query_is_a_value_and_never_part_of_a_statement() {
        // CFG-14
        let gateway = TestGateway::with_support().await;
        let admin = gateway.admin().await;
        let before = gateway.embedded().stores().audit.heads().await.unwrap();
        for bad in [
            "/v1/audit?order=desc%3B%20DROP%20TABLE%20audit_rows",
            "/v1/audit?order=at%20DESC",
            "/v1/audit?order_by=at",
            "/v1/audit?since=%27%20OR%201%3D1%20--",
            "/v1/audit?limit=1%20OFFSET%205",
            "/v1/audit?limit=-1",
            "/v1/audit?after=%27%20OR%20%271%27%3D%271",
            "/v1/audit?after=1%3Aw%3Anot-a-number",
            "/v1/audit?filter%5B%24ne%5D=1",
            "/key/list?size=1%3BDROP",
        ] {
            let reply = admin.ask(Ask::get(bad)).await;
            assert_eq!(reply.status, 400, "{bad}: {reply:?}");
        }
        for nothing in [
            "/v1/audit?request_id=%27%20OR%20%271%27%3D%271",
            "/v1/audit?request_id=%25",
        ] {
            let found = admin.ask(Ask::get(nothing)).await.json();
            assert_eq!(found["events"], json!([]), "{nothing}: {found}");
        }
        for nobody in ["%27%20OR%20%271%27%3D%271", "%25", "%22", "$1"] {
            for name in ["key_id", "key_alias"] {
                let reply = admin
                    .ask(Ask::get(&format!("/key/info?{name}={nobody}")))
                    .await;
                assert_eq!(reply.status, 404, "{name}={nobody}: {reply:?}");
            }
        }
        let all = admin.ask(Ask::get("/key/list?after=%27%20OR%201")).await;
        assert_eq!(all.status, 200, "{all:?}");
        let after = gateway.embedded().stores().audit.heads().await.unwrap();
        assert_eq!(before.len(), after.len());
        gateway.stands().await;
    }

    #[tokio::test]
    async fn the_trail_is_read_by_those_who_may_and_changed_by_nobody() {
        // LOG-12
        let gateway = TestGateway::with_support().await;
        let admin = gateway.admin().await;
        let caller = gateway.key("caller", &["support"]).await;
        let made = caller.echo("on record").await;
        let id = made.header("x-request-id").unwrap();
        let own = format!("/v1/audit?request_id={id}");
        let reply = caller.ask(Ask::get(&own)).await;
        assert_eq!(reply.status, 403, "its own event neither: {reply:?}");
        assert_eq!(gateway.event_of(&reply).await["decision"], "deny");
        for actor in [&caller, &admin] {
            for method in ["DELETE", "PUT", "PATCH", "POST"] {
                let reply = actor.ask(Ask::new(method, &own)).await;
                assert_eq!(reply.status, 405, "{method}: {reply:?}");
            }
            for path in [
                format!("/v1/audit/{id}"),
                "/v1/audit/delete".to_owned(),
                "/v1/audit/purge".to_owned(),
            ] {
                let gone = actor.ask(Ask::new("DELETE", &path)).await;
                // No such route: nobody is even asked who they are.
                assert_eq!((gone.status, gone.body.len()), (404, 0), "{gone:?}");
            }
        }
        let read = admin.ask(Ask::get(&own)).await;
        assert_eq!(read.json()["events"].as_array().unwrap().len(), 1);
        let event = gateway.event_of(&read).await;
        assert_eq!(event["surface"], "admin", "{event}");
        assert_eq!(event["decision"], "allow", "{event}");
        gateway.stands().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_file_alone_makes_the_log_talkative_and_it_still_does_not_quote_bodies() {
        // LOG-14
        let folder = tempfile::tempdir().unwrap();
        let mock = MockServer::start().await;
        let config = |level: &str| {
            format!(
                "general_settings: {{master_key: {MASTER}}}\ntelemetry: {{log_level: {level}}}\nmcp_servers:\n{}",
                mock.entry("support")
            )
        };
        let file = folder.path().join("c.yaml");
        std::fs::write(&file, config("info")).unwrap();
        let args = ["--config", "c.yaml", "--port", "0"];
        let mut gateway = Process::serve(PORTCULLIS, folder.path(), &args, &[]);
        let address = gateway.address();
        let ask = async |ask: Ask| -> Reply {
            ask.header("authorization", &format!("Bearer {MASTER}"))
                .send(address)
                .await
        };
        for (method, path) in [
            ("POST", "/v1/log"),
            ("PUT", "/v1/log_level"),
            ("POST", "/v1/config"),
            ("POST", "/debug"),
            ("POST", "/v1/config/reload?log_level=trace"),
            ("POST", "/v1/config/reload"),
        ] {
            let wish = ask(Ask::new(method, path)
                .header("content-type", "application/json")
                .body(r#"{"log_level":"trace"}"#));
            wish.await;
        }
        assert_eq!(ask(Actor::echo_ask("quiet-canary")).await.status, 200);
        let quiet = gateway.log();
        assert!(
            !quiet.contains("TRACE") && !quiet.contains("DEBUG"),
            "{quiet}"
        );

        std::fs::write(&file, config("trace")).unwrap();
        assert_eq!(ask(Ask::new("POST", "/v1/config/reload")).await.status, 200);
        assert_eq!(
            ask(Actor::echo_ask("body-canary-of-the-call")).await.status,
            200
        );
        gateway.wait_for("TRACE");
        assert_eq!(gateway.end().code(), Some(0));
        for canary in ["quiet-canary", "body-canary-of-the-call"] {
            assert!(!gateway.log().contains(canary), "{canary} is in the log");
        }
    }

    async fn gateway_of(upstream: &FakeUpstream, more: &str) -> TestGateway {
        let (url, token_url) = (upstream.url(), upstream.token_url());
        TestGateway::start(&format!(
            "mcp_servers:\n  support:\n    url: \"{url}\"\n    auth_type: oauth2\n    \
             oauth2_flow: client_credentials\n    client_id: c\n    client_secret: the-client-secret\n    \
             token_url: \"{token_url}\"\n{more}"
        ))
        .await
    }

    #[tokio::test]
    async fn the_callers_trace_goes_on_and_its_baggage_stays() {
        // LOG-15
        const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        for upstream in [FakeUpstream::legacy().await, FakeUpstream::modern().await] {
            let gateway = gateway_of(&upstream, "").await;
            let caller = gateway.key("caller", &["support"]).await;
            let traced = |ask: Ask| {
                ask.header("traceparent", TRACE)
                    .header("baggage", "userId=alice,token=baggage-canary")
                    .header("x-b3-traceid", "b3-canary")
                    .header("uber-trace-id", "jaeger-canary")
            };
            for _ in 0..100 {
                let reply = caller.ask(traced(Actor::echo_ask("hi"))).await;
                assert_eq!(reply.status, 200, "{reply:?}");
                let event = gateway.event_of(&reply).await;
                assert_eq!(event["trace_id"], "0af7651916cd43dd8448eb211c80319c");
            }
            let call = upstream.last("tools/call");
            assert_eq!(call.header("traceparent"), Some(TRACE));
            for kind in [
                "initialize",
                "server/discover",
                "tools/list",
                "tools/call",
                "TOKEN",
            ] {
                for request in upstream.seen(kind) {
                    let text = format!("{request:?}");
                    assert!(!text.contains("canary"), "{text}");
                }
            }
            gateway.stands().await;
        }
    }

    fn token_with(scope: &'static str) -> impl Fn(&Recorded) -> Said + Send + Sync + 'static {
        move |_| {
            Said::json(
                200,
                format!(
                    r#"{{"access_token":"t","token_type":"bearer","expires_in":3600,"scope":"{scope}"}}"#
                ),
            )
        }
    }

    #[tokio::test]
    async fn a_scope_that_a_token_endpoint_adds_opens_nothing_and_one_that_it_takes_is_missed() {
        // TOK-12
        let upstream = FakeUpstream::modern().await;
        let rules = "    scopes: [tools:read, tools:write]\n    allowed_tools: [echo]\n";
        upstream.on("TOKEN", token_with("tools:read tools:write tools:admin"));
        let gateway = gateway_of(&upstream, rules).await;
        let caller = gateway.key("caller", &["support"]).await;
        assert_eq!(caller.echo("hi").await.status, 200);
        let asked = upstream.last("TOKEN").body;
        assert!(
            asked.contains("scope=tools%3Aread+tools%3Awrite"),
            "{asked}"
        );
        let body = json!({"server_id": "support", "name": "delete_user", "arguments": {}});
        let reply = caller.ask(Ask::post("/mcp-rest/tools/call", &body)).await;
        assert!(matches!(reply.status, 403 | 404), "{reply:?}");

        let upstream = FakeUpstream::modern().await;
        upstream.on("TOKEN", token_with("tools:read"));
        upstream.on("tools/call", |_| {
            Said::status(403).header(
                "www-authenticate",
                "Bearer error=\"insufficient_scope\", scope=\"tools:write\"",
            )
        });
        let gateway = gateway_of(&upstream, rules).await;
        let caller = gateway.key("caller", &["support"]).await;
        let reply = caller.echo("hi").await;
        assert!(reply.status >= 400, "{reply:?}");
        assert_eq!(gateway.event_of(&reply).await["upstream_status"], 403);
        assert_eq!(
            upstream.count("tools/call"),
            1,
            "asking again changes nothing"
        );
        assert_eq!(upstream.count("TOKEN"), 1);
    }

    #[tokio::test]
    async fn arguments_are_an_object_of_bounded_size_or_no_call() {
        // MCP-36: what stands in them is for the server to judge by its schema.
        let gateway = TestGateway::with_support().await;
        let caller = gateway.key("caller", &["support"]).await;
        let before = gateway.mock().stats().await.calls;
        for arguments in ["[]", "\"x\"", "7", "true", "[{\"message\":\"hi\"}]"] {
            let rest =
                format!(r#"{{"server_id":"support","name":"echo","arguments":{arguments}}}"#);
            let ask = Ask::post("/mcp-rest/tools/call", &Value::Null).body(rest);
            let reply = caller.ask(ask).await;
            assert_eq!(reply.status, 400, "{arguments}: {reply:?}");
        }
        let members = (0..1_000_000).map(|number| format!("\"k{number}\":0"));
        let many = members.collect::<Vec<_>>().join(",");
        let rest = format!(r#"{{"server_id":"support","name":"echo","arguments":{{{many}}}}}"#);
        let ask = Ask::post("/mcp-rest/tools/call", &Value::Null).body(rest);
        assert!(matches!(caller.ask(ask).await.status, 0 | 413));
        assert_eq!(gateway.mock().stats().await.calls, before);
        gateway.stands().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn proxies_that_the_environment_names_are_not_asked() {
        // SSRF-11
        let folder = tempfile::tempdir().unwrap();
        let (mock, proxy) = (MockServer::start().await, FakeUpstream::modern().await);
        let config = format!(
            "general_settings: {{master_key: {MASTER}}}\nmcp_servers:\n{}",
            mock.entry("support")
        );
        std::fs::write(folder.path().join("c.yaml"), config).unwrap();
        let address = format!("http://{}", proxy.address());
        let names = [
            "HTTP_PROXY",
            "http_proxy",
            "HTTPS_PROXY",
            "https_proxy",
            "ALL_PROXY",
            "all_proxy",
        ];
        let env = names.map(|name| (name, address.as_str()));
        let args = ["--config", "c.yaml", "--port", "0"];
        let mut gateway = Process::serve(PORTCULLIS, folder.path(), &args, &env);
        let ask = Actor::echo_ask("straight").header("authorization", &format!("Bearer {MASTER}"));
        let reply = ask.send(gateway.address()).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(mock.stats().await.calls, 1);
        assert_eq!(gateway.end().code(), Some(0));
        let seen = format!("{proxy:?}");
        assert_eq!(proxy.requests().len(), 0, "{seen}");
    }

    #[tokio::test]
    async fn a_wall_clock_that_jumps_never_makes_a_token_last_longer() {
        // TOK-24
        const HOUR: i64 = 3_600_000;
        let upstream = FakeUpstream::modern().await;
        let now = SystemClock::start().now().as_millis();
        let clock = Arc::new(ManualClock::at_millis(now));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let text = format!(
            "mcp_servers:\n  support:\n    url: \"{}\"\n    auth_type: oauth2\n    \
             oauth2_flow: client_credentials\n    client_id: c\n    client_secret: s\n    token_url: \"{}\"\n",
            upstream.url(),
            upstream.token_url()
        );
        let by = Arc::clone(&clock) as _;
        let embedded = Embedded::start_at(by, &text, CommandLine::default(), &tasks, &stop);
        let embedded = embedded.await.unwrap();
        let grants = ServerGrants {
            all: true,
            ..ServerGrants::default()
        };
        let key = embedded.key("caller", Role::User, grants).await.unwrap();
        let token = async || {
            let body = r#"{"server_id":"support","name":"echo","arguments":{"message":"hi"}}"#;
            let request = Request::post("/mcp-rest/tools/call")
                .header("host", "localhost")
                .header("content-type", "application/json")
                .header("authorization", format!("Bearer {}", key.expose()))
                .body(Body::from(body))
                .unwrap();
            let response = embedded.router().oneshot(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            upstream
                .last("tools/call")
                .header("authorization")
                .unwrap()
                .to_owned()
        };
        assert_eq!(token().await, "Bearer token-1");
        clock.jump_millis(2 * HOUR);
        assert_eq!(token().await, "Bearer token-2");
        clock.jump_millis(-2 * HOUR);
        assert_eq!(token().await, "Bearer token-2");
        clock.jump_millis(-2 * HOUR);
        assert_eq!(token().await, "Bearer token-2");
        stop.cancel();
        embedded.end().await;
    }
}
