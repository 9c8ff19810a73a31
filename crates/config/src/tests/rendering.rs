//! How a mistake looks, and what a message never shows.

use super::*;

#[test]
fn a_mistake_is_shown_with_its_line_a_caret_and_a_remedy() {
    let errors = errors(
        "mcp_servers:\n  github:\n    url: https://api.example.com/mcp\n    auth_type: oauth\n    tokn_url: https://auth.example.com/token\n",
    );
    insta::assert_snapshot!(errors, @r"
    error: mcp_servers.github.auth_type: not one of the known values
     --> config.yaml:4:16
      |
    4 |     auth_type: oauth
      |                ^^^^^
      = help: did you mean `oauth2`? Known: none, api_key, bearer_token, basic, authorization, token, header, oauth2, oauth2_token_exchange, oauth2_id_jag, aws_sigv4, true_passthrough, oauth_delegate

    error: mcp_servers.github.tokn_url: unknown key `tokn_url`
     --> config.yaml:5:5
      |
    5 |     tokn_url: ***
      |     ^^^^^^^^
      = help: did you mean `token_url`?

    2 errors in config.yaml
    ");
}

#[test]
fn the_line_after_a_block_of_secret_text_is_shown_as_it_stands() {
    let errors = errors(
        "mcp_servers:\n  a:\n    auth_value: |\n      canary\n    transport: stdio # canary\n",
    );
    let mut shown = errors
        .errors
        .iter()
        .filter_map(|error| error.excerpt.as_ref());
    let shown = shown
        .find(|shown| shown.text.contains("transport"))
        .unwrap();
    assert_eq!(shown.text, "    transport: stdio");
    assert_eq!((shown.caret, shown.carets), (15, 5));
}

#[test]
fn the_machine_form_says_the_same() {
    let errors = errors("server:\n  prot: 4000\n");
    insta::assert_snapshot!(serde_json::to_string_pretty(&errors).unwrap(), @r#"
    {
      "file": "config.yaml",
      "errors": [
        {
          "path": "server.prot",
          "line": 2,
          "column": 3,
          "message": "unknown key `prot`",
          "help": "did you mean `port`?",
          "excerpt": {
            "text": "  prot: ***",
            "caret": 2,
            "carets": 4
          }
        }
      ],
      "omitted": 0,
      "notices": [
        {
          "level": "info",
          "path": "",
          "line": 0,
          "column": 0,
          "text": "no key is configured: only keys of the store are accepted"
        }
      ]
    }
    "#);
}

#[test]
fn no_secret_is_shown_by_any_message_about_its_neighbours() {
    let files = [
        "mcp_servers: {a: {url: https://a.b/mcp, auth_type: nonsense, auth_value: canary-1, client_secret: 'canary-2'}}",
        "{\"mcp_servers\": {\"a\": {\"client_secrt\": \"canary-1\", \"url\": 3, \"static_headers\": {\"x y\": \"canary-2\"}}}}",
        "mcp_servers:\n  a:\n    client_secrt: canary-1 # canary-2\n",
        "general_settings: {master_key: [canary-1], unknown: canary-2}",
        "environment_variables: {A: canary-1, B: [canary-2]}\nserver: {port: 'canary'\n",
        "mcp_servers: {a: {url: 'https://user:canary-1@a.b/mcp', token_url: 'https://a.b/t?key=canary-2'}}",
        "mcp_servers:\n  a:\n    auth_value: |\n      canary-1\n      canary-2\n    ulr: x\n    args: [canary-3]\n    env: {K: canary-4}\n",
        "identity: {keys: [{id: a, key: canary-1}, {id: a, key: canary-1}, {id: 'b c', key: canary-2}]}\nserver: {host: 0.0.0.0}",
        "a: &canary-1 1\nb: *canary-2\n",
        "client_secret: !canary-1 canary-2\n",
        "mcp_servers: {a: {auth_value: canary-1}, a: {auth_value: canary-2}}",
        "\tclient_secret: canary-1\n",
        "general_settings: {database_url: 'postgres://u:canary-1@db/x', custom_auth: canary-2}",
        "guardrails: [{guardrail_name: g, litellm_params: {api_key: canary-1}, extra: canary-2}]",
    ];
    for text in files {
        let errors = errors(text);
        let machine = serde_json::to_string(&errors).unwrap();
        for shown in [errors.to_string(), machine, format!("{errors:?}")] {
            assert!(!shown.contains("canary"), "{text}\n{shown}");
        }
    }
}

#[test]
fn no_secret_is_shown_by_a_configuration_that_loads() {
    let world = World {
        files: [("/s", "canary-file-with-length")].into(),
        ..World::with_env(&[("S", "canary-env-with-length-1")])
    };
    let loaded = world
        .load(
            "
general_settings: {master_key: canary-literal-with-length}
identity: {keys: [{id: a, key: '${S}'}, {id: b, key: file:/s}]}
mcp_servers:
  a: {url: 'https://a.example.com/mcp?key=canary', auth_type: header, auth_header: X-K, auth_value: canary-header}
  b: {url: https://b.example.com/mcp, static_headers: {Authorization: canary-static}}
  c: {url: https://c.example.com/mcp, auth_type: oauth2, oauth2_flow: client_credentials, client_id: id, client_secret: canary-client}
  d: {url: 'https://d.example.com/mcp?key=canary', auth_type: oauth2, oauth2_flow: client_credentials, client_id: id, client_secret: canary-client, resource: auto}
  e: {url: https://e.example.com/mcp, auth_type: oauth2, oauth2_flow: client_credentials, client_id: id, client_secret: canary-client, resource: 'https://e.example.com/mcp?key=canary'}
  f: {url: https://f.example.com/mcp, auth: {oauth2: {token_url: 'https://f.example.com/t?key=canary', client_id: id, client_secret: canary-client, resource: 'https://f.example.com/mcp?key=canary'}}}
",
        )
        .unwrap();
    let page = crate::explain(&loaded.config, &loaded.notices);
    for shown in [page, format!("{:?}", loaded.notices)] {
        assert!(!shown.contains("canary"), "{shown}");
    }
    let debug = format!("{:?}", loaded.config.identity);
    assert!(!debug.contains("canary"), "{debug}");
}

#[test]
fn the_explanation_is_the_whole_configuration() {
    let loaded = World::with_env(&[("KEY", STRONG), ("T", "t")])
        .load(
            "
general_settings: {master_key: os.environ/KEY}
mcp_servers:
  tickets: {url: https://tickets.example.com/mcp, auth_type: bearer_token, auth_value: '${T}', allowed_tools: [read], timeout: 2.5}
",
        )
        .unwrap();
    insta::assert_snapshot!(crate::explain(&loaded.config, &loaded.notices), @r#"
    server:
      host: "127.0.0.1"
      port: 4000
      debug_headers: authenticated
      max_body: 4194304
      max_connections: 10000
      strangers_per_minute: 600
      limits:
        register_per_minute: 240
        token_per_minute: 1200
        authorize_per_minute: 600
        introspect_per_minute: 6000
        sign_in_per_minute: 600
      header_timeout: 10s
      body_timeout: 30s
      grace_seconds: 0s
      drain_seconds: 30s
    general_settings:
      mcp_internal_ip_ranges: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "::1/128", "fc00::/7"]
    identity:
      master_key: (from env KEY)
    mcp_servers:
      tickets:
        transport: http
        url: "https://tickets.example.com/mcp"
        protocol_version: auto
        auth_type: bearer_token
        auth_value: (from env T)
        allow_caller_headers: false
        allow_all_keys: false
        allowed_tools: ["read"]
        allow_sampling: false
        allow_elicitation: false
        timeout: 2.5s
        total_timeout: 3600s
        allow_insecure_http: false
    store:
      path: "portcullis.db"
    audit:
      required: false
      log_requests: false
    telemetry:
      log_format: auto
      log_level: info
      metrics: true
    "#);
}

/// What is printed reads as YAML again, and a bare key would read as nothing.
#[test]
fn an_explained_configuration_has_no_key_without_a_value() {
    let text = "mcp_servers: {a: {url: https://a.b/m, allowed_tools: [], allowed_params: {t: [], u: [x]}}}";
    let loaded = loaded(text);
    let page = crate::explain(&loaded.config, &loaded.notices);
    assert!(page.contains("identity: {}\n"), "{page}");
    assert!(page.contains("      t: []\n      u: [\"x\"]\n"), "{page}");
    let lines: Vec<&str> = page.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    for (index, line) in lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.ends_with(':'))
    {
        let next = lines.get(index + 1).copied().unwrap_or_default();
        assert!(indent(next) > indent(line), "`{line}` holds nothing");
    }
}
