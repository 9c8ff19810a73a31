use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use axum::routing::get;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::*;

mod full;
mod idle;

const PATIENCE: Duration = Duration::from_secs(20);

struct Served {
    address: SocketAddr,
    stop: Stop,
    tls: Option<Arc<ServerTls>>,
    done: JoinHandle<Drained>,
}

async fn serve(router: Router, settings: ListenSettings) -> Served {
    let bound = Bound::bind("127.0.0.1", 0, settings).await.unwrap();
    let (address, tls) = (bound.local_addr(), bound.tls());
    let stop = Stop::default();
    let done = TaskTracker::new().spawn(bound.serve(router, stop.clone()));
    Served {
        address,
        stop,
        tls,
        done,
    }
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

fn hasty() -> ListenSettings {
    ListenSettings {
        header_timeout: Duration::from_millis(100),
        ..ListenSettings::default()
    }
}

async fn until_closed<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer));
    // A reset is as good an end as a close.
    let _ = read.await.expect("the server closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn send(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut() {
    let served = serve(hello(), hasty()).await;
    let mut stream = send(served.address, b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ").await;
    let answer = until_closed(&mut stream).await;
    assert!(!answer.contains("200 OK"), "{answer}");
}

#[tokio::test]
async fn a_peer_that_says_nothing_or_only_the_first_letter_is_cut() {
    let served = serve(hello(), hasty()).await;
    for beginning in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut stream = send(served.address, beginning).await;
        let answer = until_closed(&mut stream).await;
        assert!(!answer.contains("200"), "{beginning:?}: {answer}");
    }
}

#[tokio::test]
async fn a_tls_handshake_that_never_ends_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let (files, _) = pair(folder.path(), "slow");
    let settings = ListenSettings {
        tls: Some(files),
        ..hasty()
    };
    let served = serve(hello(), settings).await;
    let mut stream = send(served.address, &[0x16, 0x03, 0x01]).await;
    until_closed(&mut stream).await;
}

