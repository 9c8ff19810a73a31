//! Callers who come with a token of somebody else's authorization server.

#[cfg(test)]
mod issuers {
    mod ends;
    mod opaque;

    use std::sync::Arc;
    use std::time::Duration;

    use portcullis_core::{Clock, ManualClock};
    use portcullis_testkit::gateway::{Actor, Ask, MockServer, Reply, TestGateway, TestIssuer};
    use serde_json::{Value, json};

    const STAFF: &str = "    groups: {staff: {servers: [support]}}\n";

    /// A gateway that trusts an issuer, whose staff sees `support`.
    struct Stage {
        gateway: TestGateway,
        issuer: TestIssuer,
        clock: Arc<ManualClock>,
        _mock: MockServer,
    }

    impl Stage {
        async fn with(issuer: TestIssuer, entry: &str) -> Self {
            let mock = MockServer::start().await;
            let yaml = format!(
                "mcp_servers:\n{}{}identity:\n  issuers:\n{entry}",
                mock.entry("support"),
                mock.entry("private")
            );
            let clock = Arc::new(ManualClock::at_millis(1_800_000_000_000));
            let gateway = TestGateway::by_clock(&yaml, clock.clone()).await;
            gateway.keep_secret("the mock's client secret", mock.client_secret());
            Self {
                gateway,
                issuer,
                clock,
                _mock: mock,
            }
        }

        async fn set() -> Self {
            let issuer = TestIssuer::start().await;
            let entry = issuer.entry(STAFF);
            Self::with(issuer, &entry).await
        }

        fn claims(&self, changes: Value) -> Value {
            let mut claims = self.issuer.claims(self.clock.now().as_secs());
            let Value::Object(changes) = changes else {
                panic!("changes are members");
            };
            claims.as_object_mut().unwrap().extend(changes);
            claims
        }

        /// Somebody with a token of the issuer with these claims changed.
        fn bearer(&self, kid: &str, changes: Value) -> Actor {
            self.holder(&self.issuer.token(kid, &self.claims(changes)))
        }

        fn holder(&self, token: &str) -> Actor {
            self.gateway.keep_secret("a caller's token", token);
            self.gateway.bearer(token)
        }

        fn alice(&self) -> Actor {
            self.bearer("k1", json!({}))
        }

        /// What must hold after every story. Store keys are believed as long as their index is fresh,
        /// which is renewed by the machine's clock; the story moved another one.
        async fn stands(&self) {
            let key = self.gateway.key("settling", &[]).await;
            while key.ask(Ask::get("/mcp-rest/tools/list")).await.status == 503 {}
            self.gateway.stands().await;
        }

        async fn is_refused(&self, actor: &Actor, reason: &str) {
            let reply = actor.echo("let me in").await;
            assert_eq!(reply.status, 401, "{reason}: {reply:?}");
            assert_eq!(reply.text(), r#"{"error":"unauthorized"}"#);
            let event = self.gateway.event_of(&reply).await;
            assert_eq!(event["authn"], reason, "{event}");
            assert!(event.get("principal").is_none(), "{event}");
        }

        /// Nobody knows: neither yes nor no.
        async fn is_unknown(&self, actor: &Actor) {
            let reply = actor.echo("who am I").await;
            assert_eq!(reply.status, 503, "{reply:?}");
            let event = self.gateway.event_of(&reply).await;
            assert_eq!(event["authn"], "unavailable", "{event}");
        }
    }

