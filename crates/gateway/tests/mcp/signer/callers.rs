//! Who a token speaks of, and who sees it.

use portcullis_core::{Role, ServerGrants};
use portcullis_identity::{MasterKey, NewKey};
use portcullis_testkit::upstream::Reply;

use super::super::support::m2m;
use super::*;

/// Somebody whose key says who they are.
async fn person(house: &House, name: &str) -> Client {
    let wish = NewKey {
        alias: Some(format!("of {name}")),
        user_id: Some(name.into()),
        team: Some("blue".into()),
        org: Some("acme".into()),
        role: Role::User,
        grants: ServerGrants {
            all: true,
            ..ServerGrants::default()
        },
        scopes: portcullis_core::ScopeSet::default(),
        expires_in: None,
        metadata: serde_json::Map::new(),
    };
    let operator = MasterKey::principal();
    let created = house.embedded.keys().create(wish, &operator).await;
    house.client(created.unwrap().key.expose())
}

/// SIGN-01.
#[tokio::test]
async fn nothing_that_a_caller_writes_is_signed() {
    const NAMES: [&str; 9] = [
        "iss",
        "aud",
        "sub",
        "act",
        "scope",
        "email",
        "exp",
        "client_id",
        "jti",
    ];
    let forged = NAMES.map(|name| format!(r#""{name}":"forged""#)).join(",");
    let upstream = FakeUpstream::modern().await;
    let house = signing_for(&upstream, &[]).await;
    let judge = Judge::of(&house).await;
    let mut alice = person(&house, "alice").await.at("/mcp/a");
    for name in NAMES {
        alice = alice.with(name, "forged");
    }
    let alice = alice
        .with("x-mcp-channel-token", "Bearer forged")
        .with("x-litellm-mcp-debug", "true");
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{{forged},"name":"echo","arguments":{{{forged}}},"_meta":{{{forged},"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    );
    let headers = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "echo"),
    ];
    let answer = alice
        .request(Method::POST, &body, &headers)
        .await
        .whole()
        .await;
    assert!(answer.json()["result"].is_object(), "{answer:?}");
    let seen = upstream.last("tools/call");
    let claims = judge.claims(&seen);
    assert!(!claims.to_string().contains("forged"), "{claims}");
    assert_eq!(text(&claims, "sub"), "alice");
    assert_eq!(claims["act"]["sub"], "blue");
    assert!(seen.header("x-mcp-channel-token").is_none());
    assert!(seen.header("x-litellm-mcp-debug").is_none());
    house.end().await;
}

/// SIGN-04.
#[tokio::test]
async fn every_token_is_short_lived_and_its_own() {
    let upstream = FakeUpstream::modern().await;
    let house = signing_for(&upstream, &["ttl_seconds: 60"]).await;
    let judge = Judge::of(&house).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let calls = (0..1000).map(|_| alice.modern_call("echo", "{}"));
    futures_util::future::join_all(calls).await;
    let mut seen = std::collections::BTreeSet::new();
    for request in upstream.seen("tools/call") {
        let claims = judge.claims(&request);
        let moment = |name: &str| claims[name].as_i64().unwrap();
        assert_eq!(moment("exp") - moment("iat"), 60);
        assert!(moment("nbf") <= moment("iat"));
        assert!(seen.insert(text(&claims, "jti").to_owned()));
        let names: Vec<&String> = claims.as_object().unwrap().keys().collect();
        assert!(!names.contains(&&"email".to_owned()), "{names:?}");
    }
    assert_eq!(seen.len(), 1000);
    house.end().await;
}

/// Two callers of one server: neither a session nor a token of one ever serves the other.
#[tokio::test]
async fn sessions_stay_with_the_caller_whom_their_tokens_name() {
    let upstream = FakeUpstream::legacy().await;
    let house = signing_for(&upstream, &[]).await;
    let judge = Judge::of(&house).await;
    let (alice, bob) = (person(&house, "alice").await, person(&house, "bob").await);
    for caller in [&alice, &bob, &alice, &bob] {
        let answer = caller.at("/mcp/a").call("echo", "{}").await;
        assert!(answer.json()["result"].is_object(), "{answer:?}");
    }
    let mut owners: HashMap<String, String> = HashMap::new();
    let mut people = std::collections::BTreeSet::new();
    for request in upstream.requests() {
        let Some(session) = request.header("mcp-session-id") else {
            continue;
        };
        if request.kind == "DELETE" {
            continue;
        }
        let sub = text(&judge.claims(&request), "sub").to_owned();
        people.insert(sub.clone());
        let owner = owners.entry(session.to_owned()).or_insert(sub.clone());
        assert_eq!(*owner, sub, "{request:?}");
    }
    assert!(
        people.contains("alice") && people.contains("bob"),
        "{people:?}"
    );
    house.end().await;
}

/// SIGN-03.
#[tokio::test]
async fn a_token_for_one_server_is_none_for_another() {
    let (one, other) = (FakeUpstream::modern().await, FakeUpstream::modern().await);
    let lines = [
        "default_on: true",
        "algorithm: EdDSA",
        "audience: per_server",
    ];
    let servers = [
        server("one", &one, &[]),
        server("other", &other, &[]),
        guardrail(&lines),
    ];
    let house = House::of(&servers).await;
    let judge = Judge::of(&house).await;
    let alice = house.caller("alice").await;
    for (name, upstream) in [("one", &one), ("other", &other)] {
        alice
            .at(&format!("/mcp/{name}"))
            .modern_call("echo", "{}")
            .await;
        let bearer = upstream
            .last("tools/call")
            .header("authorization")
            .unwrap()
            .to_owned();
        let claims = judge.read(&bearer, &upstream.url());
        assert_eq!(text(&claims, "aud"), upstream.url());
    }
    house.end().await;
}

#[tokio::test]
async fn a_signer_with_a_header_of_its_own_stands_beside_a_servers_credential() {
    let upstream = FakeUpstream::modern().await;
    let keys = m2m(&upstream);
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let lines = [
        "default_on: true",
        "algorithm: ES256",
        "token_header: X-Signed-For",
        "channel_token_audience: channel",
        "channel_token_ttl: 30",
        "debug_headers: true",
    ];
    let house = House::of(&[server("a", &upstream, &keys), guardrail(&lines)]).await;
    let judge = Judge::of(&house).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    alice.modern_call("echo", "{}").await;
    let seen = upstream.last("tools/call");
    assert!(
        seen.header("authorization")
            .unwrap()
            .starts_with("Bearer token")
    );
    let main = judge.read(seen.header("x-signed-for").unwrap(), "mcp");
    let channel = judge.read(seen.header("x-mcp-channel-token").unwrap(), "channel");
    assert_eq!(channel["sub"], main["sub"]);
    assert_ne!(channel["jti"], main["jti"]);
    assert_eq!(
        channel["exp"].as_i64().unwrap() - channel["iat"].as_i64().unwrap(),
        30
    );
    let line = seen.header("x-litellm-mcp-debug").unwrap();
    let start = format!(
        "v=1; kid={}; sub={}; iss={ISSUER}; exp=",
        judge.0.keys[0].common.key_id.as_deref().unwrap(),
        text(&main, "sub")
    );
    assert!(line.starts_with(&start), "{line}");
    assert!(!line.contains(&seen.header("x-signed-for").unwrap()["Bearer ".len()..]));
    let events = house.request_events().await;
    assert_eq!(
        events.last().unwrap()["credential"],
        "m2m-client-credentials"
    );
    house.end().await;
}

/// The answer of a server that repeats the token is withheld, whatever header it came in.
#[tokio::test]
async fn a_token_does_not_come_back_to_the_caller() {
    for header in ["authorization", "x-signed-for"] {
        let upstream = FakeUpstream::modern().await;
        upstream.on("tools/call", move |request| {
            let token = request
                .header(header)
                .unwrap()
                .strip_prefix("Bearer ")
                .unwrap();
            Reply::result(
                request,
                &format!(r#"{{"content":[{{"type":"text","text":"you said {token}"}}]}}"#),
            )
        });
        let house = signing_for(&upstream, &[&format!("token_header: {header}")]).await;
        let alice = house.caller("alice").await.at("/mcp/a");
        let answer = alice.modern_call("echo", "{}").await;
        assert_eq!(upstream.count("tools/call"), 1);
        assert!(!answer.text.contains("you said"), "{answer:?}");
        let events = house.request_events().await;
        assert_eq!(events.last().unwrap()["credential"], "signed-jwt");
        let token = upstream.last("tools/call");
        let token = &token.header(header).unwrap()["Bearer ".len()..];
        assert!(!format!("{events:?}").contains(token));
        house.end().await;
    }
}

#[tokio::test]
async fn only_the_servers_that_are_meant_are_signed_for() {
    let (signed, plain) = (FakeUpstream::modern().await, FakeUpstream::modern().await);
    for (default, of_signed, of_plain) in [
        ("default_on: false", "jwt_signer: true", "description: x"),
        ("default_on: true", "description: x", "jwt_signer: false"),
    ] {
        let servers = [
            server("signed", &signed, &[of_signed]),
            server("plain", &plain, &[of_plain]),
            guardrail(&[default, "algorithm: ES256"]),
        ];
        let house = House::of(&servers).await;
        let alice = house.caller("alice").await;
        for name in ["signed", "plain"] {
            alice
                .at(&format!("/mcp/{name}"))
                .modern_call("echo", "{}")
                .await;
        }
        assert!(signed.last("tools/call").header("authorization").is_some());
        assert!(plain.last("tools/call").header("authorization").is_none());
        house.end().await;
    }
}
