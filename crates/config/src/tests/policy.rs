//! `policy.rules` and `argument_schemas`.

use portcullis_policy::Effect;

use super::{loaded, refused};

const SERVER: &str = "mcp_servers: {files: {url: https://a.b/m, alias: f}}\n";

fn rule(written: &str) -> String {
    format!("{SERVER}policy: {{rules: [{{{written}}}]}}")
}

#[test]
fn rules_are_read_in_their_order() {
    let loaded = loaded(&format!(
        r#"{SERVER}policy:
  rules:
    - name: no-deletes-at-night
      effect: deny
      servers: files
      tools: [delete_file]
      when: time.getHours("Europe/Berlin") < 6
    - name: ops
      effect: allow
      when: |
        principal.team == "ops" &&
        arguments.path.matches("^/srv/.*$")
"#
    ));
    let rules: Vec<_> = loaded
        .config
        .policy
        .rules
        .iter()
        .map(portcullis_policy::Rule::text)
        .collect();
    assert_eq!(rules.len(), 2);
    assert_eq!(
        (rules[0].name.as_str(), rules[0].effect),
        ("no-deletes-at-night", Effect::Deny)
    );
    assert_eq!(rules[0].servers, Some(["files".into()].into()));
    assert_eq!(rules[0].tools, Some(["delete_file".to_owned()].into()));
    assert_eq!(
        (rules[1].name.as_str(), rules[1].effect),
        ("ops", Effect::Allow)
    );
    assert_eq!(rules[1].servers, None);
    let shown = crate::explain(&loaded.config, &loaded.notices);
    for line in ["- name: no-deletes-at-night", "effect: deny", "^/srv/.*$"] {
        assert!(shown.contains(line), "{shown}");
    }
}

#[test]
fn a_rule_that_would_not_do_what_it_says_is_refused_where_it_stands() {
    for (written, said) in [
        ("name: a, effect: deny", "`when` is missing"),
        ("effect: deny, when: 'true'", "`name` is missing"),
        ("name: a, when: 'true'", "`effect` is missing"),
        (
            "name: a, effect: denie, when: 'true'",
            "write one of allow, deny, require_approval",
        ),
        (
            "name: 'a b', effect: deny, when: 'true'",
            "not the name of a rule",
        ),
        (
            "name: a, effect: deny, servers: [fils], when: 'true'",
            "no server of this file is called `fils`",
        ),
        (
            "name: a, effect: deny, servers: [f], when: 'true'",
            "not its alias",
        ),
        (
            "name: a, effect: deny, servers: [], when: 'true'",
            "would concern nothing",
        ),
        (
            "name: a, effect: deny, tools: , when: 'true'",
            "the key is there and holds nothing",
        ),
        (
            "name: a, effect: deny, when: 'principal.emial == 1'",
            "`principal` has no `emial` (line 1, column 1",
        ),
        (
            "name: a, effect: deny, when: 'toll.name == 1'",
            "a condition knows principal, server",
        ),
        (
            "name: a, effect: deny, when: 'tool.name =='",
            "not an expression",
        ),
        (
            "name: a, effect: deny, wen: 'true', when: 'true'",
            "did you mean `when`?",
        ),
    ] {
        refused(&rule(written), said);
    }
    let twice = "name: a, effect: deny, when: 'true'}, {name: a, effect: allow, when: 'true'";
    refused(&rule(twice), "two rules have this name");
    let many = "name: a, effect: deny, when: 'true'}, {".repeat(200);
    refused(
        &rule(&format!("{many}name: b, effect: deny, when: 'true'")),
        "two rules",
    );
}

/// A server with a mistake of its own is still one that a rule may name.
#[test]
fn a_server_that_is_mistaken_is_known_to_rules() {
    let text = "mcp_servers: {files: {url: nonsense}}\npolicy: {rules: [{name: a, effect: deny, servers: [files], when: 'true'}]}";
    let errors = super::World::default().load(text).unwrap_err().to_string();
    assert!(!errors.contains("no server of this file"), "{errors}");
}

#[test]
fn schemas_of_arguments_are_compiled_and_shown() {
    let loaded = loaded(
        r#"
mcp_servers:
  files:
    url: https://a.b/m
    argument_schemas:
      read_file:
        properties:
          path: {type: string, pattern: "^/srv/"}
          limit: {type: integer, maximum: 100}
        required: [path]
"#,
    );
    let schemas = &loaded.config.mcp_servers[0].argument_schemas;
    assert!(schemas["read_file"].as_str().contains(r#""maximum":100"#));
    let shown = crate::explain(&loaded.config, &loaded.notices);
    assert!(shown.contains("^/srv/"), "{shown}");
}

#[test]
fn a_schema_that_would_constrain_nothing_is_refused() {
    let server = |schemas: &str| {
        format!("mcp_servers: {{files: {{url: https://a.b/m, argument_schemas: {schemas}}}}}")
    };
    for (schemas, said) in [
        (
            "{t: {propertys: {}}}",
            "mcp_servers.files.argument_schemas.t: `propertys`",
        ),
        ("{t: {properties: {a: {patern: x}}}}", "`patern`"),
        (
            "{t: {properties: {a: {type: string, format: phone}}}}",
            "`phone`",
        ),
        (
            "{t: {properties: {a: {pattern: x}}}}",
            "`pattern` without `type`",
        ),
        ("{t: {$ref: 'https://a.b/s.json'}}", "nothing is fetched"),
        ("{t: {type: strnig}}", "not a JSON Schema"),
        ("{t: [a]}", "not a JSON Schema"),
        ("{t: }", "not a JSON Schema"),
        ("[t]", "expected a map of names"),
        ("", "the key is there and holds nothing"),
    ] {
        refused(&server(schemas), said);
    }
}

#[test]
fn which_tools_need_an_approval_is_said_as_elsewhere() {
    use portcullis_policy::ApprovalNeed::{Always, Destructive, Never};
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    for (written, always, never, otherwise) in [
        ("never", &[][..], &[][..], Never),
        ("destructive", &[], &[], Destructive),
        ("always", &[], &[], Always),
        ("{always: {tool_names: [a, b]}}", &["a", "b"], &[], Never),
        ("{never: {tool_names: [c]}}", &[], &["c"], Always),
        (
            "{always: {tool_names: [a]}, never: {tool_names: [c]}}",
            &["a"],
            &["c"],
            Always,
        ),
    ] {
        let file = format!(
            "mcp_servers: {{f: {{url: https://a.example/m, require_approval: {written}}}}}"
        );
        let config = loaded(&file).config;
        let expected = portcullis_policy::ApprovalRules {
            always: names(always),
            never: names(never),
            otherwise,
        };
        assert_eq!(config.mcp_servers[0].approval, expected, "{written}");
    }
}

#[test]
fn how_long_approvals_last_is_bounded_and_own_decisions_are_a_choice_that_is_named() {
    let config = loaded("policy: {approvals: {wait: 1h, use_within: 90s}}").config;
    let approvals = config.policy.approvals;
    assert_eq!(
        (
            approvals.waiting.as_secs(),
            approvals.usable.as_secs(),
            approvals.own
        ),
        (3600, 90, false)
    );
    assert!(config.insecure_choices.is_empty());
    let own = loaded("policy: {approvals: {allow_own_decisions: true}}").config;
    assert!(own.policy.approvals.own);
    assert_eq!(own.insecure_choices.len(), 1, "{:?}", own.insecure_choices);
    for bad in ["wait: 0s", "wait: 25h", "use_within: 500ms"] {
        refused(
            &format!("policy: {{approvals: {{{bad}}}}}"),
            "from a second to a day",
        );
    }
}
