//! Why, and why not, without a running gateway.

use super::*;

const FILE: &str = r#"
mcp_servers:
  files: {url: "https://files.example/mcp", argument_schemas: {read: {properties: {path: {type: string, pattern: "^/srv/"}}}}}
  mail: {url: "https://mail.example/mcp"}
identity:
  keys:
    - {id: alice, key: sk-alice-canary-Zp7Qm2vT9dKx4RzL, servers: [files]}
policy:
  rules:
    - {name: from-the-office, effect: allow, servers: [files], when: client.ip.within("203.0.113.0/24")}
"#;

fn asked(folder: &Path, more: &[&str]) -> Finished {
    let args = [
        "explain", "--config", "c.yaml", "--tool", "read", "--output", "json",
    ];
    cli(folder, &[&args[..], more].concat())
}

#[test]
fn an_operator_asks_why_before_anybody_calls() {
    let folder = folder();
    write(folder.path(), "c.yaml", FILE);
    let office = [
        "--as",
        "alice",
        "--server",
        "files",
        "--from",
        "203.0.113.9",
    ];
    let allowed = asked(
        folder.path(),
        &[&office[..], &["--args", r#"{"path":"/srv/a"}"#]].concat(),
    );
    assert_eq!(allowed.code, Some(0), "{allowed:?}");
    let told = allowed.json()["servers"][0].clone();
    assert_eq!(
        (&told["decision"], &told["rule"]),
        (&json!("allow"), &json!("policy_rule:from-the-office"))
    );

    for (args, rule) in [
        (
            &[
                "--args",
                r#"{"path":"/etc/canary"}"#,
                "--from",
                "203.0.113.9",
            ][..],
            "argument_schemas",
        ),
        (&["--from", "198.51.100.1"][..], "no_rule_allows"),
        (&[][..], "policy_rule_failed:from-the-office"),
    ] {
        let denied = asked(
            folder.path(),
            &[&["--as", "alice", "--server", "files"], args].concat(),
        );
        assert_eq!(denied.code, Some(1), "{denied:?}");
        assert_eq!(denied.json()["servers"][0]["rule"], rule, "{denied:?}");
        assert!(!format!("{denied:?}").contains("canary"), "{denied:?}");
    }
    let everywhere = asked(folder.path(), &["--as", "alice"]).json();
    assert_eq!(
        everywhere["servers"][1]["rule"], "not_granted",
        "{everywhere}"
    );
    assert_eq!(everywhere["servers"][1]["looks_absent"], true);
    assert!(
        !folder.path().join("portcullis.db").exists(),
        "a question makes no files"
    );

    let text = cli(
        folder.path(),
        &["explain", "-c", "c.yaml", "--as", "alice", "--tool", "read"],
    );
    assert_eq!(text.code, Some(1), "{text:?}");
    for words in [
        "files: deny by policy_rule_failed:from-the-office",
        "mail: deny by not_granted",
    ] {
        assert!(format!("{text:?}").contains(words), "{text:?}");
    }
}

#[test]
fn a_key_of_the_store_is_known_by_its_id_and_its_alias_until_it_is_revoked() {
    let folder = folder();
    write(folder.path(), "c.yaml", FILE);
    let made = cli(
        folder.path(),
        &[
            "keys",
            "create",
            "-c",
            "c.yaml",
            "--alias",
            "bob",
            "--servers",
            "mail",
            "--output",
            "json",
        ],
    );
    assert_eq!(made.code, Some(0), "{made:?}");
    let id = made.json()["key_id"].as_str().unwrap().to_owned();
    for name in ["bob", id.as_str()] {
        let told = asked(folder.path(), &["--as", name, "--server", "mail"]);
        assert_eq!(told.code, Some(0), "{told:?}");
        assert_eq!(
            told.json()["servers"][0]["rule"],
            "grant_server",
            "{told:?}"
        );
    }
    let revoked = cli(folder.path(), &["revoke", "-c", "c.yaml", "--key", &id]);
    assert_eq!(revoked.code, Some(0), "{revoked:?}");
    let gone = asked(folder.path(), &["--as", &id, "--server", "mail"]);
    assert_eq!(gone.code, Some(1), "{gone:?}");
    assert!(format!("{gone:?}").contains("revoked"), "{gone:?}");
}

#[test]
fn a_question_that_makes_no_sense_is_told_apart_from_a_denial() {
    let folder = folder();
    write(folder.path(), "c.yaml", FILE);
    for (args, words) in [
        (
            &["--as", "alice", "--server", "other"][..],
            "no server of c.yaml is called other",
        ),
        (&["--as", "alice", "--args", "{"][..], "--args is no JSON"),
    ] {
        let wrong = asked(folder.path(), args);
        assert_eq!(wrong.code, Some(2), "{wrong:?}");
        assert!(format!("{wrong:?}").contains(words), "{wrong:?}");
    }
    let nobody = asked(folder.path(), &["--as", "sk-alice-canary-Zp7Qm2vT9dKx4RzL"]);
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    // Whoever wrote the key itself finds it in no message.
    assert!(!format!("{nobody:?}").contains("canary"), "{nobody:?}");
}
