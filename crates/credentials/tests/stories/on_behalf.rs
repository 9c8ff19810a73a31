//! Acting for a caller: with the caller's own token in exchange, or not at all.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{
    AccessToken, ClientSecret, ErrorKind, OnBehalf, Principal, PrincipalKind, Role, ScopeSet,
    SecretValue, ServerGrants, ServerId, Side, SubjectToken,
};
use portcullis_credentials::{
    Actor, ActorToken, Authority, ClientProof, CredentialBroker, CredentialError,
    CredentialErrorKind, CredentialKind, Errand, ExchangeProfile, ServerAuth, TokenClient,
    TokenExchange, UpstreamAuth, UpstreamCredential,
};
use portcullis_oauth::TokenRules;
use portcullis_policy::{
    Caller, Circumstances, Evidence, Operation, ServerPolicy, authorize, authorize_service,
};
use tokio::task::JoinSet;

use crate::fake::{Answer, AuthorizationServer, token};
use crate::{House, house, presented};

const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";
/// The house's clock at the start.
pub(crate) const NOW: i64 = 1_795_000_000;

fn terms(as1: &AuthorizationServer) -> TokenExchange {
    TokenExchange {
        authority: Authority::Endpoint {
            url: as1.url("/token"),
            issuer: None,
        },
        client: TokenClient {
            client_id: "gateway".to_owned(),
            proof: ClientProof::SecretPost(ClientSecret::new("canary-secret")),
        },
        profile: ExchangeProfile::Rfc8693 {
            subject_type: ACCESS.to_owned(),
            requested_type: None,
            actor: None,
            audience: Some("api".to_owned()),
            resource: None,
            within_subject: false,
        },
        scopes: ScopeSet::default(),
        rules: TokenRules::default(),
        chosen_by: portcullis_egress::Destination::Operator {
            allow_insecure_http: false,
        },
    }
}

fn obo(terms: TokenExchange) -> ServerAuth {
    let auth = UpstreamAuth::TokenExchange(Arc::new(terms));
    ServerAuth::new(ServerId::from("obo"), auth)
}

