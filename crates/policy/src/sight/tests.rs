use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_core::{
    CredentialMarks, Principal, Role, ScopeSet, ServerGrants, SubjectKind, Timestamp, ToolGrants,
};

use super::*;
use crate::{Circumstances, Operation, Permit, Rules, authorize, has_tools_only, shows_tool};

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn servers(list: &[&str]) -> ServerGrants {
    ServerGrants {
        servers: list.iter().map(|name| (*name).into()).collect(),
        ..ServerGrants::default()
    }
}

fn everything() -> ServerGrants {
    ServerGrants {
        all: true,
        ..ServerGrants::default()
    }
}

fn nothing() -> ServerGrants {
    ServerGrants {
        none: true,
        ..everything()
    }
}

fn team_s() -> ServerGrants {
    ServerGrants {
        of_team: true,
        ..ServerGrants::default()
    }
}

fn toolset(server: &str, tools: &[&str]) -> ServerGrants {
    ServerGrants {
        toolsets: names(&["set"]),
        toolset_tools: Arc::new([(server.into(), names(tools))].into()),
        ..ServerGrants::default()
    }
}

fn permitting(grants: ServerGrants, server: &str, tools: &[&str]) -> ServerGrants {
    ServerGrants {
        tools: ToolGrants {
            permissions: [(server.into(), names(tools))].into(),
            ..ToolGrants::default()
        },
        ..grants
    }
}

fn blocking(grants: ServerGrants, tools: &[&str]) -> ServerGrants {
    ServerGrants {
        tools: ToolGrants {
            blocked: names(tools),
            ..ToolGrants::default()
        },
        ..grants
    }
}

fn level(kind: LevelKind, grants: ServerGrants) -> Arc<Level> {
    let id = "x".into();
    Arc::new(Level { kind, id, grants })
}

fn team(grants: ServerGrants) -> Arc<Level> {
    level(LevelKind::Team, grants)
}

fn organization(grants: ServerGrants) -> Arc<Level> {
    level(LevelKind::Organization, grants)
}

fn user(grants: ServerGrants) -> Arc<Level> {
    level(LevelKind::User, grants)
}

fn end_user(grants: ServerGrants) -> Arc<Level> {
    level(LevelKind::EndUser, grants)
}

fn caller(grants: ServerGrants, levels: Vec<Arc<Level>>) -> Principal {
    Principal {
        id: "key:alice".into(),
        subject: "alice".into(),
        subject_kind: SubjectKind::Holder,
        kind: PrincipalKind::ApiKey,
        user_id: None,
        client_id: None,
        email: None,
        team: None,
        org: None,
        groups: BTreeSet::new(),
        scopes: ScopeSet::default(),
        key_id: Some("alice".into()),
        issuer: None,
        role: Role::User,
        grants,
        levels,
        expires_at: None,
        marks: CredentialMarks::default(),
    }
}

fn server(id: &str) -> ServerPolicy {
    ServerPolicy {
        id: id.into(),
        access_groups: names(&["dev"]),
        allow_all_keys: false,
        allow_all_keys_uncapped: false,
        inside_only: false,
        delegation: crate::Delegation::None,
        allowed_tools: None,
        disallowed_tools: names(&["never"]),
        allowed_params: BTreeMap::new(),
        argument_schemas: BTreeMap::new(),
        scopes: None,
        keys: None,
        rules: Rules::default(),
        approval: crate::ApprovalRules::default(),
    }
}

/// The rule that lets a caller see `github`, or the one that does not.
fn seen(own: ServerGrants, levels: Vec<Arc<Level>>) -> String {
    seen_of(&server("github"), own, levels)
}

fn seen_of(server: &ServerPolicy, own: ServerGrants, levels: Vec<Arc<Level>>) -> String {
    let principal = &caller(own, levels);
    let side = Side::Inside;
    match sight(Caller { principal, side }, server) {
        Ok(rule) => rule.to_owned(),
        Err(denied) => denied.label().into_owned(),
    }
}

