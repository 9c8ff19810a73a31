//! `PORTCULLIS__SECTION__KEY`.

use super::*;

#[test]
fn a_variable_wins_over_the_file_and_may_add_what_the_file_lacks() {
    let world = World::with_env(&[
        ("PORTCULLIS__SERVER__PORT", "8080"),
        ("PORTCULLIS__AUDIT__REQUIRED", "true"),
        (
            "PORTCULLIS__MCP_SERVERS__GIT_HUB__URL",
            "https://b.example.com/mcp",
        ),
        ("PORTCULLIS__GENERAL_SETTINGS__MASTER_KEY", STRONG),
    ]);
    let loaded = world
        .load("server: {port: 1}\nmcp_servers: {git-hub: {url: https://a.example.com/mcp}}")
        .unwrap();
    assert_eq!(loaded.config.server.listen.port, 8080);
    assert!(loaded.config.audit.required);
    assert_eq!(
        loaded.config.mcp_servers[0].url().unwrap().host_str(),
        Some("b.example.com")
    );
    assert!(loaded.config.identity.master_key.is_some());
    assert!(loaded.notices.is_empty(), "{:?}", loaded.notices);
}

#[test]
fn the_command_line_wins_over_both() {
    let world = World {
        command_line: CommandLine {
            host: None,
            port: Some(5),
        },
        ..World::with_env(&[("PORTCULLIS__SERVER__PORT", "8080")])
    };
    assert_eq!(world.load("").unwrap().config.server.listen.port, 5);
}

#[test]
fn a_variable_that_names_nothing_is_an_error_like_a_misspelt_key() {
    for (name, expected) in [
        ("PORTCULLIS__SERVR__PORT", "did you mean `SERVER`?"),
        ("PORTCULLIS__SERVER__PROT", "did you mean `PORT`?"),
        ("PORTCULLIS__SERVER", "names a section, not a key in it"),
        (
            "PORTCULLIS__SERVER__PORT__X",
            "is a single value and has no keys",
        ),
        ("PORTCULLIS__SERVER__ALLOWED_HOSTS", "is not a single value"),
        (
            "PORTCULLIS__MCP_SERVERS__NONE__URL",
            "`mcp_servers` has no entry `none`",
        ),
        ("PORTCULLIS__MODEL_LIST", "has no effect here"),
    ] {
        let text = World::with_env(&[(name, "canary")])
            .load("")
            .unwrap_err()
            .to_string();
        assert!(text.contains(expected), "{name}: {text}");
        assert!(text.contains(name) && !text.contains("canary"), "{text}");
    }
}

#[test]
fn a_bad_value_is_blamed_on_its_variable() {
    let text = World::with_env(&[("PORTCULLIS__SERVER__PORT", "canary")])
        .load("server: {port: 1}")
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("server.port (from PORTCULLIS__SERVER__PORT): expected"),
        "{text}"
    );
    assert!(!text.contains("canary"), "{text}");
}
