use std::collections::{BTreeMap, BTreeSet};

use portcullis_core::{
    ErrorKind, Principal, PrincipalKind, Role, ScopeSet, ServerGrants, Side, Timestamp,
};

use super::*;
use crate::{ApprovalNeed, ApprovalRules, Described, sees};

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

/// Where the caller is, is the matter of one story only.
fn authorize<T>(
    principal: &Principal,
    server: &ServerPolicy,
    operation: Operation<'_>,
    target: T,
) -> Result<Permit<T>, Denied> {
    let side = Side::Outside;
    let caller = Caller { principal, side };
    super::authorize(caller, server, operation, NOWHERE, target)
}

/// Where from and when is the matter of the rules' own stories.
const NOWHERE: Circumstances = Circumstances {
    address: None,
    now: Timestamp::from_secs(0),
};

fn caller(grants: ServerGrants) -> Principal {
    Principal {
        id: "key:alice".into(),
        subject: "alice".into(),
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
        expires_at: None,
        marks: portcullis_core::CredentialMarks::default(),
        subject_kind: portcullis_core::SubjectKind::Holder,
        levels: Vec::new(),
    }
}

fn github() -> ServerPolicy {
    ServerPolicy {
        id: "github".into(),
        access_groups: names(&["dev"]),
        allow_all_keys: false,
        allow_all_keys_uncapped: false,
        inside_only: false,
        delegation: crate::Delegation::None,
        allowed_tools: None,
        disallowed_tools: BTreeSet::new(),
        allowed_params: BTreeMap::new(),
        scopes: None,
        argument_schemas: BTreeMap::new(),
        keys: None,
        rules: crate::Rules::default(),
        approval: ApprovalRules::default(),
    }
}

fn granted() -> Principal {
    caller(ServerGrants {
        servers: ["github".into()].into(),
        ..ServerGrants::default()
    })
}

fn call<'a>(tool: &'a str, arguments: &'a str) -> Operation<'a> {
    let arguments = Some(arguments);
    Operation::CallTool {
        tool,
        arguments,
        described: Described::default(),
    }
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
        let principal = &caller(grants);
        let side = Side::Inside;
        assert!(sees(Caller { principal, side }, &github()).is_none());
    }
}