    #[track_caller]
    fn is_served(reply: &Reply) {
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    #[tokio::test]
    async fn a_token_of_a_trusted_issuer_is_a_caller_who_sees_what_its_groups_may() {
        let stage = Stage::set().await;
        let reply = stage.alice().echo("hello").await;
        is_served(&reply);
        let event = stage.gateway.event_of(&reply).await;
        let id = format!("jwt:{} alice", stage.issuer.url());
        assert_eq!(event["principal"], id, "{event}");
        assert_eq!(event["principal_kind"], "jwt");
        let listed = stage.alice().ask(Ask::get("/mcp-rest/tools/list")).await;
        assert!(listed.text().contains("echo"), "{listed:?}");
        assert!(!listed.text().contains("private"), "{listed:?}");
        let key = stage
            .gateway
            .anonymous()
            .ask(
                Actor::echo_ask("as a key").header("x-litellm-api-key", stage.alice().credential()),
            )
            .await;
        is_served(&key);
        stage.stands().await;
    }

    #[tokio::test]
    async fn whom_no_group_grants_anything_sees_nothing_and_administers_nothing() {
        let stage = Stage::set().await;
        let stranger = stage.bearer("k1", json!({"sub": "bob", "groups": ["guests"]}));
        let reply = stranger.echo("hello").await;
        assert_eq!(reply.status, 404, "{reply:?}");
        let listed = stranger.ask(Ask::get("/mcp-rest/tools/list")).await;
        assert!(!listed.text().contains("support"), "{listed:?}");
        let admin = stage.bearer(
            "k1",
            json!({"role": "admin", "scope": "admin", "groups": ["admin"]}),
        );
        for door in [
            Ask::get("/key/list"),
            Ask::get("/v1/audit"),
            Ask::get("/metrics"),
        ] {
            let reply = admin.ask(door).await;
            assert!(matches!(reply.status, 403 | 404), "{reply:?}");
        }
        stage.stands().await;
    }

    /// JWT-16, JWT-17, JWT-26, JWKS-10.
    #[tokio::test]
    async fn what_a_token_says_counts_only_if_its_issuer_signed_it_for_us() {
        let stage = Stage::set().await;
        is_served(&stage.alice().echo("control").await);
        let other = TestIssuer::start().await;
        let now = stage.clock.now().as_secs();
        for (token, reason) in [
            // Another issuer's own token, and one in which it claims to be ours under the same kid.
            (other.token("k1", &other.claims(now)), "token_issuer"),
            (
                other.token("k1", &stage.claims(json!({}))),
                "token_signature",
            ),
            ("eyJhbGciOiJub25lIn0.e30.".to_owned(), "token_issuer"),
            ("eyJhbGciOiJub25lIn0.e30".to_owned(), "token_malformed"),
            ("eyJ.e30.AA".to_owned(), "unknown"),
        ] {
            stage.is_refused(&stage.holder(&token), reason).await;
        }
        for (changes, reason) in [
            (json!({"aud": "https://somebody.else"}), "token_audience"),
            (
                json!({"iss": format!("{}/", stage.issuer.url())}),
                "token_issuer",
            ),
            (json!({"exp": now - 31, "iat": now - 60}), "expired"),
            (json!({"nbf": now + 31}), "token_not_yet_valid"),
            (json!({"exp": now + 90_000}), "token_lifetime"),
            (json!({"cnf": {"jkt": "x"}}), "token_confirmation"),
            (json!({"at_hash": "x"}), "token_not_an_access_token"),
            (json!({"sub": ""}), "token_claims"),
        ] {
            stage.is_refused(&stage.bearer("k1", changes), reason).await;
        }
        stage.stands().await;
    }

    #[tokio::test]
    async fn a_token_works_until_its_end_and_no_longer() {
        let stage = Stage::set().await;
        let alice = stage.alice();
        stage.clock.advance(Duration::from_secs(329));
        is_served(&alice.echo("within the leeway").await);
        stage.clock.advance(Duration::from_secs(1));
        stage.is_refused(&alice, "expired").await;
    }

    /// JWKS-01, JWKS-02.
    #[tokio::test]
    async fn a_new_key_is_found_at_once_and_a_withdrawn_one_is_soon_refused() {
        let stage = Stage::set().await;
        is_served(&stage.alice().echo("warm").await);
        assert_eq!(stage.issuer.key_requests(), 1);
        stage.issuer.publish("k2");
        let new = stage.bearer("k2", json!({}));
        let waiting = (0..20).map(|_| new.echo("rotated"));
        for reply in futures_util::future::join_all(waiting).await {
            is_served(&reply);
        }
        assert_eq!(stage.issuer.key_requests(), 2);

        let old = stage.issuer.withdraw("k1");
        let token = TestIssuer::signed(&old, "k1", &stage.claims(json!({})));
        is_served(&stage.holder(&token).echo("still known").await);
        stage.clock.advance(Duration::from_mins(5));
        let token = TestIssuer::signed(&old, "k1", &stage.claims(json!({})));
        stage
            .is_refused(&stage.holder(&token), "token_unknown_key")
            .await;
    }

    /// JWKS-02: an answer that was on its way when the key was new does not know it.
    #[tokio::test]
    async fn a_key_that_is_newer_than_the_answer_under_way_is_asked_for_again() {
        let stage = Stage::set().await;
        is_served(&stage.alice().echo("warm").await);
        let delayed = stage.issuer.delays_its_keys().await;
        stage.clock.advance(Duration::from_secs(270));
        is_served(&stage.alice().echo("asks in the background").await);
        while stage.issuer.key_requests() < 2 {
            tokio::task::yield_now().await;
        }
        stage.issuer.publish("k2");
        let new = stage.bearer("k2", json!({}));
        let release = async {
            // Others are served meanwhile; by then the new token waits.
            for _ in 0..3 {
                is_served(&stage.alice().echo("meanwhile").await);
            }
            drop(delayed);
        };
        let (reply, ()) = tokio::join!(new.echo("rotated"), release);
        is_served(&reply);
        assert_eq!(stage.issuer.key_requests(), 3);
    }

    /// JWKS-04: whoever makes up key ids does not make us flood the issuer.
    #[tokio::test]
    async fn unknown_key_ids_lead_to_one_question_in_half_a_minute() {
        let stage = Stage::set().await;
        is_served(&stage.alice().echo("warm").await);
        let pair = stage.issuer.withdraw("k1");
        for number in 0..20 {
            let token = TestIssuer::signed(&pair, &format!("x{number}"), &stage.claims(json!({})));
            stage
                .is_refused(&stage.holder(&token), "token_unknown_key")
                .await;
        }
        assert_eq!(stage.issuer.key_requests(), 2);
        stage.clock.advance(Duration::from_secs(30));
        let token = TestIssuer::signed(&pair, "x20", &stage.claims(json!({})));
        stage
            .is_refused(&stage.holder(&token), "token_unknown_key")
            .await;
        assert_eq!(stage.issuer.key_requests(), 3);
    }

    /// JWKS-03, JWKS-05.
    #[tokio::test]
    async fn known_keys_bridge_an_outage_for_a_day_and_then_nobody_is_believed() {
        let stage = Stage::set().await;
        is_served(&stage.alice().echo("warm").await);
        let huge = "x".repeat(600 * 1024);
        for (status, body) in [
            (500, ""),
            (302, ""),
            (200, "<html>"),
            (200, "{}"),
            (200, r#"{"keys":{}}"#),
            (200, r#"{"keys":[],"keys":[]}"#),
            (200, &huge),
        ] {
            stage.issuer.answers(status, body);
            stage.clock.advance(Duration::from_mins(6));
            let asked = stage.issuer.key_requests();
            is_served(&stage.alice().echo("bridged").await);
            // The answer before this one may have been awaited still.
            while stage.issuer.key_requests() == asked {
                stage.clock.advance(Duration::from_secs(30));
                is_served(&stage.alice().echo("still bridged").await);
            }
        }
        stage.clock.advance(Duration::from_hours(24));
        stage.is_unknown(&stage.alice()).await;
        stage.issuer.recovers();
        stage.clock.advance(Duration::from_secs(30));
        is_served(&stage.alice().echo("back").await);
        stage.stands().await;
    }

    /// JWKS-02: a set without a key, or with none that we can use, is no outage.
    #[tokio::test]
    async fn an_issuer_that_withdraws_all_its_keys_is_believed() {
        for withdrawn in [r#"{"keys":[]}"#, r#"{"keys":[{"kty":"unheard-of"}]}"#] {
            let stage = Stage::set().await;
            is_served(&stage.alice().echo("warm").await);
            stage.issuer.answers(200, withdrawn);
            stage.clock.advance(Duration::from_mins(5));
            stage.is_refused(&stage.alice(), "token_unknown_key").await;
            // Nor do keys that are gone bridge an outage afterwards.
            stage.issuer.answers(500, "");
            stage.clock.advance(Duration::from_mins(6));
            stage.is_refused(&stage.alice(), "token_unknown_key").await;
            stage.issuer.recovers();
            stage.clock.advance(Duration::from_mins(1));
            is_served(&stage.alice().echo("back").await);
            stage.stands().await;
        }
    }

    /// JWKS-08, JWKS-11.
    #[tokio::test]
    async fn metadata_of_another_issuer_leads_to_no_keys_and_nobody_is_believed() {
        let issuer = TestIssuer::start().await;
        issuer.calls_itself(&format!("{}/", issuer.url()));
        let entry = issuer.entry(STAFF);
        let stage = Stage::with(issuer, &entry).await;
        stage.is_unknown(&stage.alice()).await;
        assert_eq!(stage.issuer.key_requests(), 0);
        stage.issuer.calls_itself(&stage.issuer.url());
        stage.clock.advance(Duration::from_secs(30));
        is_served(&stage.alice().echo("itself again").await);
    }

    #[tokio::test]
    async fn keys_may_be_named_instead_of_discovered() {
        let issuer = TestIssuer::start().await;
        issuer.calls_itself("https://nobody.asks");
        let keys = format!("    jwks_uri: \"{}/keys\"\n{STAFF}", issuer.url());
        let entry = issuer.entry(&keys);
        let stage = Stage::with(issuer, &entry).await;
        is_served(&stage.alice().echo("hello").await);
    }

    /// The mock signs with another library than the one that verifies.
    #[tokio::test]
    async fn a_token_made_by_another_implementation_is_believed() {
        let mock = MockServer::start().await;
        let yaml = format!(
            "mcp_servers:\n{}identity:\n  issuers:\n  - issuer: \"{url}\"\n    \
             audience: \"{url}/mcp\"\n    servers: [support]\n",
            mock.entry("support"),
            url = mock.url()
        );
        let gateway = TestGateway::start(&yaml).await;
        let reply = gateway.bearer(&mock.token().await).echo("hello").await;
        is_served(&reply);
        gateway.stands().await;
    }
}
