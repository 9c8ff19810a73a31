use portcullis_testkit::gateway::{Ask, TestGateway};
use serde_json::{Value, json};
use url::Url;

use super::stage::{Stage, form_ask};

#[tokio::test]
async fn a_client_finds_everything_from_a_401() {
    let stage = Stage::new().await;
    let anonymous = stage.gateway.anonymous();
    let refused = anonymous.ask(Ask::initialize("/mcp/support")).await;
    assert_eq!(refused.status, 401);
    let resource = "http://localhost/.well-known/oauth-protected-resource/mcp/support";
    assert_eq!(
        refused.header("www-authenticate").unwrap(),
        format!("Bearer resource_metadata=\"{resource}\"")
    );
    let document = Ask::get("/.well-known/oauth-protected-resource/mcp/support");
    let document = anonymous.ask(document).await.json();
    assert_eq!(document["resource"], "http://localhost/mcp/support");
    assert_eq!(
        document["authorization_servers"],
        json!(["http://localhost"])
    );
    let metadata = Ask::get("/.well-known/oauth-authorization-server");
    let metadata = anonymous.ask(metadata).await;
    assert_eq!(
        metadata.header("cache-control"),
        Some("public, max-age=300")
    );
    let metadata = metadata.json();
    assert_eq!(metadata["issuer"], "http://localhost");
    for (name, path) in [
        ("authorization_endpoint", "/authorize"),
        ("token_endpoint", "/token"),
        ("registration_endpoint", "/register"),
        ("revocation_endpoint", "/revoke"),
        ("introspection_endpoint", "/introspect"),
        ("jwks_uri", "/oauth/jwks.json"),
    ] {
        assert_eq!(metadata[name], format!("http://localhost{path}"));
    }
    assert_eq!(
        metadata["code_challenge_methods_supported"],
        json!(["S256"])
    );
    assert_eq!(metadata["response_types_supported"], json!(["code"]));
    assert_eq!(metadata["scopes_supported"], json!(["read", "write"]));
    for yes in [
        "authorization_response_iss_parameter_supported",
        "client_id_metadata_document_supported",
    ] {
        assert_eq!(metadata[yes], true, "{yes}");
    }
    // RFC 8414 §3.3: each names what stands in its own URL, and the same endpoints.
    for (same, path) in [
        ("/.well-known/openid-configuration", ""),
        ("/.well-known/oauth-authorization-server/mcp", "/mcp"),
        (
            "/.well-known/oauth-authorization-server/mcp/anything",
            "/mcp/anything",
        ),
        (
            "/.well-known/oauth-authorization-server/anything/mcp",
            "/anything/mcp",
        ),
        ("/.well-known/openid-configuration/mcp", "/mcp"),
    ] {
        let mut document = anonymous.ask(Ask::get(same)).await.json();
        let issuer = format!("http://localhost{path}");
        assert_eq!(document["issuer"], issuer, "{same}");
        if !path.is_empty() {
            let asks = Url::parse(document["authorization_endpoint"].as_str().unwrap()).unwrap();
            assert_eq!(asks.path(), "/authorize");
            assert_eq!(asks.query_pairs().next().unwrap().1, issuer);
            document["issuer"] = metadata["issuer"].clone();
            document["authorization_endpoint"] = metadata["authorization_endpoint"].clone();
        }
        assert_eq!(document, metadata, "{same}");
    }
    for other in [
        "/.well-known/oauth-authorization-server/v1/audit",
        "/.well-known/oauth-authorization-server/mcp-rest/tools/list",
    ] {
        assert_eq!(anonymous.ask(Ask::get(other)).await.status, 404, "{other}");
    }
}

/// Fetch §3.2: a client that runs in a page of another site.
#[tokio::test]
async fn clients_in_browsers_may_ask_and_read_what_needs_no_cookie() {
    const PAGE: &str = "https://inspector.test";
    let stage = Stage::new().await;
    let anonymous = stage.gateway.anonymous();
    let from = |ask: Ask| ask.header("origin", PAGE);
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/openid-configuration",
        "/oauth/jwks.json",
    ] {
        let read = anonymous.ask(from(Ask::get(path))).await;
        assert_eq!(read.status, 200, "{path}");
        assert_eq!(read.header("access-control-allow-origin"), Some("*"));
        assert_eq!(read.header("access-control-allow-credentials"), None);
    }
    for path in ["/token", "/register", "/revoke"] {
        let asked = from(Ask::new("OPTIONS", path))
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type");
        let asked = anonymous.ask(asked).await;
        assert_eq!(asked.status, 204, "{path}");
        let allowed = asked.header("access-control-allow-headers").unwrap();
        assert!(allowed.contains("content-type"), "{allowed}");
    }
    let refused = anonymous.ask(from(form_ask("/token", &[]))).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
    // Whatever a cookie or a key opens stays closed to other sites.
    for closed in ["/mcp", "/introspect", "/login"] {
        let refused = anonymous.ask(from(Ask::new("POST", closed))).await;
        assert_eq!(refused.status, 403, "{closed}");
        assert_eq!(refused.header("access-control-allow-origin"), None);
    }
}

#[tokio::test]
async fn where_there_is_no_authorization_server_none_is_named() {
    let yaml = "identity: {authorization_server: {enabled: false}}";
    let gateway = TestGateway::start(yaml).await;
    let anonymous = gateway.anonymous();
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration",
        "/oauth/jwks.json",
    ] {
        assert_eq!(anonymous.ask(Ask::get(path)).await.status, 404, "{path}");
    }
    for path in ["/token", "/register", "/revoke", "/introspect"] {
        let reply = anonymous.ask(form_ask(path, &[])).await;
        assert_eq!(reply.status, 404, "{path}");
    }
    let document = Ask::get("/.well-known/oauth-protected-resource/mcp");
    let document = anonymous.ask(document).await.json();
    assert_eq!(document["authorization_servers"], Value::Null);
    gateway.stands().await;
}
