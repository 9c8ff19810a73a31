//! What is presented to an API.

use portcullis_testkit::gateway::{MockServer, TestGateway};

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
    assert!(!told(&call(&alice, "/mcp/pets", "getpet", r#"{"id":"1"}"#).await).1);
    let token = api.last().header("authorization").unwrap().to_owned();
    let token = token.strip_prefix("Bearer ").unwrap();
    assert_eq!(token.split('.').count(), 3, "{token}");
    gateway.stands().await;
    api.end().await;
}