#[test]
fn a_credential_sees_what_it_is_granted_and_every_list_above_it_names() {
    let none = ServerGrants::default;
    let github = || servers(&["github"]);
    let jira = || servers(&["jira"]);
    let dev = || ServerGrants {
        access_groups: names(&["dev"]),
        ..ServerGrants::default()
    };
    for (own, levels, expected) in [
        (none(), vec![], "not_granted"),
        (github(), vec![], "grant_server"),
        (github(), vec![team(none())], "grant_server"),
        (github(), vec![team(github())], "grant_server"),
        (github(), vec![team(dev())], "grant_server"),
        (github(), vec![team(everything())], "grant_server"),
        (github(), vec![team(jira())], "not_granted:team:x"),
        (everything(), vec![team(jira())], "not_granted:team:x"),
        (jira(), vec![team(github())], "not_granted"),
        // Without a list of its own it has that of its team, and of nobody else.
        (none(), vec![team(github())], "team_server"),
        (none(), vec![team(dev())], "team_access_group"),
        (none(), vec![team(everything())], "team_all"),
        (
            none(),
            vec![team(toolset("github", &["a"]))],
            "team_toolset",
        ),
        (none(), vec![team(jira())], "not_granted:team:x"),
        (none(), vec![team(none())], "not_granted"),
        (none(), vec![organization(everything())], "not_granted"),
        (none(), vec![user(everything())], "not_granted"),
        (none(), vec![end_user(everything())], "not_granted"),
        (team_s(), vec![team(github())], "team_server"),
        (team_s(), vec![team(none())], "not_granted"),
        (team_s(), vec![], "not_granted"),
        // Each list narrows, in this order.
        (
            github(),
            vec![team(github()), organization(jira())],
            "not_granted:organization:x",
        ),
        (
            github(),
            vec![team(github()), organization(github()), user(jira())],
            "not_granted:user:x",
        ),
        (
            github(),
            vec![user(github()), end_user(jira())],
            "not_granted:end_user:x",
        ),
        (
            everything(),
            vec![end_user(jira())],
            "not_granted:end_user:x",
        ),
        (github(), vec![end_user(none())], "grant_server"),
        // No server is no server, whatever else is written.
        (nothing(), vec![team(everything())], "not_granted"),
        (everything(), vec![team(nothing())], "not_granted:team:x"),
        (
            everything(),
            vec![end_user(nothing())],
            "not_granted:end_user:x",
        ),
    ] {
        let told = format!("{own:?} {levels:?}");
        assert_eq!(seen(own, levels), expected, "{told}");
    }
}

#[test]
fn what_is_for_every_key_is_for_those_whose_team_lists_it_unless_litellms_rule_is_asked_for() {
    let open = ServerPolicy {
        allow_all_keys: true,
        ..server("github")
    };
    let uncapped = ServerPolicy {
        allow_all_keys_uncapped: true,
        ..open.clone()
    };
    let none = ServerGrants::default;
    let jira = || servers(&["jira"]);
    let request = || level(LevelKind::Request, jira());
    for (own, levels, expected, of_litellm) in [
        (none(), vec![], "allow_all_keys", "allow_all_keys"),
        (jira(), vec![], "allow_all_keys", "allow_all_keys"),
        (
            none(),
            vec![team(none())],
            "allow_all_keys",
            "allow_all_keys",
        ),
        (
            none(),
            vec![team(jira())],
            "not_granted:team:x",
            "allow_all_keys",
        ),
        (
            jira(),
            vec![organization(jira())],
            "not_granted:organization:x",
            "allow_all_keys",
        ),
        (
            none(),
            vec![end_user(jira())],
            "not_granted:end_user:x",
            "allow_all_keys",
        ),
        (
            none(),
            vec![team(nothing())],
            "not_granted:team:x",
            "not_granted:team:x",
        ),
        (nothing(), vec![], "not_granted", "not_granted"),
        (
            none(),
            vec![request()],
            "not_granted:request:x",
            "not_granted:request:x",
        ),
    ] {
        let told = format!("{own:?} {levels:?}");
        assert_eq!(
            seen_of(&open, own.clone(), levels.clone()),
            expected,
            "{told}"
        );
        assert_eq!(seen_of(&uncapped, own, levels), of_litellm, "{told}");
    }
}

/// What a call of a tool on `github` says, and what a reading does.
fn calls(principal: &Principal, tool: &str) -> (String, String) {
    let side = Side::Inside;
    let caller = Caller { principal, side };
    let server = server("github");
    let circumstances = Circumstances {
        address: None,
        now: Timestamp::from_secs(0),
    };
    let told = |said: Result<Permit<()>, Denied>| match said {
        Ok(_) => "ok".to_owned(),
        Err(denied) => denied.label().into_owned(),
    };
    let call = Operation::CallTool {
        tool,
        arguments: None,
        described: crate::Described::default(),
    };
    let called = told(authorize(caller, &server, call, circumstances, ()));
    // The lists show what can be called, and nothing else.
    assert_eq!(
        shows_tool(caller, &server, tool),
        called == "ok",
        "{called}"
    );
    let read = authorize(caller, &server, Operation::Read, circumstances, ());
    assert_eq!(has_tools_only(caller, &server), read.is_err());
    (called, told(read))
}

