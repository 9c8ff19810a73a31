//! Certificates that are exchanged while connections run.

use super::*;

async fn tls(
    process: &Process,
    trusted: &CertificateDer<'static>,
) -> std::io::Result<Connection<TlsStream<TcpStream>>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(process.address()).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await?;
    Ok(Connection::over(stream))
}

fn certificate(folder: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("tls.key"), signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("tls.crt"), cert.pem()).unwrap();
    cert.der().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_calls_work_and_a_new_certificate_takes_effect_without_a_restart() {
    let folder = folder();
    let mock = MockServer::start().await;
    let old = certificate(folder.path());
    let more =
        "server:\n  public_url: https://gw.example.com\n  tls: {cert: tls.crt, key: tls.key}\n";
    write(folder.path(), &config(&mock.entry("support"), more));
    let mut gateway = serve(folder.path());
    let ask = || Actor::echo_ask("hi").bearer(MASTER);
    let mut connection = tls(&gateway, &old).await.unwrap();
    let reply = connection.ask(&ask()).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    // Browsers are told to insist on TLS (NET-15), but not for every server of `localhost`.
    assert_eq!(reply.header("strict-transport-security"), None);
    let public = connection.ask(&ask().host(Some("gw.example.com"))).await;
    assert_eq!(public.status, 200, "{public:?}");
    assert_eq!(
        public.header("strict-transport-security"),
        Some("max-age=31536000")
    );
    let anonymous = connection.ask(&Actor::echo_ask("hi")).await;
    assert_eq!(anonymous.status, 401);
    // Plain HTTP on this port is no request at all.
    assert_eq!(ask().send(gateway.address()).await.status, 0);

    let new = certificate(folder.path());
    gateway.wait_for("configuration reloaded");
    // Key and certificate are two files: the reload that saw both may be the second.
    let mut renewed = loop {
        match tls(&gateway, &new).await {
            Ok(connection) => break connection,
            Err(_) => gateway.signal("HUP"),
        }
        gateway.wait_for("configuration reloaded");
    };
    assert_eq!(renewed.ask(&ask()).await.status, 200);
    assert!(
        tls(&gateway, &old).await.is_err(),
        "the old one is no longer shown"
    );
    // Who was connected stays connected.
    assert_eq!(connection.ask(&ask()).await.status, 200);

    // A certificate that cannot be read is not used; the good one stays.
    std::fs::write(folder.path().join("tls.crt"), "nonsense").unwrap();
    gateway.wait_for("certificate not reloaded");
    assert_eq!(
        tls(&gateway, &new).await.unwrap().ask(&ask()).await.status,
        200
    );
    gateway.end();
}