/// A JWT that ends this long after the story's start.
pub(crate) fn jwt(who: &str, seconds: i64) -> String {
    let claims = format!(r#"{{"sub":"{who}","exp":{}}}"#, NOW + seconds);
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
}

fn principal() -> Principal {
    Principal {
        id: "key:shared".into(),
        subject: "shared".into(),
        kind: PrincipalKind::ApiKey,
        user_id: None,
        client_id: None,
        email: None,
        team: None,
        org: None,
        groups: BTreeSet::default(),
        scopes: ScopeSet::default(),
        key_id: None,
        issuer: None,
        role: Role::User,
        grants: ServerGrants {
            all: true,
            ..ServerGrants::default()
        },
        expires_at: None,
        marks: portcullis_core::CredentialMarks::default(),
        subject_kind: portcullis_core::SubjectKind::Holder,
        levels: Vec::new(),
    }
}

pub(crate) fn evidence(subject: Option<&str>) -> Evidence {
    evidence_of("key:shared", subject)
}

fn evidence_of(key: &str, subject: Option<&str>) -> Evidence {
    let policy = ServerPolicy {
        approval: portcullis_policy::ApprovalRules::default(),
        id: "obo".into(),
        access_groups: BTreeSet::default(),
        allow_all_keys: false,
        allow_all_keys_uncapped: false,
        allowed_tools: None,
        disallowed_tools: BTreeSet::default(),
        argument_schemas: std::collections::BTreeMap::default(),
        rules: portcullis_policy::Rules::default(),
        allowed_params: std::collections::BTreeMap::default(),
        scopes: None,
        keys: None,
        inside_only: false,
        delegation: portcullis_policy::Delegation::None,
    };
    let mut principal = principal();
    principal.id = key.into();
    let caller = Caller {
        principal: &principal,
        side: Side::Inside,
    };
    let circumstances = Circumstances {
        address: None,
        now: portcullis_core::Timestamp::from_secs(0),
    };
    let permit = authorize(caller, &policy, Operation::Use, circumstances, ()).unwrap();
    let brought = subject.map(|token| {
        Arc::new(OnBehalf {
            subject: SubjectToken::new(AccessToken::new(token)),
            beside_key: true,
            claimed: None,
        })
    });
    let scopes = &principal.scopes;
    permit.on_behalf(brought, scopes).evidence().clone()
}

pub(crate) async fn obtain(
    house: &House,
    auth: &ServerAuth,
    subject: &str,
) -> Result<UpstreamCredential, CredentialError> {
    house
        .broker
        .obtain(
            &evidence(Some(subject)),
            auth,
            portcullis_credentials::Errand::Session,
        )
        .await
}

#[tokio::test]
async fn the_callers_token_is_exchanged_and_only_the_new_one_is_presented() {
    let as1 = AuthorizationServer::start().await;
    let house = house();
    let mut rfc8693 = terms(&as1);
    rfc8693.scopes = "read".parse().unwrap();
    rfc8693.profile = ExchangeProfile::Rfc8693 {
        subject_type: ACCESS.to_owned(),
        requested_type: Some(ACCESS.to_owned()),
        actor: Some(Box::new(Actor {
            token: ActorToken::Fixed(SecretValue::new("actor")),
            kind: "urn:t".to_owned(),
        })),
        audience: Some("api".to_owned()),
        resource: Some("https://mcp.example/mcp".to_owned()),
        within_subject: false,
    };
    let alice = jwt("alice", 3600);
    let credential = obtain(&house, &obo(rfc8693.clone()), &alice).await.unwrap();
    assert_eq!(credential.kind(), CredentialKind::TokenExchange);
    assert_eq!(presented(&credential), "Bearer token-1");
    let form = as1.seen()[0].form.clone();
    for (name, value) in [
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("subject_token", alice.as_str()),
        ("subject_token_type", ACCESS),
        ("requested_token_type", ACCESS),
        ("actor_token", "actor"),
        ("actor_token_type", "urn:t"),
        ("audience", "api"),
        ("resource", "https://mcp.example/mcp"),
        ("scope", "read"),
    ] {
        assert_eq!(form[name], value, "{name}");
    }

    let entra = TokenExchange {
        profile: ExchangeProfile::EntraObo,
        ..rfc8693
    };
    obtain(&house, &obo(entra), &alice).await.unwrap();
    let form = as1.seen()[1].form.clone();
    for (name, value) in [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", alice.as_str()),
        ("requested_token_use", "on_behalf_of"),
        ("scope", "read"),
    ] {
        assert_eq!(form[name], value, "{name}");
    }
}

/// TOK-13 to 15.
#[tokio::test]
async fn without_a_token_of_the_caller_nothing_is_asked_and_nothing_presented() {
    let as1 = AuthorizationServer::start().await;
    let house = house();
    let auth = obo(terms(&as1));
    let brought = OnBehalf {
        subject: SubjectToken::new(AccessToken::new(jwt("alice", 3600))),
        beside_key: false,
        claimed: None,
    };
    let service =
        authorize_service(&auth.server).on_behalf(Some(Arc::new(brought)), &ScopeSet::default());
    for evidence in [evidence(None), service.evidence().clone()] {
        let error = house
            .broker
            .obtain(&evidence, &auth, portcullis_credentials::Errand::Session)
            .await
            .unwrap_err();
        assert_eq!(error.kind, CredentialErrorKind::NoSubject);
        assert_eq!(error.error_kind(), ErrorKind::Unauthenticated);
    }
    assert_eq!(as1.token_requests(), 0);
}

/// TOK-16, and the herd: fifty people who share a key make fifty requests, however often each calls.
#[tokio::test(flavor = "multi_thread")]
async fn each_caller_gets_their_own_token_with_one_request() {
    let as1 = AuthorizationServer::start().await;
    as1.hold();
    let house = house();
    let mut calls = JoinSet::new();
    for call in 0..500 {
        let (broker, auth) = (house.broker.clone(), obo(terms(&as1)));
        let user = call % 50;
        calls.spawn(async move {
            let evidence = evidence(Some(&jwt(&format!("user-{user}"), 3600)));
            let credential = broker
                .obtain(&evidence, &auth, portcullis_credentials::Errand::Session)
                .await
                .unwrap();
            (user, presented(&credential))
        });
    }
    as1.received(50).await;
    as1.release();
    let mut of_user = std::collections::HashMap::new();
    while let Some(call) = calls.join_next().await {
        let (user, token) = call.unwrap();
        let known = of_user.entry(user).or_insert_with(|| token.clone());
        assert_eq!(*known, token);
    }
    let distinct: BTreeSet<_> = of_user.values().collect();
    assert_eq!(distinct.len(), 50);
    assert_eq!(as1.token_requests(), 50);
}

/// Made-up tokens beside one key wait for each other, not others for them.
#[tokio::test(flavor = "multi_thread")]
async fn one_key_has_a_bounded_number_of_exchanges_under_way() {
    let as1 = AuthorizationServer::start().await;
    as1.hold();
    let house = house();
    let mut calls = JoinSet::new();
    let mut call = |key: &'static str, user: usize| {
        let (broker, auth) = (house.broker.clone(), obo(terms(&as1)));
        calls.spawn(async move {
            let evidence = evidence_of(key, Some(&jwt(&format!("user-{user}"), 3600)));
            broker
                .obtain(&evidence, &auth, Errand::OPEN)
                .await
                .map(|_| key)
        });
    };
    for user in 0..100 {
        call("key:mallory", user);
    }
    as1.received(64).await;
    call("key:alice", 1000);
    as1.received(65).await;
    let of_alice = jwt("user-1000", 3600);
    let subject = |seen: &crate::fake::Seen| seen.form.get("subject_token").cloned();
    assert!(
        as1.seen()
            .iter()
            .any(|seen| subject(seen) == Some(of_alice.clone()))
    );
    assert_eq!(as1.token_requests(), 65, "the others wait for their turn");
    as1.release();
    while let Some(call) = calls.join_next().await {
        call.unwrap().unwrap();
    }
    assert_eq!(as1.token_requests(), 101);
}

