//! Verify and sign again: nobody is vouched for but on the word of a good token of their own.

use portcullis_testkit::gateway::TestIssuer;
use serde_json::json;

use super::*;

const AUDIENCE: &str = "https://gateway.example/mcp";

fn now() -> i64 {
    use portcullis_core::Clock;
    portcullis_core::SystemClock::start().now().as_secs()
}

fn by_keys(issuer: &TestIssuer) -> Vec<String> {
    vec![
        format!(
            "access_token_discovery_uri: \"{}/.well-known/openid-configuration\"",
            issuer.url()
        ),
        format!("verify_audience: \"{AUDIENCE}\""),
    ]
}

fn by_asking(issuer: &TestIssuer) -> Vec<String> {
    vec![
        format!(
            "token_introspection_endpoint: \"{}/introspect\"",
            issuer.url()
        ),
        "token_introspection_client_id: gateway".to_owned(),
        "token_introspection_client_secret: the-introspection-secret".to_owned(),
    ]
}

async fn verifying(upstream: &FakeUpstream, lines: &[String]) -> House {
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    signing_for(upstream, &lines).await
}

#[tokio::test]
async fn a_good_token_is_signed_again_with_what_the_operator_wants_of_it() {
    for upstream in [FakeUpstream::legacy().await, FakeUpstream::modern().await] {
        let issuer = TestIssuer::start().await;
        let mut lines = by_keys(&issuer);
        lines.extend([
            "required_claims: [groups]".to_owned(),
            "optional_claims: [groups, absent]".to_owned(),
            "set_claims: {env: prod}".to_owned(),
            "remove_claims: [client_id]".to_owned(),
        ]);
        let house = verifying(&upstream, &lines).await;
        let judge = Judge::of(&house).await;
        let caller = house.caller("agent").await.at("/mcp/a");
        let token = issuer.token("k1", &issuer.claims(now()));
        let caller = caller.bringing(&token);
        let is_modern = format!("{upstream:?}").contains("Modern");
        let answer = if is_modern {
            caller.modern_call("echo", "{}").await
        } else {
            caller.call("echo", "{}").await
        };
        assert!(answer.json()["result"].is_object(), "{answer:?}");
        let claims = judge.claims(&upstream.last("tools/call"));
        assert_eq!(text(&claims, "sub"), "alice");
        assert_eq!(claims["groups"], json!(["staff"]));
        assert_eq!(claims["env"], "prod");
        assert!(claims.get("client_id").is_none() && claims.get("absent").is_none());
        for request in upstream.requests() {
            assert!(!format!("{request:?}").contains(&token), "{request:?}");
        }
        house.end().await;
    }
}

/// SIGN-11, SIGN-08.
#[tokio::test]
async fn without_a_good_token_nobody_is_vouched_for() {
    let upstream = FakeUpstream::modern().await;
    let issuer = TestIssuer::start().await;
    let mut lines = by_keys(&issuer);
    lines.push("required_claims: [groups]".to_owned());
    let house = verifying(&upstream, &lines).await;
    let caller = house.caller("agent").await.at("/mcp/a");
    let good = issuer.claims(now());
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        issuer.token("k1", &claims)
    };
    let stranger = TestIssuer::start().await;
    let signature_of_another = {
        let (head, _) = with("sub", json!("mallory"))
            .rsplit_once('.')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        let token = issuer.token("k1", &good);
        format!("{head}.{}", token.rsplit_once('.').unwrap().1)
    };
    let mut poor = good.clone();
    poor.as_object_mut().unwrap().remove("groups");
    for (what, bringing, status) in [
        ("nothing", caller.clone(), 401),
        ("a key of ours", caller.bringing(&caller.key), 401),
        ("an opaque token", caller.bringing("opaque"), 401),
        (
            "an old token",
            caller.bringing(&with("exp", json!(now() - 100))),
            401,
        ),
        (
            "somebody else's",
            caller.bringing(&with("aud", json!("other"))),
            401,
        ),
        (
            "another signature",
            caller.bringing(&signature_of_another),
            401,
        ),
        (
            "a token of a stranger",
            caller.bringing(&stranger.token("k1", &stranger.claims(now()))),
            401,
        ),
        (
            "too little",
            caller.bringing(&issuer.token("k1", &poor)),
            403,
        ),
    ] {
        let answer = bringing.modern_call("echo", "{}").await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert_eq!(upstream.count("tools/call"), 0, "{what}");
    }
    let answer = caller
        .bringing(&issuer.token("k1", &good))
        .modern_call("echo", "{}")
        .await;
    assert!(answer.json()["result"].is_object(), "{answer:?}");
    house.end().await;
}

/// SIGN-11.
#[tokio::test]
async fn an_opaque_token_is_asked_about_and_doubt_is_a_refusal() {
    let upstream = FakeUpstream::modern().await;
    let issuer = TestIssuer::start().await;
    let mut lines = by_keys(&issuer);
    lines.extend(by_asking(&issuer));
    let house = verifying(&upstream, &lines).await;
    let judge = Judge::of(&house).await;
    let caller = house.caller("agent").await.at("/mcp/a");
    issuer.says_of(
        "opaque-good",
        json!({"active": true, "sub": "carol", "aud": AUDIENCE, "exp": now() + 60}),
    );
    issuer.says_of(
        "opaque-for-others",
        json!({"active": true, "sub": "carol", "aud": "other", "exp": now() + 60}),
    );
    for (token, status) in [
        ("opaque-good", 200),
        ("opaque-inactive", 401),
        ("opaque-for-others", 401),
    ] {
        let answer = caller.bringing(token).modern_call("echo", "{}").await;
        assert_eq!(answer.status, status, "{token}: {answer:?}");
    }
    assert_eq!(upstream.count("tools/call"), 1);
    let claims = judge.claims(&upstream.last("tools/call"));
    assert_eq!(text(&claims, "sub"), "carol");
    assert!(claims["exp"].as_i64().unwrap() <= now() + 60);
    // A key of the gateway is not shown to anybody.
    let asked = issuer.introspections().len();
    caller.bringing(&caller.key).modern_call("echo", "{}").await;
    caller.modern_call("echo", "{}").await;
    assert_eq!(issuer.introspections().len(), asked);
    issuer.answers(500, "down");
    let answer = caller
        .bringing("opaque-new")
        .modern_call("echo", "{}")
        .await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(upstream.count("tools/call"), 1);
    house.end().await;
}

