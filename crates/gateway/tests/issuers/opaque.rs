//! Tokens that only their authorization server can read (RFC 7662).

use super::*;

fn opaque(issuer: &TestIssuer) -> String {
    issuer.entry(&format!(
        "    introspection:\n      url: \"{}/introspect\"\n      client_id: gw\n      \
         client_secret: introspection-canary-81c2f7\n{STAFF}",
        issuer.url()
    ))
}

/// RL-14.
#[tokio::test]
async fn an_opaque_token_is_asked_about_once_a_minute_and_never_believed_beyond_its_end() {
    let issuer = TestIssuer::start().await;
    let entry = opaque(&issuer);
    let stage = Stage::with(issuer, &entry).await;
    stage
        .gateway
        .keep_secret("our secret there", "introspection-canary-81c2f7");
    let mut said = stage.claims(json!({"active": true}));
    said["exp"] = json!(stage.clock.now().as_secs() + 90);
    stage.issuer.says_of("opaque-1-canary", said);
    let alice = stage.holder("opaque-1-canary");

    let asking = (0..20).map(|_| alice.echo("hello"));
    for reply in futures_util::future::join_all(asking).await {
        is_served(&reply);
    }
    let asked = stage.issuer.introspections();
    assert_eq!(asked.len(), 1);
    let (headers, form) = &asked[0];
    assert_eq!(form["token"], "opaque-1-canary");
    assert!(
        headers["authorization"]
            .to_str()
            .unwrap()
            .starts_with("Basic ")
    );
    let reply = alice.echo("who").await;
    let event = stage.gateway.event_of(&reply).await;
    assert_eq!(event["principal_kind"], "introspected_token", "{event}");

    // Revoked there: believed for the rest of the minute.
    stage
        .issuer
        .says_of("opaque-1-canary", json!({"active": false}));
    stage.clock.advance(Duration::from_secs(59));
    is_served(&alice.echo("within the minute").await);
    stage.clock.advance(Duration::from_secs(1));
    stage.is_refused(&alice, "token_inactive").await;

    let mut short = stage.claims(json!({"active": true}));
    short["exp"] = json!(stage.clock.now().as_secs() + 5);
    stage.issuer.says_of("opaque-2-canary", short);
    let short = stage.holder("opaque-2-canary");
    is_served(&short.echo("before its end").await);
    stage.clock.advance(Duration::from_secs(36));
    stage.is_refused(&short, "expired").await;
    stage.stands().await;
}

/// RFC 7662 §2.2: `sub` may be absent. A client is then nobody but itself, whoever bears its name.
#[tokio::test]
async fn an_opaque_token_without_a_subject_is_its_clients_and_no_persons() {
    let issuer = TestIssuer::start().await;
    let entry = opaque(&issuer);
    let stage = Stage::with(issuer, &entry).await;
    let person = stage.claims(json!({"active": true}));
    let mut client = person.clone();
    client.as_object_mut().unwrap().remove("sub");
    client["client_id"] = json!("alice");
    stage.issuer.says_of("opaque-of-the-person", person);
    stage.issuer.says_of("opaque-of-the-client", client);
    let mut ids = Vec::new();
    for token in ["opaque-of-the-person", "opaque-of-the-client"] {
        let reply = stage.holder(token).echo("hello").await;
        is_served(&reply);
        let event = stage.gateway.event_of(&reply).await;
        ids.push(event["principal"].as_str().unwrap().to_owned());
    }
    let url = stage.issuer.url();
    assert_eq!(
        ids,
        [format!("token:{url} alice"), format!("client:{url} alice")]
    );
    stage.stands().await;
}

/// RL-14.
#[tokio::test]
async fn whatever_is_not_a_clear_yes_lets_nobody_in() {
    let issuer = TestIssuer::start().await;
    let entry = opaque(&issuer);
    let stage = Stage::with(issuer, &entry).await;
    for (number, (changes, reason)) in [
        (json!({"active": false}), "token_inactive"),
        (json!({"aud": "https://somebody.else"}), "token_audience"),
        (json!({"iss": "https://somebody.else"}), "token_issuer"),
        (json!({"token_type": "DPoP"}), "token_confirmation"),
    ]
    .into_iter()
    .enumerate()
    {
        let token = format!("opaque-{number}");
        let mut said = stage.claims(json!({"active": true}));
        let Value::Object(changes) = changes else {
            panic!("changes are members");
        };
        said.as_object_mut().unwrap().extend(changes);
        stage.issuer.says_of(&token, said);
        stage.is_refused(&stage.holder(&token), reason).await;
    }
    let text = stage.claims(json!({"active": "true"}));
    stage.issuer.says_of("opaque-text", text);
    stage.is_unknown(&stage.holder("opaque-text")).await;
    for (number, (status, body)) in [(401, "{}"), (500, ""), (200, "<html>"), (302, "")]
        .into_iter()
        .enumerate()
    {
        stage.issuer.answers(status, body);
        stage
            .is_unknown(&stage.holder(&format!("opaque-broken-{number}")))
            .await;
    }
    stage.stands().await;
}

#[tokio::test]
async fn keys_and_other_issuers_tokens_are_not_shown_to_the_introspection_endpoint() {
    let issuer = TestIssuer::start().await;
    let entry = opaque(&issuer);
    let stage = Stage::with(issuer, &entry).await;
    let other = TestIssuer::start().await;
    let foreign = other.token("k1", &other.claims(stage.clock.now().as_secs()));
    stage
        .is_refused(&stage.holder(&foreign), "token_issuer")
        .await;
    stage
        .is_refused(&stage.gateway.bearer("sk-mistyped-master-key"), "unknown")
        .await;
    let by_key_header = Actor::echo_ask("x").header("x-litellm-api-key", "mistyped");
    let reply = stage.gateway.anonymous().ask(by_key_header).await;
    assert_eq!(reply.status, 401, "{reply:?}");
    let key = stage.gateway.key("caller", &["support"]).await;
    is_served(&key.echo("with a key").await);
    assert!(stage.issuer.introspections().is_empty());

    // A JWT of the issuer that is asked goes there like any other of its tokens.
    let own = stage.issuer.token("k1", &stage.claims(json!({})));
    stage
        .issuer
        .says_of(&own, stage.claims(json!({"active": true})));
    is_served(&stage.holder(&own).echo("hello").await);
    assert_eq!(stage.issuer.introspections().len(), 1);
    stage.stands().await;
}
