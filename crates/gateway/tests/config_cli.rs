//! Operators and their scripts: the real binary, its files, its verbs and its exit codes.

#[cfg(test)]
mod config_cli {
    mod check;
    mod explain;
    mod levels;
    mod sinks;
    mod store;
    mod trail;

    use std::fmt::Write as _;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use portcullis_testkit::eventually;
    use portcullis_testkit::gateway::{Actor, Ask, Finished, MockServer, Process, run};
    use serde_json::{Value, json};
    use tempfile::TempDir;

    const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");
    const MASTER: &str = "sk-master-canary-Zp7Qm2vT9dKx4RzL";

    fn cli(folder: &Path, args: &[&str]) -> Finished {
        run(PORTCULLIS, folder, args, &[])
    }

    fn folder() -> TempDir {
        tempfile::tempdir().unwrap()
    }

    fn write(folder: &Path, name: &str, text: &str) {
        std::fs::write(folder.join(name), text).unwrap();
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn keyed(mock: &MockServer) -> String {
        format!(
            "general_settings:\n  master_key: \"{MASTER}\"\nmcp_servers:\n{}",
            mock.entry("support")
        )
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn alone_in_an_empty_folder_it_makes_its_files_shows_a_key_once_and_serves() {
        let folder = folder();
        let mut first = Process::serve(PORTCULLIS, folder.path(), &["--port", "0"], &[]);
        let shown = first.stdout_to("curl ");
        let key = shown
            .split_whitespace()
            .find(|word| word.starts_with("sk-"))
            .unwrap()
            .trim_end_matches('"')
            .to_owned();
        assert!(shown.contains("curl http://localhost:"), "{shown}");
        let listed = first.ask_as(&key, Ask::get("/mcp-rest/tools/list")).await;
        assert_eq!(listed.status, 200, "{listed:?}");
        assert_eq!(
            Ask::get("/mcp-rest/tools/list")
                .send(first.address())
                .await
                .status,
            401
        );
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
        assert!(folder.path().join("portcullis.yaml").exists());
        assert!(folder.path().join("portcullis.db").exists());
        assert!(folder.path().join("portcullis.keyring.json").exists());
        assert_eq!(first.end().code(), Some(0));
        assert!(!first.log().contains(&key), "{}", first.log());

        // The second start shows nothing, and the key still works.
        let mut second = Process::serve(PORTCULLIS, folder.path(), &["--port", "0"], &[]);
        let listed = second.ask_as(&key, Ask::get("/mcp-rest/tools/list")).await;
        assert_eq!(listed.status, 200, "{listed:?}");
        second.end();
        assert_eq!(second.stdout(), "");
        assert!(!second.log().contains(&key), "{}", second.log());
        let verified = cli(folder.path(), &["audit", "verify"]);
        assert_eq!(verified.code, Some(0), "{verified:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_guides_requests_with_sk_1234_work_on_loopback_with_a_warning() {
        let folder = folder();
        let mock = MockServer::start().await;
        let text = keyed(&mock).replace(MASTER, "sk-1234");
        write(folder.path(), "config.yaml", &text);
        let mut gateway = Process::serve(
            PORTCULLIS,
            folder.path(),
            &["--config", "config.yaml", "--port", "0"],
            &[],
        );
        let listed = gateway
            .ask_as("sk-1234", Ask::get("/mcp-rest/tools/list"))
            .await;
        assert_eq!(listed.status, 200, "{listed:?}");
        assert!(listed.text().contains("echo"), "{listed:?}");
        let call = json!({"name": "echo", "arguments": {"message": "hello"}});
        let called = gateway
            .ask_as("sk-1234", Ask::post("/mcp-rest/tools/call", &call))
            .await;
        assert_eq!(called.status, 200, "{called:?}");
        assert!(called.text().contains("hello"), "{called:?}");
        assert_eq!(gateway.end().code(), Some(0));
        let log = gateway.log();
        assert!(log.contains("the master key is weak"), "{log}");
        assert!(!log.contains("sk-1234"), "{log}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn beyond_loopback_no_start_without_a_strong_key() {
        // AUTH-22
        let folder = folder();
        let mock = MockServer::start().await;
        for (text, what) in [
            (
                keyed(&mock).replace(MASTER, "sk-1234"),
                "the master key is weak",
            ),
            (
                keyed(&mock).replace(MASTER, "short"),
                "the master key is weak",
            ),
            (
                keyed(&mock).replace(MASTER, "changeme-changeme-changeme"),
                "the master key is weak",
            ),
            (
                format!("mcp_servers:\n{}", mock.entry("support")),
                "without any key",
            ),
            (
                format!(
                    "mcp_servers:\n{}identity:\n  keys:\n  - {{id: ci, key: sk-1234, servers: [support]}}\n",
                    mock.entry("support")
                ),
                "weak",
            ),
        ] {
            write(folder.path(), "config.yaml", &text);
            for host in ["0.0.0.0", "::", "[::]", "192.0.2.1"] {
                let args = ["--config", "config.yaml", "--host", host, "--port", "0"];
                let refused = cli(folder.path(), &args);
                assert_eq!(refused.code, Some(2), "{refused:?}");
                assert!(refused.stderr.contains(what), "{refused:?}");
                for secret in ["sk-1234", "changeme-changeme", mock.client_secret()] {
                    assert!(!refused.said().contains(secret), "{refused:?}");
                }
            }
        }
        assert!(
            !folder.path().join("portcullis.db").exists(),
            "nothing was done"
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn init_writes_private_files_once_and_its_key_opens_the_gateway() {
        let folder = folder();
        let made = cli(folder.path(), &["init", "--output", "json"]);
        assert_eq!(made.code, Some(0), "{made:?}");
        let made = made.json();
        let key = made["admin_key"].as_str().unwrap();
        assert!(key.starts_with("sk-"), "{made}");
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
        let again = cli(folder.path(), &["init"]);
        assert_eq!(again.code, Some(2), "{again:?}");
        assert!(!again.said().contains("sk-"), "{again:?}");

        let mut gateway = Process::serve(PORTCULLIS, folder.path(), &["--port", "0"], &[]);
        let list = || Ask::get("/key/list");
        let listed = gateway.ask_as(key, list()).await;
        assert_eq!(listed.status, 200, "an administrator's: {listed:?}");
        assert_eq!(gateway.ask_as("sk-another", list()).await.status, 401);
        assert_eq!(gateway.end().code(), Some(0));
        assert_eq!(gateway.stdout(), "", "a key is shown once");
        assert!(!gateway.log().contains(key), "{}", gateway.log());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn keys_tools_servers_and_audit_work_from_the_command_line_with_stable_exit_codes() {
        let folder = folder();
        let mock = MockServer::start().await;
        write(folder.path(), "portcullis.yaml", &keyed(&mock));
        let mut gateway = Process::serve(
            PORTCULLIS,
            folder.path(),
            &["--config", "portcullis.yaml", "--port", "0"],
            &[],
        );
        let url = format!("http://{}", gateway.address());
        let verb = |key: &str, args: &[&str]| {
            let env = [
                ("PORTCULLIS_URL", url.as_str()),
                ("PORTCULLIS_API_KEY", key),
            ];
            let args: Vec<&str> = args.iter().copied().chain(["--output", "json"]).collect();
            run(PORTCULLIS, folder.path(), &args, &env)
        };
        let made = verb(
            MASTER,
            &[
                "keys",
                "create",
                "--alias",
                "ci",
                "--servers",
                "support",
                "--expires",
                "1h",
                "--scopes",
                "tools:read,tools:write",
            ],
        );
        assert_eq!(made.code, Some(0), "{made:?}");
        let (key, id) = (made.json()["key"].clone(), made.json()["key_id"].clone());
        let (key, id) = (key.as_str().unwrap(), id.as_str().unwrap());

        let listed = verb(key, &["tools", "list"]);
        assert_eq!(listed.code, Some(0), "{listed:?}");
        assert!(listed.stdout.contains("echo"), "{listed:?}");
        let called = verb(key, &["tools", "call", "echo", "message=hello"]);
        assert_eq!(called.code, Some(0), "{called:?}");
        assert!(called.stdout.contains("hello"), "{called:?}");
        let wrong = verb(
            key,
            &["tools", "call", "get_customer_info", "customer_id=NOBODY"],
        );
        assert_eq!(wrong.code, Some(1), "{wrong:?}");
        let absent = verb(key, &["tools", "call", "no_such_tool"]);
        assert_eq!(absent.code, Some(1), "{absent:?}");
        let servers = verb(key, &["servers"]);
        assert_eq!(servers.code, Some(0), "{servers:?}");

        for args in [
            &["keys", "list"][..],
            &["keys", "create"],
            &["audit", "tail"],
        ] {
            let refused = verb(key, args);
            assert_eq!(refused.code, Some(4), "{args:?}: {refused:?}");
        }
        assert_eq!(verb("sk-wrong-key", &["tools", "list"]).code, Some(4));

        let keys = verb(MASTER, &["keys", "list"]);
        assert!(
            keys.stdout.contains(id) && !keys.stdout.contains(key),
            "{keys:?}"
        );
        let info = verb(MASTER, &["keys", "info", id]);
        assert_eq!(info.code, Some(0), "{info:?}");
        assert!(info.stdout.contains("tools:write"), "{info:?}");
        let revoked = verb(MASTER, &["keys", "revoke", id]);
        assert_eq!(revoked.code, Some(0), "{revoked:?}");
        assert_eq!(verb(key, &["tools", "list"]).code, Some(4));

        let tail = verb(MASTER, &["audit", "tail", "-n", "50"]);
        assert_eq!(tail.code, Some(0), "{tail:?}");
        let events = tail.json()["events"].as_array().unwrap().clone();
        assert!(
            events.iter().any(|event| event["target"]["name"] == "echo"),
            "{tail:?}"
        );
        assert_eq!(gateway.end().code(), Some(0));
        for secret in [key, MASTER, mock.client_secret()] {
            assert!(!tail.said().contains(secret), "{tail:?}");
            assert!(!gateway.log().contains(secret));
        }
        assert_eq!(
            verb(key, &["tools", "list"]).code,
            Some(3),
            "nobody is there"
        );
        assert_eq!(cli(folder.path(), &["audit", "verify"]).code, Some(0));
    }

    #[test]
    fn the_schema_and_completions_are_printed_whole() {
        let folder = folder();
        let schema = cli(folder.path(), &["schema"]);
        let schema: Value = schema.json();
        assert!(schema.to_string().contains("\"mcp_servers\""), "{schema}");
        let completions = cli(folder.path(), &["completions", "bash"]);
        assert_eq!(completions.code, Some(0));
        assert!(completions.stdout.contains("portcullis"));
    }
}
