//! Whom people are sent to: the scenarios `auth/metadata-*`, `auth/resource-mismatch` and
//! `auth/2025-03-26-*` of the conformance suite, and what must never be followed.

use portcullis_credentials::CredentialErrorKind;
use serde_json::json;

use super::{FakeAuthorizationServer, FakeUpstream, Stage};

const ROOT: &str = "/.well-known/oauth-protected-resource";

/// `auth/metadata-default`, `auth/metadata-var1` to `var3`.
#[tokio::test]
async fn the_authorization_server_is_found_wherever_the_specifications_allow_it() {
    for (path, named, tenant, metadata) in [
        (
            "/.well-known/oauth-protected-resource/mcp",
            true,
            "",
            "/.well-known/oauth-authorization-server",
        ),
        (
            "/.well-known/oauth-protected-resource/mcp",
            false,
            "",
            "/.well-known/openid-configuration",
        ),
        (
            ROOT,
            false,
            "/tenant1",
            "/.well-known/oauth-authorization-server/tenant1",
        ),
        (
            "/custom/metadata/location.json",
            true,
            "/tenant1",
            "/tenant1/.well-known/openid-configuration",
        ),
    ] {
        let stage = Stage::set(&[]).await;
        let issuer = format!("{}{tenant}", stage.authorization.origin());
        stage.authorization.manners(|manners| {
            manners.metadata_at = vec![metadata.to_owned()];
            manners.metadata["issuer"] = json!(issuer);
        });
        let document = stage.authorization.resource_metadata(&stage.upstream);
        {
            let mut rules = stage.rules();
            rules.documents = [(path.to_owned(), document)].into();
            let at = stage.upstream.address();
            rules.challenge = Some(if named {
                format!(r#"Bearer resource_metadata="http://{at}{path}""#)
            } else {
                "Bearer".to_owned()
            });
        }
        let alice = stage.person("alice").await;
        stage.connect(&alice).await;
        let token = stage.token_of(&alice).await;
        assert!(stage.authorization.stands_behind(&token), "{path}");
        let asked = &stage.authorization.asked()[0];
        assert_eq!(asked["resource"], stage.upstream.url());
        let redeemed = &stage.authorization.token_forms()[0];
        assert_eq!(redeemed["resource"], stage.upstream.url());
        stage.end().await;
    }
}

/// `auth/resource-mismatch`: nobody is sent anywhere by metadata that is about something else.
#[tokio::test]
async fn metadata_of_another_resource_sends_nobody_anywhere() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    let origin = format!("http://{}", stage.upstream.address());
    for other in [
        "https://evil.example/mcp".to_owned(),
        format!("{origin}/mcp/deeper"),
        format!("{origin}/other"),
        "http://127.0.0.1:1/mcp".to_owned(),
    ] {
        for path in ["/.well-known/oauth-protected-resource/mcp", ROOT] {
            let mut document = stage.authorization.resource_metadata(&stage.upstream);
            document["resource"] = json!(other);
            stage.rules().documents = [(path.to_owned(), document)].into();
            stage.searches_anew();
            let kind = stage.refused(&alice).await;
            assert_eq!(kind, CredentialErrorKind::NotDiscovered, "{other}");
        }
    }
    assert!(stage.authorization.requests().is_empty());
    stage.end().await;
}

/// `auth/metadata-issuer-mismatch`.
#[tokio::test]
async fn an_authorization_server_names_itself_exactly_as_it_was_named() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    let origin = stage.authorization.origin().to_owned();
    for other in [
        format!("{origin}/"),
        origin.to_uppercase(),
        "https://evil.example".to_owned(),
    ] {
        stage
            .authorization
            .manners(|manners| manners.metadata["issuer"] = json!(other));
        stage.searches_anew();
        let kind = stage.refused(&alice).await;
        assert_eq!(kind, CredentialErrorKind::NotDiscovered, "{other}");
    }
    assert_eq!(stage.authorization.at("/register").len(), 0);
    stage.end().await;
}

