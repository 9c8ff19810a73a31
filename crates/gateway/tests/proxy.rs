//! `portcullis proxy`: an MCP server that knows API keys, made safe for people with tokens.

#[cfg(test)]
mod proxy {
    mod operators;

    use portcullis_core::{Clock, SystemClock};
    use portcullis_testkit::eventually;
    use portcullis_testkit::gateway::{Ask, Finished, Process, Reply, TestIssuer, forms, run};
    use portcullis_testkit::upstream::{Era, FakeUpstream};
    use serde_json::{Value, json};

    const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");
    const AUDIENCE: &str = "litellm-mcp";
    const READ_KEY: &str = "internal-canary-read-5kq2Vt";
    const WRITE_KEY: &str = "internal-canary-write-8Zp1Lm";
    const BATCH_KEY: &str = "internal-canary-batch-3Xw7Rd";
    const KEYS: [&str; 3] = [READ_KEY, WRITE_KEY, BATCH_KEY];

    fn now() -> i64 {
        SystemClock::start().now().as_secs()
    }

    fn map() -> Value {
        json!({
            "alice": {"key": WRITE_KEY, "scopes": ["read:data", "write:data"]},
            "bob": {"key": READ_KEY, "scopes": ["read:data"]},
            "client_id:batch": {"key": BATCH_KEY, "scopes": [], "requires": []},
            "scope:team:read": {"key": READ_KEY, "scopes": ["read:data", "team:read"]},
        })
    }

    struct Stage {
        proxy: Process,
        upstream: FakeUpstream,
        issuer: TestIssuer,
        folder: tempfile::TempDir,
        secrets: Vec<String>,
    }

    impl Stage {
        async fn with(era: Era, map: &str, more: &[&str]) -> Self {
            let (upstream, issuer) = (FakeUpstream::start(era).await, TestIssuer::start().await);
            let folder = tempfile::tempdir().unwrap();
            let (to, from) = (upstream.url(), issuer.url());
            let mut args = vec!["proxy", "--upstream", &to, "--issuer", &from];
            args.extend(["--audience", AUDIENCE, "--port", "0", "--log", "trace"]);
            args.extend(more);
            let env = [("MCP_PROXY_KEY_MAP", map)];
            let proxy = Process::serve(PORTCULLIS, folder.path(), &args, &env);
            Self {
                proxy,
                upstream,
                issuer,
                folder,
                secrets: KEYS.map(str::to_owned).to_vec(),
            }
        }

        async fn set() -> Self {
            Self::with(Era::Both, &map().to_string(), &[]).await
        }

        fn token(&mut self, changes: Value) -> String {
            let mut claims = self.issuer.claims(now());
            let members = claims.as_object_mut().unwrap();
            members.insert("aud".to_owned(), AUDIENCE.into());
            let Value::Object(changes) = changes else {
                panic!("changes are members");
            };
            members.extend(changes);
            members.retain(|_, value| !value.is_null());
            let token = self.issuer.token("k1", &claims);
            self.secrets.push(token.clone());
            token
        }

        async fn ask(&self, token: &str, ask: Ask) -> Reply {
            self.proxy.ask_as(token, ask).await
        }

        async fn call(&self, token: &str, tool: &str) -> Reply {
            let params = json!({"name": tool, "arguments": {}});
            self.ask(token, Ask::rpc("/mcp", "tools/call", &params))
                .await
        }

        /// What the upstream was shown with its calls.
        fn presented(&self) -> Vec<String> {
            let calls = self.upstream.seen("tools/call");
            let of =
                |call: &portcullis_testkit::upstream::Recorded| call.all("authorization").join("|");
            calls.iter().map(of).collect()
        }

