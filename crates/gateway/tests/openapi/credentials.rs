//! What is presented to an API.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use portcullis_testkit::gateway::{MockServer, TestGateway};
use serde_json::Value;

use super::support::{Api, House, PETS, Says, call, entry, told, tools};

#[tokio::test]
async fn a_refused_token_is_fetched_anew_once_and_the_call_made_once_more() {
    let (api, mock) = (Api::start().await, MockServer::start().await);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pets.json");
    std::fs::write(&path, PETS).unwrap();
    let token_url = format!("token_url: {}/oauth/token", mock.url());
    let secret = format!("client_secret: {}", mock.client_secret());
    let resource = format!("resource: {}/mcp", mock.url());
    let keys = [
        &resource,
        "auth_type: oauth2",
        "oauth2_flow: client_credentials",
        "client_id: demo-client",
        &secret,
        &token_url,
        "static_headers: {X-Fixed: \"1\"}",
    ];
    let keys: Vec<String> = keys
        .iter()
        .map(|key| key.replace("demo-client", portcullis_gateway::mock::CLIENT_ID))
        .collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let yaml = entry("pets", &path.display().to_string(), &api.url(), &keys);
    let gateway = TestGateway::start(&format!("mcp_servers:\n{yaml}")).await;
    let alice = gateway.key("alice", &["pets"]).await;
    // Lists present nothing, and nothing is asked of the API for them.
    assert_eq!(tools(&alice, "/mcp/pets").await.len(), 4);
    assert!(api.asked().is_empty());

    let expired = Says {
        status: 401,
        headers: vec![(
            "www-authenticate",
            "Bearer error=\"invalid_token\"".to_owned(),
        )],
        body: Vec::new(),
    };
    api.says("/v1/pets/1", &[expired, Says::json(200, "{}")]);
    let reply = call(&alice, "/mcp/pets", "getpet", r#"{"id":"1"}"#).await;
    assert_eq!(told(&reply), ("{}".to_owned(), false));
    let asked = api.asked();
    assert_eq!(asked.len(), 2);
    let bearer = |at: usize| asked[at].header("authorization").unwrap().to_owned();
    assert!(bearer(0).starts_with("Bearer ") && bearer(0) != bearer(1));
    assert_eq!(asked[1].header("x-fixed"), Some("1"));
    assert_eq!(
        gateway.event_of(&reply).await["credential"],
        "m2m-client-credentials"
    );
    gateway.stands().await;
    api.end().await;
}

/// A call that may have done something is never made twice by itself.
#[tokio::test]
async fn nothing_but_a_refused_credential_repeats_a_call() {
    let house = House::with(&["timeout: 5"]).await;
    for status in [403, 408, 409, 425, 429, 500, 502, 503, 504] {
        house.api.says("/v1/pets", &[Says::json(status, "{}")]);
        let before = house.api.asked().len();
        let reply = house.call("addpet", r#"{"body":{}}"#).await;
        assert!(told(&reply).1, "{status}: {reply:?}");
        assert_eq!(house.api.asked().len(), before + 1, "{status}");
    }
    house.end().await;
}

#[tokio::test]
async fn the_signer_vouches_for_the_call() {
    let api = Api::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pets.json");
    std::fs::write(&path, PETS).unwrap();
    let yaml = format!(
        "guardrails: [{{guardrail_name: s, litellm_params: {{guardrail: mcp_jwt_signer, mode: pre_mcp_call, default_on: true, issuer: 'https://gateway.example'}}}}]\nmcp_servers:\n{}",
        entry("pets", &path.display().to_string(), &api.url(), &[])
    );
    let gateway = TestGateway::start(&yaml).await;
    let alice = gateway.key("alice", &["pets"]).await;
    for (tool, arguments) in [("getpet", r#"{"id":"1"}"#), ("addpet", r#"{"body":{}}"#)] {
        let mut seen = Vec::new();
        for _ in 0..2 {
            let reply = call(&alice, "/mcp/pets", tool, arguments).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            let token = api.last().header("authorization").unwrap().to_owned();
            let token = token.strip_prefix("Bearer ").unwrap();
            let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap());
            let claims: Value = serde_json::from_slice(&claims.unwrap()).unwrap();
            assert_eq!(claims["iss"], "https://gateway.example");
            let scope = claims["scope"].as_str().unwrap();
            assert!(scope.contains(&format!("mcp:tools/{tool}:call")), "{scope}");
            seen.push(claims["jti"].clone());
        }
        assert_ne!(seen[0], seen[1]);
    }
    gateway.stands().await;
    api.end().await;
}

/// What a file writes for Streamable HTTP stands for an API too.
#[tokio::test]
async fn every_fixed_credential_is_presented_as_over_any_other_transport() {
    let secret = "canary-fixed-token-4713";
    let login = format!("user:{secret}");
    let encoded = STANDARD.encode(&login);
    for (auth_type, value, header, presented) in [
        ("api_key", secret, "x-api-key", secret.to_owned()),
        (
            "bearer_token",
            secret,
            "authorization",
            format!("Bearer {secret}"),
        ),
        (
            "basic",
            login.as_str(),
            "authorization",
            format!("Basic {encoded}"),
        ),
        ("authorization", secret, "authorization", secret.to_owned()),
        ("token", secret, "authorization", format!("token {secret}")),
    ] {
        let keys = [
            format!("auth_type: {auth_type}"),
            format!("auth_value: \"{value}\""),
        ];
        let house = House::with(&[&keys[0], &keys[1]]).await;
        house.gateway.keep_secret(auth_type, value);
        let reply = house.call("getpet", r#"{"id":"1"}"#).await;
        assert!(!told(&reply).1, "{auth_type}: {reply:?}");
        let asked = house.api.last();
        assert_eq!(
            asked.header(header),
            Some(presented.as_str()),
            "{auth_type}"
        );
        house.end().await;
    }
}

/// The signature is made of the request as it leaves: its method, its own path and query, its body.
#[tokio::test]
async fn a_signature_covers_the_request_that_is_made() {
    let house = House::with(&[
        "auth_type: aws_sigv4",
        "aws_region_name: eu-central-1",
        "aws_service_name: execute-api",
        "aws_access_key_id: AKIACANARY4714",
        "aws_secret_access_key: canary-secret-key-4714",
    ])
    .await;
    house
        .gateway
        .keep_secret("the secret key", "canary-secret-key-4714");
    let mut signatures = Vec::new();
    for body in [r#"{"body":{"name":"a"}}"#, r#"{"body":{"name":"b"}}"#] {
        let reply = house.call("addpet", body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let asked = house.api.last();
        let signed = asked.header("authorization").unwrap().to_owned();
        assert!(
            signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIACANARY4714/"),
            "{signed}"
        );
        assert!(
            signed.contains("/eu-central-1/execute-api/aws4_request"),
            "{signed}"
        );
        assert!(asked.header("x-amz-date").is_some());
        signatures.push(signed);
    }
    assert_ne!(signatures[0], signatures[1]);
    house.end().await;
}
