//! Where a connection may be opened at all.

use http::Uri;
use portcullis_egress::{Destination, EgressErrorKind, HttpClient};

use crate::peer::{Peer, Step};
use crate::{OPERATOR, STRANGER, client, get, policy};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const STRANGER_AT_HOME: Destination = Destination::Untrusted {
    allow_loopback: true,
};

async fn refusal(uri: &str, destination: Destination) -> EgressErrorKind {
    client()
        .send(get(uri.parse().unwrap()), &policy(destination))
        .await
        .unwrap_err()
        .kind
}

/// SSRF-01, at connect: every spelling that the system's resolver takes for loopback.
#[tokio::test]
async fn a_strangers_url_never_opens_a_connection_to_this_machine() {
    let sink = Peer::doing(&[Step::Say(OK)]).await;
    for host in [
        "127.0.0.1",
        "localhost",
        "localhost.",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
    ] {
        for scheme in ["http", "https"] {
            let kind = refusal(&format!("{scheme}://{host}:{}/", sink.port), STRANGER).await;
            // `localhost.` and the odd forms may also be unknown to the resolver.
            assert!(
                matches!(kind, EgressErrorKind::Blocked | EgressErrorKind::Dns),
                "{scheme}://{host}: {kind:?}"
            );
        }
    }
    assert_eq!(sink.accepts(), 0);
}

#[tokio::test]
async fn blocked_classes_answer_alike() {
    for host in [
        "127.0.0.1",
        "10.9.9.9",
        "192.168.9.9",
        "100.64.0.9",
        "169.254.169.254",
        "[fd00::9]",
        "[fe80::9]",
        "[fd00:ec2::254]",
    ] {
        let error = client()
            .send(
                get(format!("https://{host}/").parse().unwrap()),
                &policy(STRANGER),
            )
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("destination not allowed ({host})")
        );
        // No cause that would tell one class from another.
        assert!(std::error::Error::source(&error).is_none());
    }
}

#[tokio::test]
async fn not_even_the_operator_reaches_link_local_or_metadata_services() {
    let lax = Destination::Operator {
        allow_insecure_http: true,
    };
    for host in [
        "169.254.169.254",
        "169.254.0.1:8080",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[::ffff:169.254.169.254]",
        "100.100.100.200",
        "0.0.0.0",
    ] {
        for scheme in ["http", "https"] {
            let kind = refusal(&format!("{scheme}://{host}/latest/meta-data/"), lax).await;
            assert_eq!(kind, EgressErrorKind::Blocked, "{scheme}://{host}");
        }
    }
}

#[tokio::test]
async fn plain_http_beyond_loopback_is_blocked_before_anything_is_sent() {
    assert_eq!(
        refusal("http://10.9.9.9/", OPERATOR).await,
        EgressErrorKind::Blocked
    );
    assert_eq!(
        refusal("http://10.9.9.9/", STRANGER_AT_HOME).await,
        EgressErrorKind::Blocked
    );
}

#[tokio::test]
async fn a_stranger_reaches_loopback_where_the_operators_server_is_there_too() {
    let peer = Peer::doing(&[Step::Say(OK)]).await;
    let response = client()
        .send(get(peer.url("/")), &policy(STRANGER_AT_HOME))
        .await
        .unwrap();
    assert_eq!(response.into_body().collect().await.unwrap(), "ok");
}

/// The connection that the operator's request left open in the pool is not the stranger's.
#[tokio::test]
async fn a_pooled_connection_does_not_carry_a_less_trusted_request() {
    let peer = Peer::doing(&[Step::Say(OK)]).await;
    let client = client();
    let response = client
        .send(get(peer.url("/")), &policy(OPERATOR))
        .await
        .unwrap();
    assert_eq!(response.into_body().collect().await.unwrap(), "ok");
    let error = client
        .send(get(peer.url("/")), &policy(STRANGER))
        .await
        .unwrap_err();
    assert_eq!(error.kind, EgressErrorKind::Blocked);
    assert_eq!(peer.requests().await.len(), 1);
}

/// SSRF-08, and userinfo, which would end in logs and in no `Authorization` header.
#[tokio::test]
async fn urls_that_cannot_be_requested_are_refused_and_their_password_is_not_repeated() {
    for uri in [
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1/",
        "ws://127.0.0.1/",
        "file://host/etc/passwd",
        "/relative",
        "http://user:hunter2@127.0.0.1/",
        "https://user@127.0.0.1/",
    ] {
        let uri: Uri = uri.parse().unwrap();
        let error = client()
            .send(get(uri.clone()), &policy(OPERATOR))
            .await
            .unwrap_err();
        assert_eq!(error.kind, EgressErrorKind::InvalidUrl, "{uri}");
        assert!(!format!("{error:?} {error}").contains("hunter2"));
    }
}
