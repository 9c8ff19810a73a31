//! Values that are written elsewhere.

use super::*;
use crate::{Auth, Origin};

fn token(world: &World, value: &str) -> Result<(String, Origin), String> {
    let text = format!(
        "mcp_servers:\n  a:\n    url: https://a.example.com/mcp\n    auth_type: bearer_token\n    auth_value: {value}\n"
    );
    match world.load(&text) {
        Ok(loaded) => match &loaded.config.mcp_servers[0].auth {
            Auth::BearerToken(token) => Ok((token.value.expose().to_owned(), token.origin.clone())),
            other => panic!("{other:?}"),
        },
        Err(errors) => Err(errors.to_string()),
    }
}

#[test]
fn each_form_yields_its_value_and_remembers_where_it_was() {
    let world = World {
        files: [("/run/secrets/x", "from-file\n"), ("rel/x", "relative")].into(),
        ..World::with_env(&[("VAR", "from-env"), ("EMPTY", "")])
    };
    let variable = || Origin::Variable("VAR".to_owned());
    for (written, value, origin) in [
        ("${VAR}", "from-env", variable()),
        ("'${VAR}'", "from-env", variable()),
        ("os.environ/VAR", "from-env", variable()),
        ("pre-${VAR}-post", "pre-from-env-post", variable()),
        ("${VAR:-other}", "from-env", variable()),
        ("${ABSENT:-other}", "other", Origin::Literal),
        ("pre-${EMPTY:-}", "pre-", Origin::Literal),
        ("${EMPTY:-other}", "other", Origin::Literal),
        ("${VAR:?set it}", "from-env", variable()),
        (
            "file:/run/secrets/x",
            "from-file",
            Origin::File("/run/secrets/x".into()),
        ),
        (
            "file:///run/secrets/x",
            "from-file",
            Origin::File("/run/secrets/x".into()),
        ),
        ("file:rel/x", "relative", Origin::File("rel/x".into())),
        ("a$${VAR}b", "a${VAR}b", Origin::Literal),
        ("just$dollars$", "just$dollars$", Origin::Literal),
    ] {
        assert_eq!(
            token(&world, written),
            Ok((value.to_owned(), origin)),
            "{written}"
        );
    }
}

