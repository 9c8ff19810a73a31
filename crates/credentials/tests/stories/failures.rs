//! Endpoints that refuse, break, lie or look elsewhere.

use std::error::Error;
use std::fmt::Write;
use std::time::Duration;

use portcullis_core::{ClientSecret, ErrorKind};
use portcullis_credentials::{ClientProof, CredentialError, CredentialErrorKind, TokenEndpoint};
use url::Url;

use crate::fake::{Answer, AuthorizationServer, token};
use crate::{client, house, m2m, server};

/// Everything that a log could show of an error.
fn everything(error: &CredentialError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(current) = cause {
        let _ = write!(text, " {current} {current:?}");
        cause = current.source();
    }
    text
}

/// TOK-04.
#[tokio::test]
async fn what_a_refusing_endpoint_says_in_prose_goes_nowhere() {
    let prose = |error: &str| {
        format!(
            r#"{{"error":"{error}","error_description":"canary-prose client_secret=canary-secret"}}"#
        )
    };
    let refused = |status, code| CredentialErrorKind::Refused { status, code };
    for (answer, expected) in [
        (
            Answer::status(400, prose("invalid_scope")),
            refused(400, Some("invalid_scope")),
        ),
        (
            Answer::status(401, prose("invalid_client")),
            refused(401, Some("invalid_client")),
        ),
        (
            Answer::status(403, prose("canary-code")),
            refused(403, None),
        ),
        (Answer::status(404, "canary-prose"), refused(404, None)),
        (
            Answer::json(prose("invalid_client")),
            refused(200, Some("invalid_client")),
        ),
        (
            Answer::status(500, "Traceback: canary-secret"),
            CredentialErrorKind::Unavailable,
        ),
        (
            Answer::status(429, prose("slow_down")),
            CredentialErrorKind::Unavailable,
        ),
        (
            Answer::json("<html>canary-prose"),
            CredentialErrorKind::BadResponse,
        ),
        (
            Answer::json(r#"{"access_token":"canary-token","token_type":"mac"}"#),
            CredentialErrorKind::BadResponse,
        ),
        (
            Answer::json(token(r"canary\r\nx-evil: 1", "60")),
            CredentialErrorKind::BadResponse,
        ),
        (
            Answer::json(token("canary", &"0".repeat(600 * 1024))),
            CredentialErrorKind::BadResponse,
        ),
    ] {
        let as1 = AuthorizationServer::start().await;
        as1.next(answer);
        let error = house().obtain(&m2m(as1.url("/token"))).await.unwrap_err();
        assert_eq!(error.kind, expected);
        let text = everything(&error);
        assert!(!text.contains("canary"), "{text}");
    }
}

/// M23, HDR-14: the secret goes to the endpoint that was configured and to nobody else.
#[tokio::test]
async fn a_redirecting_token_endpoint_is_refused_and_the_sink_sees_nothing() {
    for status in [301, 302, 303, 307, 308] {
        let (as1, sink) = (
            AuthorizationServer::start().await,
            AuthorizationServer::start().await,
        );
        as1.next(Answer::status(status, "").with("location", sink.url("/token")));
        let error = house().obtain(&m2m(as1.url("/token"))).await.unwrap_err();
        assert_eq!(
            error.kind,
            CredentialErrorKind::Refused { status, code: None }
        );
        assert!(sink.seen().is_empty());
    }
}

/// TOK-06, at use.
#[tokio::test]
async fn a_secret_is_not_sent_in_the_clear_beyond_loopback() {
    for url in [
        "http://10.9.9.9/token",
        "http://169.254.169.254/token",
        "https://169.254.169.254/token",
        "https://user:pw@127.0.0.1/token",
    ] {
        let error = house()
            .obtain(&m2m(Url::parse(url).unwrap()))
            .await
            .unwrap_err();
        assert_eq!(error.kind, CredentialErrorKind::NotAllowed, "{url}");
        assert!(!everything(&error).contains("pw"), "{url}");
    }
}

/// M22: after a failure the endpoint is left alone, longer each time.
#[tokio::test]
async fn a_failing_endpoint_is_asked_ever_more_rarely_and_forgiven_when_it_answers() {
    let as1 = AuthorizationServer::start().await;
    let house = house();
    let auth = m2m(as1.url("/token"));
    let mut waits = [1_u64, 2, 4, 8, 16, 32, 60, 60].iter().enumerate();
    for (failures, wait) in &mut waits {
        as1.next(Answer::status(503, ""));
        for _ in 0..20 {
            let error = house.obtain(&auth).await.unwrap_err();
            assert_eq!(error.error_kind(), ErrorKind::Unavailable);
        }
        assert_eq!(as1.token_requests(), failures + 1);
        house.clock.advance(Duration::from_millis(wait * 1_000 - 1));
        house.obtain(&auth).await.unwrap_err();
        assert_eq!(as1.token_requests(), failures + 1);
        // What jitter adds at most.
        house
            .clock
            .advance(Duration::from_secs(*wait) / 4 + Duration::from_millis(2));
    }
    assert_eq!(house.presented(&auth).await, "Bearer token-1");
    house.clock.advance(Duration::from_hours(1));
    as1.next(Answer::status(503, ""));
    house.obtain(&auth).await.unwrap_err();
    house.clock.advance(Duration::from_millis(1_250));
    assert_eq!(house.presented(&auth).await, "Bearer token-2");
}

#[tokio::test]
async fn retry_after_is_honoured_up_to_a_minute() {
    for (header, wait) in [("7", 7), ("86400", 60)] {
        let as1 = AuthorizationServer::start().await;
        let house = house();
        let auth = m2m(as1.url("/token"));
        as1.next(Answer::status(429, "").with("retry-after", header));
        house.obtain(&auth).await.unwrap_err();
        house.clock.advance(Duration::from_millis(wait * 1_000 - 1));
        house.obtain(&auth).await.unwrap_err();
        assert_eq!(as1.token_requests(), 1);
        house.clock.advance(Duration::from_millis(1));
        assert_eq!(house.presented(&auth).await, "Bearer token-1");
    }
}

#[tokio::test]
async fn a_corrected_secret_does_not_wait_for_the_wrong_ones_pause() {
    let as1 = AuthorizationServer::start().await;
    let house = house();
    as1.next(Answer::status(401, r#"{"error":"invalid_client"}"#));
    let mut credentials = client(TokenEndpoint::Configured(as1.url("/token")));
    credentials.client.proof = ClientProof::SecretPost(ClientSecret::new("wrong"));
    house.obtain(&server("m2m", credentials)).await.unwrap_err();
    let corrected = m2m(as1.url("/token"));
    assert_eq!(house.presented(&corrected).await, "Bearer token-1");
    assert_eq!(as1.seen()[1].form["client_secret"], "canary-secret");
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_unavailable() {
    // Bound and never listening: nobody else can get the port meanwhile.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let url = format!("http://{}/token", nobody.local_addr().unwrap());
    let error = house()
        .obtain(&m2m(Url::parse(&url).unwrap()))
        .await
        .unwrap_err();
    assert_eq!(error.kind, CredentialErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        "no credential for server `m2m`: the token endpoint is unavailable"
    );
}
