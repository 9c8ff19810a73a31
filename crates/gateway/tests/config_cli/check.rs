//! Files with mistakes, and what is concluded of good ones.

use super::*;

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
            "mcp_servers.a.client_secret",
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