#[test]
fn a_tool_is_for_those_to_whom_every_level_leaves_it() {
    let github = || servers(&["github"]);
    let reading = || permitting(github(), "github", &["read"]);
    for (own, levels, tool, expected) in [
        (github(), vec![], "read", "ok"),
        (github(), vec![], "never", "disallowed_tools"),
        (reading(), vec![], "read", "ok"),
        (reading(), vec![], "write", "tool_permissions:credential"),
        (
            permitting(github(), "github", &["*"]),
            vec![],
            "write",
            "ok",
        ),
        (
            permitting(github(), "jira", &["read"]),
            vec![],
            "write",
            "ok",
        ),
        (
            permitting(github(), "github", &[]),
            vec![],
            "read",
            "tool_permissions:credential",
        ),
        (github(), vec![team(reading())], "read", "ok"),
        (
            github(),
            vec![team(reading())],
            "write",
            "tool_permissions:team:x",
        ),
        (ServerGrants::default(), vec![team(reading())], "read", "ok"),
        (
            ServerGrants::default(),
            vec![team(reading())],
            "write",
            "tool_permissions:team:x",
        ),
        // A level that says nothing of servers still says it of tools.
        (
            github(),
            vec![user(permitting(
                ServerGrants::default(),
                "github",
                &["read"],
            ))],
            "write",
            "tool_permissions:user:x",
        ),
        (
            blocking(github(), &["drop"]),
            vec![],
            "drop",
            "blocked_tools:credential",
        ),
        (
            github(),
            vec![organization(blocking(github(), &["github/drop"]))],
            "drop",
            "blocked_tools:organization:x",
        ),
        (
            github(),
            vec![organization(blocking(github(), &["jira/drop"]))],
            "drop",
            "ok",
        ),
        // Names compare exactly.
        (blocking(github(), &["Drop"]), vec![], "drop", "ok"),
        (
            permitting(github(), "github", &["Read"]),
            vec![],
            "read",
            "tool_permissions:credential",
        ),
        // Blocked beats listed.
        (
            blocking(reading(), &["read"]),
            vec![],
            "read",
            "blocked_tools:credential",
        ),
    ] {
        let told = format!("{own:?} {levels:?} {tool}");
        assert_eq!(
            calls(&caller(own, levels), tool),
            (expected.to_owned(), "ok".to_owned()),
            "{told}"
        );
    }
}

#[test]
fn a_toolset_grants_its_tools_and_nothing_else() {
    let set = || toolset("github", &["read"]);
    let both = ServerGrants {
        servers: ["github".into()].into(),
        ..set()
    };
    let tools_only = "tools_only:credential";
    for (own, levels, tool, expected, read) in [
        (set(), vec![], "read", "ok", tools_only),
        (
            set(),
            vec![],
            "write",
            "tool_permissions:credential",
            tools_only,
        ),
        (both, vec![], "write", "ok", "ok"),
        (
            ServerGrants {
                tools: blocking(set(), &["read"]).tools,
                ..set()
            },
            vec![],
            "read",
            "blocked_tools:credential",
            tools_only,
        ),
        (
            everything(),
            vec![team(set())],
            "read",
            "ok",
            "tools_only:team:x",
        ),
        (
            everything(),
            vec![team(set())],
            "write",
            "tool_permissions:team:x",
            "tools_only:team:x",
        ),
        (
            everything(),
            vec![level(LevelKind::Request, set())],
            "write",
            "tool_permissions:request:x",
            "tools_only:request:x",
        ),
        (
            ServerGrants::default(),
            vec![team(set())],
            "read",
            "ok",
            "tools_only:team:x",
        ),
    ] {
        let told = format!("{own:?} {levels:?} {tool}");
        let said = calls(&caller(own, levels), tool);
        assert_eq!(said, (expected.to_owned(), read.to_owned()), "{told}");
    }
    assert_eq!(seen(toolset("jira", &["read"]), vec![]), "not_granted");
    // A toolset that is not there holds nothing.
    let gone = ServerGrants {
        toolset_tools: Arc::default(),
        ..set()
    };
    assert_eq!(seen(gone, vec![]), "not_granted");
}
