//! Operators and their scripts: the real binary, its files, its verbs and its exit codes.

#[cfg(test)]
mod config_cli {
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
    async fn check_finds_every_mistake_at_once_with_its_place_and_no_value() {
        // CFG-06
        let folder = folder();
        let text = "\
general_settings:
  master_key: sk-canary-5511-abcdefghij
  mster_key: sk-canary-5512-abcdefghij
mcp_servers:
  a:
    url: \"not a url\"
    auth_type: oauth2
    client_secret: canary-5513-secret
  mcp:
    url: http://127.0.0.1:1/mcp
    delegate_auth_to_upsteam: true
  b:
    url: http://127.0.0.1:1/mcp
    allow_all_keys: \"false\"
    auth_type: bearer_token
    auth_value: os.environ/NOT_SET_ANYWHERE
server:
  port: no
";
        write(folder.path(), "bad.yaml", text);
        let checked = cli(folder.path(), &["check", "bad.yaml"]);
        assert_eq!(checked.code, Some(2), "{checked:?}");
        for part in [
            "mster_key",
            "master_key",
            "mcp_servers.a.url",
            "one of the gateway's own paths",
            "delegate_auth_to_upsteam",
            "allow_all_keys",
            "NOT_SET_ANYWHERE",
            "port",
            "bad.yaml:",
        ] {
            assert!(checked.stdout.contains(part), "{part}: {}", checked.stdout);
        }
        let asked_json = cli(folder.path(), &["check", "bad.yaml", "--output", "json"]);
        assert_eq!(asked_json.code, Some(2));
        let told = asked_json.json();
        let errors = told["errors"].as_array().unwrap();
        let places: Vec<&str> = errors
            .iter()
            .filter_map(|error| error["path"].as_str())
            .collect();
        assert_eq!(
            places,
            [
                "general_settings.mster_key",
                "mcp_servers.a.url",
                "mcp_servers.a.auth_type",
                "mcp_servers.mcp",
                "mcp_servers.mcp.delegate_auth_to_upsteam",
                "mcp_servers.b.allow_all_keys",
                "mcp_servers.b.auth_value",
                "server.port",
            ]
        );
        let started = cli(folder.path(), &["--config", "bad.yaml", "--port", "0"]);
        assert_eq!(started.code, Some(2));
        for run in [checked, asked_json, started] {
            assert!(!run.said().contains("canary"), "{run:?}");
        }
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing was made"
        );
    }

    #[test]
    fn what_would_keep_others_out_and_does_not_exist_yet_is_refused_and_not_ignored() {
        let folder = folder();
        for (text, what) in [
            (
                "mcp_servers:\n  a:\n    url: http://127.0.0.1:1/mcp\n    allowed_cidrs: [10.0.0.0/8]\n",
                "allowed_cidrs",
            ),
            (
                "mcp_servers:\n  a:\n    url: http://127.0.0.1:1/mcp\n    require_approval: always\n",
                "require_approval",
            ),
            (
                "mcp_servers:\n  a:\n    url: http://127.0.0.1:1/mcp\n    pinned_tools: [x]\n",
                "pinned_tools",
            ),
            (
                "guardrails:\n- guardrail_name: g\n  litellm_params: {guardrail: x, mode: pre_mcp_call}\n",
                "guardrails",
            ),
        ] {
            write(folder.path(), "c.yaml", text);
            let checked = cli(folder.path(), &["check", "c.yaml"]);
            assert_eq!(checked.code, Some(2), "{text}: {}", checked.said());
            assert!(checked.stdout.contains(what), "{what}: {}", checked.stdout);
        }
    }

    #[test]
    fn yaml_that_means_two_things_or_eats_the_machine_is_refused() {
        // CFG-06
        let folder = folder();
        let bomb = {
            let mut text = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
            for (name, before) in ["b", "c", "d", "e", "f", "g", "h"]
                .iter()
                .zip(["a", "b", "c", "d", "e", "f", "g"])
            {
                let many = vec![format!("*{before}"); 10].join(",");
                writeln!(text, "{name}: &{name} [{many}]").unwrap();
            }
            text
        };
        let deep = format!("mcp_servers: {}", "[".repeat(100_000));
        for text in [
            "server:\n  port: 4000\n  port: 4001\n",
            "server:\n  port: 4000\nserver:\n  port: 4001\n",
            "audit:\n  required: yes\n",
            "audit:\n  required: \"true\"\n",
            "server:\n\tport: 4000\n",
            "server: [port, 4000]\n",
            "server:\n  port: 70000\n",
            "--- {}\n--- {}\n",
            "mcp_servers: {x: ",
            &bomb,
            &deep,
        ] {
            write(folder.path(), "c.yaml", text);
            let checked = cli(folder.path(), &["check", "c.yaml"]);
            assert_eq!(checked.code, Some(2), "{text:.100}: {}", checked.said());
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn explain_tells_what_was_concluded_and_no_secret() {
        let folder = folder();
        let mock = MockServer::start().await;
        let text = format!(
            "{}  header:\n    url: http://127.0.0.1:1/mcp\n    auth_type: bearer_token\n    \
             auth_value: os.environ/UPSTREAM_TOKEN\n    static_headers: {{x-tenant-key: static-canary-7788-value}}\n\
             identity:\n  keys:\n  - {{id: ci, key: sk-file-canary-Yx83bQ71kkPw, servers: [support]}}\n",
            keyed(&mock)
        );
        write(folder.path(), "c.yaml", &text);
        for output in ["text", "json"] {
            let args = ["check", "c.yaml", "--explain", "--output", output];
            let env = [("UPSTREAM_TOKEN", "token-canary-9911-from-the-environment")];
            let explained = run(PORTCULLIS, folder.path(), &args, &env);
            assert_eq!(explained.code, Some(0), "{explained:?}");
            assert!(
                explained.stdout.contains("client_credentials"),
                "{explained:?}"
            );
            assert!(!explained.said().contains("canary"), "{explained:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn check_online_says_which_server_does_not_accept_the_credential() {
        let folder = folder();
        let mock = MockServer::start().await;
        write(folder.path(), "good.yaml", &keyed(&mock));
        let good = cli(folder.path(), &["check", "good.yaml", "--online"]);
        assert_eq!(good.code, Some(0), "{good:?}");
        let bad = keyed(&mock).replace(mock.client_secret(), "wrong-canary-4455-secret");
        write(folder.path(), "bad.yaml", &bad);
        let refused = cli(folder.path(), &["check", "bad.yaml", "--online"]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stdout.contains("server `support`:"), "{refused:?}");
        assert!(!refused.said().contains("canary"), "{refused:?}");
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

    #[tokio::test(flavor = "multi_thread")]
    async fn a_key_revoked_in_one_process_is_refused_by_the_other_on_the_same_store() {
        // R-29, product §5
        let folder = folder();
        let mock = MockServer::start().await;
        write(folder.path(), "c.yaml", &keyed(&mock));
        let serve = || {
            Process::serve(
                PORTCULLIS,
                folder.path(),
                &["--config", "c.yaml", "--port", "0"],
                &[],
            )
        };
        let (mut one, mut two) = (serve(), serve());
        // Made without a gateway, straight into the store.
        let args = [
            "--config",
            "c.yaml",
            "keys",
            "create",
            "--servers",
            "support",
            "--output",
            "json",
        ];
        let made = cli(folder.path(), &args);
        assert_eq!(made.code, Some(0), "{made:?}");
        let made = made.json();
        let (key, id) = (
            made["key"].as_str().unwrap(),
            made["key_id"].as_str().unwrap(),
        );
        let echo = || Actor::echo_ask("hi");
        // Both learn of it by themselves.
        for process in [&one, &two] {
            let known = async || process.ask_as(key, echo()).await.status == 200;
            eventually("the key is known", known).await;
        }
        let body = json!({"keys": [id]});
        let revoked = one.ask_as(MASTER, Ask::post("/key/delete", &body)).await;
        assert_eq!(revoked.status, 200, "{revoked:?}");
        assert_eq!(
            one.ask_as(key, echo()).await.status,
            401,
            "at once where it was revoked"
        );
        let refused = async || two.ask_as(key, echo()).await.status == 401;
        eventually("the other refuses it", refused).await;
        assert_eq!(two.ask_as(MASTER, echo()).await.status, 200);
        one.end();
        two.end();
        let verified = cli(folder.path(), &["--config", "c.yaml", "audit", "verify"]);
        assert_eq!(
            verified.code,
            Some(0),
            "two writers, two chains: {verified:?}"
        );
    }

    #[test]
    fn a_database_that_was_open_to_others_is_closed_and_an_open_key_ring_is_not_used() {
        // CFG-16
        let folder = folder();
        assert_eq!(cli(folder.path(), &["init"]).code, Some(0));
        let open = |name: &str| {
            let path = folder.path().join(name);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            path
        };
        let database = open("portcullis.db");
        let ring = open("portcullis.keyring.json");
        let made = cli(folder.path(), &["keys", "create", "--output", "json"]);
        // Refused, or made private again: never used as it is.
        assert!(
            made.code == Some(1) || mode(&ring) == 0o600,
            "{made:?} {:o}",
            mode(&ring)
        );
        std::fs::set_permissions(&ring, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(cli(folder.path(), &["keys", "create"]).code, Some(0));
        assert_eq!(mode(&database), 0o600);
    }

    #[test]
    fn another_key_ring_than_the_stores_own_is_refused() {
        // a restored database without its ring.
        let folder = folder();
        assert_eq!(cli(folder.path(), &["init"]).code, Some(0));
        std::fs::remove_file(folder.path().join("portcullis.keyring.json")).unwrap();
        let made = cli(folder.path(), &["keys", "create"]);
        assert_eq!(made.code, Some(1), "{made:?}");
        assert!(made.stderr.contains("key ring does not belong"), "{made:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_changed_row_of_the_trail_is_found() {
        // LOG-08
        let folder = folder();
        let mock = MockServer::start().await;
        write(folder.path(), "portcullis.yaml", &keyed(&mock));
        let mut gateway = Process::serve(
            PORTCULLIS,
            folder.path(),
            &["--config", "portcullis.yaml", "--port", "0"],
            &[],
        );
        for _ in 0..5 {
            assert_eq!(
                gateway.ask_as(MASTER, Actor::echo_ask("hi")).await.status,
                200
            );
        }
        let bad = gateway.ask_as("sk-nobody", Actor::echo_ask("hi")).await;
        assert_eq!(bad.status, 401);
        gateway.end();
        let whole = cli(folder.path(), &["audit", "verify", "--output", "json"]);
        assert_eq!(whole.code, Some(0), "{whole:?}");
        assert!(whole.json()["verified"].as_u64().unwrap() >= 6, "{whole:?}");

        let database = folder.path().join("portcullis.db");
        // Opened and closed once more, so that everything stands in the one file.
        let location = portcullis_store_sql::Location::File(database.clone());
        let settings = portcullis_store_sql::Settings::default();
        let store = portcullis_store_sql::SqliteStores::open(&location, &settings)
            .await
            .unwrap();
        store.close().await;
        let mut bytes = std::fs::read(&database).unwrap();
        let (was, now) = (&b"unauthenticated"[..], &b"UNAUTHENTICATED"[..]);
        let at = bytes
            .windows(was.len())
            .position(|part| part == was)
            .unwrap();
        bytes[at..at + was.len()].copy_from_slice(now);
        std::fs::write(&database, bytes).unwrap();

        let found = cli(folder.path(), &["audit", "verify", "--output", "json"]);
        assert_eq!(found.code, Some(1), "{found:?}");
        assert!(
            !found.json()["broken"].as_array().unwrap().is_empty(),
            "{found:?}"
        );
        let found = cli(folder.path(), &["audit", "verify"]);
        assert_eq!(found.code, Some(1), "{found:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_copy_of_the_trail_is_private_and_holds_the_same_events() {
        let folder = folder();
        let mock = MockServer::start().await;
        let text = format!("{}audit:\n  jsonl_path: audit.jsonl\n", keyed(&mock));
        write(folder.path(), "portcullis.yaml", &text);
        let mut gateway = Process::serve(
            PORTCULLIS,
            folder.path(),
            &["--config", "portcullis.yaml", "--port", "0"],
            &[],
        );
        let called = gateway
            .ask_as(MASTER, Actor::echo_ask("canary-argument"))
            .await;
        assert_eq!(called.status, 200);
        let id = called.header("x-request-id").unwrap().to_owned();
        gateway.end();
        let path = folder.path().join("audit.jsonl");
        assert_eq!(mode(&path), 0o600);
        let lines = std::fs::read_to_string(&path).unwrap();
        let events: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let of_the_call = events
            .iter()
            .filter(|line| line["event"]["request_id"] == *id)
            .count();
        assert_eq!(of_the_call, 1, "{lines}");
        assert!(!lines.contains("canary"), "{lines}");
        let whole = cli(folder.path(), &["audit", "verify", "--output", "json"]);
        assert_eq!(whole.json()["verified"], events.len() as u64, "{whole:?}");
    }

    #[test]
    fn verify_without_a_store_makes_none() {
        let folder = folder();
        write(folder.path(), "portcullis.yaml", "mcp_servers: {}\n");
        let verified = cli(folder.path(), &["audit", "verify"]);
        assert_eq!(verified.code, Some(2), "{verified:?}");
        assert!(!folder.path().join("portcullis.db").exists());
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
