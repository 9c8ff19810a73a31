//! Scopes of people who sign in, and of the clients that act for them.

use std::collections::HashMap;

use portcullis_testkit::gateway::{Ask, MockServer, Reply, TestGateway, TestProvider, form_token};
use serde_json::{Value, json};

use crate::support::{clock, sent};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A gateway whose `echo` needs `tools:admin`, and a client of alice's, who is in `staff` and signs in
/// with the provider: what the client is given, and how its call is met.
async fn met(mapped: &str) -> (Value, Reply) {
    let (clock, mock) = (clock(), MockServer::start().await);
    let provider = TestProvider::start(clock.clone()).await;
    provider.claims(json!({"groups": ["staff"]}));
    let yaml = format!(
        "mcp_servers:\n{}    tool_scopes: {{echo: [tools:admin]}}\nidentity:\n  \
         scopes_supported: [\"tools:admin\"]\n  authorization_server:\n    clients:\n    \
         - {{client_id: app, redirect_uris: [\"https://app.example/cb\"]}}\n{}",
        mock.entry("support"),
        provider.login(&format!("    servers: [support]\n{mapped}")),
    );
    let gateway = TestGateway::by_clock(&yaml, clock).await;
    gateway.keep_secret("the mock's client secret", mock.client_secret());
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs([
        ("response_type", "code"),
        ("client_id", "app"),
        ("redirect_uri", "https://app.example/cb"),
        ("scope", "tools:admin"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("resource", "http://localhost/mcp"),
    ]);
    let mut browser = gateway.browser();
    let away = sent(&browser.get("/login/provider").await).to_owned();
    browser.get(&provider.signs_in(&away)).await;
    let waits = browser.get(&format!("/authorize?{}", query.finish())).await;
    let path = sent(&waits).to_owned();
    let token = form_token(&browser.get(&path).await, &path);
    let fields = [("token", &*token), ("decision", "allow")];
    let back = browser.post(&path, &fields).await;
    let back = url::Url::parse(sent(&back)).unwrap();
    let said: HashMap<String, String> = back.query_pairs().into_owned().collect();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "app"),
        ("code", &*said["code"]),
        ("redirect_uri", "https://app.example/cb"),
        ("code_verifier", VERIFIER),
    ];
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(form);
    let ask = Ask::new("POST", "/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.finish());
    let given = gateway.anonymous().ask(ask).await;
    assert_eq!(given.status, 200, "{given:?}");
    let given = given.json();
    let bearer = gateway.bearer(given["access_token"].as_str().unwrap());
    let params = json!({"name": "support-echo", "arguments": {"message": "hi"}});
    let reply = bearer.ask(Ask::rpc("/mcp", "tools/call", &params)).await;
    (given, reply)
}

/// Which scopes a client may ask for says nothing about who has them.
#[tokio::test]
async fn a_client_gets_no_scope_that_its_person_was_not_granted() {
    for mapped in [
        "",
        "    groups: {others: {granted_scopes: \"tools:admin\"}}\n",
        "    granted_scopes: \"tools:read\"\n",
    ] {
        let (given, reply) = met(mapped).await;
        assert_eq!(given["scope"], "", "{mapped}");
        assert_eq!(reply.status, 403, "{mapped}: {reply:?}");
        let challenge = reply.header("www-authenticate").unwrap();
        assert!(challenge.contains("insufficient_scope"), "{challenge}");
    }
    for mapped in [
        "    granted_scopes: \"tools:admin\"\n",
        "    groups: {staff: {granted_scopes: [\"tools:admin\"]}}\n",
    ] {
        let (given, reply) = met(mapped).await;
        assert_eq!(given["scope"], "tools:admin", "{mapped}");
        assert_eq!(reply.status, 200, "{mapped}: {reply:?}");
        assert!(reply.text().contains("hi"), "{mapped}: {reply:?}");
    }
}
