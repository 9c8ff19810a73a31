//! The admin API: who may use it, what a key may be given, and what its answers tell.

#[cfg(test)]
mod admin {
    use std::time::Duration;

    use axum::Router;
    use axum::body::{Body, Bytes};
    use axum::http::Response;
    use axum::routing::any;
    use portcullis_testkit::gateway::{Actor, Ask, Connection, Site, TestGateway};
    use serde_json::{Value, json};

    fn admin_doors() -> Vec<Ask> {
        vec![
            Ask::post("/key/generate", &json!({"all_servers": true})),
            Ask::post("/key/generate", &json!({"role": "admin"})),
            Ask::post("/key/delete", &json!({"keys": ["pc-somebody"]})),
            Ask::get("/key/list"),
            Ask::post("/key/update", &json!({"key_id": "pc-somebody"})),
            Ask::post("/team/new", &json!({"team_id": "x"})),
            Ask::post("/team/update", &json!({"team_id": "x"})),
            Ask::get("/team/info?team_id=x"),
            Ask::get("/team/list"),
            Ask::post("/team/delete", &json!({"team_ids": ["x"]})),
            Ask::post(
                "/team/member_add",
                &json!({"team_id": "x", "member": {"user_id": "u", "role": "user"}}),
            ),
            Ask::post(
                "/team/member_delete",
                &json!({"team_id": "x", "user_id": "u"}),
            ),
            Ask::post("/team/block", &json!({"team_id": "x"})),
            Ask::post("/team/unblock", &json!({"team_id": "x"})),
            Ask::post("/organization/new", &json!({"organization_id": "x"})),
            Ask::post("/organization/update", &json!({"organization_id": "x"})),
            Ask::get("/organization/info?organization_id=x"),
            Ask::get("/organization/list"),
            Ask::post("/organization/delete", &json!({"organization_ids": ["x"]})),
            Ask::post("/user/new", &json!({"user_id": "x"})),
            Ask::post("/user/update", &json!({"user_id": "x"})),
            Ask::get("/user/info?user_id=x"),
            Ask::get("/user/list"),
            Ask::post("/user/delete", &json!({"user_ids": ["x"]})),
            Ask::post("/customer/new", &json!({"user_id": "x"})),
            Ask::post("/customer/update", &json!({"user_id": "x"})),
            Ask::get("/customer/info?end_user_id=x"),
            Ask::get("/customer/list"),
            Ask::post("/customer/delete", &json!({"user_ids": ["x"]})),
            Ask::post("/v1/mcp/toolset", &json!({"toolset_name": "x"})),
            Ask::new("PUT", "/v1/mcp/toolset")
                .header("content-type", "application/json")
                .body(r#"{"toolset_id":"x"}"#),
            Ask::new("DELETE", "/v1/mcp/toolset/x"),
            Ask::get("/v1/audit"),
            Ask::get("/v1/approvals"),
            Ask::get("/v1/approvals/0123"),
            Ask::post("/v1/approvals/0123/approve", &json!({})),
            Ask::post("/v1/approvals/0123/deny", &json!({})),
            Ask::get("/v1/pins"),
            Ask::get("/v1/pins/support/echo"),
            Ask::post("/v1/pins/support/echo/approve", &json!({"hash": "00"})),
            Ask::new("DELETE", "/v1/pins/support/echo"),
            Ask::get("/v1/limits/team/ops"),
            Ask::post("/v1/limits/key/pc-somebody", &json!({"rpm_limit": 1})),
            Ask::get("/metrics"),
        ]
    }

    async fn stage() -> (TestGateway, Actor, Actor) {
        let gateway = TestGateway::with_support().await;
        let admin = gateway.admin().await;
        let caller = gateway.key("caller", &["support"]).await;
        for actor in [&admin, &caller] {
            assert_eq!(actor.echo("control").await.status, 200);
        }
        (gateway, admin, caller)
    }

    #[tokio::test]
    async fn a_caller_key_opens_no_door_of_administrators() {
        // CFG-07
        let (gateway, admin, caller) = stage().await;
        for door in admin_doors() {
            let before: Value = admin.ask(Ask::get("/key/list?size=1000")).await.json();
            let reply = caller.ask(door).await;
            assert_eq!(reply.status, 403, "{reply:?}");
            let event = gateway.event_of(&reply).await;
            assert_eq!(
                (&event["decision"], &event["outcome"]),
                (&json!("deny"), &json!("forbidden"))
            );
            let after: Value = admin.ask(Ask::get("/key/list?size=1000")).await.json();
            assert_eq!(before, after);
        }
        gateway.stands().await;
    }

    #[tokio::test]
    async fn somebody_elses_key_does_not_exist_for_a_caller() {
        // CFG-09
        let (gateway, admin, caller) = stage().await;
        let other = gateway.key("other", &["private"]).await;
        let own: Value = caller.ask(Ask::get("/key/info")).await.json();
        assert_eq!(own["info"]["key_id"], caller.key_id());
        let alias: Value = admin
            .ask(Ask::get(&format!("/key/info?key_id={}", other.key_id())))
            .await
            .json();
        let alias = alias["info"]["key_alias"].as_str().unwrap();
        let pairs = [
            (
                format!("/key/info?key_id={}", other.key_id()),
                "/key/info?key_id=pc-0000000000000000".to_owned(),
            ),
            (
                format!("/key/info?key_alias={alias}"),
                "/key/info?key_alias=nobody".to_owned(),
            ),
        ];
        for (real, unreal) in pairs {
            let (real, unreal) = (
                caller.ask(Ask::get(&real)).await,
                caller.ask(Ask::get(&unreal)).await,
            );
            let text = |reply: &portcullis_testkit::gateway::Reply| {
                let mut body = reply.json();
                body["request_id"] = Value::Null;
                body
            };
            assert!(matches!(real.status, 403 | 404), "{real:?}");
            assert_eq!((real.status, text(&real)), (unreal.status, text(&unreal)));
        }
        gateway.stands().await;
    }

    #[tokio::test]
    async fn a_wish_that_is_not_understood_makes_no_key() {
        // CFG-07: what would restrict a key is never dropped in silence.
        let (gateway, admin, _) = stage().await;
        let before: Value = admin.ask(Ask::get("/key/list?size=1000")).await.json();
        for body in [
            json!({"allowed_routes": ["/*"]}),
            json!({"soft_budget": 1}),
            json!({"role": "proxy_admin"}),
            json!({"role": ["admin"]}),
            json!({"duration": "forever"}),
            json!({"duration": "-1d"}),
            json!({"servers": "support"}),
            json!({"all_servers": "false"}),
            json!({"scopes": ["a b"]}),
            json!({"object_permission": {"agents": ["x"]}}),
            json!({"object_permission": {"mcp_tool_permissions": {"nowhere": ["echo"]}}}),
            json!({"key": "sk-i-choose-my-own"}),
            json!([]),
            json!("x"),
            Value::Null,
        ] {
            let reply = admin.ask(Ask::post("/key/generate", &body)).await;
            assert_eq!(reply.status, 400, "{body}: {reply:?}");
        }
        let doubled = Ask::post("/key/generate", &Value::Null)
            .body(r#"{"servers":["support"],"servers":["private"]}"#);
        assert_eq!(admin.ask(doubled).await.status, 400);
        let after: Value = admin.ask(Ask::get("/key/list?size=1000")).await.json();
        assert_eq!(before, after);
        gateway.stands().await;
    }

    #[tokio::test]
    async fn a_key_lives_from_its_making_to_its_revocation_and_is_shown_once() {
        let (gateway, admin, _) = stage().await;
        let wish = json!({
            "key_alias": "ci", "user_id": "ci-bot", "duration": "1h",
            "object_permission": {"mcp_servers": ["support"]}, "metadata": {"cost_centre": "7"},
        });
        let made = gateway.embedded(); // the store, to look for the key itself
        // Sent outside of the transcript: this answer is the one place that may hold the key.
        let reply = admin
            .sign(Ask::post("/key/generate", &wish))
            .send(gateway.address())
            .await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let created = reply.json();
        let key = created["key"].as_str().unwrap().to_owned();
        assert!(key.starts_with("sk-"), "{created}");
        gateway.keep_secret("the key of ci", &key);
        let ci = gateway.bearer(&key);
        assert_eq!(ci.echo("works at once").await.status, 200);
        assert_eq!(
            ci.rpc("/mcp/private", "tools/list", json!({})).await.status,
            404
        );

        let info: Value = admin.ask(Ask::get("/key/info?key_alias=ci")).await.json();
        assert_eq!(info["info"]["user_id"], "ci-bot");
        assert!(info["info"]["expires"].is_string(), "{info}");
        assert!(info["info"].get("key").is_none(), "{info}");
        let twice = admin.ask(Ask::post("/key/generate", &wish)).await;
        assert_eq!(twice.status, 409, "{twice:?}");

        let page = portcullis_store::PageRequest::first(100);
        let stored = made.stores().api_keys.list(&page).await.unwrap();
        let text = format!("{stored:?}");
        assert!(
            text.contains("ci-bot") && !text.contains(&key),
            "only its MAC is kept"
        );

        let id = created["key_id"].as_str().unwrap();
        let revoked = admin
            .ask(Ask::post("/key/delete", &json!({"keys": [id]})))
            .await;
        assert_eq!(revoked.status, 200, "{revoked:?}");
        assert_eq!(ci.echo("works no more").await.status, 401);
        let again = admin
            .ask(Ask::post("/key/delete", &json!({"keys": [id]})))
            .await;
        assert!(matches!(again.status, 200 | 404), "{again:?}");
        assert_eq!(ci.echo("works no more").await.status, 401);
        gateway.stands().await;
    }

    #[tokio::test]
    async fn the_key_itself_is_accepted_for_its_own_revocation() {
        // LiteLLM's clients send the key, not its id.
        let (gateway, admin, _) = stage().await;
        let leaked = gateway.key("leaked", &["support"]).await;
        let body = json!({"keys": [leaked.credential()]});
        let reply = admin.ask(Ask::post("/key/delete", &body)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(leaked.echo("gone").await.status, 401);
        gateway.stands().await;
    }

    #[tokio::test]
    async fn a_revoked_administrator_is_none_at_once() {
        let (gateway, admin, _) = stage().await;
        let second = gateway.admin().await;
        assert_eq!(second.ask(Ask::get("/key/list")).await.status, 200);
        let body = json!({"keys": [second.key_id()]});
        assert_eq!(admin.ask(Ask::post("/key/delete", &body)).await.status, 200);
        for door in admin_doors() {
            assert_eq!(second.ask(door).await.status, 401);
        }
        gateway.stands().await;
    }

    #[tokio::test]
    async fn the_open_stream_of_a_revoked_key_ends_and_is_on_record() {
        // R-29
        let (gateway, admin, _) = stage().await;
        let leaver = gateway.key("leaver", &["support"]).await;
        let session = leaver.session("/mcp/support").await;
        let mut stream = leaver.listen("/mcp/support", &session).await;
        let body = json!({"keys": [leaver.key_id()]});
        assert_eq!(admin.ask(Ask::post("/key/delete", &body)).await.status, 200);
        // It ends by itself.
        stream.ends().await;
        let events = gateway.events().await;
        let ended = events
            .iter()
            .filter(|event| event["outcome"] == "unauthenticated")
            .count();
        assert_eq!(ended, 1, "{events:#?}");
        gateway.stands().await;
    }

    /// An MCP server whose tool never ends and never falls silent.
    async fn chatterbox() -> Site {
        async fn answer(body: Bytes) -> Response<Body> {
            let message: Value = serde_json::from_slice(&body).unwrap_or_default();
            let id = &message["id"];
            let result = match message["method"].as_str() {
                _ if id.is_null() => {
                    return Response::builder().status(202).body(Body::empty()).unwrap();
                }
                Some("initialize") => json!({
                    "protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                    "serverInfo": {"name": "chatterbox", "version": "1"},
                }),
                Some("tools/list") => {
                    json!({"tools": [{"name": "talk", "inputSchema": {"type": "object"}}]})
                }
                Some("tools/call") => {
                    let words = futures_util::stream::unfold((), |()| async {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        let word = json!({"jsonrpc": "2.0", "method": "notifications/message",
                            "params": {"level": "info", "data": "word"}});
                        Some((
                            Ok::<_, std::convert::Infallible>(format!("data: {word}\n\n")),
                            (),
                        ))
                    });
                    return Response::builder()
                        .header("content-type", "text/event-stream")
                        .body(Body::from_stream(words))
                        .unwrap();
                }
                _ => return Response::builder().status(404).body(Body::empty()).unwrap(),
            };
            let text = json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string();
            Response::builder()
                .header("content-type", "application/json")
                .body(Body::from(text))
                .unwrap()
        }
        Site::of(Router::new().route("/mcp", any(answer))).await
    }

    #[tokio::test]
    async fn a_stream_that_never_falls_silent_ends_with_its_key_all_the_same() {
        // R-29
        let upstream = chatterbox().await;
        let yaml = format!(
            "mcp_servers:\n  talker:\n    url: http://{}/mcp\n",
            upstream.address()
        );
        let gateway = TestGateway::start(&yaml).await;
        let admin = gateway.admin().await;
        let leaver = gateway.key("leaver", &["talker"]).await;
        let call = Ask::rpc(
            "/mcp/talker",
            "tools/call",
            &json!({"name": "talk", "arguments": {}}),
        );
        let mut stream = Connection::begin(gateway.address(), &leaver.sign(call)).await;
        assert!(stream.until("notifications/message").await);
        let body = json!({"keys": [leaver.key_id()]});
        assert_eq!(admin.ask(Ask::post("/key/delete", &body)).await.status, 200);
        // It ends by itself.
        stream.ends().await;
        let events = gateway.events().await;
        let ended = events
            .iter()
            .filter(|event| event["outcome"] == "unauthenticated")
            .count();
        assert_eq!(ended, 1, "{events:#?}");
        drop(upstream);
        gateway.stands().await;
    }

    #[tokio::test]
    async fn servers_are_shown_as_far_as_they_are_seen_and_without_credentials() {
        let (gateway, admin, caller) = stage().await;
        let all: Value = admin.ask(Ask::get("/v1/mcp/server")).await.json();
        let names: Vec<&str> = all
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|row| row["server_id"].as_str())
            .collect();
        assert_eq!(names, ["support", "private"]);
        let seen: Value = caller.ask(Ask::get("/v1/mcp/server")).await.json();
        assert_eq!(seen.as_array().unwrap().len(), 1);
        assert!(seen[0]["url"].is_null(), "{seen}");
        gateway.stands().await;
    }

    #[tokio::test]
    async fn there_is_no_other_window_into_the_process() {
        // CFG-11
        let (gateway, admin, _) = stage().await;
        for path in [
            "/debug",
            "/debug/pprof",
            "/config",
            "/env",
            "/pprof",
            "/swagger",
            "/redoc",
            "/.git/config",
            "/actuator",
            "/actuator/env",
            "/server-status",
            "/",
            "/favicon.ico",
        ] {
            for actor in [&admin, &gateway.anonymous()] {
                let reply = actor.ask(Ask::get(path)).await;
                assert_eq!((reply.status, reply.body.len()), (404, 0), "{path}");
            }
        }
        for path in [
            "/health/live",
            "/health/liveliness",
            "/healthz",
            "/health/ready",
            "/health/readiness",
            "/readyz",
        ] {
            let reply = gateway.anonymous().ask(Ask::get(path)).await;
            assert_eq!(reply.status, 200, "{path}");
            assert!(reply.body.len() < 200, "{reply:?}");
        }
        gateway.stands().await;
    }

    fn id_of(event: &Value) -> String {
        event["request_id"].as_str().unwrap_or_default().to_owned()
    }

    /// The first requests of the trail, page after page.
    async fn pages(admin: &Actor, query: &str, requests: usize) -> Vec<String> {
        let (mut seen, mut after) = (Vec::new(), String::new());
        while seen.len() < requests {
            let ask = Ask::get(&format!("/v1/audit?{query}{after}"));
            let page: Value = admin.ask(ask).await.json();
            let events = page["events"].as_array().unwrap();
            assert!((1..=3).contains(&events.len()), "{page}");
            let of_requests = events.iter().filter(|event| event["event"] == "request");
            seen.extend(of_requests.map(id_of));
            let next = page["next"].as_str();
            after = next.map_or_else(String::new, |next| format!("&after={next}"));
        }
        seen.truncate(requests);
        seen
    }

    #[tokio::test]
    async fn the_trail_can_be_paged_filtered_and_shows_the_newest_first_when_asked() {
        let (gateway, admin, caller) = stage().await;
        let one = caller.echo("find me").await;
        let id = one.header("x-request-id").unwrap();
        let found: Value = admin
            .ask(Ask::get(&format!("/v1/audit?request_id={id}")))
            .await
            .json();
        let events = found["events"].as_array().unwrap();
        assert_eq!(events.len(), 1, "{found}");
        assert_eq!(events[0]["request_id"], id);
        assert_eq!(events[0]["target"]["name"], "echo", "{found}");
        assert!(
            !found.to_string().contains("find me"),
            "arguments are not recorded"
        );

        for number in 0..5 {
            caller.echo(&number.to_string()).await;
        }
        // Every request up to here, in the order of the trail; looking at it makes more.
        let ids: Vec<String> = gateway.events().await.iter().map(id_of).collect();
        assert!(ids.len() >= 8, "{ids:?}");
        assert_eq!(pages(&admin, "order=asc&limit=2", ids.len()).await, ids);
        assert_eq!(pages(&admin, "limit=3", ids.len()).await, ids);

        let last = caller.echo("the last").await;
        let last = last.header("x-request-id").unwrap();
        gateway.events().await;
        let newest: Value = admin
            .ask(Ask::get("/v1/audit?order=desc&limit=1"))
            .await
            .json();
        let newest = newest["events"].as_array().unwrap().iter().map(id_of);
        assert_eq!(newest.collect::<Vec<_>>(), [last]);
        gateway.stands().await;
    }
}
