use std::collections::BTreeMap;

use portcullis_core::PrincipalKind;
use portcullis_core::{
    CredentialMarks, Principal, Role, ScopeSet, ServerGrants, Side, SubjectKind, Timestamp,
};

use super::*;
use crate::{Caller, Circumstances, Delegation, Described, Operation, ServerPolicy, authorize};

fn alice() -> Principal {
    Principal {
        id: "key:alice".into(),
        subject: "alice".into(),
        subject_kind: SubjectKind::Holder,
        levels: Vec::new(),
        kind: PrincipalKind::ApiKey,
        user_id: None,
        client_id: None,
        email: Some("alice@acme.example".into()),
        team: Some("ops".into()),
        org: None,
        groups: ["dev".to_owned(), "oncall".to_owned()].into(),
        scopes: "files.read files.write".parse::<ScopeSet>().unwrap(),
        key_id: Some("alice".into()),
        issuer: None,
        role: Role::User,
        grants: ServerGrants {
            servers: ["files".into()].into(),
            ..ServerGrants::default()
        },
        expires_at: None,
        marks: CredentialMarks::default(),
    }
}

fn files(rules: Rules) -> ServerPolicy {
    ServerPolicy {
        approval: crate::ApprovalRules::default(),
        id: "files".into(),
        access_groups: ["prod".to_owned()].into(),
        allow_all_keys: false,
        allow_all_keys_uncapped: false,
        inside_only: false,
        delegation: Delegation::None,
        allowed_tools: None,
        disallowed_tools: BTreeSet::new(),
        allowed_params: BTreeMap::new(),
        argument_schemas: BTreeMap::new(),
        scopes: None,
        keys: None,
        rules,
    }
}

fn text(name: &str, effect: Effect, when: &str) -> RuleText {
    RuleText {
        name: name.to_owned(),
        effect,
        servers: None,
        tools: None,
        when: when.to_owned(),
    }
}

fn deny(when: &str) -> Rule {
    Rule::compile(text("r", Effect::Deny, when)).unwrap_or_else(|error| panic!("{when}: {error}"))
}

fn allow(name: &str, when: &str) -> Rule {
    Rule::compile(text(name, Effect::Allow, when)).unwrap()
}

/// A Sunday morning, half past nine in UTC, from inside.
fn sunday() -> Circumstances {
    Circumstances {
        address: Some("10.1.2.3".parse().unwrap()),
        now: Timestamp::from_secs(1_795_339_800),
    }
}

fn asked(rules: Vec<Rule>, operation: Operation<'_>) -> Result<String, Denied> {
    let principal = &alice();
    let side = Side::Inside;
    let server = files(rules.into_iter().collect());
    authorize(Caller { principal, side }, &server, operation, sunday(), ())
        .map(|permit| permit.evidence().rule().into_owned())
}

fn call(rules: Vec<Rule>, arguments: &str) -> Result<String, Denied> {
    let operation = Operation::CallTool {
        tool: "read_file",
        arguments: Some(arguments),
        described: Described::default(),
    };
    asked(rules, operation)
}

fn label(answer: Result<String, Denied>) -> String {
    answer.unwrap_or_else(|denied| denied.label().into_owned())
}

#[test]
fn a_condition_may_ask_who_what_where_and_when() {
    for when in [
        r#"principal.team == "ops""#,
        r#"principal.id == "key:alice" && principal.subject == "alice" && principal.key_id == "alice""#,
        r#"principal.kind == "api_key" && principal.role == "user""#,
        r#"principal.email.endsWith("@acme.example")"#,
        r#""oncall" in principal.groups"#,
        r#"principal.groups.exists(group, group.startsWith("on"))"#,
        r#""files.write" in principal.scopes"#,
        r#"server.id == "files" && "prod" in server.access_groups"#,
        r#"tool.name == "read_file" && operation == "call""#,
        r#"arguments.path.startsWith("/etc")"#,
        r#"arguments.path.matches("^/etc/(passwd|shadow)$")"#,
        "has(arguments.path) && !has(arguments.none)",
        r#"arguments.list.exists(item, item.kind == "secret")"#,
        r#"arguments.list.all(item, item.kind in ["secret", "public"])"#,
        "arguments.amount > 100 && arguments.amount == 1000 && arguments.half == 0.5",
        r#"client.ip.within("10.0.0.0/8") && client.side == "inside""#,
        "time.getDayOfWeek() == 0 && time.getHours() == 9 && time.getMinutes() == 30",
        r#"time.getHours("Europe/Berlin") == 10"#,
        r#"time > timestamp("2026-01-01T00:00:00Z")"#,
        "size(arguments) == 4 && type(arguments.path) == string",
        // What is not known of a principal is an empty text, and compares.
        r#"principal.org != "acme" && principal.user_id == """#,
    ] {
        let arguments = r#"{"path":"/etc/shadow","list":[{"kind":"secret"},{"kind":"public"}],"amount":1e3,"half":0.5}"#;
        assert_eq!(
            label(call(vec![deny(when)], arguments)),
            "policy_rule:r",
            "{when}"
        );
        let not = format!("!({when})");
        assert_eq!(
            label(call(vec![deny(&not)], arguments)),
            "grant_server",
            "{not}"
        );
    }
}

