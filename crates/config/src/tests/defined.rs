//! Servers that the admin API defined.

use portcullis_core::SecretValue;
use serde_json::{Map, Value, json};

use crate::{
    CommandLine, Definition, JudgedDefinition, Loaded, Sources, Stored, addresses_of_server,
    changed_server, load_with, masked_server,
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

/// Whoever may change a server is not shown its secrets, and does not have them sent to themselves either.
#[test]
fn a_secret_does_not_go_along_to_an_address_for_which_it_was_never_said() {
    let entry = map(json!({
        "url": "https://mcp.example.com/mcp", "auth_type": "oauth2", "client_id": "id", "client_secret": "canary-1",
        "token_url": "https://as.example.com/token", "static_headers": {"X-A": "canary-2", "X-B": "canary-3"},
        "discovery_auth": {"auth_type": "bearer_token", "auth_value": "canary-4"}, "description": "tools",
    }));
    let mark = json!({"is_set": true});
    for changes in [
        json!({"url": "https://evil.example/mcp"}),
        json!({"url": "https://mcp.example.com:8443/mcp"}),
        json!({"url": "http://mcp.example.com/mcp"}),
        json!({"token_url": "https://evil.example/token"}),
        json!({"token_url": null}),
        json!({"issuer": "https://evil.example"}),
        json!({"spec_path": "https://evil.example/api.json"}),
        json!({"auth": {"oauth2": {"token_url": "https://evil.example"}}}),
        // Marks say nothing anew, and neither does the whole of what was shown.
        json!({"url": "https://evil.example/mcp", "client_secret": mark, "static_headers": {"X-A": mark, "X-B": "x"},
               "discovery_auth": {"auth_type": "bearer_token", "auth_value": mark}}),
        json!({"url": "https://evil.example/mcp", "client_secret": "new", "static_headers": {"X-A": "new", "X-B": mark},
               "discovery_auth": null}),
        json!({"url": "https://evil.example/mcp", "client_secret": "new", "static_headers": null}),
        // To each other.
        json!({"url": "https://as.example.com/mcp", "token_url": "https://mcp.example.com/token"}),
    ] {
        let refused = changed_server(&entry, map(changes.clone()));
        let told = refused.expect_err(&changes.to_string());
        assert!(told.contains("again") && !told.contains("canary"), "{told}");
    }
    let said = map(json!({
        "url": "https://other.example/mcp", "client_secret": "canary-1", "static_headers": {"X-A": "new"},
        "discovery_auth": {"auth_type": "bearer_token", "auth_value": "new"},
    }));
    let moved = changed_server(&entry, said).unwrap();
    assert_eq!(
        moved["client_secret"], "canary-1",
        "the same, but said again"
    );
    for same in [
        json!({"url": "https://mcp.example.com/other"}),
        json!({"url": "https://MCP.example.com:443/mcp?x=1"}),
        json!({"description": "others"}),
    ] {
        assert!(changed_server(&entry, map(same.clone())).is_ok(), "{same}");
    }
    let open = map(json!({"url": "https://mcp.example.com/mcp"}));
    let moved = changed_server(&open, map(json!({"url": "https://other.example/mcp"})));
    assert!(moved.is_ok(), "{moved:?}");
}

#[test]
fn what_is_sent_as_it_was_shown_stays_as_it_was_at_every_depth() {
    let entry = map(json!({
        "url": "https://mcp.example.com/mcp",
        "auth": {"oauth2": {
            "token_url": "https://as.example.com/token?tenant=a", "client_id": "id", "client_secret": "canary",
        }},
    }));
    let mut shown = masked_server(&entry);
    let oauth2 = &mut shown["auth"]["oauth2"];
    assert_eq!(oauth2["token_url"], "https://as.example.com/token");
    oauth2["client_id"] = "other".into();
    let changed = changed_server(&entry, shown).unwrap();
    let oauth2 = &changed["auth"]["oauth2"];
    assert_eq!(oauth2["token_url"], "https://as.example.com/token?tenant=a");
    assert_eq!(oauth2["client_secret"], "canary");
    assert_eq!(oauth2["client_id"], "other");
}

#[test]
fn an_audience_by_which_a_token_endpoint_is_looked_up_is_an_address() {
    let inside = "http://127.0.0.1:8500";
    let paths = |entry: Value| -> Vec<String> {
        let found = addresses_of_server(&map(entry));
        let at = found.into_iter().filter(|(_, address)| address == inside);
        at.map(|(path, _)| path).collect()
    };
    let jag = |more: Value| {
        let mut entry = map(json!({"url": URL, "auth_type": "oauth2_id_jag", "audience": inside}));
        entry.extend(map(more));
        Value::Object(entry)
    };
    assert_eq!(paths(jag(json!({}))), ["audience"]);
    assert_eq!(
        paths(jag(json!({"id_jag_resource_token_endpoint": null}))),
        ["audience"]
    );
    let elsewhere = json!({"id_jag_resource_token_endpoint": "https://as.example.com/token"});
    assert!(paths(jag(elsewhere)).is_empty(), "a name and nothing more");
    assert!(paths(jag(json!({"auth_type": "oauth2"}))).is_empty());
}
