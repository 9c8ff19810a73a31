//! What a caller, a document or an API could try.

use portcullis_testkit::gateway::TestGateway;
use serde_json::json;

use super::support::{Api, House, PETS, Says, call, entry, told};

/// SSRF-06: an argument stays where it belongs.
#[tokio::test]
async fn an_argument_stays_within_its_place() {
    let house = House::with(&[
        "auth_type: bearer_token",
        "auth_value: canary-service-token-4711",
    ])
    .await;
    house
        .gateway
        .keep_secret("the API's token", "canary-service-token-4711");
    for id in [
        "../admin",
        "..",
        "1/../../x",
        "\\..\\admin",
        "a\r\nX-Evil: 1",
        "",
    ] {
        let arguments = json!({"id": id}).to_string();
        let (text, is_error) = told(&house.call("getpet", &arguments).await);
        assert!(
            is_error && text.starts_with("Nothing was called"),
            "{id:?}: {text}"
        );
    }
    assert!(house.api.asked().is_empty());
    for (id, target) in [
        ("..%2fadmin", "/v1/pets/..%252fadmin"),
        ("1?role=admin", "/v1/pets/1%3Frole%3Dadmin"),
        ("1#x", "/v1/pets/1%23x"),
        ("//evil.example/x", "/v1/pets/%2F%2Fevil.example%2Fx"),
        ("@evil.example", "/v1/pets/%40evil.example"),
    ] {
        let arguments = json!({"id": id}).to_string();
        assert!(!told(&house.call("getpet", &arguments).await).1, "{id}");
        assert_eq!(house.api.last().target, target);
    }
    let arguments = json!({"id": "1", "X-Tenant": "a\r\nAuthorization: Bearer evil"}).to_string();
    assert!(
        told(&house.call("getpet", &arguments).await)
            .0
            .contains("line breaks")
    );
    house.end().await;
}