/// PKCE-14.
#[tokio::test]
async fn an_authorization_server_without_s256_is_not_used() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    for methods in [json!(null), json!([]), json!(["plain"]), json!(["s256"])] {
        stage.authorization.manners(|manners| {
            manners.metadata["code_challenge_methods_supported"] = methods.clone();
        });
        stage.searches_anew();
        let kind = stage.refused(&alice).await;
        assert_eq!(kind, CredentialErrorKind::NoPkce, "{methods}");
    }
    assert_eq!(stage.authorization.at("/register").len(), 0);
    stage.end().await;
}

/// `auth/2025-03-26-oauth-metadata-backcompat` and `auth/2025-03-26-oauth-endpoint-fallback`: the
/// authorization server is the server's own origin.
#[tokio::test]
async fn a_server_of_2025_03_26_is_its_own_authorization_server() {
    for with_metadata in [true, false] {
        let authorization = FakeAuthorizationServer::start().await;
        // One origin for both: the server's path is not one of the authorization server's.
        let own = format!("{}/mcp", authorization.origin());
        if !with_metadata {
            authorization.manners(|manners| manners.metadata_at.clear());
        }
        let upstream = FakeUpstream::legacy().await;
        let stage = Stage::around(upstream, authorization, "", &[]).await;
        let text = format!(
            "  a:\n    url: \"{own}\"\n    auth_type: oauth2\n    oauth2_flow: authorization_code\n"
        );
        let house = super::House::of(&[text]).await;
        let alice = super::person(&house, "alice").await;
        let arrived = super::connect(&house, &stage.authorization, &alice).await;
        assert_eq!(arrived.return_to, "/connect/a");
        assert_eq!(stage.authorization.at("/register").len(), 1);
        let asked = &stage.authorization.asked()[0];
        assert_eq!(asked["resource"], own);
        assert!(!asked.contains_key("scope"));
        let connection = super::status(&house, &alice).await.unwrap();
        assert_eq!(connection.issuer, stage.authorization.origin());
        house.end().await;
        stage.end().await;
    }
}

/// Endpoints that the operator wrote are used as they are, and nobody is asked for others.
#[tokio::test]
async fn what_the_file_says_wins() {
    let upstream = FakeUpstream::legacy().await;
    let authorization = FakeAuthorizationServer::start().await;
    authorization.knows("by-hand", Some("its secret"), "client_secret_post");
    let origin = authorization.origin().to_owned();
    let lines = [
        format!("authorization_url: \"{origin}/authorize\""),
        format!("token_url: \"{origin}/token\""),
        "client_id: by-hand".to_owned(),
        "client_secret: \"its secret\"".to_owned(),
        "scopes: [\"one\", \"two\"]".to_owned(),
        "audience: \"the-api\"".to_owned(),
        "resource: none".to_owned(),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let stage = Stage::around(upstream, authorization, "", &lines).await;
    let alice = stage.person("alice").await;
    stage.connect(&alice).await;
    stage.token_of(&alice).await;
    let asked = &stage.authorization.asked()[0];
    assert_eq!(asked["scope"], "one two");
    assert_eq!(asked["audience"], "the-api");
    assert!(!asked.contains_key("resource"));
    let paths = |path: &str| stage.authorization.at(path).len();
    assert_eq!(paths("/.well-known/oauth-authorization-server"), 0);
    assert_eq!(paths("/register"), 0);
    stage.end().await;
}

/// SSRF and XSS: what metadata names is followed only where it may be.
#[tokio::test]
async fn nobody_is_sent_to_what_is_no_web_page() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    for bad in [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://as.example/authorize",
    ] {
        stage
            .authorization
            .manners(|manners| manners.metadata["authorization_endpoint"] = json!(bad));
        stage.searches_anew();
        let kind = stage.refused(&alice).await;
        assert_eq!(kind, CredentialErrorKind::NotAllowed, "{bad}");
    }
    for bad in ["https://169.254.169.254", "https://[fd00:ec2::254]"] {
        let document = json!({"resource": stage.upstream.url(), "authorization_servers": [bad]});
        let path = "/.well-known/oauth-protected-resource/mcp".to_owned();
        stage.rules().documents = [(path, document)].into();
        stage.searches_anew();
        let kind = stage.refused(&alice).await;
        assert_eq!(kind, CredentialErrorKind::NotAllowed, "{bad}");
    }
    stage.end().await;
}
