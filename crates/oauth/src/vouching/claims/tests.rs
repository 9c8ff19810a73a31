use std::sync::Arc;

use portcullis_core::{KeyId, PrincipalKind, Role, ScopeSet, ServerGrants};

use super::*;
use crate::jose::{TokenRules, read_introspected};

const NOW: i64 = 1_795_000_000;

fn rules() -> ClaimRules {
    ClaimRules {
        issuer: "https://gw.example".to_owned(),
        gateway: "portcullis".to_owned(),
        ..ClaimRules::default()
    }
}

fn nobody() -> Principal {
    Principal {
        id: "master".into(),
        subject: "master".into(),
        kind: PrincipalKind::ApiKey,
        user_id: None,
        email: None,
        team: None,
        org: None,
        groups: BTreeSet::default(),
        scopes: ScopeSet::default(),
        key_id: None,
        issuer: None,
        role: Role::User,
        grants: ServerGrants::default(),
        expires_at: None,
        client_id: None,
        marks: portcullis_core::CredentialMarks::default(),
        subject_kind: portcullis_core::SubjectKind::Holder,
        levels: Vec::new(),
    }
}

fn alice() -> Principal {
    let text = |text: &str| Some(Arc::from(text));
    Principal {
        user_id: text("alice"),
        email: text("alice@example.com"),
        team: text("blue"),
        org: text("acme"),
        key_id: Some(KeyId::from("k-1")),
        ..nobody()
    }
}

/// What an issuer says of a token that it vouches for.
fn verified(more: &Value) -> Claims {
    let mut said = json!({"sub": "bob"});
    for (name, value) in more.as_object().unwrap() {
        said[name] = value.clone();
    }
    introspected(said)
}

fn introspected(mut said: Value) -> Claims {
    for (name, value) in [
        ("active", json!(true)),
        ("aud", json!("gw")),
        ("exp", json!(NOW + 100)),
    ] {
        said[name] = value;
    }
    let rules = TokenRules {
        issuer: "https://idp.example".to_owned(),
        audiences: vec!["gw".to_owned()],
        algorithms: Vec::new(),
        types: Vec::new(),
        leeway: Duration::ZERO,
        max_lifetime: Duration::from_hours(1),
    };
    let now = Timestamp::from_secs(NOW);
    let read = read_introspected(said.to_string().as_bytes(), &rules, None, now);
    read.unwrap().into_inner()
}

fn issue<'a>(caller: Option<&'a Principal>, verified: Option<&'a Claims>) -> Issue<'a> {
    Issue {
        caller,
        verified,
        audience: "mcp",
        scope: "mcp:tools/list",
        now: Timestamp::from_secs(NOW),
        lifetime: Duration::from_mins(5),
        unique: &[7; 16],
    }
}

#[test]
fn a_caller_is_named_as_the_guide_says() {
    let claims = vouched_claims(&rules(), &issue(Some(&alice()), None)).unwrap();
    assert_eq!(
        claims,
        json!({
            "iss": "https://gw.example", "sub": "alice", "aud": "mcp",
            "iat": NOW, "nbf": NOW, "exp": NOW + 300, "jti": "07".repeat(16),
            "scope": "mcp:tools/list", "act": {"sub": "blue"},
            "email": "alice@example.com", "client_id": "k-1",
        })
    );
}

#[test]
fn a_callers_client_is_its_key_or_the_client_that_its_token_was_given_to() {
    let client = |caller: &Principal| {
        let claims = vouched_claims(&rules(), &issue(Some(caller), None)).unwrap();
        claims["client_id"].clone()
    };
    let mut caller = alice();
    caller.client_id = Some("agent".into());
    assert_eq!(client(&caller), "k-1");
    caller.key_id = None;
    assert_eq!(client(&caller), "agent");
    caller.client_id = None;
    assert_eq!(client(&caller), "portcullis");
}

#[test]
fn who_is_not_known_is_named_by_what_is() {
    let of = |caller: &Principal| {
        let claims = vouched_claims(&rules(), &issue(Some(caller), None)).unwrap();
        (claims["sub"].clone(), claims["act"]["sub"].clone())
    };
    let pair = |sub: &str, act: &str| (json!(sub), json!(act));
    let mut caller = alice();
    caller.team = None;
    assert_eq!(of(&caller), pair("alice", "acme"));
    caller.org = None;
    assert_eq!(of(&caller), pair("alice", "portcullis"));
    caller.user_id = None;
    assert_eq!(of(&caller), pair("k-1", "portcullis"));
    assert_eq!(of(&nobody()), pair("master", "portcullis"));
    let service = vouched_claims(&rules(), &issue(None, None)).unwrap();
    assert_eq!(service["sub"], "portcullis");
    assert!(service.get("act").is_none() && service.get("email").is_none());
}

