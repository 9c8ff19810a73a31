//! What administrators refuse by name, on the real listener: keys, tokens, sessions, subjects.

#[cfg(test)]
mod revocations {
    use portcullis_core::{Role, ServerGrants};
    use portcullis_testkit::gateway::{
        Actor, Ask, Connection, MockServer, Reply, TestGateway, TestIssuer,
    };
    use serde_json::{Value, json};

    const LIST: &str = "/v1/revocations";
    const SECRET: &str = "introspection-canary-5d02aa";

    /// A gateway that trusts an issuer by its keys, and one that asks another about opaque tokens.
    struct Stage {
        gateway: TestGateway,
        issuer: TestIssuer,
        asked: TestIssuer,
        admin: Actor,
        now: i64,
        _mock: MockServer,
    }

    impl Stage {
        async fn set() -> Self {
            let mock = MockServer::start().await;
            let (issuer, asked) = (TestIssuer::start().await, TestIssuer::start().await);
            let introspection = format!(
                "    introspection:\n      url: \"{}/introspect\"\n      client_id: gw\n      \
                 client_secret: {SECRET}\n    servers: [support]\n",
                asked.url()
            );
            let yaml = format!(
                "mcp_servers:\n{}identity:\n  keys:\n  \
                 - {{id: ci, key: sk-of-the-file-canary-77, servers: [support], user_id: carol}}\n  \
                 issuers:\n{}{}",
                mock.entry("support"),
                issuer.entry("    servers: [support]\n"),
                asked.entry(&introspection),
            );
            let gateway = TestGateway::start(&yaml).await;
            gateway.keep_secret("the mock's client secret", mock.client_secret());
            gateway.keep_secret("our secret at the introspection endpoint", SECRET);
            Self {
                admin: gateway.admin().await,
                now: std::time::UNIX_EPOCH
                    .elapsed()
                    .unwrap()
                    .as_secs()
                    .try_into()
                    .unwrap(),
                gateway,
                issuer,
                asked,
                _mock: mock,
            }
        }

        /// A bearer of a token with these claims beside or instead of the usual.
        fn bearer(&self, changes: Value) -> Actor {
            let mut claims = self.issuer.claims(self.now);
            let Value::Object(changes) = changes else {
                panic!("changes are members");
            };
            claims.as_object_mut().unwrap().extend(changes);
            let token = self.issuer.token("k1", &claims);
            self.gateway.keep_secret("a caller's token", &token);
            self.gateway.bearer(&token)
        }

        async fn revoke(&self, body: Value) -> Value {
            let reply = self.admin.ask(Ask::post(LIST, &body)).await;
            assert_eq!(reply.status, 200, "{body}: {reply:?}");
            reply.json()
        }

        async fn lift(&self, entry: &Value) -> Reply {
            let id = entry["id"].as_str().unwrap();
            let ask = Ask::new("DELETE", &format!("{LIST}/{id}"));
            self.admin.ask(ask).await
        }

        async fn is_served(&self, caller: &Actor) {
            let reply = caller.echo("hello").await;
            assert_eq!(reply.status, 200, "{reply:?}");
        }