#[tokio::test]
async fn nonsense_is_answered_with_400_and_the_connection_closed() {
    let served = serve(hello(), ListenSettings::default()).await;
    for nonsense in [
        &b"GET / HTTP/9.9\r\nHost: a\r\n\r\n"[..],
        b"\x00\x01\x02 what\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nBad Name: x\r\n\r\n",
    ] {
        let mut stream = send(served.address, nonsense).await;
        let answer = until_closed(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{nonsense:?}: {answer}");
    }
}

#[tokio::test]
async fn a_head_with_too_many_or_too_large_fields_is_refused() {
    let served = serve(hello(), ListenSettings::default()).await;
    let many = "X-Many: 1\r\n".repeat(120);
    let large = format!("X-Large: {}\r\n", "a".repeat(40 * 1024));
    for fields in [many, large] {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        // The server may close before it has read everything.
        let _ = stream.write_all(request.as_bytes()).await;
        let answer = until_closed(&mut stream).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
}

#[tokio::test]
async fn an_upgrade_request_is_not_followed() {
    let served = serve(hello(), ListenSettings::default()).await;
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings, close\r\n\
        Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    let mut stream = send(served.address, request).await;
    let answer = until_closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test]
async fn a_handler_learns_the_address_of_the_peer() {
    let router = Router::new().route(
        "/",
        get(|Extension(peer): Extension<PeerAddr>| async move { peer.0.to_string() }),
    );
    let served = serve(router, ListenSettings::default()).await;
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut stream = send(served.address, request).await;
    let own = stream.local_addr().unwrap().to_string();
    assert!(until_closed(&mut stream).await.ends_with(&own));
}

#[tokio::test]
async fn with_all_places_taken_a_newcomer_waits_for_one_to_leave() {
    let settings = ListenSettings {
        max_connections: 1,
        ..ListenSettings::default()
    };
    let mut slow = slow();
    let served = serve(slow.router, settings).await;
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut first = send(served.address, request).await;
    slow.started.recv().await.unwrap();

    let mut second = send(served.address, request).await;
    let mut byte = [0_u8; 1];
    let early = tokio::time::timeout(Duration::from_millis(250), second.read(&mut byte)).await;
    assert!(early.is_err(), "the second was served while the first sat");
    assert!(slow.started.try_recv().is_err());
    slow.finish.notify_one();
    assert!(until_closed(&mut first).await.contains("200 OK"));
    slow.started.recv().await.unwrap();
    slow.finish.notify_one();
    assert!(until_closed(&mut second).await.contains("200 OK"));
}

struct Slow {
    router: Router,
    started: mpsc::UnboundedReceiver<()>,
    finish: Arc<Notify>,
}

fn slow() -> Slow {
    let (begun, started) = mpsc::unbounded_channel();
    let finish = Arc::new(Notify::new());
    let waits = Arc::clone(&finish);
    let router = Router::new().route(
        "/",
        get(move || async move {
            begun.send(()).unwrap();
            waits.notified().await;
            "finished"
        }),
    );
    Slow {
        router,
        started,
        finish,
    }
}

#[tokio::test]
async fn a_request_that_runs_when_the_stop_comes_is_finished_and_nothing_new_accepted() {
    let mut slow = slow();
    let served = serve(slow.router, ListenSettings::default()).await;
    let mut running = send(served.address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    slow.started.recv().await.unwrap();

    served.stop.soft.cancel();
    while TcpStream::connect(served.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    slow.finish.notify_one();
    let answer = until_closed(&mut running).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.ends_with("finished"), "{answer}");
    assert_eq!(served.done.await.unwrap(), Drained::Finished);
}

#[tokio::test]
async fn idle_connections_do_not_delay_the_end() {
    let served = serve(hello(), ListenSettings::default()).await;
    let mut idle = send(served.address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut head = [0_u8; 15];
    idle.read_exact(&mut head).await.unwrap();
    served.stop.soft.cancel();
    assert_eq!(served.done.await.unwrap(), Drained::Finished);
}

#[tokio::test]
async fn a_request_that_outlasts_the_drain_is_cut() {
    let mut slow = slow();
    let settings = ListenSettings {
        drain: Duration::from_millis(20),
        ..ListenSettings::default()
    };
    let served = serve(slow.router, settings).await;
    let mut running = send(served.address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    slow.started.recv().await.unwrap();
    served.stop.soft.cancel();
    assert_eq!(served.done.await.unwrap(), Drained::Aborted(1));
    assert_eq!(until_closed(&mut running).await, "");
}

#[tokio::test]
async fn a_second_signal_ends_the_drain_at_once() {
    let mut slow = slow();
    let served = serve(slow.router, ListenSettings::default()).await;
    let _running = send(served.address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    slow.started.recv().await.unwrap();
    served.stop.soft.cancel();
    served.stop.hard.cancel();
    let ended = tokio::time::timeout(PATIENCE, served.done).await;
    assert_eq!(ended.unwrap().unwrap(), Drained::Aborted(1));
}

#[tokio::test]
async fn a_port_that_is_taken_fails_early_and_names_itself() {
    let served = serve(hello(), ListenSettings::default()).await;
    let again = Bound::bind(
        "127.0.0.1",
        served.address.port(),
        ListenSettings::default(),
    );
    let error = again.await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot listen on {}", served.address)
    );
}

/// Writes a self-signed pair for `localhost` and returns it with the certificate to trust.
fn pair(folder: &Path, name: &str) -> (TlsFiles, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = TlsFiles {
        certificate: folder.join(format!("{name}.crt")),
        key: folder.join(format!("{name}.key")),
        client_ca: None,
    };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    (files, made.cert.der().clone())
}

async fn tls_get(
    address: SocketAddr,
    trust: &CertificateDer<'static>,
    alpn: &[u8],
) -> std::io::Result<(String, Option<Vec<u8>>)> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trust.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await?;
    let chosen = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    if alpn == b"h2" {
        return Ok((String::new(), chosen));
    }
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await?;
    Ok((until_closed(&mut stream).await, chosen))
}

#[tokio::test]
async fn tls_serves_both_protocols_under_the_configured_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (files, trust) = pair(folder.path(), "a");
    let settings = ListenSettings {
        tls: Some(files),
        ..ListenSettings::default()
    };
    let served = serve(hello(), settings).await;
    let (answer, chosen) = tls_get(served.address, &trust, b"http/1.1").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(chosen.as_deref(), Some(&b"http/1.1"[..]));
    let (_, chosen) = tls_get(served.address, &trust, b"h2").await.unwrap();
    assert_eq!(chosen.as_deref(), Some(&b"h2"[..]));

    let mut plain = send(served.address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(!until_closed(&mut plain).await.contains("hello"));
}

#[tokio::test]
async fn a_new_certificate_is_taken_up_and_a_mismatched_pair_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (files, old) = pair(folder.path(), "current");
    let settings = ListenSettings {
        tls: Some(files.clone()),
        ..ListenSettings::default()
    };
    let served = serve(hello(), settings).await;
    let tls = served.tls.unwrap();

    let (fresh, new) = pair(folder.path(), "fresh");
    std::fs::copy(&fresh.certificate, &files.certificate).unwrap();
    let error = tls.reload().unwrap_err();
    assert!(matches!(error, ListenError::Pair { .. }), "{error:?}");
    let still = tls_get(served.address, &old, b"http/1.1").await.unwrap();
    assert!(still.0.contains("200 OK"));

    std::fs::copy(&fresh.key, &files.key).unwrap();
    tls.reload().unwrap();
    let now = tls_get(served.address, &new, b"http/1.1").await.unwrap();
    assert!(now.0.contains("200 OK"));
    tls_get(served.address, &old, b"http/1.1")
        .await
        .expect_err("the old certificate is gone");
}

#[test]
fn a_file_that_holds_no_certificate_or_no_key_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (files, _) = pair(folder.path(), "good");
    let swapped = TlsFiles {
        certificate: files.key.clone(),
        key: files.certificate.clone(),
        client_ca: None,
    };
    let error = ServerTls::load(swapped).unwrap_err();
    assert!(
        error.to_string().starts_with("cannot read a certificate"),
        "{error}"
    );
    let missing = TlsFiles {
        key: folder.path().join("absent.key"),
        ..files
    };
    let error = ServerTls::load(missing).unwrap_err();
    assert!(error.to_string().contains("absent.key"), "{error}");
}
