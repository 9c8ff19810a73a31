//! Servers that the admin API defined.

use portcullis_core::SecretValue;
use serde_json::{Map, Value, json};

use crate::{
    CommandLine, Definition, JudgedDefinition, Loaded, Sources, Stored, changed_server, load_with,
    masked_server,
};

fn definition(name: &str, entry: &Value) -> Definition {
    Definition {
        name: name.to_owned(),
        text: entry.to_string(),
        may_ask_stores: true,
    }
}

/// An environment, a disk and a store in which whatever is looked for here is found.
fn loaded(file: &str, definitions: &[Definition]) -> Loaded {
    let sources = Sources {
        env: &|name| {
            let known = ["URL", "TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
            known
                .contains(&name)
                .then(|| "from-the-environment".to_owned())
        },
        env_names: &Vec::new,
        read_file: &|_| Ok("from-a-file".to_owned()),
        stored: &|_| Stored::Value(SecretValue::new("from-a-store")),
        command_line: CommandLine::default(),
    };
    load_with("test.yaml", file, &sources, definitions).unwrap()
}

fn judged(file: &str, entry: &Value) -> JudgedDefinition {
    let mut loaded = loaded(file, &[definition("tools", entry)]);
    let judged = loaded.judged.pop().unwrap();
    let served = loaded.config.mcp_servers.iter().any(|one| one.defined);
    assert_eq!(served, judged.is_used, "{judged:?}");
    judged
}

const URL: &str = "https://mcp.example.com/mcp";

#[test]
fn a_definition_has_the_keys_of_the_file_and_nothing_of_this_machine() {
    let good = judged(
        "",
        &json!({"url": URL, "auth_type": "bearer_token", "auth_value": "t", "allowed_tools": ["a"]}),
    );
    assert!(good.errors.is_empty(), "{good:?}");
    for bad in [
        json!({"url": "${URL}"}),
        json!({"url": URL, "auth_type": "bearer_token", "auth_value": "${TOKEN}"}),
        json!({"url": URL, "auth_type": "bearer_token", "auth_value": "os.environ/TOKEN"}),
        json!({"url": URL, "auth_type": "bearer_token", "auth_value": "file:/run/secrets/token"}),
        json!({"url": URL, "auth_type": "bearer_token", "auth_value": "vault:kv/a#token"}),
        json!({"url": URL, "static_headers": {"X-A": "${TOKEN:-none}"}}),
        json!({"url": URL, "description": "os.environ/TOKEN"}),
        json!({"url": URL, "auth_type": "aws_sigv4"}),
        json!({"url": URL, "auth_type": "aws_sigv4", "aws_web_identity_token_file": "/x", "aws_role_name": "arn:aws:iam::1:role/x"}),
        json!({"spec_path": "/etc/openapi.yaml"}),
        json!({"transport": "stdio", "command": "npx"}),
        json!({"url": URL, "transport": " STDIO"}),
        json!({"url": URL, "env": {"A": "b"}}),
        json!({"url": URL, "colour": "red"}),
        json!([]),
        json!("x"),
        Value::Null,
    ] {
        let refused = judged("general_settings: {allow_stdio: true}", &bad);
        assert!(!refused.errors.is_empty(), "{bad}: {refused:?}");
        let text = format!("{refused:?}");
        assert!(!text.contains("from-"), "{bad}: {text}");
    }
}

#[test]
fn a_dollar_that_is_escaped_is_one() {
    let good = judged(
        "",
        &json!({"url": URL, "static_headers": {"X-A": "a$${b}"}}),
    );
    assert!(good.errors.is_empty(), "{good:?}");
}

#[test]
fn a_secret_store_is_asked_where_the_operator_says_so() {
    let file = "server: {api_secret_stores: [vault]}\nsecrets: {vault: {address: 'https://v.example', token: x}}";
    let entry = |value: &str| json!({"url": URL, "auth_type": "bearer_token", "auth_value": value});
    assert!(judged(file, &entry("vault:kv/a#token")).errors.is_empty());
    assert!(!judged(file, &entry("aws-sm:a#token")).errors.is_empty());
    let submitted = Definition {
        may_ask_stores: false,
        ..definition("tools", &entry("vault:kv/a#token"))
    };
    let mut loaded = loaded(file, &[submitted]);
    assert!(!loaded.judged.pop().unwrap().errors.is_empty());
    assert_eq!(
        loaded.config.insecure_choices.len(),
        1,
        "it is said at every start"
    );
}

#[test]
fn the_file_has_its_names_first_and_one_bad_definition_is_bad_alone() {
    let file = format!("mcp_servers: {{written: {{url: '{URL}', alias: short}}}}");
    let entry = json!({"url": URL});
    let loaded = loaded(
        &file,
        &[
            definition("Written", &entry),
            definition("short", &entry),
            definition("good", &json!({"url": URL, "alias": "short"})),
            definition("good", &entry),
            definition("good", &entry),
            definition("other", &json!({"url": URL, "alias": "good"})),
        ],
    );
    let used: Vec<bool> = loaded.judged.iter().map(|one| one.is_used).collect();
    assert_eq!(used, [false, false, false, true, false, false]);
    let names: Vec<&str> = loaded
        .config
        .mcp_servers
        .iter()
        .map(|one| one.id.as_str())
        .collect();
    assert_eq!(names, ["written", "good"]);
}

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other}"),
    }
}

