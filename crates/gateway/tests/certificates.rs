//! Callers who come with a client certificate, on real TLS connections.

#[cfg(test)]
mod certificates {
    mod bound_tokens;
    mod ends;

    use std::net::SocketAddr;
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::time::Duration;

    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use portcullis_core::{Clock, ManualClock, SystemClock, Timestamp, sha256};
    use portcullis_server::listen::{ClientCa, ListenSettings, ServerTls, TlsFiles};
    use portcullis_testkit::eventually;
    use portcullis_testkit::gateway::{
        Actor, Ask, Connection, MockServer, Reply, TestGateway, TestIssuer,
    };
    use rcgen::{
        BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
        SanType,
    };
    use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
    use serde_json::{Value, json};
    use tokio::net::TcpStream;
    use tokio_rustls::client::TlsStream;
    use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

    const DAY: Duration = Duration::from_hours(24);
    const AGENT: &str = "agent.example.com";

    /// An authority and its file.
    struct Authority {
        file: PathBuf,
        /// What stands between it and the file.
        above: Vec<CertificateDer<'static>>,
        issuer: Issuer<'static, KeyPair>,
    }

    /// What a client comes with.
    struct Identity {
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    }

    impl Identity {
        fn thumbprint(&self) -> String {
            URL_SAFE_NO_PAD.encode(sha256(&self.chain[0]))
        }
    }

    fn moment(at: Timestamp) -> time::OffsetDateTime {
        time::OffsetDateTime::from_unix_timestamp(at.as_secs()).unwrap()
    }

    impl Authority {
        fn at(file: PathBuf) -> Self {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let own = params.self_signed(&key).unwrap();
            std::fs::write(&file, own.pem()).unwrap();
            Self {
                file,
                above: Vec::new(),
                issuer: Issuer::new(params, key),
            }
        }

        /// One that it made, and that is over then.
        fn between(&self, to: Timestamp) -> Self {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params
                .distinguished_name
                .push(rcgen::DnType::CommonName, "between");
            params.not_after = moment(to);
            let own = params.signed_by(&key, &self.issuer).unwrap();
            Self {
                file: self.file.clone(),
                above: vec![own.der().clone()],
                issuer: Issuer::new(params, key),
            }
        }

        fn vouches(&self, names: Vec<SanType>, from: Timestamp, to: Timestamp) -> Identity {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.subject_alt_names = names;
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            (params.not_before, params.not_after) = (moment(from), moment(to));
            let leaf = params.signed_by(&key, &self.issuer).unwrap();
            Identity {
                chain: std::iter::once(leaf.der().clone())
                    .chain(self.above.iter().cloned())
                    .collect(),
                key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            }
        }
    }

    fn dns(name: &str) -> SanType {
        SanType::DnsName(name.try_into().unwrap())
    }

    /// A gateway with a TLS door that asks for certificates of two authorities.
    struct Stage {
        gateway: TestGateway,
        door: SocketAddr,
        tls: Arc<ServerTls>,
        trust: CertificateDer<'static>,
        own: Authority,
        other: Authority,
        issuer: TestIssuer,
        clock: Arc<ManualClock>,
        _mock: MockServer,
        _folder: tempfile::TempDir,
    }

    impl Stage {
        async fn set(required: bool) -> Self {
            Self::with_issuer(required, |_| String::new()).await
        }

