//! What does not mean exactly one thing does not load.

use std::fmt::Write;

use super::*;
use crate::MAX_FILE_BYTES;

#[test]
fn everything_that_is_wrong_is_said_at_once_in_the_order_of_the_file() {
    let errors = errors(
        r"
server:
  prot: 4000
  public_url: https://x.example.com/path
mcp_servers:
  v1:
    url: https://a.example.com/mcp
  b:
    url: http://b.example.com/mcp
    auth_type: bearer
    timeout: soon
    delegate_auth_to_upsteam: true
  c:
    auth_type: bearer_token
    auth_value: ${ABSENT}
no_such_section: 1
",
    );
    assert_eq!(
        messages(&errors),
        [
            "server.prot: unknown key `prot`",
            "server.public_url: an origin has no path, no trailing slash and no query",
            "mcp_servers.v1: `v1` is one of the gateway's own paths",
            "mcp_servers.b.url: plain http beyond loopback would send credentials in the clear",
            "mcp_servers.b.auth_type: not one of the known values",
            "mcp_servers.b.timeout: expected a time such as `30` (seconds), `500ms`, `30s` or `5m`, found `soon`",
            "mcp_servers.b.delegate_auth_to_upsteam: unknown key `delegate_auth_to_upsteam`",
            "mcp_servers.c: `url` is missing",
            "mcp_servers.c.auth_value: the environment variable `ABSENT` is not set",
            "no_such_section: unknown key `no_such_section`",
        ]
    );
}

#[test]
fn unknown_keys_point_to_the_nearest_known_one() {
    for (text, help) in [
        (
            "mcp_servers: {a: {url: https://a.b/mcp, tokn_url: x}}",
            "did you mean `token_url`?",
        ),
        (
            "mcp_servers: {a: {url: https://a.b/mcp, clientSecret: x}}",
            "did you mean `client_secret`?",
        ),
        ("mcp_server: {}", "did you mean `mcp_servers`?"),
        (
            "server: {master_key: x}",
            "`master_key` belongs in `identity`",
        ),
        ("store: {engine: x}", "known keys: path"),
        ("server: {tls: {certificate: x}}", "known keys: cert, key"),
    ] {
        refused(text, help);
    }
}

#[test]
fn a_duplicate_key_is_an_error_at_any_depth() {
    let errors = errors("store: {path: a}\nstore: {path: b}\nserver:\n  port: 1\n  port: 2\n");
    assert_eq!(
        messages(&errors),
        [
            ": the key `store` is written twice",
            ": the key `port` is written twice"
        ]
    );
    assert_eq!(errors.errors[0].line, 2);
    assert_eq!(errors.errors[1].line, 5);
    refused(
        r#"{"store": {}, "store": {}}"#,
        "the key `store` is written twice",
    );
}

#[test]
fn flags_are_true_or_false_and_nothing_else() {
    for value in [
        "yes", "no", "on", "off", "True", "FALSE", "1", "0", "'false'", "\"true\"", "[]", "{}",
    ] {
        refused(
            &format!("audit: {{required: {value}}}"),
            "audit.required: expected",
        );
    }
}

/// What restricts and was left blank would restrict nothing, and its author believes that it does.
#[test]
fn a_key_that_restricts_and_holds_nothing_is_refused() {
    let server = "mcp_servers: {a: {url: https://a.b/m, KEY: VALUE}}";
    let key = "identity: {keys: [{id: a, key: sk-pc-7Qm2vT9dKx4RzP1sWn8uYb3, KEY: VALUE}]}";
    let listener = "server: {KEY: VALUE}";
    let audit = "audit: {KEY: VALUE}";
    for (file, name) in [
        (server, "allowed_tools"),
        (server, "disallowed_tools"),
        (server, "allowed_params"),
        (server, "argument_schemas"),
        (server, "access_groups"),
        (server, "issuer"),
        (server, "scopes"),
        (key, "servers"),
        (key, "access_groups"),
        (key, "all_servers"),
        (key, "expires_at"),
        (listener, "allowed_hosts"),
        (listener, "admin_listen"),
        (listener, "tls"),
        (audit, "required"),
    ] {
        for nothing in ["", "~", "null"] {
            let text = file.replace("KEY", name).replace("VALUE", nothing);
            refused(
                &text,
                &format!("{name}: the key is there and holds nothing"),
            );
        }
    }
    refused(
        "compat: litellm\nmcp_servers:\n  a: &base {url: https://a.b/m, allowed_tools: [x]}\n  b:\n    <<: *base\n    allowed_tools:\n",
        "mcp_servers.b.allowed_tools: the key is there and holds nothing",
    );
    refused(
        &server.replace("KEY", "allowed_tools").replace("VALUE", ""),
        "write `[]`, or a value, or remove the key",
    );
    refused(
        &listener.replace("KEY", "tls").replace("VALUE", ""),
        "write a value, or remove the key",
    );
}

#[test]
fn a_blank_in_a_list_that_restricts_is_refused() {
    let world = World::with_env(&[("EMPTY", "")]);
    for written in ["''", "['']", "[x, ' ']", "'${EMPTY}'", "['${EMPTY}']"] {
        let text =
            format!("mcp_servers: {{a: {{url: https://a.b/m, disallowed_tools: {written}}}}}");
        let errors = world.load(&text).unwrap_err().to_string();
        assert!(
            errors.contains("a blank names nothing"),
            "{written}: {errors}"
        );
    }
}