#[test]
fn a_reference_that_leads_nowhere_is_named_with_its_key() {
    let world = World {
        files: [("/run/secrets/blank", "\n")].into(),
        ..World::with_env(&[("EMPTY", ""), ("SET", "canary-value")])
    };
    for (written, expected) in [
        (
            "${ABSENT}",
            "mcp_servers.a.auth_value: the environment variable `ABSENT` is not set",
        ),
        (
            "os.environ/ABSENT",
            "the environment variable `ABSENT` is not set",
        ),
        (
            "${ABSENT}${SET}${GONE}",
            "the environment variables `ABSENT`, `GONE` are not set",
        ),
        (
            "${ABSENT:?ask the platform team}",
            "`ABSENT` is not set: ask the platform team",
        ),
        ("${EMPTY}", "the variable `EMPTY` is set but empty"),
        ("user:${EMPTY}", "the variable `EMPTY` is set but empty"),
        ("${SET}${EMPTY}", "the variable `EMPTY` is set but empty"),
        ("os.environ/EMPTY", "the variable `EMPTY` is set but empty"),
        (
            "file:/run/secrets/none",
            "cannot read /run/secrets/none: entity not found",
        ),
        (
            "file:/run/secrets/blank",
            "the file /run/secrets/blank is empty",
        ),
        ("'${SET'", "a `${` without its `}`"),
        ("'${A B}'", "no variable name"),
    ] {
        let text = token(&world, written).unwrap_err();
        assert!(text.contains(expected), "{written}: {text}");
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn the_files_own_variables_win_over_the_process() {
    let world = World::with_env(&[("VAR", "process")]);
    let text = "
environment_variables: {VAR: file-wins, CHAINED: '${VAR}!'}
mcp_servers:
  a: {url: https://a.example.com/mcp, description: '${VAR} stays', instructions: os.environ/CHAINED, auth_type: token, auth_value: '${VAR}'}
";
    let loaded = world.load(text).unwrap();
    let server = &loaded.config.mcp_servers[0];
    assert_eq!(server.description.as_deref(), Some("${VAR} stays"));
    assert_eq!(server.instructions.as_deref(), Some("file-wins!"));
    assert!(matches!(&server.auth, Auth::Token(value) if value.value.expose() == "file-wins"));
}

#[test]
fn numbers_flags_and_urls_may_be_references_too() {
    let world = World::with_env(&[
        ("P", "8080"),
        ("REQUIRED", "true"),
        ("HOST", "tickets.example.com"),
        ("BAD", "canary-yes"),
    ]);
    let loaded = world
        .load("server: {port: '${P}'}\naudit: {required: os.environ/REQUIRED}\nmcp_servers: {a: {url: 'https://${HOST}/mcp'}}")
        .unwrap();
    assert_eq!(loaded.config.server.listen.port, 8080);
    assert!(loaded.config.audit.required);
    assert_eq!(
        loaded.config.mcp_servers[0].url().unwrap().host_str(),
        Some("tickets.example.com")
    );
    let errors = world
        .load("audit: {required: '${BAD}'}")
        .unwrap_err()
        .to_string();
    assert!(errors.contains("expected `true` or `false`"), "{errors}");
    assert!(!errors.contains("canary"), "{errors}");
}

#[test]
fn a_variable_cannot_smuggle_a_second_header_in() {
    let world = World::with_env(&[("T", "abc\r\nX-Admin: yes")]);
    let text = token(&world, "${T}").unwrap_err();
    assert!(text.contains("not a header value"), "{text}");
    assert!(!text.contains("X-Admin"), "{text}");
    let url = world
        .load("mcp_servers: {a: {url: 'https://a.example.com/${T}'}}")
        .unwrap_err()
        .to_string();
    assert!(url.contains("line break or another control"), "{url}");
}

#[test]
fn a_header_is_not_sent_with_half_of_its_value() {
    let world = World::with_env(&[("EMPTY", "")]);
    let errors = world
        .load("mcp_servers: {a: {url: https://a.b/m, static_headers: {X-Key: 'app-${EMPTY}'}}}")
        .unwrap_err()
        .to_string();
    assert!(
        errors.contains("the variable `EMPTY` is set but empty"),
        "{errors}"
    );
}

/// What is left out leaves nothing half done, and opens nothing: no server, no key, no issuer.
#[test]
fn what_needs_a_value_that_was_not_fetched_is_left_out_whole_and_is_no_error() {
    let text = "
identity:
  master_key: vault:a#m
  keys: [{id: ci, key: 'vault:a#k', servers: [a]}]
mcp_config: {default_oauth2: {token_url: https://t.example.com, client_id: c, client_secret: vault:a#d}}
mcp_servers:
  a: {url: https://a.example.com/mcp, auth_type: basic, auth_value: vault:a#b}
  b: {url: https://b.example.com/mcp, auth_type: none, static_headers: {X-Key: vault:a#h, X-Two: two}}
  c: {url: https://c.example.com/mcp, auth_type: oauth2, client_id: c, client_secret: aws-sm:a#c, token_url: https://t.example.com}
  d: {url: https://d.example.com/mcp}
  e: {url: https://e.example.com/mcp, auth_type: aws_sigv4, aws_access_key_id: AKIDE, aws_secret_access_key: vault:a#e}
  f: {url: https://f.example.com/mcp, auth_type: none}
";
    let world = World::with_env(&[("PORTCULLIS_MASTER_KEY", STRONG)]);
    let loaded = world.load(text).unwrap_or_else(|errors| panic!("{errors}"));
    let names: Vec<&str> = loaded
        .config
        .mcp_servers
        .iter()
        .map(|s| s.id.as_str())
        .collect();
    assert_eq!(names, ["f"]);
    assert!(loaded.config.identity.master_key.is_none());
    assert!(loaded.config.identity.keys.is_empty());
}

#[test]
fn a_secret_store_is_not_asked_for_what_is_needed_to_ask_it_or_is_no_secret() {
    for text in [
        "secrets: {vault: {address: 'https://v.example.com', token: 'vault:a#b'}}",
        "environment_variables: {X: 'vault:a#b'}",
        "server: {host: 'vault:a#b'}",
    ] {
        refused(text, "a secret store is not asked for what stands here");
    }
}
