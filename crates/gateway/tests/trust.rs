//! Whose certificates are believed on the way out.
#![cfg(test)]

mod trust {
    use std::path::{Path, PathBuf};

    use portcullis_core::{Clock, SystemClock};
    use portcullis_gateway::mock;
    use portcullis_server::listen::{Bound, ListenSettings, Stop, TlsFiles};
    use portcullis_testkit::gateway::{Ask, Finished, TestGateway, TestIssuer, run};
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tempfile::TempDir;
    use tokio_util::task::TaskTracker;

    const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");

    /// A mock server behind a certificate that no public authority knows.
    struct PrivateServer {
        folder: TempDir,
        port: u16,
        stop: Stop,
    }

    impl PrivateServer {
        async fn start() -> Self {
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
            let folder = tempfile::tempdir().unwrap();
            let CertifiedKey { cert, signing_key } =
                generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            let files = TlsFiles {
                certificate: folder.path().join("ca.pem"),
                key: folder.path().join("key.pem"),
                client_ca: None,
            };
            std::fs::write(&files.certificate, cert.pem()).unwrap();
            std::fs::write(&files.key, signing_key.serialize_pem()).unwrap();
            let settings = ListenSettings {
                tls: Some(files),
                ..ListenSettings::default()
            };
            let bound = Bound::bind("127.0.0.1", 0, settings).await.unwrap();
            let address = bound.local_addr();
            let public = mock::Settings {
                public_url: Some(format!("https://localhost:{}", address.port())),
                ..mock::Settings::default()
            };
            let router = mock::router(address, public).unwrap();
            let stop = Stop::default();
            TaskTracker::new().spawn(bound.serve(router, stop.clone()));
            Self {
                folder,
                port: address.port(),
                stop,
            }
        }

        fn ca(&self) -> PathBuf {
            self.folder.path().join("ca.pem")
        }

        /// What `check --online` says of this server.
        async fn check(&self, server_section: &str, env: &[(&str, &Path)]) -> Finished {
            let origin = format!("https://localhost:{}", self.port);
            let text = format!(
                "{server_section}general_settings: {{master_key: os.environ/KEY}}\nmcp_servers:\n  \
                 private:\n    url: {origin}/mcp\n    auth_type: oauth2\n    \
                 oauth2_flow: client_credentials\n    client_id: test-client\n    \
                 client_secret: os.environ/SECRET\n    token_url: {origin}/oauth/token\n"
            );
            let folder = self.folder.path().to_owned();
            std::fs::write(folder.join("c.yaml"), text).unwrap();
            let env: Vec<(String, String)> = env
                .iter()
                .map(|(name, path)| ((*name).to_owned(), path.display().to_string()))
                .chain([
                    ("KEY".to_owned(), "sk-trust-0123456789abcdef".to_owned()),
                    ("SECRET".to_owned(), "test-secret".to_owned()),
                ])
                .collect();
            tokio::task::spawn_blocking(move || {
                let env: Vec<(&str, &str)> = env
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()))
                    .collect();
                run(PORTCULLIS, &folder, &["check", "c.yaml", "--online"], &env)
            })
            .await
            .unwrap()
        }
    }

    impl Drop for PrivateServer {
        fn drop(&mut self) {
            self.stop.hard.cancel();
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_private_authority_is_believed_only_where_the_operator_says_so() {
        // NET-14
        let server = PrivateServer::start().await;
        let ca = server.ca();
        let none = server.check("", &[]).await;
        assert_eq!(none.code, Some(2), "{}", none.said());
        let in_file = format!("server: {{ca_file: {}}}\n", ca.display());
        for (how, section, env) in [
            ("SSL_CERT_FILE", "", vec![("SSL_CERT_FILE", ca.as_path())]),
            (
                "TLS_CA_CERT_PATH",
                "",
                vec![("TLS_CA_CERT_PATH", ca.as_path())],
            ),
            ("server.ca_file", in_file.as_str(), vec![]),
        ] {
            let told = server.check(section, &env).await;
            assert_eq!(told.code, Some(0), "{how}: {}", told.said());
        }
    }

    /// JWKS-12: an issuer's keys come from whoever its certificate says, or not at all.
    #[tokio::test(flavor = "multi_thread")]
    async fn keys_of_an_issuer_are_taken_only_over_a_connection_that_is_its_own() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let issuer = TestIssuer::start().await;
        let address = issuer.url()["http://".len()..].parse().unwrap();
        let published = Ask::get("/keys").send(address).await.text();
        let asked_in_the_clear = issuer.key_requests();
        for (name, over, trusted, served) in [
            ("localhost", false, true, true),
            ("localhost", false, false, false),
            ("elsewhere.example", false, true, false),
            ("localhost", true, true, false),
        ] {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
            if over {
                params.not_after = rcgen::date_time_ymd(2001, 1, 1);
            }
            let own = params.self_signed(&key).unwrap();
            let tls = TlsFiles {
                certificate: file("site.pem"),
                key: file("site.key"),
                client_ca: None,
            };
            std::fs::write(&tls.certificate, own.pem()).unwrap();
            std::fs::write(&tls.key, key.serialize_pem()).unwrap();
            let settings = ListenSettings {
                tls: Some(tls),
                ..ListenSettings::default()
            };
            let bound = Bound::bind("127.0.0.1", 0, settings).await.unwrap();
            let port = bound.local_addr().port();
            let body = published.clone();
            let site = axum::Router::new().route("/jwks", axum::routing::get(|| async { body }));
            let stop = Stop::default();
            TaskTracker::new().spawn(bound.serve(site, stop.clone()));

            let ca_file = format!("server: {{ca_file: {}}}\n", file("site.pem").display());
            let yaml = format!(
                "{}identity:\n  issuers:\n{}",
                if trusted { &ca_file } else { "" },
                issuer.entry(&format!("    jwks_uri: https://localhost:{port}/jwks\n")),
            );
            let gateway = TestGateway::start(&yaml).await;
            let now = SystemClock::start().now().as_secs();
            let alice = gateway.bearer(&issuer.token("k1", &issuer.claims(now)));
            let reply = alice.ask(Ask::get("/mcp-rest/tools/list")).await;
            let expected = if served { 200 } else { 503 };
            assert_eq!(reply.status, expected, "{name} {over} {trusted}: {reply:?}");
            stop.hard.cancel();
        }
        assert_eq!(
            issuer.key_requests(),
            asked_in_the_clear,
            "no way around TLS"
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_missing_file_of_authorities_is_never_replaced_by_others() {
        let server = PrivateServer::start().await;
        let missing = server.folder.path().join("missing.pem");
        for variable in ["SSL_CERT_FILE", "TLS_CA_CERT_PATH"] {
            let told = server.check("", &[(variable, &missing)]).await;
            assert_ne!(told.code, Some(0), "{variable}");
            assert!(
                told.said().contains("missing.pem"),
                "{variable}: {}",
                told.said()
            );
        }
    }
}
