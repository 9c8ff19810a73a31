//! `portcullis doctor`: upstreams that are broken in every way, and what the operator is told.

#[cfg(test)]
mod doctor {
    mod checklist;

    use std::path::Path;
    use std::time::Duration;

    use portcullis_gateway::mock;
    use portcullis_server::listen::{Bound, ListenSettings, Stop, TlsFiles};
    use portcullis_testkit::Nobody;
    use portcullis_testkit::gateway::{Finished, MockServer, Process, TestIssuer, run};
    use portcullis_testkit::upstream::{FakeUpstream, Reply};
    use rcgen::{CertificateParams, KeyPair};
    use serde_json::Value;
    use tempfile::TempDir;
    use tokio_util::task::TaskTracker;

    const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");
    const SECRET: &str = "canary-doctor-5kq2Vt8Zp1Lm";

    /// Runs beside the servers of the story.
    async fn portcullis(folder: &Path, args: &[&str]) -> Finished {
        let folder = folder.to_owned();
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        tokio::task::spawn_blocking(move || {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let env = [("SECRET", SECRET), ("KEY", "sk-doctor-0123456789abcdef")];
            let finished = run(PORTCULLIS, &folder, &args, &env);
            assert!(!finished.said().contains(SECRET), "{finished:?}");
            finished
        })
        .await
        .unwrap()
    }