        async fn is_revoked(&self, caller: &Actor) {
            let reply = caller.echo("hello").await;
            assert_eq!(reply.status, 401, "{reply:?}");
            assert_eq!(reply.text(), r#"{"error":"unauthorized"}"#);
            let challenge = reply.header("www-authenticate").unwrap();
            assert!(
                challenge.contains(r#"error="invalid_token""#),
                "{challenge}"
            );
            let event = self.gateway.event_of(&reply).await;
            assert_eq!(event["authn"], "revoked", "{event}");
        }
    }

    /// RL-09, seed 002: a token, a session, a subject and everybody, each by its name.
    #[tokio::test]
    async fn a_verified_token_is_refused_by_each_name_that_it_has_and_by_no_other() {
        let stage = Stage::set().await;
        let issuer = stage.issuer.url();
        let minutes_ago = stage.now - 120;
        let alice = stage.bearer(json!({"jti": "t1", "sid": "s1", "iat": minutes_ago}));
        let others = [
            stage.bearer(json!({"sub": "bob", "jti": "t2", "sid": "s2"})),
            stage.bearer(json!({"sub": "Alice", "jti": "T1", "sid": "S1"})),
        ];
        let cut_off = "2020-01-01T00:00:00Z";
        for body in [
            json!({"issuer": issuer, "jti": "t1"}),
            json!({"issuer": issuer, "sid": "s1"}),
            json!({"issuer": issuer, "sub": "alice", "reason": "left"}),
        ] {
            stage.is_served(&alice).await;
            let entry = stage.revoke(body).await;
            stage.is_revoked(&alice).await;
            for other in &others {
                stage.is_served(other).await;
            }
            assert_eq!(stage.lift(&entry).await.status, 200);
        }
        let early = json!({"issuer": issuer, "sub": "alice", "before": cut_off});
        stage.revoke(early).await;
        stage.is_served(&alice).await;
        let everybody = json!({"issuer": issuer, "all_subjects": true});
        let entry = stage.revoke(everybody).await;
        stage.is_revoked(&alice).await;
        stage.is_revoked(&others[0]).await;
        // A token of an issuer whose clock is ahead may have been issued before.
        let ahead = stage.bearer(json!({"iat": stage.now + 25}));
        stage.is_revoked(&ahead).await;
        assert_eq!(stage.lift(&entry).await.status, 200);
        // What is issued after the cut-off is welcome, as far ahead as clocks may differ.
        let now = portcullis_core::Timestamp::from_secs(stage.now).to_string();
        let up_to_now = json!({"issuer": issuer, "all_subjects": true, "before": now});
        let entry = stage.revoke(up_to_now).await;
        stage.is_revoked(&alice).await;
        stage.is_served(&ahead).await;
        assert_eq!(stage.lift(&entry).await.status, 200);
        stage.is_served(&alice).await;
        stage.gateway.stands().await;
    }

    /// RL-09: what is remembered of an opaque token does not help it.
    #[tokio::test]
    async fn a_token_that_was_asked_about_is_refused_from_what_is_remembered() {
        let stage = Stage::set().await;
        let mut said = stage.asked.claims(stage.now);
        said["active"] = json!(true);
        said["jti"] = json!("o1");
        stage.asked.says_of("opaque-canary-99aa", said);
        stage
            .gateway
            .keep_secret("an opaque token", "opaque-canary-99aa");
        let alice = stage.gateway.bearer("opaque-canary-99aa");
        stage.is_served(&alice).await;
        let asked = stage.asked.introspections().len();
        let entry = stage
            .revoke(json!({"issuer": stage.asked.url(), "jti": "o1"}))
            .await;
        stage.is_revoked(&alice).await;
        assert_eq!(stage.lift(&entry).await.status, 200);
        stage.is_served(&alice).await;
        let unchanged = stage.asked.introspections().len();
        assert_eq!(unchanged, asked, "it was remembered all the time");
        stage.gateway.stands().await;
    }

    /// RL-15: keys of the store and of the file, singly and by the user they act for.
    #[tokio::test]
    async fn keys_are_refused_by_id_and_by_user_and_work_again_when_that_is_lifted() {
        let stage = Stage::set().await;
        let stored = stage.gateway.key("stored", &["support"]).await;
        let written = stage.gateway.bearer("sk-of-the-file-canary-77");
        stage
            .gateway
            .keep_secret("a key of the file", "sk-of-the-file-canary-77");
        for (caller, body) in [
            (&stored, json!({"key_id": stored.key_id()})),
            (&written, json!({"key_id": "file:ci"})),
            (&written, json!({"user_id": "carol"})),
        ] {
            stage.is_served(caller).await;
            let entry = stage.revoke(body).await;
            stage.is_revoked(caller).await;
            assert_eq!(stage.lift(&entry).await.status, 200);
            stage.is_served(caller).await;
        }
        stage.gateway.stands().await;
    }

    #[tokio::test]
    async fn only_administrators_see_and_change_the_list_and_every_attempt_is_on_record() {
        let stage = Stage::set().await;
        let entry = stage.revoke(json!({"user_id": "mallory"})).await;
        let id = entry["id"].as_str().unwrap();
        let doors = || {
            [
                Ask::get(LIST),
                Ask::post(LIST, &json!({"user_id": "x"})),
                Ask::new("DELETE", &format!("{LIST}/{id}")),
            ]
        };
        let viewer = stage
            .gateway
            .embedded()
            .key("viewer", Role::Viewer, ServerGrants::default())
            .await
            .unwrap();
        let user = stage.gateway.key("user", &["support"]).await;
        let bearer = stage.bearer(json!({"role": "admin"}));
        for caller in [&user, &stage.gateway.bearer(viewer.expose()), &bearer] {
            for door in doors() {
                let reply = caller.ask(door).await;
                assert_eq!(reply.status, 403, "{reply:?}");
                let event = stage.gateway.event_of(&reply).await;
                assert_eq!(event["decision"], "deny", "{event}");
            }
        }
        for door in doors() {
            assert_eq!(stage.gateway.anonymous().ask(door).await.status, 401);
        }

        let made = stage
            .admin
            .ask(Ask::post(LIST, &json!({"user_id": "eve"})))
            .await;
        let event = stage.gateway.event_of(&made).await;
        assert_eq!(event["method"], "v1/revocations:add");
        assert_eq!(event["rule"], "role:admin");
        let named = event["target"]["name"].as_str().unwrap();
        let made = made.json();
        assert_eq!(named, format!("{} user eve", made["id"].as_str().unwrap()));
        let lifted = stage.lift(&made).await;
        assert!(lifted.json()["lifted_at"].is_string(), "{lifted:?}");
        let event = stage.gateway.event_of(&lifted).await;
        assert_eq!(event["method"], "v1/revocations:lift");
        assert_eq!(event["target"]["name"], named);
        assert_eq!(stage.lift(&made).await.status, 404, "it was lifted before");
        stage.gateway.stands().await;
    }

    #[tokio::test]
    async fn what_would_refuse_nobody_is_refused_itself_and_the_list_comes_in_pages() {
        let stage = Stage::set().await;
        let issuer = stage.issuer.url();
        for body in [
            json!({}),
            json!([]),
            json!({"issuer": issuer}),
            json!({"issuer": format!("{issuer}/"), "sub": "alice"}),
            json!({"key_id": "nosuchkey"}),
            json!({"key_id": "file:nosuchkey"}),
            json!({"key_id": "ci"}),
            json!({"issuer": issuer, "jti": "a", "before": "2026-01-01T00:00:00Z"}),
            json!({"user_id": "a", "until": "2020-01-01T00:00:00Z"}),
            json!({"user_id": "a", "unti": "2030-01-01T00:00:00Z"}),
        ] {
            let reply = stage.admin.ask(Ask::post(LIST, &body)).await;
            assert_eq!(reply.status, 400, "{body}: {reply:?}");
            assert_eq!(
                reply.header("content-type"),
                Some("application/problem+json")
            );
        }
        let mut made = Vec::new();
        for user in ["a", "b", "c"] {
            made.push(stage.revoke(json!({"user_id": user})).await["id"].clone());
        }
        let mut seen = Vec::new();
        let mut after = String::new();
        loop {
            let target = format!("{LIST}?limit=2{after}");
            let page = stage.admin.ask(Ask::get(&target)).await.json();
            let entries = page["revocations"].as_array().unwrap();
            seen.extend(entries.iter().map(|entry| entry["id"].clone()));
            let Some(next) = page["next"].as_str() else {
                break;
            };
            after = format!("&after={next}");
        }
        seen.sort_by_key(ToString::to_string);
        made.sort_by_key(ToString::to_string);
        assert_eq!(seen, made);
        for bad in ["?limit=0", "?limit=1001", "?page=1"] {
            let reply = stage.admin.ask(Ask::get(&format!("{LIST}{bad}"))).await;
            assert_eq!(reply.status, 400, "{bad}: {reply:?}");
        }
        stage.gateway.stands().await;
    }

    /// Somebody who has stolen an administrator's key keeps a request open, so that the key's end
    /// comes too late for it.
    #[tokio::test]
    async fn a_body_that_ends_after_its_sender_was_revoked_does_nothing() {
        let stage = Stage::set().await;
        let thief = stage.gateway.admin().await;
        let mut open = Vec::new();
        for ask in [
            Ask::post("/key/generate", &json!({"role": "admin"})),
            Ask::post(LIST, &json!({"user_id": "everybody"})),
            Actor::echo_ask("too late"),
            Ask::rpc("/mcp/support", "tools/list", &json!({})),
        ] {
            let ask = ask
                .header("expect", "100-continue")
                .header("connection", "close");
            let bytes = thief.sign(ask).bytes();
            let end = bytes
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
                .unwrap()
                + 4;
            let (head, body) = bytes.split_at(end);
            let mut connection = Connection::open(stage.gateway.address()).await;
            connection.write(head).await;
            // Only whoever was let in is asked for the body.
            assert!(connection.until("100 Continue").await);
            open.push((connection, body.to_vec()));
        }
        stage.revoke(json!({"key_id": thief.key_id()})).await;
        for (mut connection, body) in open {
            connection.write(&body).await;
            let answer = String::from_utf8(connection.rest().await).unwrap();
            assert!(answer.contains("HTTP/1.1 401"), "{answer}");
            assert!(answer.contains("www-authenticate: Bearer"), "{answer}");
        }
        let events = stage.gateway.events().await;
        let ended = events
            .iter()
            .filter(|event| event["outcome"] == "unauthenticated");
        assert_eq!(ended.count(), 4, "{events:#?}");
        let keys = stage.admin.ask(Ask::get("/key/list")).await.json();
        assert_eq!(keys["keys"].as_array().unwrap().len(), 2, "{keys}");
        let list = stage.admin.ask(Ask::get(LIST)).await.json();
        assert_eq!(list["revocations"].as_array().unwrap().len(), 1, "{list}");
        stage.gateway.stands().await;
    }
}
