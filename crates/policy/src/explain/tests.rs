use std::collections::BTreeMap;

use portcullis_core::{
    CredentialMarks, Principal, PrincipalKind, Role, ServerGrants, Side, SubjectKind, Timestamp,
};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    ArgumentSchema, Delegation, DeniedRule, Effect, Rule, RuleText, ScopeRules, authorize,
};

fn principals() -> impl Strategy<Value = Principal> {
    let grants = (any::<bool>(), any::<bool>(), any::<bool>());
    (grants, "(a|b|a b|)", any::<bool>()).prop_map(|((all, server, group), scopes, ops)| {
        Principal {
            id: "key:alice".into(),
            subject: "alice".into(),
            subject_kind: SubjectKind::Holder,
            levels: Vec::new(),
            kind: PrincipalKind::ApiKey,
            user_id: None,
            client_id: None,
            email: None,
            team: ops.then(|| "ops".into()),
            org: None,
            groups: std::collections::BTreeSet::new(),
            scopes: scopes.parse().unwrap(),
            key_id: None,
            issuer: None,
            role: Role::User,
            grants: ServerGrants {
                all,
                servers: server.then(|| "files".into()).into_iter().collect(),
                access_groups: group.then(|| "dev".to_owned()).into_iter().collect(),
                ..ServerGrants::default()
            },
            expires_at: None,
            marks: CredentialMarks::default(),
        }
    })
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let when = prop_oneof![
        Just("true"),
        Just("false"),
        Just(r#"principal.team == "ops""#),
        Just(r#"tool.name == "read""#),
        Just("arguments.a > 1"),
        Just("has(arguments.a)"),
        Just(r#"client.side == "inside""#),
    ];
    let rule = (when, any::<bool>(), any::<bool>()).prop_map(|(when, allows, of_read)| {
        Rule::compile(RuleText {
            name: when.to_owned(),
            effect: if allows { Effect::Allow } else { Effect::Deny },
            servers: None,
            tools: of_read.then(|| ["read".to_owned()].into()),
            when: when.to_owned(),
        })
        .unwrap()
    });
    proptest::collection::vec(rule, 0..4)
}

fn servers() -> impl Strategy<Value = ServerPolicy> {
    let tools = proptest::option::of(proptest::collection::btree_set("(read|write)", 0..3));
    let lists = (tools, proptest::collection::btree_set("(read|write)", 0..2));
    let flags = (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    (lists, flags, rules()).prop_map(
        |((allowed_tools, disallowed_tools), (all, inside, scoped, params, schema), rules)| {
            let schemas = json!({"properties": {"a": {"type": "number", "maximum": 5}}});
            let listed = |is: bool| is.then(|| "read".to_owned()).into_iter();
            ServerPolicy {
                id: "files".into(),
                access_groups: ["dev".to_owned()].into(),
                allow_all_keys: all,
                allow_all_keys_uncapped: false,
                inside_only: inside,
                delegation: Delegation::None,
                allowed_tools,
                disallowed_tools,
                allowed_params: listed(params)
                    .map(|tool| (tool, ["a".to_owned()].into()))
                    .collect(),
                argument_schemas: listed(schema)
                    .map(|tool| (tool, ArgumentSchema::compile(&schemas).unwrap()))
                    .collect(),
                scopes: scoped.then(|| ScopeRules {
                    tools: BTreeMap::from([("read".to_owned(), "a".parse().unwrap())]),
                    others: None,
                }),
                keys: None,
                rules: rules.into_iter().collect(),
                approval: crate::ApprovalRules::default(),
            }
        },
    )
}

fn operations() -> impl Strategy<Value = Operation<'static>> {
    let arguments = prop_oneof![
        Just(None),
        Just(Some("{}")),
        Just(Some(r#"{"a":1}"#)),
        Just(Some(r#"{"a":9}"#)),
        Just(Some(r#"{"a":1,"b":2}"#)),
        Just(Some(r#"{"a":1,"a":2}"#)),
    ];
    let tools = prop_oneof![Just("read"), Just("write"), Just("other")];
    prop_oneof![
        6 => (tools, arguments).prop_map(|(tool, arguments)| Operation::CallTool {
            tool,
            arguments,
            described: crate::Described::default(),
        }),
        1 => Just(Operation::Read),
        1 => Just(Operation::Use),
    ]
}

proptest! {
    /// What explains and what decides never disagree; the last step is the one that decided.
    #[test]
    fn an_explanation_says_what_is_decided(
        principal in principals(),
        server in servers(),
        operation in operations(),
        inside in any::<bool>(),
    ) {
        let side = if inside { Side::Inside } else { Side::Outside };
        let caller = Caller { principal: &principal, side };
        let circumstances = Circumstances { address: None, now: Timestamp::from_secs(0) };
        let decided = authorize(caller, &server, operation, circumstances, ());
        let told = explain(caller, &server, operation, circumstances);
        match (&decided, &told.decision) {
            (Ok(permit), Ok(rule)) => {
                prop_assert_eq!(&permit.evidence().rule(), rule);
                prop_assert!(told.steps.iter().all(|step| step.result.is_ok()));
            }
            (Err(denied), Err(why)) => {
                prop_assert_eq!(denied, why);
                let (last, before) = told.steps.split_last().unwrap();
                prop_assert_eq!(last.result.as_ref(), Err(why));
                prop_assert!(before.iter().all(|step| step.result.is_ok()));
            }
            _ => prop_assert!(false, "{:?} {:?}", decided, told),
        }
        prop_assert!(told.steps.is_sorted_by_key(|step| step.check));
        // No rule of the operator's widens what is allowed without it.
        let without = ServerPolicy { rules: crate::Rules::default(), ..server };
        if decided.is_ok() {
            prop_assert!(authorize(caller, &without, operation, circumstances, ()).is_ok());
        }
    }
}

#[test]
fn an_explanation_ends_with_the_rule_that_decided() {
    assert_eq!(
        Check::ArgumentSchemas.as_str(),
        DeniedRule::ArgumentSchemas.as_str()
    );
    assert_eq!(
        Check::AllowedParams.as_str(),
        DeniedRule::AllowedParams.as_str()
    );
    assert_eq!(
        Check::AllowedTools.as_str(),
        DeniedRule::AllowedTools.as_str()
    );
    assert_eq!(
        Check::DisallowedTools.as_str(),
        DeniedRule::DisallowedTools.as_str()
    );
}