/// SIGN-01: a server knows the gateway's own requests by their `sub`.
#[test]
fn nobody_is_taken_for_the_gateway_because_of_a_name() {
    let mut caller = alice();
    caller.user_id = Some("portcullis".into());
    let team = ClaimRules {
        subject: vec![SubjectSource::UserId],
        ..rules()
    };
    for rules in [rules(), team] {
        let refused = vouched_claims(&rules, &issue(Some(&caller), None));
        assert_eq!(refused.unwrap_err(), Unvouchable::OurName);
        assert!(vouched_claims(&rules, &issue(None, None)).is_ok());
    }
}

#[test]
fn the_subject_comes_from_the_first_source_that_knows_it_and_from_no_other() {
    use SubjectSource::{Email, Team, Token, UserId};
    let token = verified(&json!({"who": "carol", "o": {"who": "dave"}}));
    for (sources, with_token, expected) in [
        (vec![Token("sub".to_owned()), UserId], true, Some("bob")),
        (vec![Token("sub".to_owned()), UserId], false, Some("alice")),
        (vec![Token("who".to_owned())], true, Some("carol")),
        (vec![Token("o.who".to_owned())], true, Some("dave")),
        (
            vec![Token("absent".to_owned()), Email],
            true,
            Some("alice@example.com"),
        ),
        (vec![Token("absent".to_owned()), Team], true, Some("blue")),
        (vec![Token("absent".to_owned())], true, None),
        (vec![Token("sub".to_owned())], false, None),
    ] {
        let rules = ClaimRules {
            subject: sources.clone(),
            ..rules()
        };
        let found = vouched_claims(&rules, &issue(Some(&alice()), with_token.then_some(&token)));
        match expected {
            Some(expected) => assert_eq!(found.unwrap()["sub"], expected, "{sources:?}"),
            None => assert_eq!(found.unwrap_err(), Unvouchable::NoSubject, "{sources:?}"),
        }
    }
}

/// SIGN-01: whoever types another's address into their profile does not become that other.
#[test]
fn an_address_that_the_issuer_has_not_seen_proved_is_nobodys() {
    let sources = ClaimRules {
        subject: vec![SubjectSource::Token("email".to_owned())],
        ..rules()
    };
    let optional = ClaimRules {
        optional: vec!["email".to_owned()],
        ..rules()
    };
    let required = ClaimRules {
        required: vec!["email".to_owned()],
        ..rules()
    };
    let mut caller = alice();
    caller.email = None;
    for (proved, is_believed) in [
        (json!(true), true),
        (json!(false), false),
        (json!("true"), false),
        (Value::Null, false),
    ] {
        let token = verified(&json!({"email": "root@b.c", "email_verified": proved}));
        let judge = |rules: &ClaimRules| vouched_claims(rules, &issue(Some(&caller), Some(&token)));
        let subject = judge(&sources).map(|claims| claims["sub"].clone());
        let address = judge(&optional).unwrap().get("email").cloned();
        if is_believed {
            assert_eq!(subject.unwrap(), "root@b.c");
            assert_eq!(address.unwrap(), "root@b.c");
            assert!(judge(&required).is_ok());
        } else {
            assert_eq!(subject.unwrap_err(), Unvouchable::NoSubject, "{proved}");
            assert!(address.is_none(), "{proved}");
            assert!(judge(&required).is_err(), "{proved}");
        }
    }
    let unsaid = verified(&json!({"email": "bob@b.c"}));
    let claims = vouched_claims(&sources, &issue(Some(&caller), Some(&unsaid))).unwrap();
    assert_eq!(claims["sub"], "bob@b.c");
}

/// SIGN-01: a client that is called as a person is does not become that person.
#[test]
fn a_token_that_names_nobody_makes_nobody_of_its_client() {
    let of_client = introspected(json!({"client_id": "alice"}));
    let sources = |more: &[SubjectSource]| ClaimRules {
        subject: [&[SubjectSource::Token("sub".to_owned())], more].concat(),
        ..rules()
    };
    let judge =
        |rules: &ClaimRules| vouched_claims(rules, &issue(Some(&nobody()), Some(&of_client)));
    assert_eq!(judge(&sources(&[])).unwrap_err(), Unvouchable::NoSubject);
    let asked_client = sources(&[SubjectSource::Token("client_id".to_owned())]);
    assert_eq!(
        judge(&asked_client).unwrap()["sub"],
        "alice",
        "by the operator's word"
    );
}