#[test]
fn what_restricts_may_be_empty_when_it_says_so() {
    let loaded = loaded(
        "server: {allowed_hosts: []}\nmcp_servers: {a: {url: https://a.b/m, allowed_tools: [], disallowed_tools: [], allowed_params: {}, access_groups: []}}",
    );
    assert_eq!(loaded.config.mcp_servers[0].allowed_tools, Some([].into()));
}

#[test]
fn numbers_have_no_second_reading() {
    for value in ["0o17", "010", "1_000", "4e3", "-1", "65536", "+5", "0x10"] {
        refused(
            &format!("server: {{port: {value}}}"),
            "a whole number from 0 to 65535",
        );
    }
}

#[test]
fn wrong_kinds_are_named() {
    refused("- a\n- b\n", "expected a map, found a list");
    refused("store: {path: !env X}", "YAML tags have no meaning here");
    refused("\"a\\nb\": 1", "a key must be short and on one line");
    refused("store: {path: \"a\\eb\"}", "control character");
    let prose = "mcp_servers: {a: {url: https://a.b/m, instructions: \"one\\ntwo\"}}";
    assert!(loaded(prose).config.mcp_servers[0].instructions.is_some());
    refused("just text", "expected a map, found a single value");
    refused("mcp_servers: [a]", "expected a map of names, found a list");
    refused(
        "mcp_servers: {a: text}",
        "mcp_servers.a: expected a map, found a single value",
    );
    refused(
        "identity: {keys: {a: b}}",
        "identity.keys: expected a list, found a map",
    );
    refused(
        "store: {path: [a]}",
        "store.path: expected a single value, found a list",
    );
}

#[test]
fn what_is_not_yaml_says_where() {
    for (text, expected) in [
        ("server:\n\tport: 1\n", "config.yaml:2:"),
        ("server: {port: 1\n", "not valid YAML"),
        ("a: *nowhere\n", "not valid YAML"),
        ("a: 1\n---\nb: 2\n", "a second YAML document begins here"),
        (
            "server: !!python/object:os.system {}\n",
            "YAML tags have no meaning here",
        ),
        ("server: {{ x }}\n", "a key must be plain text"),
    ] {
        refused(text, expected);
    }
}

#[test]
fn bombs_and_giants_are_refused_quickly() {
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..12 {
        let refs = vec![format!("*a{}", level - 1); 10].join(",");
        writeln!(bomb, "a{level}: &a{level} [{refs}]").unwrap();
    }
    refused(&bomb, "values after aliases are expanded");
    refused(&"[".repeat(100_000), "not valid YAML");
    let mut deep = String::new();
    for level in 0..1_000 {
        writeln!(deep, "{}a:", " ".repeat(level)).unwrap();
    }
    refused(&deep, "not valid YAML");
    refused(&"a:\n ".repeat(50_000), "(49899 more are not shown)");
    refused("a: &a [*a]\n", "config.yaml:1:");
    refused(&"#".repeat(MAX_FILE_BYTES + 1), "larger than 10 MiB");
}

#[test]
fn anchors_and_merge_keys_that_stay_small_work() {
    let loaded = loaded(
        "mcp_servers:\n  a: &base\n    url: https://a.example.com/mcp\n    timeout: 5\n  b:\n    <<: *base\n    url: https://b.example.com/mcp\n",
    );
    let b = &loaded.config.mcp_servers[1];
    assert_eq!(b.url().unwrap().as_str(), "https://b.example.com/mcp");
    assert_eq!(b.timeout.as_secs(), 5);
}

#[test]
fn an_empty_file_is_the_closed_default() {
    for text in ["", "# nothing\n", "{}", "---\n"] {
        let loaded = loaded(text);
        assert_eq!(loaded.config.server.listen.host, "127.0.0.1");
        assert_eq!(loaded.config.server.listen.port, 4000);
        assert!(loaded.config.mcp_servers.is_empty());
        noticed(&loaded, "", "only keys of the store are accepted");
    }
}

#[test]
fn json_reads_like_yaml_and_points_as_well() {
    let text = "{\n\t\"mcp_servers\": {\"a\": {\"url\": \"https://a.example.com/mcp\", \"auth_type\": \"api_key\", \"auth_value\": \"${K}\", \"allow_all_keys\": true}}\n}";
    let loaded = World::with_env(&[("K", "v")]).load(text).unwrap();
    assert!(loaded.config.mcp_servers[0].allow_all_keys);
    let errors = errors(r#"{"server": {"port": "4000x"}}"#);
    assert_eq!((errors.errors[0].line, errors.errors[0].column), (1, 21));
}

#[test]
fn no_bytes_make_the_reader_panic() {
    let sample = crate::sample_config();
    for cut in 0..sample.len() {
        crate::parse_for_fuzz(&sample.as_bytes()[..cut]);
    }
    for text in [
        "\u{feff}a: 1",
        "\u{0}",
        "a: \u{7f}",
        "? a\n: b",
        "&a",
        "*",
        "<<: 1",
        "{<<: [1]}",
        "é: ü\nserver: {pört: 1}",
    ] {
        crate::parse_for_fuzz(text.as_bytes());
    }
    crate::parse_for_fuzz(&[0xff, 0xfe, 0x00]);
}
