//! One exchange: redirects, limits, broken peers, repetition.

use std::process::Command;

use http::StatusCode;
use portcullis_egress::{EgressErrorKind, EgressPolicy, HttpClient};

use crate::peer::{Peer, Step};
use crate::{OPERATOR, client, get, impatient, policy, post};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn an_answer_arrives_and_the_connection_is_used_again() {
    let peer = Peer::doing(&[Step::Say(OK)]).await;
    let client = client();
    for _ in 0..3 {
        let response = client
            .send(post(peer.url("/mcp?q=1")), &policy(OPERATOR))
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.into_body().collect().await.unwrap(), "ok");
    }
    assert_eq!(peer.accepts(), 1);
    let requests = peer.requests().await;
    assert!(requests[0].starts_with("POST /mcp?q=1 HTTP/1.1\r\n"));
    assert!(requests[0].contains(&format!("host: 127.0.0.1:{}\r\n", peer.port)));
    assert!(requests[0].ends_with("transfer=1"));
}

/// HDR-14, SSRF-03: the redirect is the caller's to judge, and the sink never hears of us.
#[tokio::test]
async fn no_redirect_is_followed() {
    let sink = Peer::doing(&[Step::Say(OK)]).await;
    for status in ["301", "302", "303", "307", "308"] {
        let answer = format!(
            "HTTP/1.1 {status} Elsewhere\r\nlocation: http://127.0.0.1:{}/\r\ncontent-length: 0\r\n\r\n",
            sink.port
        );
        let peer = Peer::doing(&[Step::Say(answer.leak())]).await;
        let mut request = post(peer.url("/"));
        request
            .headers_mut()
            .insert("x-api-key", "canary".parse().unwrap());
        let response = client().send(request, &policy(OPERATOR)).await.unwrap();
        assert_eq!(response.status().as_str(), status);
        assert_eq!(peer.requests().await.len(), 1);
    }
    assert_eq!(sink.accepts(), 0);
}

#[tokio::test]
async fn a_head_that_does_not_come_times_out() {
    let peer = Peer::doing(&[Step::Hang]).await;
    let error = client()
        .send(get(peer.url("/")), &impatient(OPERATOR))
        .await
        .unwrap_err();
    assert_eq!(error.kind, EgressErrorKind::Timeout);
    assert!(!error.kind.is_before_send());
}

#[tokio::test]
async fn silence_in_the_body_times_out_after_what_came_was_delivered() {
    let peer = Peer::doing(&[
        Step::Say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n"),
        Step::Hang,
    ])
    .await;
    let response = client()
        .send(get(peer.url("/")), &impatient(OPERATOR))
        .await
        .unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    assert_eq!(error.kind, EgressErrorKind::Timeout);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_announced_or_not() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n12345",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n123\r\n2\r\n45\r\n0\r\n\r\n",
    ] {
        let peer = Peer::doing(&[Step::Say(answer)]).await;
        let limited = |max_body| EgressPolicy {
            max_body,
            ..policy(OPERATOR)
        };
        let client = client();
        let refused = client
            .send(get(peer.url("/")), &limited(Some(4)))
            .await
            .unwrap();
        let error = refused.into_body().collect().await.unwrap_err();
        assert_eq!(error.kind, EgressErrorKind::TooLarge);
        for enough in [Some(5), None] {
            let whole = client
                .send(get(peer.url("/")), &limited(enough))
                .await
                .unwrap();
            assert_eq!(whole.into_body().collect().await.unwrap(), "12345");
        }
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error_and_never_a_short_success() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n",
    ] {
        let peer = Peer::doing(&[Step::Say(answer), Step::Close]).await;
        let response = client()
            .send(get(peer.url("/")), &policy(OPERATOR))
            .await
            .unwrap();
        let error = response.into_body().collect().await.unwrap_err();
        assert_eq!(error.kind, EgressErrorKind::Broken);
    }
}

#[tokio::test]
async fn an_answer_that_is_not_http_breaks_the_exchange() {
    let peer = Peer::doing(&[Step::Say("SSH-2.0-OpenSSH_9.9\r\n"), Step::Close]).await;
    let error = client()
        .send(get(peer.url("/")), &policy(OPERATOR))
        .await
        .unwrap_err();
    assert_eq!(error.kind, EgressErrorKind::Broken);
}

/// The peer took the request and closed: whether it acted on it nobody knows.
#[tokio::test]
async fn a_request_that_was_sent_is_never_sent_twice() {
    let peer = Peer::doing(&[Step::Close]).await;
    let error = client()
        .send(post(peer.url("/")), &policy(OPERATOR))
        .await
        .unwrap_err();
    assert_eq!(error.kind, EgressErrorKind::Broken);
    assert!(!error.kind.is_before_send());
    assert_eq!(peer.requests().await.len(), 1);
    assert_eq!(peer.accepts(), 1);
}

/// The same on a connection that already served: the first answer is good, the second never comes.
#[tokio::test]
async fn a_request_that_was_sent_on_a_reused_connection_is_not_sent_twice_either() {
    let peer = Peer::doing(&[Step::Say(OK)]).await;
    let closing = Peer::closing_on_second_request(OK).await;
    let client = client();
    for target in [&peer, &closing] {
        let first = client
            .send(post(target.url("/")), &policy(OPERATOR))
            .await
            .unwrap();
        assert_eq!(first.into_body().collect().await.unwrap(), "ok");
    }
    let error = client
        .send(post(closing.url("/")), &policy(OPERATOR))
        .await
        .unwrap_err();
    assert_eq!(error.kind, EgressErrorKind::Broken);
    assert_eq!(closing.requests().await.len(), 2);
    assert_eq!(closing.accepts(), 1);
}

#[tokio::test]
async fn a_refused_connection_is_told_apart_and_safe_to_repeat() {
    // Bound and never listening: nobody else can get the port meanwhile.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = nobody.local_addr().unwrap().port();
    let error = client()
        .send(
            get(format!("http://127.0.0.1:{port}/secret-path?q=canary")
                .parse()
                .unwrap()),
            &policy(OPERATOR),
        )
        .await
        .unwrap_err();
    assert_eq!(error.kind, EgressErrorKind::Connect);
    assert!(error.kind.is_before_send());
    assert_eq!(
        error.to_string(),
        format!("connection failed (127.0.0.1:{port})")
    );
    assert!(!format!("{error:?}").contains("canary"));
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_told_apart() {
    let error = client()
        .send(
            get("http://no-such-host.invalid/".parse().unwrap()),
            &policy(OPERATOR),
        )
        .await
        .unwrap_err();
    assert_eq!(error.kind, EgressErrorKind::Dns);
}

/// SSRF-11. Run by itself this is a plain request; `proxy_variables_are_ignored` runs it again in a
/// process whose environment names proxies.
#[tokio::test]
async fn a_plain_request_goes_straight_to_its_peer() {
    let peer = Peer::doing(&[Step::Say(OK)]).await;
    let response = client()
        .send(get(peer.url("/")), &policy(OPERATOR))
        .await
        .unwrap();
    assert_eq!(response.into_body().collect().await.unwrap(), "ok");
    assert!(peer.requests().await[0].starts_with("GET / HTTP/1.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy_variables_are_ignored() {
    let sink = Peer::doing(&[Step::Say(OK)]).await;
    let proxy = sink.url("").to_string();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "exchange::a_plain_request_goes_straight_to_its_peer",
    ]);
    for name in [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "all_proxy",
    ] {
        command.env(name, &proxy);
    }
    let output = command.env_remove("NO_PROXY").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
    assert_eq!(sink.accepts(), 0);
}
