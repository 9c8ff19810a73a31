//! Who gets in: attackers at every door of the real router, behind its real listener.

#[cfg(test)]
mod auth {
    mod around;
    mod told;

    use portcullis_testkit::gateway::{Actor, Ask, Connection, Reply, TestGateway};
    use serde_json::{Value, json};

    /// One request for each governed door.
    fn doors() -> Vec<Ask> {
        let mut doors = vec![
            Ask::get("/mcp-rest/tools/list"),
            Actor::echo_ask("through the back door"),
            Ask::get("/v1/mcp/server"),
            Ask::get("/v1/audit"),
            Ask::get("/key/list"),
            Ask::get("/key/info"),
            Ask::get("/metrics"),
            Ask::post(
                "/key/generate",
                &json!({"role": "admin", "all_servers": true}),
            ),
            Ask::post("/key/delete", &json!({"keys": ["pc-x"]})),
        ];
        for path in [
            "/mcp",
            "/mcp/",
            "/mcp/support",
            "/support/mcp",
            "/mcp/private",
        ] {
            let call = json!({"name": "echo", "arguments": {"message": "hi"}});
            doors.extend([
                Ask::rpc(path, "initialize", &json!({})),
                Ask::rpc(path, "tools/list", &json!({})),
                Ask::rpc(path, "tools/call", &call),
                Ask::rpc(
                    path,
                    "resources/read",
                    &json!({"uri": "file:///etc/passwd"}),
                ),
                Ask::rpc(path, "prompts/get", &json!({"name": "p"})),
                Ask::get(path).header("accept", "text/event-stream"),
                Ask::new("DELETE", path).header("mcp-session-id", "guessed"),
            ]);
        }
        doors
    }