    /// What the doctor says of `it` in this file, and that it leaves nothing behind.
    async fn visited(text: &str) -> Finished {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("c.yaml"), text).unwrap();
        let told = portcullis(folder.path(), &["doctor", "it", "-c", "c.yaml"]).await;
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "{told:?}");
        told
    }

    fn bearer(url: &str) -> String {
        format!(
            "mcp_servers:\n  it:\n    url: {url}\n    auth_type: bearer_token\n    auth_value: os.environ/SECRET\n"
        )
    }

    fn m2m(url: &str, token_url: &str) -> String {
        format!(
            "mcp_servers:\n  it:\n    url: {url}\n    auth_type: oauth2\n    oauth2_flow: client_credentials\n    client_id: test-client\n    client_secret: os.environ/SECRET\n{token_url}"
        )
    }

    /// Times are what they are.
    fn timeless(text: &str) -> String {
        let mut words = text.split(" (").map(str::to_owned);
        let mut out = words.next().unwrap_or_default();
        for word in words {
            let timed = word
                .split_once(" ms)")
                .filter(|(time, _)| time.bytes().all(|byte| byte.is_ascii_digit()));
            if let Some((_, rest)) = timed {
                out.push_str(rest);
            } else {
                out.push_str(" (");
                out.push_str(&word);
            }
        }
        out
    }

    #[track_caller]
    fn breaks(told: &Finished, hop: &str, words: &str, key: &str) {
        assert_eq!(told.code, Some(1), "{told:?}");
        let text = &told.stdout;
        assert!(text.contains(&format!("breaks at {hop}\n")), "{text}");
        assert!(text.contains(words), "{words}: {text}");
        assert!(text.contains(key), "{key}: {text}");
        let after = text.split('✗').nth(1).unwrap();
        assert!(!after.contains('✓'), "nothing is tried after it: {text}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_sound_way_is_walked_to_its_end() {
        let upstream = FakeUpstream::legacy().await;
        let told = visited(&bearer(&upstream.url())).await;
        let (url, address) = (upstream.url(), upstream.address());
        let golden = format!(
            "\
✓ configuration  mcp_servers.it, line 2: {url}, bearer_token
✓ dns            127.0.0.1 is an address
✓ tcp            connected to {address}
– tls            plain http
✓ credential     static-token
✓ handshake      speaks 2025-11-25
✓ tools_list     2 tools
the way to `it` is sound
"
        );
        assert_eq!(timeless(&told.stdout), golden, "{told:?}");
        assert_eq!(told.code, Some(0));
        assert_eq!(told.stderr, "");
        let presented = upstream.last("tools/list");
        let expected = format!("Bearer {SECRET}");
        assert_eq!(presented.header("authorization"), Some(expected.as_str()));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_broken_hop_is_named_with_the_key_and_its_line() {
        let nobody = Nobody::there();
        let told = visited(&bearer(&nobody.url())).await;
        let address = nobody.address();
        let golden = format!(
            "\
✓ configuration  mcp_servers.it, line 2: {}, bearer_token
✓ dns            127.0.0.1 is an address
✗ tcp            connection failed ({address}); because: Connection refused (os error 111)
                 → nobody answers at {address}: start the server, correct host and port here, or let the connection through the firewall [mcp_servers.it.url, c.yaml:3]
– tls            not reached
– credential     not reached
– handshake      not reached
– tools_list     not reached
the way to `it` breaks at tcp
",
            nobody.url()
        );
        assert_eq!(timeless(&told.stdout), golden, "{told:?}");
        assert_eq!(told.code, Some(1));

        let told = visited(&bearer("https://no-such-host.invalid/mcp")).await;
        breaks(
            &told,
            "dns",
            "no-such-host.invalid is no name",
            "it.url, c.yaml:3",
        );
    }

    /// A TLS server with a certificate made for the story.
    struct Secured {
        folder: TempDir,
        port: u16,
        stop: Stop,
    }

    impl Secured {
        async fn with(params: CertificateParams) -> Self {
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
            let folder = tempfile::tempdir().unwrap();
            let key = KeyPair::generate().unwrap();
            let cert = params.self_signed(&key).unwrap();
            let files = TlsFiles {
                certificate: folder.path().join("ca.pem"),
                key: folder.path().join("key.pem"),
                client_ca: None,
            };
            std::fs::write(&files.certificate, cert.pem()).unwrap();
            std::fs::write(&files.key, key.serialize_pem()).unwrap();
            let settings = ListenSettings {
                tls: Some(files),
                ..ListenSettings::default()
            };
            let bound = Bound::bind("127.0.0.1", 0, settings).await.unwrap();
            let address = bound.local_addr();
            let router = mock::router(address, mock::Settings::default()).unwrap();
            let stop = Stop::default();
            TaskTracker::new().spawn(bound.serve(router, stop.clone()));
            Self {
                folder,
                port: address.port(),
                stop,
            }
        }

        async fn visited(&self, known: bool) -> Finished {
            let section = if known {
                let ca = self.folder.path().join("ca.pem");
                format!("server: {{ca_file: {}}}\n", ca.display())
            } else {
                String::new()
            };
            let url = format!("https://localhost:{}/mcp", self.port);
            visited(&format!("{section}{}", bearer(&url))).await
        }
    }

    impl Drop for Secured {
        fn drop(&mut self) {
            self.stop.hard.cancel();
        }
    }

    fn certificate(name: &str) -> CertificateParams {
        CertificateParams::new(vec![name.to_owned()]).unwrap()
    }

    /// A certificate that ends with the beginning of a day to come, less than that many days away.
    fn ending_in(days: u32) -> CertificateParams {
        use portcullis_core::{Clock, SystemClock};
        let then = SystemClock::start().now();
        let then = then.after(Duration::from_hours(24) * days).to_string();
        let mut parts = then.split(['-', 'T']).map(str::parse::<u32>);
        let mut next = || parts.next().unwrap().unwrap();
        let (year, month, day) = (next(), next(), next());
        let mut params = certificate("localhost");
        params.not_after = rcgen::date_time_ymd(
            i32::try_from(year).unwrap(),
            u8::try_from(month).unwrap(),
            u8::try_from(day).unwrap(),
        );
        params
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_wrong_with_a_certificate_is_told_apart() {
        let private = Secured::with(certificate("localhost")).await;
        let told = private.visited(false).await;
        breaks(
            &told,
            "tls",
            "name the authority's PEM file",
            "[server.ca_file, c.yaml]",
        );
        let told = private.visited(true).await;
        assert!(
            told.stdout.contains("✓ tls            TLSv1_3, h2"),
            "{told:?}"
        );
        assert!(
            told.stdout.contains("the certificate is good for "),
            "{told:?}"
        );
        assert!(!told.stdout.contains("renew"), "{told:?}");
        breaks(
            &told,
            "handshake",
            "does not accept what we present",
            "it.auth_type, c.yaml:5",
        );

        let told = Secured::with(certificate("elsewhere.example"))
            .await
            .visited(true)
            .await;
        breaks(
            &told,
            "tls",
            "for other names than localhost",
            "it.url, c.yaml:4",
        );

        for (days, state, left) in [(9, '!', "for 8 days"), (20, '✓', "for 19 days")] {
            let told = Secured::with(ending_in(days)).await.visited(true).await;
            let line =
                format!("{state} tls            TLSv1_3, h2; the certificate is good {left}");
            assert!(told.stdout.contains(&line), "{told:?}");
            let advises = told
                .stdout
                .contains("renew the certificate of localhost before");
            assert_eq!(advises, state == '!', "{told:?}");
        }

        let mut old = certificate("localhost");
        old.not_before = rcgen::date_time_ymd(2001, 1, 1);
        old.not_after = rcgen::date_time_ymd(2002, 1, 1);
        let told = Secured::with(old).await.visited(true).await;
        breaks(&told, "tls", "renew the certificate of localhost", "");

        let plain = FakeUpstream::legacy().await;
        let url = plain.url().replace("http:", "https:");
        let told = visited(&bearer(&url)).await;
        breaks(&told, "tls", "is it an https port", "it.url, c.yaml:3");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_way_to_a_token_has_hops_of_its_own() {
        let upstream = FakeUpstream::legacy().await;
        upstream.on("GET", |_| Reply::status(404));
        let told = visited(&m2m(&upstream.url(), "")).await;
        breaks(
            &told,
            "metadata",
            "write `token_url`",
            "it.token_url, c.yaml:2",
        );

        let nobody = Nobody::there();
        let token_url = format!("    token_url: http://{}/token\n", nobody.address());
        let told = visited(&m2m(&upstream.url(), &token_url)).await;
        breaks(
            &told,
            "token_tcp",
            "nobody answers at",
            "it.token_url, c.yaml:8",
        );

        // The secret is not the mock's.
        let mock = MockServer::start().await;
        let url = mock.url();
        let token_url = format!("    token_url: {url}/oauth/token\n");
        let told = visited(&m2m(&format!("{url}/mcp"), &token_url)).await;
        breaks(
            &told,
            "credential",
            "HTTP 401, invalid_client",
            "it.client_id, c.yaml:6",
        );
        assert_eq!(told.stderr, "");

        upstream.on("TOKEN", |_| {
            Reply::whole(200, "text/html", "<html>welcome</html>")
        });
        let token_url = format!("    token_url: {}\n", upstream.token_url());
        let told = visited(&m2m(&upstream.url(), &token_url)).await;
        breaks(
            &told,
            "credential",
            "is no token endpoint",
            "it.token_url, c.yaml:8",
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_server_that_answers_wrongly_is_told_from_one_that_is_away() {
        for (status, words, key) in [
            (
                401,
                "does not accept what we present",
                "it.auth_type, c.yaml:4",
            ),
            (403, "knows us and does not let us", "it.scopes, c.yaml:2"),
            (500, "look at its log", ""),
        ] {
            let upstream = FakeUpstream::legacy().await;
            upstream.first(move |_| Reply::status(status));
            upstream.on("server/discover", move |_| Reply::status(status));
            upstream.on("initialize", move |_| Reply::status(status));
            let told = visited(&bearer(&upstream.url())).await;
            breaks(&told, "handshake", words, key);
        }
        let upstream = FakeUpstream::legacy().await;
        upstream.on("tools/list", |request| {
            Reply::result(request, r#"{"tools":"none"}"#)
        });
        let told = visited(&bearer(&upstream.url())).await;
        breaks(&told, "tools_list", "not MCP", "it.url, c.yaml:3");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_script_gets_one_document_and_stable_codes() {
        let upstream = FakeUpstream::legacy().await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("c.yaml"), bearer(&upstream.url())).unwrap();
        std::fs::write(folder.path().join("bad.yaml"), "server: {prot: 1}").unwrap();
        let args = ["doctor", "it", "-c", "c.yaml", "--output", "json"];
        let told = portcullis(folder.path(), &args).await;
        let document = told.json();
        assert_eq!((told.code, &document["ok"]), (Some(0), &Value::Bool(true)));
        assert_eq!(document["server"], "it");
        let names: Vec<&str> = document["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| finding["name"].as_str().unwrap())
            .collect();
        let hops = [
            "configuration",
            "dns",
            "tcp",
            "tls",
            "credential",
            "handshake",
            "tools_list",
        ];
        assert_eq!(names, hops);
        for args in [
            &["doctor", "nobody", "-c", "c.yaml"][..],
            &["doctor", "it", "-c", "bad.yaml"],
            &["doctor", "-c", "bad.yaml"],
            &["doctor", "-c", "absent.yaml"],
        ] {
            let told = portcullis(folder.path(), args).await;
            assert_eq!(told.code, Some(2), "{told:?}");
        }
        let told = portcullis(folder.path(), &["doctor", "nobody", "-c", "c.yaml"]).await;
        assert!(
            told.stderr.contains("no server `nobody`: c.yaml has it"),
            "{told:?}"
        );
    }
}