#[test]
fn the_deny_list_beats_the_allow_list() {
    let server = ServerPolicy {
        allowed_tools: Some(names(&["get_user", "delete_user"])),
        disallowed_tools: names(&["delete_user"]),
        ..github()
    };
    assert!(authorize(&granted(), &server, call("get_user", "{}"), ()).is_ok());
    let denied = authorize(&granted(), &server, call("delete_user", "{}"), ()).unwrap_err();
    assert_eq!(denied.rule, DeniedRule::DisallowedTools);
    let denied = authorize(&granted(), &server, call("list_users", "{}"), ()).unwrap_err();
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
            authorize(&granted(), &server, call(lookalike, "{}"), ()).is_err(),
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
    assert!(authorize(&granted(), &server, call("search", r#"{"query":1}"#), ()).is_ok());
    let denied = authorize(
        &granted(),
        &server,
        call("search", r#"{"query":1,"limit":2}"#),
        (),
    )
    .unwrap_err();
    assert_eq!(denied.arguments, ["limit"]);
    assert_eq!(denied.kind(), ErrorKind::Forbidden);
    assert!(authorize(&granted(), &server, call("other", r#"{"limit":2}"#), ()).is_ok());
}

fn scopes(text: &str) -> ScopeSet {
    text.parse().unwrap()
}

fn carrying(text: &str) -> Principal {
    Principal {
        scopes: scopes(text),
        ..granted()
    }
}

/// `read` needs one scope, `write` two, `open` none; whether the rest is mapped is the story's.
fn scoped(others: Option<&str>) -> ServerPolicy {
    let tools = [("read", "r"), ("write", "r w"), ("open", "")];
    ServerPolicy {
        scopes: Some(crate::ScopeRules {
            tools: tools
                .map(|(tool, needed)| (tool.to_owned(), scopes(needed)))
                .into(),
            others: others.map(scopes),
        }),
        disallowed_tools: names(&["never"]),
        ..github()
    }
}

#[test]
fn a_call_needs_every_scope_of_its_tool_compared_exactly() {
    for (carried, tool, missing) in [
        ("r", "read", None),
        ("r w x", "write", None),
        ("", "open", None),
        ("r", "write", Some("w")),
        ("", "write", Some("r w")),
        ("R", "read", Some("r")),
        ("*", "read", Some("r")),
        ("r:", "read", Some("r")),
        ("github/*", "read", Some("r")),
    ] {
        let decided = authorize(&carrying(carried), &scoped(None), call(tool, "{}"), ());
        let Some(missing) = missing else {
            assert!(decided.is_ok(), "{carried} {tool}");
            continue;
        };
        let denied = decided.unwrap_err();
        assert_eq!(denied.rule, DeniedRule::InsufficientScope);
        assert_eq!(denied.kind(), ErrorKind::Forbidden);
        let told = denied.scopes.unwrap();
        assert_eq!(told.missing, scopes(missing), "{carried} {tool}");
        assert!(told.required.covers(&told.missing));
    }
}

#[test]
fn what_no_mapping_names_is_refused_where_there_is_any() {
    let server = scoped(None);
    for operation in [call("other", "{}"), call("Read", "{}"), Operation::Read] {
        let denied = authorize(&carrying("r w"), &server, operation, ()).unwrap_err();
        assert_eq!(denied.rule, DeniedRule::UnmappedScope);
        assert_eq!((denied.kind(), denied.scopes), (ErrorKind::Forbidden, None));
    }
    // Lists and what a client needs to be there at all are not calls.
    assert!(authorize(&carrying(""), &server, Operation::Use, ()).is_ok());
    assert!(server.admits_tool("other"), "listed all the same");
    let nothing_mapped = ServerPolicy {
        scopes: Some(crate::ScopeRules::default()),
        ..github()
    };
    let denied = authorize(&carrying("r"), &nothing_mapped, call("read", "{}"), ()).unwrap_err();
    assert_eq!(denied.rule, DeniedRule::UnmappedScope);
}

#[test]
fn what_the_whole_server_needs_holds_for_what_is_not_named() {
    let server = scoped(Some("all"));
    for (carried, operation, admitted) in [
        ("all", call("other", "{}"), true),
        ("all", Operation::Read, true),
        ("r", call("other", "{}"), false),
        ("r", Operation::Read, false),
        ("r", call("read", "{}"), true),
        ("all", call("read", "{}"), false),
    ] {
        let decided = authorize(&carrying(carried), &server, operation, ());
        assert_eq!(decided.is_ok(), admitted, "{carried} {operation:?}");
    }
}

#[test]
fn scopes_open_nothing_that_sight_and_tool_lists_close() {
    let stranger = Principal {
        grants: ServerGrants::default(),
        ..carrying("r w all")
    };
    let server = scoped(Some("all"));
    let rule = |principal: &Principal, tool| {
        let decided = authorize(principal, &server, call(tool, "{}"), ());
        decided.unwrap_err().rule
    };
    assert_eq!(rule(&stranger, "read"), DeniedRule::NotGranted);
    assert_eq!(rule(&carrying("all"), "never"), DeniedRule::DisallowedTools);
    // Who may not see it does not learn which scopes it takes.
    assert_eq!(rule(&carrying(""), "never"), DeniedRule::DisallowedTools);
}

#[test]
fn the_master_key_has_every_scope_but_no_mapping() {
    let master = Principal {
        kind: PrincipalKind::MasterKey,
        ..carrying("")
    };
    assert!(authorize(&master, &scoped(None), call("write", "{}"), ()).is_ok());
    let denied = authorize(&master, &scoped(None), call("other", "{}"), ()).unwrap_err();
    assert_eq!(denied.rule, DeniedRule::UnmappedScope);
}

#[test]
fn a_server_for_the_inside_is_absent_outside_whatever_the_grant() {
    let inside_only = ServerPolicy {
        inside_only: true,
        allow_all_keys: true,
        allow_all_keys_uncapped: false,
        ..github()
    };
    let master = Principal {
        kind: PrincipalKind::MasterKey,
        role: Role::Admin,
        ..caller(ServerGrants {
            all: true,
            ..ServerGrants::default()
        })
    };
    for principal in [&granted(), &master, &caller(ServerGrants::default())] {
        for operation in [Operation::Use, Operation::Read, call("x", "{}")] {
            let from = |side| {
                super::authorize(
                    Caller { principal, side },
                    &inside_only,
                    operation,
                    NOWHERE,
                    (),
                )
            };
            assert!(from(Side::Inside).is_ok());
            let denied = from(Side::Outside).unwrap_err();
            assert_eq!(denied.rule, DeniedRule::NotGranted);
            assert_eq!(denied.kind(), ErrorKind::NotFound);
        }
    }
}

fn stranger(addressed: &[&str]) -> Principal {
    Principal {
        id: "delegated:0a".into(),
        kind: PrincipalKind::Delegated,
        key_id: None,
        ..caller(ServerGrants {
            servers: addressed.iter().map(|&server| server.into()).collect(),
            ..ServerGrants::default()
        })
    }
}

/// DLG-02, IP-08: a rule for callers whom we know never lets in one whom we do not.
#[test]
fn a_stranger_sees_the_delegating_servers_addressed_and_nothing_else() {
    let delegating = |delegation, inside_only| ServerPolicy {
        delegation,
        inside_only,
        allow_all_keys: true,
        allow_all_keys_uncapped: false,
        ..github()
    };
    let sees = |principal: &Principal, side, server: &ServerPolicy| {
        sees(Caller { principal, side }, server).is_some()
    };
    let addressing = stranger(&["github"]);
    let mut everything = stranger(&["github"]);
    everything.grants.all = true;
    everything.grants.access_groups = names(&["dev"]);
    for side in [Side::Inside, Side::Outside] {
        let open = delegating(crate::Delegation::SameSide, false);
        assert!(sees(&addressing, side, &open));
        assert!(!sees(&stranger(&["other"]), side, &open));
        for principal in [&addressing, &everything] {
            let closed = delegating(crate::Delegation::None, false);
            assert!(!sees(principal, side, &closed));
        }
    }
    let hidden = delegating(crate::Delegation::SameSide, true);
    assert!(sees(&addressing, Side::Inside, &hidden));
    assert!(!sees(&addressing, Side::Outside, &hidden));
    let litellms = delegating(crate::Delegation::Everywhere, true);
    assert!(sees(&addressing, Side::Outside, &litellms));
    // Whom we know is judged by what we know.
    assert!(!sees(&granted(), Side::Outside, &litellms));
}

#[test]
fn a_stranger_carries_no_scope() {
    let server = ServerPolicy {
        delegation: crate::Delegation::SameSide,
        ..scoped(None)
    };
    let denied = authorize(&stranger(&["github"]), &server, call("write", "{}"), ()).unwrap_err();
    assert_eq!(denied.rule, DeniedRule::InsufficientScope);
}

#[test]
fn whoever_brings_something_else_is_somebody_else() {
    use std::sync::Arc;

    use portcullis_core::{AccessToken, ForwardedHeader, ForwardedHeaders, OnBehalf, SubjectToken};
    let headers = |value: &str| {
        let header = ForwardedHeader::new("authorization", value);
        Some(Arc::new(ForwardedHeaders::new(vec![header], true)))
    };
    let token = |text: &str| {
        Some(Arc::new(OnBehalf {
            subject: SubjectToken::new(AccessToken::new(text)),
            beside_key: true,
            claimed: None,
        }))
    };
    let allowed = || authorize(&granted(), &github(), Operation::Use, ()).unwrap();
    let own = || {
        Some(Arc::new(OnBehalf {
            subject: SubjectToken::new(AccessToken::new("a")),
            beside_key: false,
            claimed: None,
        }))
    };
    let acting_for = |token| allowed().on_behalf(token, &ScopeSet::default());
    let delegating = ServerPolicy {
        delegation: crate::Delegation::SameSide,
        ..github()
    };
    let let_through =
        || authorize(&stranger(&["github"]), &delegating, Operation::Use, ()).unwrap();
    let parties: Vec<Acting> = [
        allowed(),
        allowed().forwarding(headers("a")),
        allowed().forwarding(headers("b")),
        acting_for(token("a")),
        acting_for(token("a")).forwarding(headers("a")),
        acting_for(token("b")).forwarding(headers("a")),
        acting_for(own()),
        acting_for(own()).forwarding(headers("a")),
        acting_for(own()).forwarding(headers("b")),
        let_through(),
        let_through().forwarding(headers("a")),
        let_through().forwarding(headers("b")),
    ]
    .iter()
    .map(|permit| permit.evidence().acting().clone())
    .collect();
    for (at, one) in parties.iter().enumerate() {
        assert!(!parties[at + 1..].contains(one), "{one:?}");
    }
    // Nobody's credential goes along when it is we who ask.
    let service = authorize_service(&"github".into()).forwarding(headers("a"));
    assert_eq!(*service.evidence().acting(), Acting::Service);
    assert!(service.evidence().forwarded().is_none());
}

fn described(tool: &str, read_only: bool) -> Operation<'_> {
    let described = Described { read_only };
    Operation::CallTool {
        tool,
        arguments: Some("{}"),
        described,
    }
}

#[test]
fn a_tool_needs_an_approval_as_its_server_says() {
    let rules = |otherwise| ServerPolicy {
        approval: ApprovalRules {
            always: names(&["pay"]),
            never: names(&["look"]),
            otherwise,
        },
        ..github()
    };
    for (otherwise, tool, read_only, needed) in [
        (ApprovalNeed::Never, "other", false, None),
        (ApprovalNeed::Never, "pay", true, Some("always")),
        (ApprovalNeed::Always, "other", true, Some("always")),
        (ApprovalNeed::Always, "look", false, None),
        (
            ApprovalNeed::Destructive,
            "other",
            false,
            Some("destructive"),
        ),
        (ApprovalNeed::Destructive, "other", true, None),
        (ApprovalNeed::Destructive, "look", false, None),
    ] {
        let operation = described(tool, read_only);
        let decided = authorize(&granted(), &rules(otherwise), operation, ());
        let needs = decided.err().map(|denied| {
            assert_eq!(denied.kind(), ErrorKind::ApprovalRequired);
            denied.label().into_owned()
        });
        let needed = needed.map(|need| format!("approval_required:require_approval:{need}"));
        assert_eq!(needs, needed, "{otherwise:?} {tool} {read_only}");
    }
    let strict = rules(ApprovalNeed::Always);
    assert!(authorize(&granted(), &strict, Operation::Read, ()).is_ok());
    assert!(authorize(&granted(), &strict, Operation::Use, ()).is_ok());
}

#[test]
fn an_approval_is_good_for_its_caller_server_and_tool_and_opens_nothing_else() {
    let server = ServerPolicy {
        approval: ApprovalRules {
            otherwise: ApprovalNeed::Always,
            ..ApprovalRules::default()
        },
        disallowed_tools: names(&["never"]),
        ..github()
    };
    let approval = |principal: &str, server: &str, tool: &str| crate::Approval {
        id: "a1".into(),
        principal: principal.into(),
        server: server.into(),
        tool: tool.to_owned(),
    };
    let side = Side::Outside;
    let caller = granted();
    let decide = |approval: &crate::Approval, tool| {
        let principal = &caller;
        let caller = Caller { principal, side };
        let operation = call(tool, "{}");
        authorize_approved(caller, &server, operation, NOWHERE, approval, ())
    };
    let permit = decide(&approval("key:alice", "github", "pay"), "pay").unwrap();
    assert_eq!(permit.evidence().rule(), "approval:a1");
    assert_eq!(permit.evidence().approval().map(|one| &*one.id), Some("a1"));
    for wrong in [
        approval("key:bob", "github", "pay"),
        approval("key:alice", "gitlab", "pay"),
        approval("key:alice", "github", "Pay"),
    ] {
        let denied = decide(&wrong, "pay").unwrap_err();
        assert_eq!(denied.rule, DeniedRule::ApprovalRequired, "{wrong:?}");
    }
    let denied = decide(&approval("key:alice", "github", "never"), "never").unwrap_err();
    assert_eq!(denied.rule, DeniedRule::DisallowedTools);
}