    /// 401 with the same body for every reason, an absolute URL of the document that would help,
    /// and an error code only if something was presented.
    fn is_refused(reply: &Reply, error: Option<&str>) {
        assert_eq!(reply.status, 401, "{reply:?}");
        assert_eq!(reply.text(), r#"{"error":"unauthorized"}"#);
        let challenge = reply.header("www-authenticate").unwrap();
        let rest = challenge
            .strip_prefix(
                r#"Bearer resource_metadata="http://localhost/.well-known/oauth-protected-resource"#,
            )
            .unwrap_or_else(|| panic!("{challenge}"));
        let (_, rest) = rest.split_once('"').unwrap();
        let expected = error.map(|error| format!(r#", error="{error}""#));
        assert_eq!(rest, expected.unwrap_or_default(), "{challenge}");
    }

    #[tokio::test]
    async fn without_credentials_every_door_is_shut_and_names_no_error() {
        // AUTH-01
        let gateway = TestGateway::with_support().await;
        gateway.working_key().await;
        let before = gateway.mock().stats().await;
        let stranger = gateway.anonymous();
        for door in doors() {
            let reply = stranger.ask(door).await;
            is_refused(&reply, None);
            let event = gateway.event_of(&reply).await;
            assert_eq!(event["authn"], "missing", "{event}");
            assert_eq!(event["outcome"], "unauthenticated");
        }
        let after = gateway.mock().stats().await;
        assert_eq!(
            (before.calls, before.initialize),
            (after.calls, after.initialize)
        );
        gateway.stands().await;
    }

    #[tokio::test]
    async fn a_forged_bearer_never_becomes_an_anonymous_or_default_caller() {
        // AUTH-02
        let gateway = TestGateway::with_support().await;
        gateway.working_key().await;
        let before = gateway.mock().stats().await;
        let long = "x".repeat(4096);
        for forged in [
            "garbage",
            "x",
            "null",
            "undefined",
            "sk-1234",
            "sk-pc-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiIsInJvbGUiOiJhZG1pbiJ9.",
            &long,
        ] {
            let forger = gateway.bearer(forged);
            for door in doors() {
                is_refused(&forger.ask(door).await, Some("invalid_token"));
            }
        }
        let after = gateway.mock().stats().await;
        assert_eq!(
            (before.calls, before.initialize),
            (after.calls, after.initialize)
        );
        gateway.stands().await;
    }

    #[tokio::test]
    async fn metacharacters_in_a_credential_reach_no_query() {
        // AUTH-04
        let gateway = TestGateway::with_support().await;
        let caller = gateway.working_key().await;
        for hostile in [
            "sk-'OR'1'='1",
            "sk-'%20OR%201=1--",
            "';DROP/**/TABLE/**/api_keys;--",
            "$ne",
            "{\"$ne\":null}",
            "sk-%00",
            "sk-\\x00",
            "*",
            "%",
        ] {
            let ask = Actor::echo_ask("hi").header("x-litellm-api-key", hostile);
            let reply = gateway.anonymous().ask(ask).await;
            is_refused(&reply, Some("invalid_token"));
        }
        // What no header may hold is refused by the parser, what is too long as well.
        let address = gateway.address();
        let zero = Ask::get("/mcp-rest/tools/list").header_bytes("x-litellm-api-key", b"sk-\0x");
        assert_eq!(zero.send(address).await.status, 400);
        let huge =
            Ask::get("/mcp-rest/tools/list").header("x-litellm-api-key", &"k".repeat(65_536));
        assert_eq!(huge.send(address).await.status, 431);
        let latin = Actor::echo_ask("hi").header_bytes("x-litellm-api-key", b"sk-\xff\xfe");
        is_refused(&gateway.anonymous().ask(latin).await, Some("invalid_token"));
        assert_eq!(caller.echo("the table is still there").await.status, 200);
        gateway.stands().await;
    }

    #[tokio::test]
    async fn only_one_space_after_one_scheme_makes_a_credential() {
        // AUTH-06
        let gateway = TestGateway::with_support().await;
        let caller = gateway.working_key().await;
        let key = caller.credential();
        let with = |value: String| Actor::echo_ask("hi").header("authorization", &value);
        for good in ["bearer", "BEARER", "Bearer"] {
            let reply = gateway.anonymous().ask(with(format!("{good} {key}"))).await;
            assert_eq!(reply.status, 200, "{good}");
        }
        let before = gateway.mock().stats().await.calls;
        for bad in [
            format!("Bearer\t{key}"),
            format!("Bearer  {key}"),
            format!("Bearer{key}"),
            format!("Bearer {key} extra"),
            format!("Basic {key}"),
            format!("Token {key}"),
            format!("\"Bearer {key}\""),
            key.to_owned(),
        ] {
            let reply = gateway.anonymous().ask(with(bad.clone())).await;
            is_refused(&reply, Some("invalid_token"));
        }
        let joined = with(format!("Bearer {key},Bearer other"));
        assert_eq!(gateway.anonymous().ask(joined).await.status, 400);
        assert_eq!(gateway.mock().stats().await.calls, before);
        gateway.stands().await;
    }

    #[tokio::test]
    async fn of_two_credentials_none_is_picked() {
        // AUTH-07
        let gateway = TestGateway::with_support().await;
        let one = gateway.working_key().await;
        let two = gateway.key("other", &["support", "private"]).await;
        let before = gateway.mock().stats().await.calls;
        let bearer = |actor: &Actor| format!("Bearer {}", actor.credential());
        let ask = || Actor::echo_ask("hi");
        for name in ["authorization", "x-litellm-api-key", "x-portcullis-api-key"] {
            for (first, second) in [(&one, &two), (&two, &one), (&one, &one)] {
                for twice in [
                    ask()
                        .header(name, &bearer(first))
                        .header(name, &bearer(second)),
                    ask().header(name, &format!("{}, {}", bearer(first), bearer(second))),
                    ask().header(name, &format!("{},{}", bearer(first), second.credential())),
                ] {
                    let reply = gateway.anonymous().ask(twice).await;
                    assert_eq!(reply.status, 400, "{reply:?}");
                    assert_eq!(reply.text(), r#"{"error":"ambiguous_credentials"}"#);
                    let event = gateway.event_of(&reply).await;
                    assert_eq!(event["authn"], "ambiguous_credentials", "{event}");
                }
            }
        }
        let names = ask()
            .header("x-litellm-api-key", one.credential())
            .header("x-portcullis-api-key", two.credential());
        assert_eq!(gateway.anonymous().ask(names).await.status, 400);
        assert_eq!(gateway.mock().stats().await.calls, before);
        gateway.stands().await;
    }

    #[tokio::test]
    async fn a_credential_outside_of_the_headers_is_none_and_is_written_nowhere() {
        // AUTH-09, LOG-02
        let gateway = TestGateway::with_support().await;
        let caller = gateway.working_key().await;
        let key = caller.credential();
        for name in ["access_token", "api_key", "key", "token"] {
            for door in [
                "/mcp-rest/tools/list",
                "/key/info",
                "/v1/audit",
                "/mcp",
                "/metrics",
            ] {
                let reply = gateway
                    .anonymous()
                    .ask(Ask::get(&format!("{door}?{name}={key}")))
                    .await;
                is_refused(&reply, None);
            }
        }
        let form = Ask::new("POST", "/mcp")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json, text/event-stream")
            .body(format!("access_token={key}"));
        is_refused(&gateway.anonymous().ask(form).await, None);
        for place in [
            "cookie",
            "referer",
            "proxy-authorization",
            "x-api-key",
            "api-key",
        ] {
            let ask = Actor::echo_ask("hi").header(place, key);
            is_refused(&gateway.anonymous().ask(ask).await, None);
        }
        // A key in a path is not a server, and neither the answer nor the trail repeats it.
        let path = caller
            .rpc(&format!("/mcp/{key}"), "tools/list", json!({}))
            .await;
        assert_eq!(path.status, 404);
        gateway.stands().await;
    }

    #[tokio::test]
    async fn each_request_on_a_kept_connection_is_judged_alone() {
        // AUTH-17
        let gateway = TestGateway::with_support().await;
        let caller = gateway.working_key().await;
        let other = gateway.key("other", &[]).await;
        let mut connection = Connection::open(gateway.address()).await;
        for _ in 0..10 {
            let reply = caller
                .ask_on(&mut connection, Actor::echo_ask("mine"))
                .await;
            assert_eq!(reply.status, 200);
            let reply = gateway
                .anonymous()
                .ask_on(&mut connection, Actor::echo_ask("whose"))
                .await;
            is_refused(&reply, None);
            let reply = other
                .ask_on(&mut connection, Actor::echo_ask("theirs"))
                .await;
            assert_eq!(reply.status, 404, "{reply:?}");
        }
        gateway.stands().await;
    }
}
