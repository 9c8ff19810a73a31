use super::*;

fn wrong(text: &str) -> String {
    let errors = read_key_map(text).unwrap_err();
    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    told.join("\n")
}

fn scopes(text: &str) -> ScopeSet {
    text.parse().unwrap()
}

#[test]
fn a_map_names_people_clients_and_scopes() {
    let keys = read_key_map(
        r#"{
            "alice": {"key": "k-1", "scopes": ["read", "write"]},
            "sub:client_id:odd": {"key": "k-2", "scopes": []},
            "client_id:batch": {"key": "k-3", "scopes": ["read"], "requires": []},
            "scope:data:write": {"key": "k-4", "scopes": ["data:read", "data:write"]}
        }"#,
    )
    .unwrap();
    let [alice, odd, batch, write] = &*keys else {
        panic!("{keys:?}");
    };
    assert_eq!(alice.holder, KeyHolder::Subject("alice".into()));
    assert_eq!(alice.key.expose(), "k-1");
    assert_eq!(alice.requires, scopes("read write"), "all that the key can");
    assert_eq!(odd.holder, KeyHolder::Subject("client_id:odd".into()));
    assert_eq!(batch.holder, KeyHolder::Client("batch".into()));
    assert_eq!(batch.requires, scopes(""), "said in words");
    assert_eq!(write.requires, scopes("data:read data:write"));
    assert_eq!(write.scopes, scopes("data:read data:write"));
    assert!(!format!("{keys:?}").contains("k-1"));
}

#[test]
fn whatever_could_mean_two_things_or_nothing_is_refused_with_a_remedy() {
    for (text, said) in [
        ("", "not valid JSON at line 1"),
        ("[]", "not a JSON object"),
        ("{}", "the map is empty"),
        (r#"{"a": {"key": "k", "scopes": []}"#, "not valid JSON"),
        (r#"{"a": {"key": "k", "scopes": []}} x"#, "not valid JSON"),
        (r#"{"a": "k"}"#, "entry 1 is not an object"),
        (r#"{"": {"key": "k", "scopes": []}}"#, "names nobody"),
        (r#"{"scope:": {"key": "k", "scopes": []}}"#, "names nobody"),
        (
            r#"{"scope:a b": {"key": "k", "scopes": []}}"#,
            "not a scope token",
        ),
        (r#"{"a": {"key": "k"}}"#, "`scopes` is missing"),
        (r#"{"a": {"scopes": []}}"#, "entry 1: `key` is missing"),
        (r#"{"a": {"key": "", "scopes": []}}"#, "`a`: `key` is empty"),
        (r#"{"a": {"key": 1, "scopes": []}}"#, "`key` is not a text"),
        (
            r#"{"a": {"key": "k\n", "scopes": []}}"#,
            "a header cannot carry",
        ),
        (
            r#"{"a": {"key": "k", "scopes": "r"}}"#,
            "not a list of scope tokens",
        ),
        (
            r#"{"a": {"key": "k", "scopes": ["r w"]}}"#,
            "not a list of scope tokens",
        ),
        (
            r#"{"a": {"key": "k", "scopes": [], "requires": [1]}}"#,
            "`requires` is not a list",
        ),
        (
            r#"{"a": {"key": "k", "scope": []}}"#,
            "did you mean `scopes`?",
        ),
        (
            r#"{"a": {"key": "k", "key": "l", "scopes": []}}"#,
            "`key` is written twice",
        ),
        (
            r#"{"a": {"key": "k", "scopes": []}, "a": {"key": "l", "scopes": []}}"#,
            "`a` is written twice",
        ),
        (
            r#"{"a": {"key": "k", "scopes": []}, "sub:a": {"key": "l", "scopes": []}}"#,
            "`sub:a` is written twice",
        ),
    ] {
        let told = wrong(text);
        assert!(told.contains(said), "{text}: {told}");
        assert!(told.contains("= help: "), "{told}");
    }
}

#[test]
fn everything_is_told_at_once() {
    let told = wrong(r#"{"a": 1, "b": {"key": "", "scopes": 1}, "c": {"key": "k", "scopes": []}}"#);
    assert_eq!(told.matches("error: ").count(), 3, "{told}");
}

/// What stands where it should not may be a key.
#[test]
fn no_complaint_repeats_what_could_be_a_key() {
    for text in [
        r#"{"canary": "alice"}"#,
        r#"{"canary": {"sub": "alice"}}"#,
        r#"{"canary": {"alice": ["read"]}}"#,
        r#"{"alice": {"canary": ["read"]}}"#,
        r#"{"alice": {"key": "canary", "scopes": 1}}"#,
        r#"{"alice": {"key": "canary\n", "scopes": []}}"#,
        r#"{"alice": {"key": ["canary"], "scopes": ["canary canary"]}}"#,
        r#"{"alice": {"key": "canary", "scopes": []}"#,
        "canary",
        r#"{"alice": {"key": canary}}"#,
    ] {
        let told = wrong(text);
        assert!(!told.contains("canary"), "{text}: {told}");
    }
}
