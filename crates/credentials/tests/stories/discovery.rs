//! Finding the token endpoint, and not being sent to somebody else's.

use std::time::Duration;

use portcullis_credentials::{CredentialErrorKind, ServerAuth, TokenEndpoint};
use url::Url;

use crate::fake::{Answer, AuthorizationServer};
use crate::{client, house, server};

const PRM: &str = "/.well-known/oauth-protected-resource";
const RFC_8414: &str = "/.well-known/oauth-authorization-server";
const OIDC: &str = "/.well-known/openid-configuration";

fn discovering(mcp: &AuthorizationServer, issuer: Option<Url>) -> ServerAuth {
    server(
        "found",
        client(TokenEndpoint::Discover {
            server_url: mcp.url("/v1/mcp"),
            issuer,
        }),
    )
}

fn resource(resource: &str, issuer: &str) -> Answer {
    Answer::json(format!(
        r#"{{"resource":"{resource}","authorization_servers":["{issuer}"]}}"#
    ))
}

fn metadata(issuer: &str, token_endpoint: &str) -> Answer {
    Answer::json(format!(
        r#"{{"issuer":"{issuer}","token_endpoint":"{token_endpoint}"}}"#
    ))
}

#[tokio::test]
async fn the_endpoint_is_found_by_resource_metadata_at_each_place_the_standards_name() {
    for (prm, issuer_path, at) in [
        (format!("{PRM}/v1/mcp"), "", RFC_8414.to_owned()),
        (PRM.to_owned(), "", OIDC.to_owned()),
        (PRM.to_owned(), "/tenant", format!("{RFC_8414}/tenant")),
        (PRM.to_owned(), "/tenant", format!("{OIDC}/tenant")),
        (PRM.to_owned(), "/tenant", format!("/tenant{OIDC}")),
    ] {
        let (mcp, as1) = (
            AuthorizationServer::start().await,
            AuthorizationServer::start().await,
        );
        let issuer = format!("{}{issuer_path}", as1.origin);
        mcp.publish(&prm, resource(&mcp.origin, &issuer));
        as1.publish(&at, metadata(&issuer, as1.url("/token").as_str()));
        let house = house();
        let auth = discovering(&mcp, None);
        assert_eq!(house.presented(&auth).await, "Bearer token-1", "{at}");
        assert_eq!(as1.token_requests(), 1);
        // No secret went anywhere but to the token endpoint.
        assert!(mcp.seen().iter().all(|seen| seen.form.is_empty()));
    }
}

#[tokio::test]
async fn discovery_is_remembered_for_an_hour() {
    let mcp = AuthorizationServer::start().await;
    mcp.publish(PRM, resource(&mcp.origin, &mcp.origin));
    mcp.publish(RFC_8414, metadata(&mcp.origin, mcp.url("/token").as_str()));
    let house = house();
    let auth = discovering(&mcp, None);
    let first = house.obtain(&auth).await.unwrap();
    let documents = mcp.seen().len() - 1;
    assert!(house.rejected(&auth, &first).await);
    house.obtain(&auth).await.unwrap();
    assert_eq!(mcp.seen().len(), documents + 2);
    house.clock.advance(Duration::from_hours(1));
    house.obtain(&auth).await.unwrap();
    assert_eq!(mcp.seen().len(), 2 * documents + 3);
}

#[tokio::test]
async fn a_server_without_resource_metadata_is_asked_as_its_own_authorization_server() {
    let mcp = AuthorizationServer::start().await;
    mcp.publish(PRM, Answer::json("<html>not found, but with 200</html>"));
    mcp.publish(RFC_8414, metadata(&mcp.origin, mcp.url("/token").as_str()));
    let auth = discovering(&mcp, None);
    assert_eq!(house().presented(&auth).await, "Bearer token-1");
}

#[tokio::test]
async fn a_pinned_issuer_is_asked_and_the_server_is_not() {
    let (mcp, as1, evil) = (
        AuthorizationServer::start().await,
        AuthorizationServer::start().await,
        AuthorizationServer::start().await,
    );
    mcp.publish(PRM, resource(&mcp.origin, &evil.origin));
    as1.publish(RFC_8414, metadata(&as1.origin, as1.url("/token").as_str()));
    let auth = discovering(&mcp, Some(Url::parse(&as1.origin).unwrap()));
    assert_eq!(house().presented(&auth).await, "Bearer token-1");
    assert!(mcp.seen().is_empty());
    assert!(evil.seen().is_empty());
}

