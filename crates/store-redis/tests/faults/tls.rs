//! TLS: whoever answers proves who it is.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use portcullis_core::SecretValue;
use portcullis_store_redis::testing::Place;
use portcullis_store_redis::{RedisSettings, RedisUrl};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::task::TaskTracker;

use super::{PATIENCE, is_down, is_up, until};

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// TLS in front of the server, with a certificate for this name.
async fn terminator(
    server: String,
    authority: &CertifiedIssuer<'static, KeyPair>,
    name: &str,
) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = TaskTracker::new();
    let spawner = tasks.clone();
    tasks.spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, server) = (acceptor.clone(), server.clone());
            spawner.spawn(async move {
                let mut client = acceptor.accept(client).await?;
                let mut server = TcpStream::connect(server).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_certificate_of_our_authority_is_used_and_no_other() {
    let Some(place) = Place::fresh() else { return };
    let server = place.url().trim_start_matches("redis://");
    let server = server.trim_end_matches("/0").to_owned();
    let (ours, theirs) = (authority(), authority());
    let folder = tempfile::tempdir().unwrap();
    let ca_file: PathBuf = folder.path().join("ca.pem");
    let mut file = std::fs::File::create(&ca_file).unwrap();
    file.write_all(ours.pem().as_bytes()).unwrap();
    let settings = |address: SocketAddr, scheme: &str| RedisSettings {
        url: RedisUrl::read(
            &SecretValue::new(format!("{scheme}://localhost:{}/0", address.port())),
            false,
        )
        .unwrap(),
        ca_file: (scheme == "rediss").then(|| ca_file.clone()),
        ..place.settings(None)
    };
    let good = terminator(server.clone(), &ours, "localhost").await;
    let stores = place.open_by(&settings(good, "rediss"));
    until(&stores, is_up).await;
    assert!(is_up(&stores.wait(PATIENCE).await));

    let of_another = terminator(server.clone(), &theirs, "localhost").await;
    let for_another = terminator(server, &ours, "elsewhere.example").await;
    for address in [of_another, for_another] {
        let stores = place.open_by(&settings(address, "rediss"));
        let about_it = |state: &_| {
            is_down(state) && format!("{state:?}").to_lowercase().contains("certificate")
        };
        until(&stores, about_it).await;
    }
    // Nobody falls back to speaking in the clear, and what expects TLS is no server for it.
    let plain = place.open_by(&settings(good, "redis"));
    until(&plain, |state| {
        is_down(state) && !format!("{state:?}").contains("not tried")
    })
    .await;
}
