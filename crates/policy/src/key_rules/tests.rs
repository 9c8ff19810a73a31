use std::collections::{BTreeMap, BTreeSet};

use portcullis_core::{ErrorKind, PrincipalKind, Role, ServerGrants, Side, Timestamp};

use super::*;
use crate::{
    Acting, Caller, Circumstances, Operation, Permit, ScopeRules, ServerPolicy, authorize,
    is_let_in,
};

const ISSUER: &str = "https://idp.example";

fn scopes(text: &str) -> ScopeSet {
    text.parse().unwrap()
}

/// A bearer with this `sub`, `client_id` and `scope`.
fn bearer(subject: &str, client: Option<&str>, carried: &str) -> Principal {
    Principal {
        id: format!("jwt:{ISSUER} {subject}").into(),
        subject: subject.into(),
        kind: PrincipalKind::Jwt,
        user_id: None,
        client_id: client.map(Into::into),
        email: None,
        team: None,
        org: None,
        groups: BTreeSet::new(),
        scopes: scopes(carried),
        key_id: None,
        issuer: Some(ISSUER.into()),
        role: Role::User,
        grants: ServerGrants {
            servers: ["upstream".into()].into(),
            ..ServerGrants::default()
        },
        expires_at: None,
        marks: portcullis_core::CredentialMarks::default(),
        subject_kind: portcullis_core::SubjectKind::Holder,
        levels: Vec::new(),
    }
}

fn key(name: &str, lets_through: &str, requires: &str) -> KeyRule {
    KeyRule {
        name: name.into(),
        scopes: scopes(lets_through),
        requires: scopes(requires),
    }
}

fn rules() -> KeyRules {
    let subject = |name: &str| Holder::Subject(name.to_owned());
    let scope = |name: &str| Holder::Scope(name.to_owned());
    KeyRules::new(
        ISSUER,
        [
            (subject("alice"), key("a", "read write", "read write")),
            (subject("bob"), key("b", "read", "")),
            (Holder::Client("batch".to_owned()), key("c", "", "")),
            (scope("data:read"), key("r", "data:read", "data:read")),
            (
                scope("data:write"),
                key("w", "data:read data:write", "data:write"),
            ),
            (scope("mail"), key("m", "mail", "mail")),
        ],
    )
}

fn server() -> ServerPolicy {
    ServerPolicy {
        approval: crate::ApprovalRules::default(),
        id: "upstream".into(),
        access_groups: BTreeSet::new(),
        allow_all_keys: false,
        allow_all_keys_uncapped: false,
        inside_only: false,
        delegation: crate::Delegation::None,
        allowed_tools: None,
        disallowed_tools: BTreeSet::new(),
        allowed_params: BTreeMap::new(),
        argument_schemas: BTreeMap::new(),
        scopes: None,
        keys: Some(rules()),
        rules: crate::Rules::default(),
    }
}

fn allowed(
    principal: &Principal,
    server: &ServerPolicy,
    operation: Operation<'_>,
) -> Result<Permit<()>, Denied> {
    let side = Side::Outside;
    let circumstances = Circumstances {
        address: None,
        now: Timestamp::from_secs(0),
    };
    authorize(
        Caller { principal, side },
        server,
        operation,
        circumstances,
        (),
    )
}

fn name(principal: &Principal) -> Result<String, DeniedRule> {
    rules()
        .of(principal)
        .map(|rule| rule.name.to_string())
        .map_err(|denied| denied.rule)
}

#[test]
fn a_person_beats_a_client_and_a_client_what_follows_from_scopes() {
    let everything = "read write data:read";
    assert_eq!(
        name(&bearer("alice", Some("batch"), everything)).unwrap(),
        "a"
    );
    assert_eq!(
        name(&bearer("carol", Some("batch"), everything)).unwrap(),
        "c"
    );
    assert_eq!(
        name(&bearer("carol", Some("agent"), everything)).unwrap(),
        "r"
    );
    assert_eq!(name(&bearer("carol", None, everything)).unwrap(), "r");
}

#[test]
fn who_is_named_nowhere_has_no_key_and_may_do_nothing() {
    for stranger in [
        bearer("carol", None, "read write"),
        bearer("Alice", None, "read write"),
        bearer("batch", None, ""),
        bearer("data:read", None, ""),
        bearer("carol", Some("alice"), "read write"),
    ] {
        assert_eq!(
            name(&stranger),
            Err(DeniedRule::NoUpstreamKey),
            "{stranger:?}"
        );
        let denied = allowed(&stranger, &server(), Operation::Use).unwrap_err();
        assert_eq!(denied.kind(), ErrorKind::Forbidden);
        let side = Side::Outside;
        let principal = &stranger;
        assert!(is_let_in(Caller { principal, side }, &server()).is_err());
    }
}

#[test]
fn the_same_name_from_another_issuer_or_of_a_key_of_ours_is_somebody_else() {
    let other = Principal {
        issuer: Some("https://idp.example/".into()),
        ..bearer("alice", Some("batch"), "read write data:read")
    };
    let ours = Principal {
        issuer: None,
        kind: PrincipalKind::ApiKey,
        ..bearer("alice", Some("batch"), "read write data:read")
    };
    let master = Principal {
        kind: PrincipalKind::MasterKey,
        ..ours.clone()
    };
    for principal in [other, ours, master] {
        assert_eq!(name(&principal), Err(DeniedRule::NoUpstreamKey));
    }
}

#[test]
fn of_several_scopes_the_widest_key_is_used_and_nothing_is_guessed() {
    let of = |carried| name(&bearer("carol", None, carried));
    assert_eq!(of("data:read data:write").unwrap(), "w");
    assert_eq!(of("data:read").unwrap(), "r");
    assert_eq!(of("data:read mail"), Err(DeniedRule::AmbiguousUpstreamKey));
}

#[test]
fn a_token_that_carries_less_than_its_key_asks_for_is_told_what_is_missing() {
    let denied = rules().of(&bearer("alice", None, "read")).unwrap_err();
    assert_eq!(denied.rule, DeniedRule::InsufficientScope);
    let missing = denied.scopes.unwrap();
    assert_eq!(missing.required, scopes("read write"));
    assert_eq!(missing.missing, scopes("write"));
}

/// A token with more scopes than its key was set apart for does no more with it.
#[test]
fn a_tools_scopes_must_be_in_the_token_and_let_through_by_the_key() {
    let needs = |text| Some(scopes(text));
    let server = |others| ServerPolicy {
        scopes: Some(ScopeRules {
            tools: BTreeMap::new(),
            others,
        }),
        ..server()
    };
    let call = Operation::CallTool {
        tool: "any",
        arguments: None,
        described: crate::Described::default(),
    };
    let bob = bearer("bob", None, "read write");
    assert!(allowed(&bob, &server(needs("read")), call).is_ok());
    let denied = allowed(&bob, &server(needs("write")), call).unwrap_err();
    assert_eq!(denied.rule, DeniedRule::InsufficientScope);
    assert!(allowed(&bob, &server(needs("")), call).is_ok());
    let alice = bearer("alice", None, "read write");
    assert!(allowed(&alice, &server(needs("write")), call).is_ok());
}

#[test]
fn two_keys_of_one_person_are_two_acting_parties() {
    let acting = |carried| {
        let permit = allowed(&bearer("carol", None, carried), &server(), Operation::Use);
        permit.unwrap().evidence().acting().clone()
    };
    let (read, write) = (acting("data:read"), acting("data:write"));
    assert_ne!(read, write);
    assert!(matches!(read, Acting::Keyed(_, name) if &*name == "r"));
}