#[test]
fn what_is_shown_holds_no_secret_and_means_what_it_stands_for() {
    let entry = map(json!({
        "url": "https://user:pass@mcp.example.com/mcp?key=canary#x",
        "auth_value": "canary", "static_headers": {"X-A": "canary"}, "token_validation": {"a.b": "c"},
        "auth": {"oauth2": {"client_secret": "canary", "client_id": "id"}},
        "client_id": {"odd": "canary"}, "env_vars": [{"value": "canary"}], "unknown": "canary",
        "allowed_tools": ["a"], "allow_all_keys": true, "alias": null,
    }));
    let shown = masked_server(&entry);
    let text = Value::Object(shown.clone()).to_string();
    assert!(!text.contains("canary") && !text.contains("pass"), "{text}");
    assert_eq!(shown["allowed_tools"], json!(["a"]));
    assert_eq!(shown["auth"]["oauth2"]["client_id"], "id");
    assert_eq!(shown["url"], "https://mcp.example.com/mcp");

    let same = changed_server(&entry, shown).unwrap();
    let mut expected = entry.clone();
    expected.remove("alias");
    assert_eq!(same, expected, "sent back, it is as it was");
    let changed = changed_server(
        &entry,
        map(json!({"static_headers": {"X-A": {"is_set": true}, "X-B": "new"}, "auth_value": null})),
    )
    .unwrap();
    assert_eq!(
        changed["static_headers"],
        json!({"X-A": "canary", "X-B": "new"})
    );
    assert!(!changed.contains_key("auth_value"));
    let nothing = changed_server(&entry, map(json!({"client_secret": {"is_set": true}})));
    assert!(nothing.unwrap_err().contains("client_secret"));
}

#[test]
fn a_changed_secret_is_told_to_differ_and_not_shown() {
    let read = |text: &str| crate::masked_configuration(text, &Sources::none()).unwrap();
    let before = read("mcp_servers: {a: {url: 'https://a.b', auth_value: canary-1, timeout: 5}}");
    let after = read(
        "mcp_servers: {a: {url: 'https://a.b', auth_value: canary-2}, b: {url: 'https://b.b'}}",
    );
    let found = before.differences(&after);
    let paths: Vec<&str> = found.iter().map(|(path, ..)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "mcp_servers.a.auth_value",
            "mcp_servers.a.timeout",
            "mcp_servers.b"
        ]
    );
    let text = format!("{found:?}");
    assert!(!text.contains("canary"), "{text}");
    assert!(before.differences(&before).is_empty());
}