#[test]
fn a_rule_that_denies_beats_those_that_allow_wherever_it_stands() {
    let named = |name: &str| Rule::compile(text(name, Effect::Deny, "true")).unwrap();
    for rules in [
        vec![allow("all", "true"), named("never")],
        vec![named("never"), allow("all", "true")],
    ] {
        let denied = call(rules, "{}").unwrap_err();
        assert_eq!(denied.label(), "policy_rule:never");
        assert_eq!(denied.kind(), portcullis_core::ErrorKind::Forbidden);
    }
}

#[test]
fn where_rules_say_what_is_allowed_one_of_them_must_hold() {
    let ops = || allow("ops", r#"principal.team == "ops""#);
    let sales = || allow("sales", r#"principal.team == "sales""#);
    assert_eq!(label(call(vec![sales(), ops()], "{}")), "policy_rule:ops");
    assert_eq!(label(call(vec![sales()], "{}")), "no_rule_allows");
    assert_eq!(
        label(asked(vec![sales()], Operation::Read)),
        "no_rule_allows"
    );
    // Lists and the upkeep of sessions are no errand that a rule could allow.
    assert_eq!(label(asked(vec![sales()], Operation::Use)), "grant_server");
}

#[test]
fn a_rule_that_allows_opens_nothing_that_is_closed() {
    let side = Side::Inside;
    let mut stranger = alice();
    stranger.grants = ServerGrants::default();
    let mut server = files([allow("all", "true")].into_iter().collect());
    let ask = |principal: &Principal, server: &ServerPolicy, tool: &str| {
        let operation = Operation::CallTool {
            tool,
            arguments: None,
            described: Described::default(),
        };
        authorize(Caller { principal, side }, server, operation, sunday(), ())
            .map(|permit| permit.evidence().rule().into_owned())
    };
    assert_eq!(label(ask(&stranger, &server, "read_file")), "not_granted");
    server.disallowed_tools.insert("read_file".to_owned());
    assert_eq!(
        label(ask(&alice(), &server, "read_file")),
        "disallowed_tools"
    );
    server.allowed_tools = Some(BTreeSet::new());
    assert_eq!(label(ask(&alice(), &server, "list")), "allowed_tools");
}

#[test]
fn a_rule_concerns_its_servers_and_its_tools_alone() {
    let of = |servers: &[&str], tools: Option<&[&str]>, effect| {
        Rule::compile(RuleText {
            servers: (!servers.is_empty()).then(|| servers.iter().map(|id| (*id).into()).collect()),
            tools: tools.map(|tools| tools.iter().map(|tool| (*tool).to_owned()).collect()),
            ..text("r", effect, "true")
        })
        .unwrap()
    };
    let denied = "policy_rule:r";
    for (servers, tools, by_call, by_reading) in [
        (&["files"][..], None, denied, denied),
        (&["other"][..], None, "grant_server", "grant_server"),
        (&[][..], Some(&["read_file"][..]), denied, "grant_server"),
        (
            &[][..],
            Some(&["Read_File"][..]),
            "grant_server",
            "grant_server",
        ),
        (
            &["files"][..],
            Some(&["list"][..]),
            "grant_server",
            "grant_server",
        ),
        (&[][..], Some(&[][..]), "grant_server", "grant_server"),
    ] {
        let rule = || of(servers, tools, Effect::Deny);
        assert_eq!(
            label(call(vec![rule()], "{}")),
            by_call,
            "{servers:?} {tools:?}"
        );
        assert_eq!(
            label(asked(vec![rule()], Operation::Read)),
            by_reading,
            "{servers:?} {tools:?}"
        );
    }
    let elsewhere = of(&["other"], None, Effect::Allow);
    assert_eq!(label(call(vec![elsewhere], "{}")), "grant_server");
}

#[test]
fn a_rule_that_cannot_be_evaluated_denies_and_shows_nothing() {
    for when in [
        "arguments.none == 1",
        "arguments.path > 5",
        "arguments.path",
        "1",
        "arguments.zero / arguments.zero == 1",
        "9223372036854775807 + arguments.one > 0",
        r#"arguments.one.startsWith("a")"#,
        "arguments.list[7] == 1",
        r#"arguments.path.within("10.0.0.0/8")"#,
        r#"arguments.one.matches("a")"#,
        "timestamp(arguments.path) > time",
        "time.getHours(arguments.path) == 1",
        "int(arguments.path) == 1",
    ] {
        let arguments = r#"{"path":"canary","zero":0,"one":1,"list":[]}"#;
        for effect in [Effect::Deny, Effect::Allow] {
            let rule = Rule::compile(text("r", effect, when)).unwrap();
            let denied = call(vec![rule, allow("all", "true")], arguments).unwrap_err();
            assert_eq!(denied.label(), "policy_rule_failed:r", "{when}");
            assert!(!format!("{denied:?} {denied}").contains("canary"), "{when}");
        }
    }
}

#[test]
fn what_one_side_settles_needs_no_other() {
    let when = r#"tool.name == "delete" && arguments.path.startsWith("/etc")"#;
    assert_eq!(label(call(vec![deny(when)], "{}")), "grant_server");
    assert_eq!(
        label(asked(vec![deny(when)], Operation::Read)),
        "grant_server"
    );
    let when = r#"arguments.path.startsWith("/etc") && tool.name == "delete""#;
    assert_eq!(label(call(vec![deny(when)], "{}")), "grant_server");
}

/// JSON has one kind of number, and an argument that stands twice is read by nobody.
#[test]
fn a_rule_is_not_walked_around_by_writing_the_same_otherwise() {
    for amount in ["1000", "1000.0", "1e3", "10.0E2", "0.1e4"] {
        let arguments = format!(r#"{{"amount":{amount}}}"#);
        let answer = call(vec![deny("arguments.amount == 1000")], &arguments);
        assert_eq!(label(answer), "policy_rule:r", "{amount}");
    }
    for arguments in [
        r#"{"path":"/srv","path":"/etc"}"#,
        r#"{"a":{"path":1,"path":2}}"#,
        "[]",
        "\"path\"",
        r#"{"a":1e999}"#,
    ] {
        let answer = call(
            vec![deny(r#"has(arguments.path) && arguments.path == "/etc""#)],
            arguments,
        );
        assert_eq!(label(answer), "unreadable_arguments", "{arguments}");
        // A rule that does not ask does not read.
        assert_eq!(label(call(vec![deny("false")], arguments)), "grant_server");
    }
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(300 * 1024));
    let answer = call(vec![deny("has(arguments.b)")], &long);
    assert_eq!(label(answer), "unreadable_arguments");
    assert_eq!(label(call(vec![deny("false")], &long)), "grant_server");
}

#[test]
fn whoever_comes_from_nowhere_is_in_no_range() {
    let principal = &alice();
    let side = Side::Outside;
    let server = files(
        [deny(r#"!client.ip.within("10.0.0.0/8")"#)]
            .into_iter()
            .collect(),
    );
    let mut circumstances = sunday();
    circumstances.address = None;
    let denied = authorize(
        Caller { principal, side },
        &server,
        Operation::Read,
        circumstances,
        (),
    );
    assert_eq!(denied.unwrap_err().label(), "policy_rule_failed:r");
    circumstances.address = Some("::ffff:10.9.9.9".parse().unwrap());
    assert!(
        authorize(
            Caller { principal, side },
            &server,
            Operation::Read,
            circumstances,
            ()
        )
        .is_ok()
    );
}

#[test]
fn a_condition_that_is_none_is_refused_with_place_and_remedy() {
    for (when, said, at) in [
        ("", "not an expression", None),
        ("tool.name ==", "not an expression", None),
        ("tool.name = 'a'", "not an expression", None),
        ("toll.name == 'a'", "unknown variable `toll`", Some((1, 1))),
        (
            "true &&\n  principl.id == 'a'",
            "unknown variable `principl`",
            Some((2, 3)),
        ),
        ("principal.emial == 'a'", "`principal` has no `emial`", None),
        ("has(principal.emial)", "`principal` has no `emial`", None),
        ("server.name == 'a'", "`server` has no `name`", None),
        ("upper(tool.name) == 'A'", "unknown function `upper`", None),
        (
            "tool.name.matches(arguments.pattern)",
            "not written out",
            None,
        ),
        ("matches(tool.name, 'a')", "not written out", None),
        ("tool.name.matches('(')", "not a pattern", None),
        ("tool.name.matches('(?=a)')", "not a pattern", None),
        (
            "tool.name.matches('(?:(?:a{1000}){1000}){1000}')",
            "not a pattern",
            None,
        ),
        (
            "client.ip.within('10.0.0.1/8')",
            "not the first address",
            None,
        ),
        ("client.ip.within(arguments.range)", "not written out", None),
        ("arguments.a.all(x, arguments.b.all(y, x == y))", "", None),
        (
            "principal.groups.all(x, principal.scopes.all(y, x == y))",
            "a loop within a loop",
            None,
        ),
        (
            "principal.groups.exists(x, x in arguments.b)",
            "for each element",
            None,
        ),
        (
            "arguments.a.map(x, x + 'a') == []",
            "`map` and `filter`",
            None,
        ),
        (
            "arguments.a.filter(x, x > 1) == []",
            "`map` and `filter`",
            None,
        ),
        ("arguments.?a.orValue(1) == 1", "", None),
        ("Message{a: 1} == 1", "", None),
        ("x == 1", "unknown variable `x`", None),
        (
            "principal.groups.exists(x, true) && x == 1",
            "unknown variable `x`",
            None,
        ),
    ] {
        let error = Rule::compile(text("r", Effect::Deny, when)).unwrap_err();
        assert!(error.message.contains(said), "{when}: {error}");
        assert!(at.is_none() || error.at == at, "{when}: {:?}", error.at);
        assert!(!error.remedy.is_empty(), "{when}");
    }
    for deep in [
        format!("{}true{}", "(".repeat(1000), ")".repeat(1000)),
        format!("[{}true{}]", "[".repeat(40), "]".repeat(40)),
        format!("principal{} == 1", "[0]".repeat(1000)),
        format!("{}1 == 1", "1 + ".repeat(1000)),
        "a".repeat(5000),
    ] {
        assert!(Rule::compile(text("r", Effect::Deny, &deep)).is_err());
    }
}

/// NET-19, and what agents send: the time grows with the arguments and no faster.
#[test]
fn what_a_caller_sends_makes_no_condition_run_away() {
    let list = vec!["\"aaaaaaaaaaaaaaaaaaaa\""; 8_000].join(",");
    let arguments = format!(r#"{{"list":[{list}],"text":"{}!"}}"#, "a".repeat(40_000));
    let when =
        r#"arguments.list.all(x, x.matches("^(a+)+$")) && arguments.text.matches("^(a+)+$")"#;
    assert_eq!(label(call(vec![deny(when)], &arguments)), "grant_server");
}

/// On the small stack of a test's thread, as on that of a request.
#[test]
fn the_deepest_condition_that_is_accepted_is_evaluated() {
    for deepest in [
        format!("{}true{}", "(".repeat(24), ")".repeat(24)),
        format!("{}true{} != []", "[".repeat(24), "]".repeat(24)),
        format!("{}1 > 1", "1 + ".repeat(40)),
        format!("{}true", "true && ".repeat(400)),
        format!("{}true", "!".repeat(2000)),
    ] {
        assert_eq!(
            label(call(vec![deny(&deepest)], "{}")),
            "policy_rule:r",
            "{deepest}"
        );
    }
}

#[test]
fn a_rule_asks_for_an_approval_of_calls_after_all_others() {
    let asking = |when| Rule::compile(text("ask", Effect::RequireApproval, when)).unwrap();
    let ask = || asking("arguments.amount > 100");
    let small = call(vec![ask()], r#"{"amount": 5}"#);
    assert_eq!(label(small), "grant_server");
    let large = call(vec![ask()], r#"{"amount": 500}"#);
    assert_eq!(label(large), "approval_required:policy_rule:ask");
    let denied = call(
        vec![ask(), deny("arguments.amount > 100")],
        r#"{"amount": 500}"#,
    );
    assert_eq!(label(denied), "policy_rule:r");
    // What cannot be evaluated denies, and asks nobody.
    let failing = call(vec![ask()], r#"{"amount": "much"}"#);
    assert_eq!(label(failing), "policy_rule_failed:ask");
    let reading = asked(vec![asking("true")], Operation::Read);
    assert_eq!(label(reading), "grant_server", "a reading is no call");
}
