//! `teams`, `organizations`, `users`, `end_users`, `toolsets`.

use portcullis_core::LevelKind;

use super::{loaded, refused};
use crate::model::WrittenLevel;

const SERVERS: &str = "mcp_servers:\n  github: {url: https://g.example.com/mcp, alias: gh}\n  jira: {url: https://j.example.com/mcp, access_groups: [staff]}\n";

fn team(text: &str) -> WrittenLevel {
    let config = loaded(&format!("{SERVERS}teams:\n  a: {text}\n")).config;
    let (_, team) = config.people.levels.into_iter().next().unwrap();
    team
}

#[test]
fn both_spellings_say_the_same() {
    for (ours, litellms) in [
        (
            "{servers: [gh]}",
            "{object_permission: {mcp_servers: [github]}}",
        ),
        (
            "{access_groups: [staff], toolsets: [t]}",
            "{object_permission: {mcp_access_groups: [staff], mcp_toolsets: [t]}}",
        ),
        (
            "{all_servers: true}",
            "{object_permission: {mcp_servers: [all-proxy-mcpservers]}}",
        ),
        (
            "{mcp_tool_permissions: {gh: [read]}, blocked_tools: [drop, gh/a/b]}",
            "{object_permission: {mcp_tool_permissions: {github: [read]}, blocked_tools: [drop, github/a/b]}}",
        ),
        ("{servers: []}", "{object_permission: {mcp_servers: []}}"),
        (
            "{all_servers: false}",
            "{object_permission: {mcp_servers: [no-mcp-servers]}}",
        ),
    ] {
        assert_eq!(team(ours), team(litellms), "{ours}");
    }
}

#[test]
fn a_list_that_is_written_and_empty_lets_nothing_through_and_none_lets_everything() {
    for (text, none, is_list) in [
        ("{}", false, false),
        ("{blocked_tools: [drop]}", false, false),
        ("{servers: []}", true, true),
        ("{toolsets: []}", true, true),
        ("{servers: [github]}", false, true),
        ("{servers: [], access_groups: [staff]}", false, true),
    ] {
        let grants = team(text).grants;
        assert_eq!((grants.none, grants.is_list()), (none, is_list), "{text}");
    }
}

#[test]
fn what_would_restrict_nothing_is_an_error() {
    for (text, expected) in [
        (
            "teams: {a: {servers: [githbu]}}",
            "there is no server `githbu`",
        ),
        (
            "teams: {a: {mcp_tool_permissions: {githbu: [read]}}}",
            "there is no server `githbu`",
        ),
        (
            "teams: {a: {blocked_tools: [githbu/delete]}}",
            "there is no server `githbu`",
        ),
        (
            "toolsets: {t: {tools: {githbu: [read]}}}",
            "there is no server `githbu`",
        ),
        ("toolsets: {a/b: {tools: {}}}", "not a usable name"),
        ("teams: {a: {blokced: true}}", "blokced"),
        (
            "teams: {a: {servers: [github], object_permission: {}}}",
            "the same thing twice",
        ),
        ("users: {a: {members: [b]}}", "for entries of another kind"),
        (
            "organizations: {a: {organization_id: b}}",
            "for entries of another kind",
        ),
    ] {
        refused(&format!("{SERVERS}{text}\n"), expected);
    }
}

#[test]
fn each_relaxation_is_named_at_the_start() {
    let closed = loaded(SERVERS).config;
    assert!(!closed.people.ungranted_sees_all && !closed.people.undefined_users);
    let named = |text: &str| loaded(&format!("{text}{SERVERS}")).config.insecure_choices;
    let compat = named("compat: litellm\n");
    for expected in ["without a list", "whom nobody defined"] {
        assert!(
            compat.iter().any(|line| line.contains(expected)),
            "{compat:?}"
        );
    }
    let own = named("identity: {allow_undefined_users: true}\n");
    assert!(
        own.iter().any(|line| line.contains("whom nobody defined")),
        "{own:?}"
    );
    let kinds = loaded(&format!(
        "{SERVERS}users: {{u: {{}}}}\nend_users: {{e: {{}}}}\n"
    ));
    let kinds: Vec<LevelKind> = kinds
        .config
        .people
        .levels
        .keys()
        .map(|(kind, _)| *kind)
        .collect();
    assert_eq!(kinds, [LevelKind::User, LevelKind::EndUser]);
}
