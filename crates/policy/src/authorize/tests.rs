use std::collections::{BTreeMap, BTreeSet};

use portcullis_core::{Principal, PrincipalKind, Role, ScopeSet, ServerGrants};

use super::*;

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn caller(grants: ServerGrants) -> Principal {
    Principal {
        id: "key:alice".into(),
        subject: "alice".into(),
        kind: PrincipalKind::ApiKey,
        user_id: None,
        email: None,
        team: None,
        org: None,
        groups: BTreeSet::new(),
        scopes: ScopeSet::default(),
        key_id: Some("alice".into()),
        issuer: None,
        role: Role::User,
        grants,
        expires_at: None,
    }
}

fn github() -> ServerPolicy {
    ServerPolicy {
        id: "github".into(),
        access_groups: names(&["dev"]),
        allow_all_keys: false,
        allowed_tools: None,
        disallowed_tools: BTreeSet::new(),
        allowed_params: BTreeMap::new(),
    }
}

fn granted() -> Principal {
    caller(ServerGrants {
        servers: ["github".into()].into(),
        ..ServerGrants::default()
    })
}

fn call<'a>(tool: &'a str, arguments: &'a [&'a str]) -> Operation<'a> {
    Operation::CallTool { tool, arguments }
}

#[test]
fn a_key_without_grants_sees_nothing() {
    let denied = authorize(
        &caller(ServerGrants::default()),
        &github(),
        Operation::Use,
        (),
    )
    .unwrap_err();
    assert_eq!(denied.rule, DeniedRule::NotGranted);
    assert_eq!(denied.kind(), ErrorKind::NotFound);
}

#[test]
fn a_grant_by_server_by_group_or_in_words_opens_it() {
    for (grants, rule) in [
        (
            ServerGrants {
                all: true,
                ..ServerGrants::default()
            },
            "grant_all",
        ),
        (
            ServerGrants {
                servers: ["github".into()].into(),
                ..ServerGrants::default()
            },
            "grant_server",
        ),
        (
            ServerGrants {
                access_groups: names(&["dev"]),
                ..ServerGrants::default()
            },
            "grant_access_group",
        ),
    ] {
        let permit = authorize(&caller(grants), &github(), Operation::Use, ()).unwrap();
        assert_eq!(permit.evidence().rule(), rule);
        assert_eq!(permit.evidence().server().as_str(), "github");
        assert_eq!(
            permit.evidence().acting(),
            &Acting::Principal("key:alice".into())
        );
    }
}

#[test]
fn grants_compare_exactly() {
    for grants in [
        ServerGrants {
            servers: ["GitHub".into()].into(),
            ..ServerGrants::default()
        },
        ServerGrants {
            servers: ["git".into(), "*".into()].into(),
            ..ServerGrants::default()
        },
        ServerGrants {
            access_groups: names(&["Dev", "*"]),
            ..ServerGrants::default()
        },
    ] {
        assert!(sees(&caller(grants), &github()).is_none());
    }
}

#[test]
fn the_deny_list_beats_the_allow_list() {
    let server = ServerPolicy {
        allowed_tools: Some(names(&["get_user", "delete_user"])),
        disallowed_tools: names(&["delete_user"]),
        ..github()
    };
    assert!(authorize(&granted(), &server, call("get_user", &[]), ()).is_ok());
    let denied = authorize(&granted(), &server, call("delete_user", &[]), ()).unwrap_err();
    assert_eq!(denied.rule, DeniedRule::DisallowedTools);
    let denied = authorize(&granted(), &server, call("list_users", &[]), ()).unwrap_err();
    assert_eq!(denied.rule, DeniedRule::AllowedTools);
}

#[test]
fn an_empty_allow_list_allows_nothing() {
    let server = ServerPolicy {
        allowed_tools: Some(BTreeSet::new()),
        ..github()
    };
    assert!(!server.admits_tool("anything"));
}

#[test]
fn tool_names_compare_byte_by_byte() {
    let server = ServerPolicy {
        allowed_tools: Some(names(&["delete_user"])),
        ..github()
    };
    for lookalike in [
        "Delete_User",
        " delete_user",
        "delete_user\u{200b}",
        "delete_user\0",
        "",
        "delete%5Fuser",
    ] {
        assert!(
            authorize(&granted(), &server, call(lookalike, &[]), ()).is_err(),
            "{lookalike:?}"
        );
    }
}

#[test]
fn only_listed_arguments_pass() {
    let server = ServerPolicy {
        allowed_params: [("search".to_owned(), names(&["query"]))].into(),
        ..github()
    };
    assert!(authorize(&granted(), &server, call("search", &["query"]), ()).is_ok());
    let denied =
        authorize(&granted(), &server, call("search", &["query", "limit"]), ()).unwrap_err();
    assert_eq!(denied.arguments, ["limit"]);
    assert_eq!(denied.kind(), ErrorKind::Forbidden);
    assert!(authorize(&granted(), &server, call("other", &["limit"]), ()).is_ok());
}