/// A key that several people share, with a flood of made-up tokens beside it, costs nobody else the
/// token that they have.
#[tokio::test]
async fn a_key_with_made_up_tokens_beside_it_makes_nobody_else_exchange_anew() {
    let as1 = AuthorizationServer::start().await;
    let house = house();
    let auth = obo(terms(&as1));
    let alice = evidence_of("key:alice", Some(&jwt("alice", 3600)));
    let first = house
        .broker
        .obtain(&alice, &auth, Errand::OPEN)
        .await
        .unwrap();
    as1.publish(
        "/token",
        Answer::status(400, r#"{"error":"invalid_grant"}"#),
    );
    for number in 0..10_100 {
        let mallory = evidence_of("key:mallory", Some(&format!("made-up-{number}")));
        house
            .broker
            .obtain(&mallory, &auth, Errand::OPEN)
            .await
            .unwrap_err();
    }
    let again = house
        .broker
        .obtain(&alice, &auth, Errand::OPEN)
        .await
        .unwrap();
    assert_eq!(presented(&again), presented(&first));
}

/// TOK-17.
#[tokio::test]
async fn what_was_got_in_exchange_ends_with_what_was_given() {
    let as1 = AuthorizationServer::start().await;
    let house = house();
    let auth = obo(terms(&as1));
    let alice = jwt("alice", 40);
    let first = presented(&obtain(&house, &auth, &alice).await.unwrap());
    house.clock.advance(Duration::from_secs(30));
    assert_eq!(
        presented(&obtain(&house, &auth, &alice).await.unwrap()),
        first
    );
    house.clock.advance(Duration::from_secs(11));
    let error = obtain(&house, &auth, &alice).await.unwrap_err();
    assert_eq!(error.kind, CredentialErrorKind::SubjectEnded);
    assert_eq!(as1.token_requests(), 1);
    // A later end than the token's own does not make it last: the response says an hour.
    let long = jwt("alice", 1_000_000);
    obtain(&house, &auth, &long).await.unwrap();
    house.clock.advance(Duration::from_secs(3541));
    obtain(&house, &auth, &long).await.unwrap();
    assert_eq!(as1.token_requests(), 3);
}

#[tokio::test]
async fn a_rejected_token_is_fetched_once_more_for_its_caller_only() {
    let as1 = AuthorizationServer::start().await;
    let house = house();
    let auth = obo(terms(&as1));
    let (alice, bob) = (jwt("alice", 3600), jwt("bob", 3600));
    let of_alice = obtain(&house, &auth, &alice).await.unwrap();
    let of_bob = presented(&obtain(&house, &auth, &bob).await.unwrap());
    assert!(house.rejected(&auth, &of_alice).await);
    let again = obtain(&house, &auth, &alice).await.unwrap();
    assert_ne!(presented(&again), presented(&of_alice));
    assert!(!house.rejected(&auth, &again).await, "no loop");
    assert_eq!(
        presented(&obtain(&house, &auth, &bob).await.unwrap()),
        of_bob
    );
    assert_eq!(as1.token_requests(), 3);
}

#[tokio::test]
async fn a_refused_caller_is_told_from_a_refused_client_and_prose_goes_nowhere() {
    let as1 = AuthorizationServer::start().await;
    let house = house();
    let auth = obo(terms(&as1));
    for (user, (code, expected)) in [
        ("invalid_grant", ErrorKind::Unauthenticated),
        ("interaction_required", ErrorKind::Unauthenticated),
        ("invalid_client", ErrorKind::UpstreamRefused),
        ("invalid_target", ErrorKind::UpstreamRefused),
    ]
    .into_iter()
    .enumerate()
    {
        let body = format!(r#"{{"error":"{code}","error_description":"canary"}}"#);
        as1.next(Answer::status(400, body));
        let subject = jwt(&format!("user-{user}"), 3600);
        let error = obtain(&house, &auth, &subject).await.unwrap_err();
        assert_eq!(error.error_kind(), expected, "{code}");
        let text = format!("{error} {error:?}");
        assert!(
            !text.contains("canary") && !text.contains(&subject),
            "{text}"
        );
    }
}

#[tokio::test]
async fn what_is_no_access_token_or_no_other_token_is_not_presented() {
    let as1 = AuthorizationServer::start().await;
    let house = house();
    let auth = obo(terms(&as1));
    let alice = jwt("alice", 3600);
    as1.next(Answer::json(token(&alice, "3600")));
    let error = obtain(&house, &auth, &alice).await.unwrap_err();
    assert_eq!(error.kind, CredentialErrorKind::BadResponse);
    for (position, kind) in ["refresh_token", "id_token", "saml2"]
        .into_iter()
        .enumerate()
    {
        as1.next(Answer::json(format!(
            r#"{{"access_token":"t","token_type":"Bearer","issued_token_type":"urn:ietf:params:oauth:token-type:{kind}"}}"#
        )));
        let error = obtain(&house, &auth, &jwt(&position.to_string(), 3600)).await;
        assert_eq!(error.unwrap_err().kind, CredentialErrorKind::BadResponse);
    }
}

#[tokio::test]
async fn a_changed_term_or_a_removed_server_leaves_no_token_behind() {
    let as1 = AuthorizationServer::start().await;
    let house = house();
    let alice = jwt("alice", 3600);
    let base = terms(&as1);
    let mut variants = vec![base.clone(); 4];
    variants[1].scopes = "read".parse().unwrap();
    variants[2].client.client_id = "other".to_owned();
    variants[3].profile = ExchangeProfile::EntraObo;
    for variant in variants {
        obtain(&house, &obo(variant), &alice).await.unwrap();
    }
    assert_eq!(as1.token_requests(), 4);
    house.broker.keep_only(&BTreeSet::from(["other".into()]));
    obtain(&house, &obo(base), &alice).await.unwrap();
    assert_eq!(as1.token_requests(), 5);
}