/// Whoever came with a token of an issuer that admits them is vouched for by name as well, verified
/// again or not: nobody is taken for the gateway itself.
#[tokio::test]
async fn who_was_admitted_by_a_token_is_vouched_for_by_name() {
    let issuer = TestIssuer::start().await;
    for lines in [vec![], by_keys(&issuer)] {
        let upstream = FakeUpstream::modern().await;
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let lines = [&["default_on: true", "algorithm: ES256"], &lines[..]].concat();
        let identity = format!(
            "identity:\n  issuers:\n{}",
            issuer.entry("    groups: {staff: {servers: [a]}}\n")
        );
        let parts = [server("a", &upstream, &[]), guardrail(&lines), identity];
        let house = House::of(&parts).await;
        let judge = Judge::of(&house).await;
        let token = issuer.token("k1", &issuer.claims(now()));
        let answer = house
            .client(&token)
            .at("/mcp/a")
            .modern_call("echo", "{}")
            .await;
        assert!(answer.json()["result"].is_object(), "{answer:?}");
        let claims = judge.claims(&upstream.last("tools/call"));
        assert_eq!(text(&claims, "sub"), "alice", "{lines:?}");
        house.end().await;
    }
}

/// SIGN-01: a client whose authorization server names nobody is not vouched for as the person who is
/// called as it is, and where the operator wants a person, not at all.
#[tokio::test]
async fn a_client_that_came_for_itself_is_vouched_for_as_a_client() {
    let issuer = TestIssuer::start().await;
    issuer.says_of(
        "opaque-of-a-client",
        json!({"active": true, "client_id": "alice", "aud": AUDIENCE, "exp": now() + 60}),
    );
    for (line, expected) in [
        ("ttl_seconds: 60", Ok("client:alice")),
        ("end_user_claim_sources: [\"litellm:user_id\"]", Err(403)),
    ] {
        let upstream = FakeUpstream::modern().await;
        let identity = format!(
            "identity:\n  issuers:\n{}",
            issuer.entry(&format!(
                "    introspection:\n      url: \"{}/introspect\"\n      client_id: gw\n      \
                 client_secret: the-introspection-secret\n    servers: [a]\n",
                issuer.url()
            ))
        );
        let guardrail = guardrail(&["default_on: true", "algorithm: ES256", line]);
        let house = House::of(&[server("a", &upstream, &[]), guardrail, identity]).await;
        let judge = Judge::of(&house).await;
        let client = house.client("opaque-of-a-client").at("/mcp/a");
        let answer = client.modern_call("echo", "{}").await;
        match expected {
            Ok(subject) => {
                assert!(answer.json()["result"].is_object(), "{answer:?}");
                let claims = judge.claims(&upstream.last("tools/call"));
                assert_eq!(text(&claims, "sub"), subject);
                assert_eq!(text(&claims, "client_id"), "alice");
            }
            Err(status) => {
                assert_eq!(answer.status, status, "{answer:?}");
                assert_eq!(upstream.count("tools/call"), 0);
            }
        }
        house.end().await;
    }
}

/// A revoked token vouches for nobody, whichever key it comes beside, a signed one and one that was
/// asked about and is remembered.
#[tokio::test]
async fn who_was_revoked_is_not_vouched_for_on_the_word_of_a_good_token() {
    let upstream = FakeUpstream::modern().await;
    let issuer = TestIssuer::start().await;
    let mut lines = by_keys(&issuer);
    lines.extend(by_asking(&issuer));
    let house = verifying(&upstream, &lines).await;
    let caller = house.caller("agent").await.at("/mcp/a");
    let claims = issuer.claims(now());
    issuer.says_of(
        "opaque-of-alice",
        json!({"active": true, "sub": "alice", "aud": AUDIENCE, "exp": now() + 60, "iat": now()}),
    );
    let tokens = [issuer.token("k1", &claims), "opaque-of-alice".to_owned()];
    for token in &tokens {
        let answer = caller.bringing(token).modern_call("echo", "{}").await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let admin = portcullis_core::ServerGrants::default();
    let admin = house
        .embedded
        .mint("admin", portcullis_core::Role::Admin, admin)
        .await
        .unwrap();
    let wish = json!({"issuer": claims["iss"], "sub": "alice"});
    let revoked = house
        .client(admin.key.expose())
        .at("/v1/revocations")
        .post(&wish.to_string())
        .await;
    house.forget_one();
    assert_eq!(revoked.status, 200, "{revoked:?}");
    for token in &tokens {
        let answer = caller.bringing(token).modern_call("echo", "{}").await;
        assert_eq!(answer.status, 401, "{answer:?}");
    }
    assert_eq!(upstream.count("tools/call"), 2);
    house.end().await;
}