/// RFC 8414 §3.3 and RFC 9728 §3.3: metadata that speaks for somebody else is refused.
#[tokio::test]
async fn metadata_about_another_issuer_or_resource_gets_no_secret() {
    let (mcp, as1) = (
        AuthorizationServer::start().await,
        AuthorizationServer::start().await,
    );
    let token_endpoint = as1.url("/token");
    mcp.publish(PRM, resource(&mcp.origin, &as1.origin));
    as1.publish(
        RFC_8414,
        metadata("https://as.example", token_endpoint.as_str()),
    );
    // A later place with the right issuer does not heal it.
    as1.publish(OIDC, metadata(&as1.origin, token_endpoint.as_str()));
    let house1 = house();
    let auth = discovering(&mcp, None);
    let error = house1.obtain(&auth).await.unwrap_err();
    assert_eq!(error.kind, CredentialErrorKind::NotDiscovered);

    mcp.publish(PRM, resource("https://mcp.example/", &as1.origin));
    let error = house().obtain(&auth).await.unwrap_err();
    assert_eq!(error.kind, CredentialErrorKind::NotDiscovered);
    assert_eq!(as1.token_requests(), 0);

    // The failure is kept for 30 s.
    let asked = mcp.seen().len();
    house1.clock.advance(Duration::from_millis(29_999));
    house1.obtain(&auth).await.unwrap_err();
    assert_eq!(mcp.seen().len(), asked);
    house1.clock.advance(Duration::from_millis(1));
    house1.obtain(&auth).await.unwrap_err();
    assert!(mcp.seen().len() > asked);
}

/// SSRF: metadata names addresses that only the operator may name.
#[tokio::test]
async fn metadata_cannot_send_the_secret_to_an_address_of_its_own_choosing() {
    let mcp = AuthorizationServer::start().await;
    mcp.publish(PRM, resource(&mcp.origin, &mcp.origin));
    // The same host and port, spoken to in another language.
    let ftp = mcp.url("/token").as_str().replace("http://", "ftp://");
    for token_endpoint in [
        "http://169.254.169.254/token",
        "https://169.254.169.254/token",
        "https://[fd00:ec2::254]/token",
        "https://10.9.9.9/token",
        "http://203.0.113.7/token",
        &ftp,
    ] {
        mcp.publish(RFC_8414, metadata(&mcp.origin, token_endpoint));
        let error = house().obtain(&discovering(&mcp, None)).await.unwrap_err();
        assert_eq!(
            error.kind,
            CredentialErrorKind::NotAllowed,
            "{token_endpoint}"
        );
    }
    // A name is judged by its addresses, and this one has none.
    mcp.publish(RFC_8414, metadata(&mcp.origin, "http://as.invalid/token"));
    let error = house().obtain(&discovering(&mcp, None)).await.unwrap_err();
    assert_eq!(error.kind, CredentialErrorKind::Unavailable);
    assert_eq!(mcp.token_requests(), 0);
    mcp.publish(PRM, resource(&mcp.origin, "https://10.9.9.9/"));
    let error = house().obtain(&discovering(&mcp, None)).await.unwrap_err();
    assert_eq!(error.kind, CredentialErrorKind::NotAllowed);
    assert_eq!(mcp.token_requests(), 0);
}

/// A server that is taken over after the first token cannot have the secret sent to a new issuer.
#[tokio::test]
async fn an_issuer_in_use_is_not_exchanged_for_another() {
    let (mcp, as1, evil) = (
        AuthorizationServer::start().await,
        AuthorizationServer::start().await,
        AuthorizationServer::start().await,
    );
    for issuer in [&as1, &evil] {
        issuer.publish(
            RFC_8414,
            metadata(&issuer.origin, issuer.url("/token").as_str()),
        );
    }
    mcp.publish(PRM, resource(&mcp.origin, &as1.origin));
    let house = house();
    let auth = discovering(&mcp, None);
    assert_eq!(house.presented(&auth).await, "Bearer token-1");
    mcp.publish(PRM, resource(&mcp.origin, &evil.origin));
    house.clock.advance(Duration::from_hours(1));
    let error = house.obtain(&auth).await.unwrap_err();
    assert_eq!(error.kind, CredentialErrorKind::NotDiscovered);
    assert_eq!(evil.token_requests(), 0);
}

#[tokio::test]
async fn a_metadata_host_that_is_down_is_unavailable_and_not_absent() {
    let mcp = AuthorizationServer::start().await;
    mcp.publish(&format!("{PRM}/v1/mcp"), Answer::status(503, ""));
    mcp.publish(RFC_8414, metadata(&mcp.origin, mcp.url("/token").as_str()));
    let error = house().obtain(&discovering(&mcp, None)).await.unwrap_err();
    assert_eq!(error.kind, CredentialErrorKind::Unavailable);
    assert_eq!(mcp.token_requests(), 0);
}