/// SIGN-01: nor does it become one where it was admitted itself.
#[test]
fn a_client_that_speaks_for_nobody_is_said_to_be_one() {
    let text = |text: &str| Some(Arc::from(text));
    let client = Principal {
        subject: "alice".into(),
        subject_kind: SubjectKind::Client,
        client_id: text("alice"),
        user_id: text("root"),
        email: text("root@example.com"),
        key_id: None,
        ..alice()
    };
    let of = |rules: &ClaimRules| vouched_claims(rules, &issue(Some(&client), None));
    let said = of(&rules()).unwrap();
    assert_eq!(said["sub"], "client:alice");
    assert_eq!(said["client_id"], "alice");
    assert_eq!(said["act"]["sub"], "blue");
    assert!(said.get("email").is_none(), "{said}");
    let by = |source: SubjectSource| ClaimRules {
        subject: vec![source],
        ..rules()
    };
    for person in [SubjectSource::UserId, SubjectSource::Email] {
        assert_eq!(of(&by(person)).unwrap_err(), Unvouchable::NoSubject);
    }
    assert_eq!(of(&by(SubjectSource::Team)).unwrap()["sub"], "blue");

    let mut person = self::alice();
    person.user_id = text("client:alice");
    for rules in [rules(), by(SubjectSource::UserId)] {
        let refused = vouched_claims(&rules, &issue(Some(&person), None));
        assert_eq!(refused.unwrap_err(), Unvouchable::ClientsName);
    }
}

/// SIGN-01.
#[test]
fn what_the_gateway_says_is_said_by_nobody_else() {
    let claims = OUR_CLAIMS.map(|name| (name.to_owned(), json!("forged")));
    let forged: Map<String, Value> = claims.into_iter().collect();
    let rules = ClaimRules {
        optional: OUR_CLAIMS.map(str::to_owned).to_vec(),
        add: forged.clone(),
        set: forged,
        remove: OUR_CLAIMS.map(str::to_owned).into(),
        ..rules()
    };
    let token =
        verified(&json!({"scope": "admin", "act": {"sub": "x"}, "iss": "https://idp.example"}));
    let judged = vouched_claims(&rules, &issue(Some(&alice()), Some(&token))).unwrap();
    for (name, expected) in [
        ("iss", json!("https://gw.example")),
        ("aud", json!("mcp")),
        ("scope", json!("mcp:tools/list")),
        ("act", json!({"sub": "blue"})),
        ("sub", json!("alice")),
        ("nbf", json!(NOW)),
    ] {
        assert_eq!(judged[name], expected, "{name}");
    }
}

#[test]
fn other_claims_follow_the_operators_rules() {
    let map = |value: Value| value.as_object().unwrap().clone();
    let rules = ClaimRules {
        required: vec!["groups".to_owned()],
        optional: ["groups", "email", "absent"].map(str::to_owned).to_vec(),
        add: map(json!({"tenant": "a", "client_id": "other"})),
        set: map(json!({"env": "prod", "groups": ["set"]})),
        remove: BTreeSet::from(["email".to_owned()]),
        ..rules()
    };
    let token = verified(&json!({"groups": ["staff"], "email": "bob@example.com"}));
    let judged = vouched_claims(&rules, &issue(Some(&alice()), Some(&token))).unwrap();
    assert_eq!(judged["tenant"], "a");
    assert_eq!(judged["client_id"], "k-1", "added only where there is none");
    assert_eq!(judged["env"], "prod");
    assert_eq!(judged["groups"], json!(["set"]));
    assert!(judged.get("email").is_none() && judged.get("absent").is_none());

    let poor = verified(&json!({"groups": null}));
    for token in [Some(&poor), None] {
        let refused = vouched_claims(&rules, &issue(Some(&alice()), token)).unwrap_err();
        assert_eq!(
            refused,
            Unvouchable::MissingClaims(vec!["groups".to_owned()])
        );
    }
    assert!(
        vouched_claims(&rules, &issue(None, None)).is_ok(),
        "we bring no token"
    );
}

/// SIGN-04.
#[test]
fn no_token_outlives_what_it_is_based_on() {
    let mut caller = alice();
    let exp = |caller: &Principal, token: Option<&Claims>| {
        vouched_claims(&rules(), &issue(Some(caller), token)).map(|claims| claims["exp"].clone())
    };
    let token = verified(&json!({}));
    assert_eq!(exp(&caller, Some(&token)).unwrap(), NOW + 100);
    caller.expires_at = Some(Timestamp::from_secs(NOW + 40));
    assert_eq!(exp(&caller, Some(&token)).unwrap(), NOW + 40);
    caller.expires_at = Some(Timestamp::from_secs(NOW));
    assert_eq!(exp(&caller, None).unwrap_err(), Unvouchable::Ended);
}
