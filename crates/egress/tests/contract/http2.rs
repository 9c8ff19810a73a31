//! HTTP/2, where the server chooses it by ALPN: the same promises, many streams on one connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis_egress::{EgressErrorKind, EgressPolicy, HttpClient, Settings};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls_pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::{OPERATOR, no_roots, policy, post};

/// Answers with what it was sent; counts connections.
async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!(request.version(), Version::HTTP_2);
    let body = request.into_body().collect().await.unwrap().to_bytes();
    Ok(Response::new(Full::from(body)))
}

#[tokio::test]
async fn requests_share_one_http2_connection_and_keep_their_limits() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepts = Arc::<AtomicUsize>::default();
    let counter = accepts.clone();
    TaskTracker::new().spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            counter.fetch_add(1, Ordering::SeqCst);
            let acceptor = acceptor.clone();
            TaskTracker::new().spawn(async move {
                let stream = acceptor.accept(socket).await.unwrap();
                let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), hyper::service::service_fn(echo))
                    .await;
            });
        }
    });

    let client = Settings {
        roots: no_roots(),
        extra_roots: vec![cert.der().clone()],
        ..Settings::default()
    }
    .build()
    .unwrap();
    let uri: http::Uri = format!("https://localhost:{port}/").parse().unwrap();
    let policy = policy(OPERATOR);
    let exchange = || async {
        let response = client.send(post(uri.clone()), &policy).await.unwrap();
        response.into_body().collect().await.unwrap()
    };
    assert_eq!(exchange().await, "transfer=1");
    for body in join_all((0..50).map(|_| exchange())).await {
        assert_eq!(body, "transfer=1");
    }
    assert_eq!(accepts.load(Ordering::SeqCst), 1);

    let narrow = EgressPolicy {
        max_body: Some(3),
        ..policy.clone()
    };
    let response = client.send(post(uri.clone()), &narrow).await.unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    assert_eq!(error.kind, EgressErrorKind::TooLarge);
}