        /// Ends the proxy; its log, in which no key and no token stands, and neither in its files.
        fn log(&mut self) -> String {
            assert!(self.proxy.end().success());
            let log = self.proxy.log();
            let mut places = vec![("log", log.clone().into_bytes())];
            for file in std::fs::read_dir(self.folder.path()).unwrap() {
                let path = file.unwrap().path();
                if path.extension().is_some_and(|kind| kind != "json") {
                    places.push(("file", std::fs::read(path).unwrap()));
                }
            }
            for (place, text) in places {
                for secret in &self.secrets {
                    for (form, text_of) in forms(secret) {
                        let found = text
                            .windows(text_of.len())
                            .any(|window| window == text_of.as_bytes());
                        assert!(!found, "a secret stands in the {place} as {form}");
                    }
                }
            }
            log
        }
    }

    #[track_caller]
    fn is_refused(reply: &Reply, status: u16, challenge: &str) {
        assert_eq!(reply.status, status, "{reply:?}");
        let said = reply.header("www-authenticate").unwrap_or_default();
        assert!(said.contains(challenge), "{challenge}: {reply:?}");
        for key in KEYS {
            assert!(
                !String::from_utf8_lossy(&reply.raw).contains(key),
                "{reply:?}"
            );
        }
    }

    /// The lines that stand for requests.
    fn requests(log: &str) -> Vec<Value> {
        log.lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|line| line["message"] == "request" && line.get("action").is_some())
            .collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_good_token_becomes_the_key_that_was_set_apart_for_its_subject() {
        let mut stage = Stage::set().await;
        let alice = stage.token(json!({"scope": "read:data write:data"}));
        let listed = stage
            .ask(&alice, Ask::rpc("/mcp", "tools/list", &json!({})))
            .await;
        assert_eq!(listed.status, 200, "{listed:?}");
        let tools = &listed.json()["result"]["tools"];
        assert_eq!(tools[0]["name"], "echo", "names stay: {listed:?}");
        let called = stage.call(&alice, "echo").await;
        assert_eq!(called.status, 200, "{called:?}");
        assert!(called.json().get("result").is_some(), "{called:?}");
        assert_eq!(stage.presented(), [format!("Bearer {WRITE_KEY}")]);

        let bob = stage.token(json!({"sub": "bob", "scope": "read:data"}));
        assert_eq!(stage.call(&bob, "echo").await.status, 200);
        let batch = stage.token(json!({"sub": "batch", "client_id": "batch", "scope": ""}));
        assert_eq!(stage.call(&batch, "echo").await.status, 200);
        let azp = stage.token(json!({"sub": "x", "client_id": null, "azp": "batch", "scope": ""}));
        assert_eq!(stage.call(&azp, "echo").await.status, 200);
        let team = stage.token(json!({"sub": "carol", "scope": "read:data team:read"}));
        assert_eq!(stage.call(&team, "echo").await.status, 200);
        let keys = [WRITE_KEY, READ_KEY, BATCH_KEY, BATCH_KEY, READ_KEY];
        assert_eq!(stage.presented(), keys.map(|key| format!("Bearer {key}")));

        let log = stage.log();
        let lines = requests(&log);
        let call = lines
            .iter()
            .find(|line| line["action"] == "tools/call" && line["user"] == "alice")
            .unwrap_or_else(|| panic!("{lines:#?}"));
        assert_eq!(call["tool"], "echo");
        assert_eq!(call["outcome"], "ok");
        assert!(
            call["timestamp"].is_string() && call["request.id"].is_string(),
            "{call}"
        );
        assert_eq!(lines.len(), 6, "one line each: {lines:#?}");
    }

