//! Keys that a server's operator set apart for its callers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::HeaderMap;
use portcullis_core::{
    ErrorKind, Principal, PrincipalKind, Role, ScopeSet, SecretValue, ServerGrants, Side,
};
use portcullis_credentials::{
    CredentialBroker, CredentialErrorKind, CredentialKind, Errand, MappedKeys, ServerAuth,
    StaticHeader, UpstreamAuth,
};
use portcullis_policy::{
    Caller, Circumstances, Delegation, Evidence, Holder, KeyRule, KeyRules, Operation,
    ServerPolicy, authorize, authorize_service,
};

use crate::house;

const ISSUER: &str = "https://idp.example";

/// A server that was given the keys of these people.
fn auth(people: &[&str]) -> ServerAuth {
    let key = |name: &&str| {
        let value = SecretValue::new(format!("Bearer canary-{name}"));
        let header = StaticHeader::new("authorization", &value).unwrap();
        (Arc::from(*name), header)
    };
    let keys = MappedKeys::new(people.iter().map(key));
    ServerAuth {
        static_headers: vec![
            StaticHeader::new("authorization", &SecretValue::new("Bearer everybody")).unwrap(),
        ],
        ..ServerAuth::new("keyed".into(), UpstreamAuth::MappedKey(Arc::new(keys)))
    }
}

/// A decision by which `alice` is given the key of this name.
fn evidence(name: &str) -> Evidence {
    let rule = KeyRule {
        name: name.into(),
        scopes: ScopeSet::default(),
        requires: ScopeSet::default(),
    };
    let policy = ServerPolicy {
        id: "keyed".into(),
        access_groups: BTreeSet::new(),
        allow_all_keys: true,
        allow_all_keys_uncapped: false,
        inside_only: false,
        delegation: Delegation::None,
        allowed_tools: None,
        disallowed_tools: BTreeSet::new(),
        argument_schemas: std::collections::BTreeMap::default(),
        rules: portcullis_policy::Rules::default(),
        approval: portcullis_policy::ApprovalRules::default(),
        allowed_params: BTreeMap::new(),
        scopes: None,
        keys: Some(KeyRules::new(
            ISSUER,
            [(Holder::Subject("alice".to_owned()), rule)],
        )),
    };
    let principal = Principal {
        id: format!("jwt:{ISSUER} alice").into(),
        subject: "alice".into(),
        kind: PrincipalKind::Jwt,
        user_id: None,
        client_id: None,
        email: None,
        team: None,
        org: None,
        groups: BTreeSet::new(),
        scopes: ScopeSet::default(),
        key_id: None,
        issuer: Some(ISSUER.into()),
        role: Role::User,
        grants: ServerGrants::default(),
        expires_at: None,
        marks: portcullis_core::CredentialMarks::default(),
        subject_kind: portcullis_core::SubjectKind::Holder,
        levels: Vec::new(),
    };
    let caller = Caller {
        principal: &principal,
        side: Side::Outside,
    };
    let circumstances = Circumstances {
        address: None,
        now: portcullis_core::Timestamp::from_secs(0),
    };
    let permit = authorize(caller, &policy, Operation::Use, circumstances, ()).unwrap();
    permit.evidence().clone()
}

#[tokio::test]
async fn the_key_that_policy_chose_is_presented_over_what_is_sent_for_everybody() {
    let house = house();
    let auth = auth(&["a", "b"]);
    let credential = house
        .broker
        .obtain(&evidence("b"), &auth, Errand::OPEN)
        .await
        .unwrap();
    assert_eq!(credential.kind(), CredentialKind::MappedKey);
    let mut headers = HeaderMap::new();
    crate::put_on(&credential, &mut headers);
    let values: Vec<_> = headers.get_all("authorization").iter().collect();
    assert_eq!(values, ["Bearer canary-b"]);
    assert!(headers["authorization"].is_sensitive());
    assert!(credential.appears_in(b"no such key: canary-b"));
    assert!(!house.rejected(&auth, &credential).await);
    assert!(!format!("{auth:?} {credential:?}").contains("canary-b"));
}

/// Ourselves have none, and another's does not stand in.
#[tokio::test]
async fn without_a_key_of_ones_own_nothing_is_presented() {
    let house = house();
    let service = authorize_service(&"keyed".into());
    for evidence in [service.evidence().clone(), evidence("c")] {
        let error = house
            .broker
            .obtain(&evidence, &auth(&["a", "b"]), Errand::OPEN)
            .await
            .unwrap_err();
        assert_eq!(error.kind, CredentialErrorKind::NoKey);
        assert_eq!(error.error_kind(), ErrorKind::Forbidden);
    }
}