        /// The same, with further lines for its issuer.
        async fn with_issuer(required: bool, lines: fn(&TestIssuer) -> String) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = |name: &str| folder.path().join(name);
            let (own, other) = (
                Authority::at(file("own.pem")),
                Authority::at(file("other.pem")),
            );
            let server = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
            std::fs::write(file("tls.crt"), server.cert.pem()).unwrap();
            std::fs::write(file("tls.key"), server.signing_key.serialize_pem()).unwrap();
            let (mock, issuer) = (MockServer::start().await, TestIssuer::start().await);
            let (a, b) = (own.file.display(), other.file.display());
            let yaml = format!(
                "mcp_servers:\n{}    extra_headers: [x-token]\n{}server:\n  tls:\n    cert: {}\n    key: {}\n    \
                 client_ca: [{a}, {b}]\n    client_certificate: {}\n\
                 identity:\n  client_certificates:\n  \
                 - {{ca: {a}, san: 'dns:{AGENT}', user_id: agent, servers: [support]}}\n  \
                 - {{ca: {a}, san: 'uri:spiffe://example.com/job', servers: [support]}}\n  \
                 - {{ca: {b}, san: 'email:bob@example.com', servers: [support]}}\n  \
                 issuers:\n{}",
                mock.entry("support"),
                mock.entry("private"),
                file("tls.crt").display(),
                file("tls.key").display(),
                if required { "required" } else { "optional" },
                issuer.entry(&format!(
                    "    groups: {{staff: {{servers: [support]}}}}\n{}",
                    lines(&issuer)
                )),
            );
            let now = SystemClock::start().now();
            let clock = Arc::new(ManualClock::at_millis(now.as_millis()));
            let gateway = TestGateway::by_clock(&yaml, clock.clone()).await;
            gateway.keep_secret("the mock's client secret", mock.client_secret());
            let settings = ListenSettings {
                tls: Some(TlsFiles {
                    certificate: file("tls.crt"),
                    key: file("tls.key"),
                    client_ca: Some(ClientCa {
                        files: vec![own.file.clone(), other.file.clone()],
                        required,
                    }),
                }),
                ..ListenSettings::default()
            };
            let (door, tls) = gateway.opens(settings).await;
            Self {
                gateway,
                door,
                tls: tls.unwrap(),
                trust: server.cert.der().clone(),
                own,
                other,
                issuer,
                clock,
                _mock: mock,
                _folder: folder,
            }
        }

        /// A certificate that holds from yesterday to tomorrow.
        fn with(&self, authority: &Authority, names: Vec<SanType>) -> Identity {
            let now = self.clock.now();
            let identity = authority.vouches(names, now.before(DAY), now.after(DAY));
            let der = STANDARD.encode(&identity.chain[0]);
            self.gateway.keep_secret("a client's certificate", &der);
            identity
        }

        fn agent(&self) -> Identity {
            self.with(&self.own, vec![dns(AGENT)])
        }

