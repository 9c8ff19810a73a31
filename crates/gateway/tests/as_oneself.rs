//! The whole way of a person's token: from the 401 that says where to get one, through scopes, to an
//! upstream that is called in that person's name.

#[cfg(test)]
mod as_oneself {
    use portcullis_core::{Clock, SystemClock};
    use portcullis_testkit::gateway::{Actor, Ask, TestGateway, TestIssuer};
    use portcullis_testkit::upstream::{FakeUpstream, Recorded, Reply};
    use serde_json::{Value, json};

    struct Stage {
        gateway: TestGateway,
        issuer: TestIssuer,
        upstream: FakeUpstream,
    }

    impl Stage {
        async fn set() -> Self {
            let upstream = FakeUpstream::legacy().await;
            upstream.on("TOKEN", |_: &Recorded| {
                let token = json!({"access_token": "alice-upstream", "token_type": "Bearer",
                    "expires_in": 3600, "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"});
                Reply::json(200, token.to_string())
            });
            let issuer = TestIssuer::start().await;
            let yaml = format!(
                "mcp_servers:\n  crm:\n    url: \"{}\"\n    auth_type: oauth2_token_exchange\n    \
                 client_id: \"the-client\"\n    client_secret: \"the-client-secret\"\n    \
                 token_exchange_endpoint: \"{}\"\n    audience: \"the-api\"\n    \
                 tool_scopes: {{echo: [crm:call]}}\n\
                 identity:\n  issuers:\n{}",
                upstream.url(),
                upstream.token_url(),
                issuer.entry("    groups: {staff: {servers: [crm]}}\n"),
            );
            let gateway = TestGateway::start(&yaml).await;
            gateway.keep_secret("the token for upstream", "alice-upstream");
            Self {
                gateway,
                issuer,
                upstream,
            }
        }

        fn alice(&self, scope: &str) -> (Actor, String) {
            let mut claims = self.issuer.claims(SystemClock::start().now().as_secs());
            claims["scope"] = scope.into();
            let token = self.issuer.token("k1", &claims);
            self.gateway.keep_secret("alice's token", &token);
            (self.gateway.bearer(&token), token)
        }
    }

    fn call(path: &str) -> Ask {
        let params = json!({"name": "echo", "arguments": {"message": "hi"}});
        Ask::rpc(path, "tools/call", &params)
    }

    #[tokio::test]
    async fn a_stranger_finds_the_issuer_and_calls_in_their_own_name() {
        let stage = Stage::set().await;
        let refused = stage.gateway.anonymous().ask(call("/crm/mcp")).await;
        assert_eq!(refused.status, 401, "{refused:?}");
        let challenge = refused.header("www-authenticate").unwrap().to_owned();
        let document = challenge
            .split_once("resource_metadata=\"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .map(|(url, _)| url.to_owned())
            .unwrap();
        let path = document.find("/.well-known").map(|at| &document[at..]);
        let document = stage.gateway.anonymous().ask(Ask::get(path.unwrap())).await;
        let document: Value = document.json();
        assert_eq!(
            document["authorization_servers"],
            json!([stage.issuer.url(), "http://localhost"]),
            "{document}"
        );

        let (narrow, _) = stage.alice("read");
        let denied = narrow.rpc("/crm/mcp", "initialize", hello()).await;
        assert_eq!(denied.status, 200, "{denied:?}");
        let session = denied.header("mcp-session-id").unwrap().to_owned();
        let denied = narrow
            .ask(call("/crm/mcp").header("mcp-session-id", &session))
            .await;
        assert_eq!(denied.status, 403, "{denied:?}");
        let challenge = denied.header("www-authenticate").unwrap();
        assert!(challenge.contains("insufficient_scope"), "{challenge}");
        assert!(challenge.contains("scope=\"crm:call\""), "{challenge}");
        assert_eq!(stage.upstream.count("tools/call"), 0);

        let (alice, token) = stage.alice("read crm:call");
        let opened = alice.rpc("/crm/mcp", "initialize", hello()).await;
        let session = opened.header("mcp-session-id").unwrap().to_owned();
        let reply = alice
            .ask(call("/crm/mcp").header("mcp-session-id", &session))
            .await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let seen = stage.upstream.last("tools/call");
        assert_eq!(seen.all("authorization"), ["Bearer alice-upstream"]);
        let asked = stage.upstream.last("TOKEN");
        assert!(
            asked.body.contains(&format!("subject_token={token}")),
            "the token that admitted alice is what is exchanged"
        );
        for request in stage.upstream.requests() {
            let elsewhere = request.kind != "TOKEN" && format!("{request:?}").contains(&token);
            assert!(!elsewhere, "{request:?}");
        }
        let event = stage.gateway.event_of(&reply).await;
        let alice = format!("jwt:{} alice", stage.issuer.url());
        assert_eq!(event["principal"], alice, "{event}");
        assert_eq!(event["decision"], "allow", "{event}");
        stage.gateway.stands().await;
    }

    /// Two tokens of one person are two clients' tokens: what a server lets a session do may have been
    /// settled when it was opened. A renewed token of the same scopes goes on with it.
    #[tokio::test]
    async fn a_token_of_fewer_scopes_never_speaks_in_the_session_of_one_with_more() {
        let stage = Stage::set().await;
        let mut sessions = Vec::new();
        let mut client = None;
        for scope in ["read crm:call", "crm:call", "crm:call read"] {
            let (alice, _) = stage.alice(scope);
            if client.is_none() {
                let opened = alice.rpc("/crm/mcp", "initialize", hello()).await;
                client = opened.header("mcp-session-id").map(str::to_owned);
            }
            // The session at our own door is the person's; behind it each token has its own.
            let ask = call("/crm/mcp").header("mcp-session-id", client.as_ref().unwrap());
            let reply = alice.ask(ask).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            let seen = stage.upstream.last("tools/call");
            sessions.push(seen.header("mcp-session-id").unwrap().to_owned());
        }
        assert_ne!(sessions[0], sessions[1]);
        assert_eq!(sessions[0], sessions[2]);
        stage.gateway.stands().await;
    }

    /// TOK-14: what does not admit its bearer is not exchanged either.
    #[tokio::test]
    async fn a_token_that_is_not_for_this_gateway_is_shown_to_no_token_endpoint() {
        let stage = Stage::set().await;
        let now = SystemClock::start().now().as_secs();
        let good = {
            let mut claims = stage.issuer.claims(now);
            claims["scope"] = "crm:call".into();
            claims
        };
        let with = |name: &str, value: Value| {
            let mut claims = good.clone();
            claims[name] = value;
            stage.issuer.token("k1", &claims)
        };
        let stranger = TestIssuer::start().await;
        for (what, token) in [
            (
                "another audience",
                with("aud", "https://payroll.example".into()),
            ),
            (
                "another issuer",
                with("iss", "https://elsewhere.example".into()),
            ),
            ("a stranger's signature", stranger.token("k1", &good)),
            ("over", with("exp", (now - 600).into())),
            ("an ID token", with("at_hash", "of-the-access-token".into())),
            ("a refresh token", "1//0gRefresh-token-of-alice".to_owned()),
        ] {
            let reply = stage.gateway.bearer(&token).ask(call("/crm/mcp")).await;
            assert_eq!(reply.status, 401, "{what}: {reply:?}");
        }
        assert_eq!(stage.upstream.count("TOKEN"), 0);
        assert_eq!(stage.upstream.count("tools/call"), 0);
    }

    fn hello() -> Value {
        json!({"protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"}})
    }
}
