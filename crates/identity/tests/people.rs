//! People who signed in: who they are by now is asked anew each time.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{
    ApiKey, Clock, KeyId, ManualClock, PrincipalId, PrincipalKind, Role, ScopeSet, ServerGrants,
    SystemEntropy, Timestamp,
};
use portcullis_identity::{
    Asserted, Authentication, AuthnErrorKind, FileKey, FileKeySecret, FileKeys, FreshnessSettings,
    IssuerGrants, KeyHolder, MasterKey, Person, Proved, Revocations, TrustedProvider, Vouching,
};
use portcullis_store::memory;
use portcullis_vault::KeyRing;

const IDP: &str = "https://idp.example";
const KEY: &str = "alices-own-key";

fn file_key(key: &str) -> FileKey {
    FileKey {
        name: KeyId::from("alice"),
        secret: FileKeySecret::Plain(ApiKey::new(key)),
        user_id: None,
        team: None,
        org: None,
        role: Role::User,
        grants: ServerGrants::default(),
        scopes: ScopeSet::default(),
        expires_at: Some(Timestamp::from_secs(10_000)),
    }
}

fn grants(server: &str) -> ServerGrants {
    ServerGrants {
        servers: BTreeSet::from([server.into()]),
        ..ServerGrants::default()
    }
}

fn provider(issuer: &str) -> TrustedProvider {
    TrustedProvider {
        by: Vouching::SignIn,
        issuer: issuer.to_owned(),
        grants: IssuerGrants {
            groups: BTreeMap::from([("devs".to_owned(), grants("github"))]),
            ..IssuerGrants::default()
        },
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at_millis(1_000_000))
}

fn with_keys(keys: Vec<FileKey>, clock: &Arc<ManualClock>) -> Authentication {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let ring = KeyRing::in_memory(Arc::new(SystemEntropy)).unwrap();
    let revocations = Revocations::new(
        memory::stores().revocations,
        Arc::new(ring),
        Arc::clone(&clock),
        FreshnessSettings::default(),
    );
    let master = MasterKey::new(&ApiKey::new("the-master-key")).unwrap();
    let keys = FileKeys::new(keys, clock).unwrap();
    Authentication::new(
        vec![Arc::new(master), Arc::new(keys)],
        Arc::new(revocations),
    )
}

fn holder(principal: &str, key: &str) -> Person {
    Person {
        session: "s1".to_owned(),
        signed_in_at: Timestamp::from_secs(1_000),
        proved: Proved::Key(KeyHolder {
            principal: PrincipalId::from(principal),
            key_id: Some(KeyId::from("alice")),
            fingerprint: ApiKey::new(key).fingerprint(),
        }),
    }
}

fn asserted(issuer: &str) -> Person {
    Person {
        session: "s2".to_owned(),
        signed_in_at: Timestamp::from_secs(1_000),
        proved: Proved::Provider(Box::new(Asserted {
            by: Vouching::SignIn,
            issuer: issuer.to_owned(),
            subject: "u1".to_owned(),
            sid: None,
            user_id: Some("alice".to_owned()),
            email: None,
            team: None,
            org: None,
            groups: BTreeSet::from(["devs".to_owned()]),
        })),
    }
}

#[tokio::test]
async fn the_holder_of_a_key_is_who_the_key_stands_for_as_long_as_it_does() {
    let clock = clock();
    let file = with_keys(vec![file_key(KEY)], &clock);
    let alice = holder("key:file:alice", KEY);
    let principal = file.person(&alice).await.unwrap();
    assert_eq!(principal.id.as_str(), "key:file:alice");
    assert_eq!(principal.kind, PrincipalKind::SignedIn);
    // Gone from the file, another key under the same name, the same key under another.
    let gone = with_keys(Vec::new(), &clock);
    let replaced = with_keys(vec![file_key("another-key")], &clock);
    for now in [&gone, &replaced] {
        let refused = now.person(&alice).await.unwrap_err();
        assert_eq!(refused.kind, AuthnErrorKind::Unknown);
    }
    let other = holder("key:file:bob", KEY);
    let refused = file.person(&other).await.unwrap_err();
    assert_eq!(refused.kind, AuthnErrorKind::Unknown);
    clock.advance(Duration::from_mins(150));
    let refused = file.person(&alice).await.unwrap_err();
    assert_eq!(refused.kind, AuthnErrorKind::Expired);
}

#[tokio::test]
async fn a_changed_master_key_ends_what_the_old_one_signed_in() {
    let file = with_keys(Vec::new(), &clock());
    let operator = file.person(&holder("master", "the-master-key")).await;
    assert_eq!(operator.unwrap().role, Role::Admin);
    let former = file.person(&holder("master", "yesterdays-key")).await;
    assert_eq!(former.unwrap_err().kind, AuthnErrorKind::Unknown);
}

#[tokio::test]
async fn a_person_of_a_provider_sees_what_their_groups_see_now() {
    let file = with_keys(Vec::new(), &clock());
    let alice = asserted(IDP);
    // Nobody's word is taken unless somebody wrote so.
    let refused = file.person(&alice).await.unwrap_err();
    assert_eq!(refused.kind, AuthnErrorKind::Unknown);
    let file = file.with_provider(Arc::new(provider(IDP)));
    let principal = file.person(&alice).await.unwrap();
    assert_eq!(principal.id.as_str(), "jwt:https://idp.example u1");
    assert_eq!(principal.grants, grants("github"));
    assert_eq!(principal.role, Role::User);
    let moved = with_keys(Vec::new(), &clock());
    let moved = moved.with_provider(Arc::new(provider("https://other.example")));
    let refused = moved.person(&alice).await.unwrap_err();
    assert_eq!(refused.kind, AuthnErrorKind::Unknown);
}

/// The same issuer may be asked in both ways, with more to be seen by one than by the other.
#[tokio::test]
async fn what_is_seen_by_assertions_is_not_seen_by_signing_in() {
    let by_assertion = TrustedProvider {
        by: Vouching::Assertion,
        grants: IssuerGrants {
            groups: BTreeMap::from([("devs".to_owned(), grants("private"))]),
            ..IssuerGrants::default()
        },
        ..provider(IDP)
    };
    let alice = asserted(IDP);
    let file = with_keys(Vec::new(), &clock()).with_provider(Arc::new(by_assertion));
    let refused = file.person(&alice).await.unwrap_err();
    assert_eq!(refused.kind, AuthnErrorKind::Unknown);
    let file = file.with_provider(Arc::new(provider(IDP)));
    let principal = file.person(&alice).await.unwrap();
    assert_eq!(principal.grants, grants("github"));
}

#[tokio::test]
async fn what_is_kept_of_a_sign_in_reads_back_and_nothing_else_does() {
    for person in [holder("master", KEY), asserted(IDP)] {
        let kept = serde_json::to_string(&person).unwrap();
        assert_eq!(serde_json::from_str::<Person>(&kept).unwrap(), person);
        let more = kept.replacen('{', r#"{"admin":true,"#, 1);
        serde_json::from_str::<Person>(&more).unwrap_err();
    }
}
