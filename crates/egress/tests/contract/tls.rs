//! Whom we believe (NET-14).

use std::sync::Arc;

use portcullis_egress::{
    EgressClient, EgressError, EgressErrorKind, HttpClient, RootSource, RootsError, Settings,
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::peer::{Step, serve};
use crate::{OPERATOR, STRANGER, client, get, no_roots, policy, post};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

struct TlsPeer {
    port: u16,
    certificate: CertificateDer<'static>,
    pem: String,
    requests: Arc<Mutex<Vec<String>>>,
}

/// A server whose certificate names `name`.
async fn tls_peer(name: &str) -> TlsPeer {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::<Mutex<Vec<String>>>::default();
    let seen = requests.clone();
    tokio_util::task::TaskTracker::new().spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(socket).await {
                serve(stream, &seen, &[Step::Say(OK), Step::Close]).await;
            }
        }
    });
    TlsPeer {
        port,
        certificate: cert.der().clone(),
        pem: cert.pem(),
        requests,
    }
}

fn believing(certificate: &CertificateDer<'static>) -> EgressClient {
    Settings {
        roots: no_roots(),
        extra_roots: vec![certificate.clone()],
        ..Settings::default()
    }
    .build()
    .unwrap()
}

async fn visit(client: &EgressClient, host: &str, port: u16) -> Result<(), EgressError> {
    let uri = format!("https://{host}:{port}/").parse().unwrap();
    let response = client.send(post(uri), &policy(OPERATOR)).await?;
    assert_eq!(response.into_body().collect().await.unwrap(), "ok");
    Ok(())
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let peer = tls_peer("localhost").await;
    let error = visit(&client(), "localhost", peer.port).await.unwrap_err();
    assert_eq!(error.kind, EgressErrorKind::Tls);
    assert!(peer.requests.lock().await.is_empty());
}

#[tokio::test]
async fn a_certificate_under_an_extra_root_is_accepted() {
    let peer = tls_peer("localhost").await;
    visit(&believing(&peer.certificate), "localhost", peer.port)
        .await
        .unwrap();
    assert_eq!(peer.requests.lock().await.len(), 1);
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let peer = tls_peer("elsewhere.example").await;
    let error = visit(&believing(&peer.certificate), "localhost", peer.port)
        .await
        .unwrap_err();
    assert_eq!(error.kind, EgressErrorKind::Tls);
    assert!(peer.requests.lock().await.is_empty());
}

#[tokio::test]
async fn an_address_must_be_named_in_the_certificate_too() {
    let peer = tls_peer("127.0.0.1").await;
    visit(&believing(&peer.certificate), "127.0.0.1", peer.port)
        .await
        .unwrap();
    let error = visit(&believing(&peer.certificate), "localhost", peer.port)
        .await
        .unwrap_err();
    assert_eq!(error.kind, EgressErrorKind::Tls);
}

#[tokio::test]
async fn a_good_certificate_does_not_open_loopback_to_a_stranger() {
    let peer = tls_peer("localhost").await;
    let uri = format!("https://localhost:{}/", peer.port).parse().unwrap();
    let error = believing(&peer.certificate)
        .send(get(uri), &policy(STRANGER))
        .await
        .unwrap_err();
    assert_eq!(error.kind, EgressErrorKind::Blocked);
}

#[tokio::test]
async fn https_to_a_plain_peer_fails_and_is_not_retried_in_the_clear() {
    let peer = crate::peer::Peer::doing(&[Step::Say(OK)]).await;
    let error = visit(&client(), "127.0.0.1", peer.port).await.unwrap_err();
    assert!(error.kind.is_before_send());
    assert_eq!(peer.accepts(), 1);
}

#[tokio::test]
async fn an_exclusive_file_is_believed_and_nothing_else() {
    let peer = tls_peer("localhost").await;
    let other = tls_peer("localhost").await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &peer.pem).unwrap();
    let client = Settings {
        roots: RootSource {
            native: true,
            extra_pem_files: Vec::new(),
            exclusive: Some(file.path().to_owned()),
        },
        ..Settings::default()
    }
    .build()
    .unwrap();
    visit(&client, "localhost", peer.port).await.unwrap();
    let error = visit(&client, "localhost", other.port).await.unwrap_err();
    assert_eq!(error.kind, EgressErrorKind::Tls);
}

#[test]
fn a_root_file_that_is_missing_or_empty_is_an_error_that_names_it() {
    let missing = std::path::PathBuf::from("/nonexistent/portcullis-roots.pem");
    let error = build_with(missing.clone()).unwrap_err();
    assert!(matches!(error, RootsError::Unreadable { .. }));
    assert!(
        error
            .to_string()
            .contains("/nonexistent/portcullis-roots.pem")
    );

    let empty = tempfile::NamedTempFile::new().unwrap();
    let error = build_with(empty.path().to_owned()).unwrap_err();
    assert!(matches!(error, RootsError::Empty { .. }));
    assert!(
        error
            .to_string()
            .contains(&empty.path().display().to_string())
    );
}

fn build_with(exclusive: std::path::PathBuf) -> Result<EgressClient, RootsError> {
    Settings {
        roots: RootSource {
            exclusive: Some(exclusive),
            ..RootSource::default()
        },
        ..Settings::default()
    }
    .build()
}