    /// Whose key is whose says the map: nothing that a caller addresses to the upstream stands in for it.
    #[tokio::test(flavor = "multi_thread")]
    async fn nobody_brings_a_key_of_their_own() {
        let mut stage = Stage::set().await;
        let bob = stage.token(json!({"sub": "bob", "scope": "read:data"}));
        let params = json!({"name": "echo", "arguments": {}});
        let ask = Ask::rpc("/mcp", "tools/call", &params)
            .header(
                "x-mcp-upstream-authorization",
                &format!("Bearer {WRITE_KEY}"),
            )
            .header("x-mcp-upstream-x-api-key", WRITE_KEY)
            .header("x-mcp-auth", WRITE_KEY)
            .header("cookie", &format!("key={WRITE_KEY}"));
        let called = stage.ask(&bob, ask).await;
        assert_eq!(called.status, 200, "{called:?}");
        assert_eq!(stage.presented(), [format!("Bearer {READ_KEY}")]);
        assert!(!format!("{:?}", stage.upstream.requests()).contains(WRITE_KEY));
        stage.log();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn both_eras_and_sessions_pass() {
        let mut stage = Stage::set().await;
        let alice = stage.token(json!({"scope": "read:data write:data"}));
        let opened = stage.ask(&alice, Ask::initialize("/mcp")).await;
        assert_eq!(opened.status, 200, "{opened:?}");
        assert!(opened.header("mcp-session-id").is_some(), "{opened:?}");
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({"name": "echo", "arguments": {}, "_meta": meta});
        let modern = Ask::rpc("/mcp", "tools/call", &params)
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", "echo");
        let reply = stage.ask(&alice, modern).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(reply.json().get("result").is_some(), "{reply:?}");
        stage.log();
    }

    /// JWT-01, JWT-16, JWT-17.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_token_that_is_not_for_us_reaches_nobody() {
        let mut stage = Stage::set().await;
        let good = json!({"scope": "read:data write:data"});
        let control = stage.token(good.clone());
        assert_eq!(stage.call(&control, "echo").await.status, 200);
        let mut refused: Vec<String> = [
            json!({"aud": "somebody-else"}),
            json!({"iss": "https://elsewhere.example"}),
            json!({"iat": now() - 900, "exp": now() - 600}),
            json!({"nbf": now() + 600}),
            json!({"exp": null}),
        ]
        .into_iter()
        .map(|changes| stage.token(changes))
        .collect();
        let other = TestIssuer::start().await;
        let claims = json!({"iss": stage.issuer.url(), "sub": "alice", "aud": AUDIENCE, "iat": now(), "exp": now() + 300});
        refused.push(other.token("k1", &claims));
        // {"alg":"none","typ":"at+jwt"}, with alice's claims and no signature.
        let claims = control.split('.').nth(1).unwrap();
        refused.push(format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{claims}."));
        refused.push(WRITE_KEY.to_owned());
        for token in &refused {
            is_refused(
                &stage.call(token, "echo").await,
                401,
                r#"error="invalid_token""#,
            );
        }
        let nobody = Ask::rpc("/mcp", "tools/list", &json!({}));
        let reply = nobody.send(stage.proxy.address()).await;
        is_refused(&reply, 401, "resource_metadata=");
        assert_eq!(stage.upstream.count("tools/call"), 1);
        stage.log();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_is_not_in_the_map_is_refused_whatever_they_ask_for() {
        let mut stage = Stage::set().await;
        let carol = stage.token(json!({"sub": "carol", "scope": "read:data write:data"}));
        let session = Ask::listen("/mcp", "any");
        for ask in [
            Ask::initialize("/mcp"),
            Ask::rpc("/mcp", "tools/list", &json!({})),
            Ask::rpc("/mcp", "ping", &json!({})),
            session,
        ] {
            is_refused(&stage.ask(&carol, ask).await, 403, "");
        }
        is_refused(&stage.call(&carol, "echo").await, 403, "");
        assert_eq!(stage.upstream.requests().len(), 0, "nothing went out");
        let log = stage.log();
        let denied = requests(&log);
        let call = denied.last().unwrap();
        assert_eq!(call["rule"], "no_upstream_key", "{call}");
        assert_eq!(
            (&call["user"], &call["tool"]),
            (&"carol".into(), &"echo".into())
        );
        assert_eq!(
            (&call["action"], &call["outcome"]),
            (&"tools/call".into(), &"forbidden".into())
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_token_that_may_less_than_its_key_is_told_what_it_needs() {
        let mut stage = Stage::set().await;
        let reader = stage.token(json!({"scope": "read:data"}));
        let reply = stage.call(&reader, "echo").await;
        is_refused(&reply, 403, r#"error="insufficient_scope""#);
        is_refused(&reply, 403, r#"scope="read:data write:data""#);
        assert_eq!(stage.upstream.requests().len(), 0);
        stage.log();
    }

    /// A key that is found by one scope can do more: the scope alone does not get it.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_scope_does_not_open_a_key_for_more_than_itself() {
        let map = json!({
            "scope:read:data": {"key": WRITE_KEY, "scopes": ["read:data", "write:data"]},
        });
        let mut stage = Stage::with(Era::Legacy, &map.to_string(), &[]).await;
        let reader = stage.token(json!({"sub": "carol", "scope": "read:data"}));
        let reply = stage.call(&reader, "delete_user").await;
        is_refused(&reply, 403, r#"scope="read:data write:data""#);
        assert_eq!(stage.upstream.requests().len(), 0);
        let writer = stage.token(json!({"sub": "carol", "scope": "read:data write:data"}));
        assert_eq!(stage.call(&writer, "delete_user").await.status, 200);
        stage.log();
    }

    /// The token says more than the map lets through, and the tool asks for it.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_map_bounds_what_a_token_may_do() {
        let scopes = [
            "--tool-scope",
            "echo=read:data",
            "--tool-scope",
            "*=write:data",
        ];
        let mut stage = Stage::with(Era::Legacy, &map().to_string(), &scopes).await;
        let bob = stage.token(json!({"sub": "bob", "scope": "read:data write:data"}));
        assert_eq!(stage.call(&bob, "echo").await.status, 200);
        is_refused(
            &stage.call(&bob, "delete_user").await,
            403,
            r#"scope="write:data""#,
        );
        let alice = stage.token(json!({"scope": "read:data write:data"}));
        assert_eq!(stage.call(&alice, "delete_user").await.status, 200);
        stage.log();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_upstream_that_repeats_the_key_does_not_show_it_to_the_client() {
        // The second header's name does not say that it holds a secret.
        for (header, option) in [
            ("authorization", &[][..]),
            ("x-upstream-id", &["--key-header", "X-Upstream-Id"]),
        ] {
            let mut stage = Stage::with(Era::Both, &map().to_string(), option).await;
            stage.upstream.on("tools/call", move |request| {
                let shown = request.header(header).unwrap_or_default().to_owned();
                assert!(shown.ends_with(WRITE_KEY));
                let text = json!({"content": [{"type": "text", "text": shown}]}).to_string();
                portcullis_testkit::upstream::Reply::result(request, &text)
            });
            let alice = stage.token(json!({"scope": "read:data write:data"}));
            let reply = stage.call(&alice, "echo").await;
            assert!(!reply.text().contains(WRITE_KEY), "{header}: {reply:?}");
            assert!(reply.json().get("error").is_some(), "{header}: {reply:?}");
            stage.log();
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn strangers_find_the_document_and_nothing_else_is_served() {
        let mut stage = Stage::set().await;
        let address = stage.proxy.address();
        let document = Ask::get("/.well-known/oauth-protected-resource/mcp")
            .send(address)
            .await;
        assert_eq!(document.status, 200, "{document:?}");
        let document = document.json();
        assert_eq!(document["resource"], "http://localhost/mcp");
        assert_eq!(document["authorization_servers"][0], stage.issuer.url());
        assert_eq!(
            document["scopes_supported"],
            json!(["read:data", "team:read", "write:data"])
        );
        for path in ["/health/live", "/health/ready"] {
            assert_eq!(Ask::get(path).send(address).await.status, 200);
        }
        let alice = stage.token(json!({"scope": "read:data write:data"}));
        for path in [
            "/key/list",
            "/v1/audit",
            "/metrics",
            "/mcp/upstream",
            "/mcp-rest/tools/list",
        ] {
            assert_eq!(
                stage.ask(&alice, Ask::get(path)).await.status,
                404,
                "{path}"
            );
        }
        stage.log();
    }
}