#[tokio::test]
async fn no_argument_takes_the_credentials_place() {
    let house = House::with(&["auth_type: api_key", "auth_value: canary-api-key-4711"]).await;
    let reply = house
        .call("getpet", r#"{"id":"1","X-API-Key":"evil"}"#)
        .await;
    assert!(
        told(&reply).0.contains("has no argument `X-API-Key`"),
        "{reply:?}"
    );
    house.call("getpet", r#"{"id":"1"}"#).await;
    assert_eq!(
        house.api.last().header("x-api-key"),
        Some("canary-api-key-4711")
    );
    house
        .gateway
        .keep_secret("the API's key", "canary-api-key-4711");
    house.end().await;
}

/// Also where encoding would hide it.
#[tokio::test]
async fn an_answer_that_repeats_the_credential_is_withheld() {
    let secret = "canary-service-token-4712";
    let house = House::with(&["auth_type: bearer_token", &format!("auth_value: {secret}")]).await;
    house.gateway.keep_secret("the API's token", secret);
    let hidden = Says {
        status: 200,
        headers: vec![("content-type", "image/png".to_owned())],
        body: format!("xy{secret}").into(),
    };
    let shown = Says::json(400, &format!(r#"{{"you sent":"{secret}"}}"#));
    house.api.says("/v1/pets/1", &[hidden, shown]);
    for _ in 0..2 {
        let reply = house.call("getpet", r#"{"id":"1"}"#).await;
        assert!(reply.json()["error"].is_object(), "{reply:?}");
    }
    assert_eq!(house.api.asked().len(), 2);
    house.end().await;
}

/// SSRF-05: what a document says of its servers leads to public addresses at most.
#[tokio::test]
async fn a_document_cannot_lead_inside() {
    let inside = Api::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut sections = String::from("mcp_servers:\n");
    let targets = [
        inside.url(),
        "https://169.254.169.254".to_owned(),
        "https://10.9.9.9".to_owned(),
    ];
    for (number, target) in targets.iter().enumerate() {
        let path = folder.path().join(format!("{number}.json"));
        let servers = format!(r#""servers": [{{"url": "{target}"}}], "paths""#);
        std::fs::write(&path, PETS.replacen("\"paths\"", &servers, 1)).unwrap();
        sections.extend([format!("  s{number}:\n    spec_path: {}\n", path.display())]);
    }
    let gateway = TestGateway::start(&sections).await;
    let alice = gateway.key("alice", &["s0", "s1", "s2"]).await;
    for number in 0..targets.len() {
        let path = format!("/mcp/s{number}");
        let reply = call(&alice, &path, "getpet", r#"{"id":"1"}"#).await;
        assert!(reply.json()["error"].is_object(), "{reply:?}");
    }
    assert!(inside.asked().is_empty());
    gateway.stands().await;
    inside.end().await;
}

/// A fetched document cannot have our credential sent to somebody else.
#[tokio::test]
async fn a_fetched_document_cannot_have_the_credential_sent_elsewhere() {
    let (api, thief) = (Api::start().await, Api::start().await);
    let servers = format!(r#""servers": [{{"url": "{}/v1"}}], "paths""#, thief.url());
    let stolen = PETS.replacen("\"paths\"", &servers, 1);
    api.says("/openapi.json", &[Says::json(200, &stolen)]);
    let yaml = format!(
        "mcp_servers:\n  a:\n    spec_path: {0}/openapi.json\n    auth_type: bearer_token\n    auth_value: canary-service-token-4713\n",
        api.url()
    );
    let gateway = TestGateway::start(&yaml).await;
    let alice = gateway.key("alice", &["a"]).await;
    let reply = call(&alice, "/mcp/a", "getpet", r#"{"id":"1"}"#).await;
    assert!(reply.json()["error"].is_object(), "{reply:?}");
    assert!(thief.asked().is_empty() && api.asked().is_empty());
    gateway.stands().await;
    api.end().await;
    thief.end().await;
}

/// One document that is a bomb, or none, closes its own server and no other.
#[tokio::test]
async fn a_bad_document_closes_its_own_server_only() {
    let api = Api::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut bomb = String::from("openapi: 3.0.0\nx-a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        bomb.extend([format!(
            "x-a{level}: &a{level} [{}]\n",
            [below.as_str(); 10].join(",")
        )]);
    }
    let deep = format!(
        "{{\"openapi\":\"3.0.0\",\"x\":{}{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let mut yaml = String::from("mcp_servers:\n");
    for (name, text) in [
        ("good", PETS),
        ("bomb", &bomb),
        ("deep", &deep),
        ("none", "hello"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        yaml.push_str(&entry(name, &path.display().to_string(), &api.url(), &[]));
    }
    yaml.push_str(&entry("missing", "/nowhere/openapi.json", &api.url(), &[]));
    let gateway = TestGateway::start(&yaml).await;
    let all = ["good", "bomb", "deep", "none", "missing"];
    let alice = gateway.key("alice", &all).await;
    assert_eq!(super::support::tools(&alice, "/mcp").await.len(), 4);
    assert!(!told(&call(&alice, "/mcp", "good-getpet", r#"{"id":"1"}"#).await).1);
    for name in &all[1..] {
        let reply = call(&alice, &format!("/mcp/{name}"), "getpet", r#"{"id":"1"}"#).await;
        assert!(reply.json()["error"].is_object(), "{reply:?}");
    }
    gateway.stands().await;
    api.end().await;
}

/// Who may say only `filter` says nothing else by it.
#[tokio::test]
async fn an_allowed_argument_brings_no_other_along() {
    let document = r#"{"openapi": "3.1.0", "paths": {"/pets": {"get": {
        "operationId": "findPets", "parameters": [
            {"name": "name", "in": "query", "schema": {"type": "string"}},
            {"name": "filter", "in": "query", "schema": {"type": "object"}},
            {"name": "where", "in": "query", "style": "deepObject", "schema": {"type": "object"}},
            {"name": "as_user", "in": "query", "schema": {"type": "string"}}
        ]}}}}"#;
    let house = House::of(document, &["allowed_params: {findpets: [name, filter]}"]).await;
    for arguments in [
        r#"{"name": {"as_user": "admin"}}"#,
        r#"{"name": {"role": "admin"}}"#,
        r#"{"name": ["a", "b"]}"#,
        r#"{"filter": {"as_user": "admin"}}"#,
        r#"{"filter": {"AS_USER": "admin"}}"#,
        r#"{"filter": {"as_user[]": "admin"}}"#,
        r#"{"filter": {"where[role]": "admin"}}"#,
        r#"{"filter": {"where": "admin"}}"#,
    ] {
        let (text, is_error) = told(&house.call("findpets", arguments).await);
        assert!(is_error && text.contains("must not"), "{arguments}: {text}");
    }
    assert!(house.api.asked().is_empty());
    let reply = house
        .call("findpets", r#"{"name": "a", "filter": {"state": "new"}}"#)
        .await;
    assert!(!told(&reply).1, "{reply:?}");
    assert_eq!(house.api.last().target, "/v1/pets?name=a&state=new");
    house.end().await;
}