        async fn connect(&self, identity: Option<&Identity>) -> Connection<TlsStream<TcpStream>> {
            let mut roots = RootCertStore::empty();
            roots.add(self.trust.clone()).unwrap();
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let builder = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots);
            let config = match identity {
                Some(Identity { chain, key }) => builder
                    .with_client_auth_cert(chain.clone(), key.clone_key())
                    .unwrap(),
                None => builder.with_no_client_auth(),
            };
            let stream = TcpStream::connect(self.door).await.unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
            Connection::over(connector.connect(name, stream).await.unwrap())
        }

        /// One call on a connection of its own; status 0 when the handshake was refused.
        async fn ask(&self, identity: Option<&Identity>, ask: &Ask) -> Reply {
            self.connect(identity).await.ask(ask).await
        }

        /// A stream that is listened to over a connection of its own.
        async fn listens(
            &self,
            identity: &Identity,
            token: Option<&str>,
        ) -> Connection<TlsStream<TcpStream>> {
            let sign = |ask: Ask| token.map_or(ask.clone(), |token| ask.bearer(token));
            let opened = self
                .ask(Some(identity), &sign(Ask::initialize("/mcp/support")))
                .await;
            is_served(&opened);
            let session = opened.header("mcp-session-id").unwrap();
            let mut stream = self.connect(Some(identity)).await;
            let listen = sign(Ask::listen("/mcp/support", session));
            stream.write(&listen.bytes()).await;
            assert!(stream.until("text/event-stream").await);
            stream
        }

        async fn is_refused(&self, reply: &Reply, reason: &str) {
            assert_eq!(reply.status, 401, "{reason}: {reply:?}");
            let event = self.gateway.event_of(reply).await;
            assert_eq!(event["authn"], reason, "{event}");
            assert!(event.get("principal").is_none(), "{event}");
        }

        /// A token of alice's, bound to this certificate if any.
        fn token(&self, bound_to: Option<&str>) -> String {
            let mut claims = self.issuer.claims(self.clock.now().as_secs());
            if let Some(thumbprint) = bound_to {
                claims["cnf"] = json!({"x5t#S256": thumbprint});
            }
            let token = self.issuer.token("k1", &claims);
            self.gateway.keep_secret("a caller's token", &token);
            token
        }
    }

    fn echo() -> Ask {
        Actor::echo_ask("hello")
    }

    #[track_caller]
    fn is_served(reply: &Reply) {
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    #[tokio::test]
    async fn a_certificate_is_the_caller_that_a_rule_names_and_sees_what_it_grants() {
        let stage = Stage::set(true).await;
        let spiffe = SanType::URI("spiffe://example.com/job".try_into().unwrap());
        let email = SanType::Rfc822Name("bob@example.com".try_into().unwrap());
        for (authority, name, id) in [
            (&stage.own, dns(AGENT), format!("dns:{AGENT}")),
            (&stage.own, dns("AGENT.Example.COM"), format!("dns:{AGENT}")),
            (
                &stage.own,
                spiffe,
                "uri:spiffe://example.com/job".to_owned(),
            ),
            (&stage.other, email, "email:bob@example.com".to_owned()),
        ] {
            // Among other names of its own.
            let identity = stage.with(authority, vec![dns("host.internal"), name]);
            let mut connection = stage.connect(Some(&identity)).await;
            let reply = connection.ask(&echo()).await;
            is_served(&reply);
            let event = stage.gateway.event_of(&reply).await;
            let principal = format!("certificate:{} {id}", authority.file.display());
            assert_eq!(event["principal"], principal, "{event}");
            assert_eq!(event["principal_kind"], "client_certificate");
            let listed = connection.ask(&Ask::get("/mcp-rest/tools/list")).await;
            assert!(!listed.text().contains("private"), "{listed:?}");
            // No certificate administers.
            let admin = connection.ask(&Ask::get("/key/list")).await;
            assert_eq!(admin.status, 403, "{admin:?}");
        }
        stage.gateway.stands().await;
    }

    #[tokio::test]
    async fn a_certificate_of_no_rule_or_of_the_wrong_authority_is_nobody() {
        let stage = Stage::set(false).await;
        let wildcard = |name: &str| stage.with(&stage.own, vec![dns(name)]);
        for identity in [
            wildcard("stranger.example.com"),
            wildcard("*.example.com"),
            wildcard("agent.example.com.evil.test"),
            stage.with(&stage.own, Vec::new()),
            // The name of one authority's caller, vouched for by the other.
            stage.with(&stage.other, vec![dns(AGENT)]),
            stage.with(
                &stage.own,
                vec![SanType::URI(
                    format!("dns:{AGENT}").as_str().try_into().unwrap(),
                )],
            ),
        ] {
            let reply = stage.ask(Some(&identity), &echo()).await;
            stage.is_refused(&reply, "certificate_unknown").await;
            let challenge = reply.header("www-authenticate").unwrap();
            assert!(!challenge.contains("error="), "{challenge}");
        }
        let nothing = stage.ask(None, &echo()).await;
        stage.is_refused(&nothing, "missing").await;
        stage.gateway.stands().await;
    }

    #[tokio::test]
    async fn the_handshake_refuses_strangers_and_certificates_out_of_their_time() {
        let stage = Stage::set(true).await;
        let now = stage.clock.now();
        let foreign = Authority::at(stage.own.file.with_file_name("foreign.pem"));
        let name = || vec![dns(AGENT)];
        for identity in [
            None,
            Some(stage.with(&foreign, name())),
            Some(
                stage
                    .own
                    .vouches(name(), now.before(DAY * 2), now.before(DAY)),
            ),
            Some(
                stage
                    .own
                    .vouches(name(), now.after(DAY), now.after(DAY * 2)),
            ),
        ] {
            let reply = stage.ask(identity.as_ref(), &echo()).await;
            assert_eq!(reply.status, 0, "{reply:?}");
        }
        is_served(&stage.ask(Some(&stage.agent()), &echo()).await);
        assert_eq!(stage.gateway.events().await.len(), 1);
        stage.gateway.stands().await;
    }

    /// A certificate speaks for whoever presents nothing else: it rescues nothing.
    #[tokio::test]
    async fn a_bad_credential_is_not_rescued_by_a_good_certificate() {
        let stage = Stage::set(false).await;
        let agent = stage.agent();
        for (header, value, reason) in [
            ("authorization", "Bearer sk-nobodys-key", "unknown"),
            ("authorization", "Bearer ", "missing"),
            ("authorization", "", "missing"),
            ("authorization", "Basic dTpw", "malformed"),
            ("x-litellm-api-key", "", "missing"),
            ("x-portcullis-api-key", "sk-nobodys-key", "unknown"),
        ] {
            let ask = echo().header(header, value);
            let reply = stage.ask(Some(&agent), &ask).await;
            stage.is_refused(&reply, reason).await;
        }
        let old = stage.issuer.withdraw("k1");
        let claims = stage.issuer.claims(stage.clock.now().as_secs());
        let token = TestIssuer::signed(&old, "unheard-of", &claims);
        let reply = stage.ask(Some(&agent), &echo().bearer(&token)).await;
        stage.is_refused(&reply, "token_unknown_key").await;
        let twice = echo()
            .header("authorization", "")
            .header("authorization", "");
        assert_eq!(stage.ask(Some(&agent), &twice).await.status, 400);

        // A good one counts, and not the certificate.
        let key = stage.gateway.key("caller", &["support"]).await;
        let reply = stage.ask(Some(&agent), &key.sign(echo())).await;
        is_served(&reply);
        let event = stage.gateway.event_of(&reply).await;
        assert_eq!(event["principal_kind"], "api_key", "{event}");
        is_served(&stage.ask(None, &key.sign(echo())).await);
        stage.gateway.stands().await;
    }

    /// A door that asks everybody for a certificate asks for more than one that was good once.
    #[tokio::test]
    async fn a_required_certificate_is_required_of_each_request() {
        let stage = Stage::set(true).await;
        let (agent, key) = (
            stage.agent(),
            stage.gateway.key("caller", &["support"]).await,
        );
        let mut connection = stage.connect(Some(&agent)).await;
        is_served(&connection.ask(&key.sign(echo())).await);
        Authority::at(stage.own.file.clone());
        stage.tls.reload().unwrap();
        let reply = connection.ask(&key.sign(echo())).await;
        stage.is_refused(&reply, "certificate_unknown").await;

        let now = stage.clock.now();
        let bob = vec![SanType::Rfc822Name("bob@example.com".try_into().unwrap())];
        let short = stage
            .other
            .vouches(bob, now.before(DAY), now.after(Duration::from_mins(2)));
        let mut connection = stage.connect(Some(&short)).await;
        is_served(&connection.ask(&key.sign(echo())).await);
        stage.clock.advance(Duration::from_mins(3));
        // What is known of revocations is as old now, until it is read again.
        eventually("the list is fresh", async || {
            key.echo("at the plain door").await.status == 200
        })
        .await;
        let reply = connection.ask(&key.sign(echo())).await;
        stage.is_refused(&reply, "certificate_over").await;
        stage.gateway.no_secret_was_told().await;
    }
}
