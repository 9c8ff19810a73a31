//! Enterprise-managed authorization: a person's token goes to their organisation's authorization
//! server, its grant to the resource's, and nothing goes anywhere else.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{ClientSecret, ErrorKind, ScopeSet, SecretValue, ServerId};
use portcullis_credentials::{
    AssertionAudience, Authority, ClientProof, CredentialBroker, CredentialErrorKind,
    CredentialKind, Errand, ExchangeProfile, IdJagTerms, ServerAuth, SubjectSource, TokenClient,
    TokenExchange, UpstreamAuth,
};
use portcullis_oauth::{AssertionKey, TokenRules};
use portcullis_policy::authorize_service;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::fake::{Answer, AuthorizationServer, token};
use crate::on_behalf::{NOW, evidence, jwt, obtain};
use crate::{house, presented};

const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// The organisation's authorization server and the resource's.
struct Houses {
    organisation: AuthorizationServer,
    resource: AuthorizationServer,
}

impl Houses {
    async fn build() -> Self {
        Self {
            organisation: AuthorizationServer::start().await,
            resource: AuthorizationServer::start().await,
        }
    }

    fn terms(&self) -> TokenExchange {
        TokenExchange {
            authority: endpoint(&self.organisation),
            client: client("at-organisation", "canary-organisation"),
            profile: ExchangeProfile::IdJag(Box::new(self.legs())),
            scopes: ScopeSet::default(),
            rules: TokenRules::default(),
            chosen_by: portcullis_egress::Destination::Operator {
                allow_insecure_http: false,
            },
        }
    }

    fn legs(&self) -> IdJagTerms {
        IdJagTerms {
            subject_source: SubjectSource::Bearer,
            subject_type: ID_TOKEN.to_owned(),
            audience: self.resource.origin.clone(),
            resource: Some("https://mcp.example/mcp".to_owned()),
            resource_authority: endpoint(&self.resource),
            resource_client: client("at-resource", "canary-resource"),
        }
    }

    /// The organisation's next answer: a grant that lives for so long after the story's start.
    fn grants(&self, seconds: i64) -> String {
        let grant = self.grant(seconds);
        self.organisation.next(answer(&grant, "N_A", ID_JAG));
        grant
    }

    fn grant(&self, seconds: i64) -> String {
        signed(&json!({"aud": self.resource.origin, "exp": NOW + seconds}))
    }

    fn asked(&self) -> (usize, usize) {
        (
            self.organisation.token_requests(),
            self.resource.token_requests(),
        )
    }
}

fn endpoint(server: &AuthorizationServer) -> Authority {
    Authority::Endpoint {
        url: server.url("/token"),
        issuer: None,
    }
}

fn client(id: &str, secret: &str) -> TokenClient {
    TokenClient {
        client_id: id.to_owned(),
        proof: ClientProof::SecretPost(ClientSecret::new(secret)),
    }
}

fn signed(claims: &Value) -> String {
    let head = json!({"alg": "ES256", "typ": "oauth-id-jag+jwt"});
    let [head, claims] = [&head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{head}.{claims}.c2ln")
}

fn answer(token: &str, token_type: &str, issued: &str) -> Answer {
    let body =
        json!({"access_token": token, "token_type": token_type, "issued_token_type": issued});
    Answer::json(body.to_string())
}

fn managed(terms: TokenExchange) -> ServerAuth {
    ServerAuth::new(
        ServerId::from("obo"),
        UpstreamAuth::TokenExchange(Arc::new(terms)),
    )
}

#[tokio::test]
async fn each_leg_says_what_the_file_says_and_keeps_the_others_secrets() {
    let houses = Houses::build().await;
    let house = house();
    let mut terms = houses.terms();
    terms.scopes = "b a".parse().unwrap();
    let grant = houses.grants(300);
    let alice = jwt("alice", 3600);
    let credential = obtain(&house, &managed(terms), &alice).await.unwrap();
    assert_eq!(credential.kind(), CredentialKind::IdJag);
    assert_eq!(presented(&credential), "Bearer token-1");

    let first = houses.organisation.seen()[0].form.clone();
    for (name, value) in [
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("requested_token_type", ID_JAG),
        ("subject_token", alice.as_str()),
        ("subject_token_type", ID_TOKEN),
        ("audience", houses.resource.origin.as_str()),
        ("resource", "https://mcp.example/mcp"),
        ("scope", "a b"),
        ("client_id", "at-organisation"),
        ("client_secret", "canary-organisation"),
    ] {
        assert_eq!(first[name], value, "{name}");
    }
    assert_eq!(first.len(), 9);
    let second = houses.resource.seen()[0].form.clone();
    for (name, value) in [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", grant.as_str()),
        ("client_id", "at-resource"),
        ("client_secret", "canary-resource"),
    ] {
        assert_eq!(second[name], value, "{name}");
    }
    assert_eq!(second.len(), 4, "the person's token stays in the first leg");
}

#[tokio::test]
async fn without_a_token_of_the_caller_no_leg_is_taken() {
    let houses = Houses::build().await;
    let house = house();
    let auth = managed(houses.terms());
    for evidence in [
        evidence(None),
        authorize_service(&auth.server).evidence().clone(),
    ] {
        let error = house
            .broker
            .obtain(&evidence, &auth, Errand::OPEN)
            .await
            .unwrap_err();
        assert_eq!(error.kind, CredentialErrorKind::NoSubject);
    }
    let over = obtain(&house, &auth, &jwt("alice", -1)).await.unwrap_err();
    assert_eq!(over.kind, CredentialErrorKind::SubjectEnded);
    let mut legs = houses.legs();
    legs.subject_source = SubjectSource::LoginAssertion;
    let mut terms = houses.terms();
    terms.profile = ExchangeProfile::IdJag(Box::new(legs));
    let auth = managed(terms);
    let nothing = evidence(None);
    let obtained = house.broker.obtain(&nothing, &auth, Errand::OPEN);
    let unsigned = obtained.await.unwrap_err();
    assert_eq!(unsigned.kind, CredentialErrorKind::NoSignIn);
    assert_eq!(houses.asked(), (0, 0));
}

#[tokio::test]
async fn what_is_no_grant_for_this_server_never_reaches_it() {
    let houses = Houses::build().await;
    let house = house();
    let good = houses.grant(300);
    let elsewhere = signed(&json!({"aud": "https://payroll.example", "exp": NOW + 300}));
    let over = houses.grant(0);
    let alice = jwt("user-0", 3600);
    let id_token = "urn:ietf:params:oauth:token-type:id_token";
    let refresh = "urn:ietf:params:oauth:token-type:refresh_token";
    for (user, (token, token_type, issued)) in [
        (alice.as_str(), "N_A", ID_JAG),
        (good.as_str(), "Bearer", ID_JAG),
        (good.as_str(), "N_A", id_token),
        (good.as_str(), "N_A", refresh),
        (elsewhere.as_str(), "N_A", ID_JAG),
        (over.as_str(), "N_A", ID_JAG),
        ("opaque", "N_A", ID_JAG),
    ]
    .into_iter()
    .enumerate()
    {
        houses.organisation.next(answer(token, token_type, issued));
        let subject = jwt(&format!("user-{user}"), 3600);
        let auth = managed(houses.terms());
        let error = obtain(&house, &auth, &subject).await.unwrap_err();
        assert_eq!(error.kind, CredentialErrorKind::BadResponse, "{user}");
        let text = format!("{error} {error:?}");
        assert!(!text.contains(token), "{text}");
    }
    assert_eq!(houses.asked(), (7, 0));
}

#[tokio::test]
async fn a_refresh_token_an_id_token_or_what_was_given_is_no_access_token() {
    let houses = Houses::build().await;
    let house = house();
    for user in 0..4 {
        let grant = houses.grants(300);
        let subject = jwt(&format!("user-{user}"), 3600);
        houses.resource.next(match user {
            0 => answer("t", "Bearer", ID_TOKEN),
            1 => answer(
                "t",
                "Bearer",
                "urn:ietf:params:oauth:token-type:refresh_token",
            ),
            2 => Answer::json(token(&grant, "3600")),
            _ => Answer::json(token(&subject, "3600")),
        });
        let auth = managed(houses.terms());
        let error = obtain(&house, &auth, &subject).await.unwrap_err();
        assert_eq!(error.kind, CredentialErrorKind::BadResponse, "{user}");
    }
}

#[tokio::test]
async fn a_living_grant_saves_the_first_leg_and_a_dead_one_is_got_anew() {
    let houses = Houses::build().await;
    let house = house();
    let auth = managed(houses.terms());
    let alice = jwt("alice", 1_000_000);
    houses.grants(300);
    houses.resource.next(Answer::json(token("short", "120")));
    assert_eq!(
        presented(&obtain(&house, &auth, &alice).await.unwrap()),
        "Bearer short"
    );
    house.clock.advance(Duration::from_mins(2));
    assert_eq!(
        presented(&obtain(&house, &auth, &alice).await.unwrap()),
        "Bearer token-1"
    );
    assert_eq!(houses.asked(), (1, 2), "the second leg alone");
    // The hour of the second token is over, and so is the grant.
    house.clock.advance(Duration::from_hours(1));
    houses.grants(7_500);
    obtain(&house, &auth, &alice).await.unwrap();
    assert_eq!(houses.asked(), (2, 3));
}

#[tokio::test]
async fn a_grant_that_is_taken_only_once_is_got_anew_and_not_in_a_loop() {
    let houses = Houses::build().await;
    let house = house();
    let auth = managed(houses.terms());
    let alice = jwt("alice", 3600);
    houses.grants(300);
    let first = obtain(&house, &auth, &alice).await.unwrap();
    assert!(house.rejected(&auth, &first).await);
    let spent = || Answer::status(400, r#"{"error":"invalid_grant"}"#);
    houses.resource.next(spent());
    houses.grants(300);
    let again = obtain(&house, &auth, &alice).await.unwrap();
    assert_ne!(presented(&again), presented(&first));
    assert_eq!(houses.asked(), (2, 3));

    // Somebody whom the resource does not know: both legs once, and the refusal is theirs.
    houses.grants(300);
    houses.resource.next(spent());
    let error = obtain(&house, &auth, &jwt("mallory", 3600))
        .await
        .unwrap_err();
    assert_eq!(error.error_kind(), ErrorKind::Unauthenticated);
    assert_eq!(houses.asked(), (3, 4));
}

#[tokio::test]
async fn a_refused_client_is_nobodys_fault_but_the_operators_in_either_leg() {
    let houses = Houses::build().await;
    let house = house();
    let auth = managed(houses.terms());
    let refused = || {
        Answer::status(
            401,
            r#"{"error":"invalid_client","error_description":"canary-prose"}"#,
        )
    };
    houses.organisation.next(refused());
    let first = obtain(&house, &auth, &jwt("alice", 3600))
        .await
        .unwrap_err();
    houses.grants(300);
    houses.resource.next(refused());
    let second = obtain(&house, &auth, &jwt("bob", 3600)).await.unwrap_err();
    for error in [first, second] {
        assert_eq!(error.error_kind(), ErrorKind::UpstreamRefused);
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_person_takes_each_leg_once_however_often_they_call() {
    let houses = Houses::build().await;
    let house = house();
    houses.organisation.hold();
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        houses.grants(300);
    }
    for call in 0..200 {
        let (broker, auth) = (house.broker.clone(), managed(houses.terms()));
        let user = call % 20;
        calls.spawn(async move {
            let evidence = evidence(Some(&jwt(&format!("user-{user}"), 3600)));
            (
                user,
                presented(&broker.obtain(&evidence, &auth, Errand::OPEN).await.unwrap()),
            )
        });
    }
    houses.organisation.received(20).await;
    houses.organisation.release();
    let mut of_user = std::collections::HashMap::new();
    while let Some(call) = calls.join_next().await {
        let (user, token) = call.unwrap();
        let known = of_user.entry(user).or_insert_with(|| token.clone());
        assert_eq!(*known, token);
    }
    assert_eq!(houses.asked(), (20, 20));
}

#[tokio::test]
async fn whatever_changes_in_the_file_gets_another_token() {
    let houses = Houses::build().await;
    let house = house();
    let alice = jwt("alice", 3600);
    let with = |change: &dyn Fn(&mut IdJagTerms)| {
        let mut legs = houses.legs();
        change(&mut legs);
        let mut terms = houses.terms();
        terms.profile = ExchangeProfile::IdJag(Box::new(legs));
        terms
    };
    let mut scoped = houses.terms();
    scoped.scopes = "read".parse().unwrap();
    let variants = [
        houses.terms(),
        scoped,
        with(&|legs| legs.subject_type = "urn:s".to_owned()),
        with(&|legs| legs.resource = None),
        with(&|legs| legs.resource_client = client("at-resource", "another")),
        with(&|legs| {
            legs.resource_authority = Authority::Endpoint {
                url: houses.resource.url("/token?v=2"),
                issuer: None,
            };
        }),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for terms in variants {
        houses.grants(300);
        let auth = managed(terms);
        assert!(seen.insert(presented(&obtain(&house, &auth, &alice).await.unwrap())));
    }
    assert_eq!(houses.asked(), (6, 6));
}

fn metadata(server: &AuthorizationServer, issuer: &str) -> Answer {
    let document = json!({"issuer": issuer, "token_endpoint": server.url("/token").as_str()});
    Answer::json(document.to_string())
}

#[tokio::test]
async fn endpoints_are_found_once_for_everybody_by_issuers_that_name_themselves_exactly() {
    const WELL_KNOWN: &str = "/.well-known/oauth-authorization-server";
    let houses = Houses::build().await;
    let house = house();
    let mut terms = houses.terms();
    terms.authority = Authority::Issuer(houses.organisation.origin.clone());
    let mut legs = houses.legs();
    legs.resource_authority = Authority::Issuer(houses.resource.origin.clone());
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = SecretValue::new(key.serialize_pem());
    legs.resource_client.proof = ClientProof::PrivateKeyJwt {
        key: AssertionKey::from_pem(&pem, None, None).unwrap(),
        audience: AssertionAudience::Server,
    };
    terms.profile = ExchangeProfile::IdJag(Box::new(legs));
    let auth = managed(terms);

    // Another's name, and a slash that the file does not have.
    let other = format!("{}/", houses.organisation.origin);
    houses
        .organisation
        .publish(WELL_KNOWN, metadata(&houses.organisation, &other));
    let error = obtain(&house, &auth, &jwt("early", 3600))
        .await
        .unwrap_err();
    assert_eq!(error.kind, CredentialErrorKind::NotDiscovered);
    assert_eq!(houses.asked(), (0, 0));

    house.clock.advance(Duration::from_mins(1));
    for server in [&houses.organisation, &houses.resource] {
        server.publish(WELL_KNOWN, metadata(server, &server.origin));
    }
    for user in ["alice", "bob"] {
        houses.grants(300);
        obtain(&house, &auth, &jwt(user, 3600)).await.unwrap();
    }
    assert_eq!(houses.asked(), (2, 2));
    let looked_up = |server: &AuthorizationServer| {
        let paths = server.paths();
        paths.iter().filter(|path| *path == WELL_KNOWN).count()
    };
    assert_eq!(
        looked_up(&houses.organisation),
        2,
        "the refused one, and one"
    );
    assert_eq!(looked_up(&houses.resource), 1);
    let form = houses.resource.seen().pop().unwrap().form;
    let claims = form["client_assertion"]
        .split('.')
        .nth(1)
        .unwrap()
        .to_owned();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!(claims["aud"], houses.resource.origin.as_str());
}

/// Callers who can make a server refuse us cannot make us look it up each time.
#[tokio::test]
async fn refusals_cause_a_new_look_up_at_most_once_a_minute() {
    const WELL_KNOWN: &str = "/.well-known/oauth-authorization-server";
    let houses = Houses::build().await;
    let house = house();
    let mut terms = houses.terms();
    terms.authority = Authority::Issuer(houses.organisation.origin.clone());
    let auth = managed(terms);
    let origin = &houses.organisation.origin;
    let nowhere = json!({"issuer": origin, "token_endpoint": format!("{origin}/elsewhere")});
    houses
        .organisation
        .publish(WELL_KNOWN, Answer::json(nowhere.to_string()));
    for (round, expected) in [(0, 2), (1, 3), (2, 4)] {
        for user in 0..5 {
            let subject = jwt(&format!("mallory-{round}-{user}"), 3600);
            obtain(&house, &auth, &subject).await.unwrap_err();
        }
        let paths = houses.organisation.paths();
        let look_ups = paths.iter().filter(|path| *path == WELL_KNOWN).count();
        assert_eq!(look_ups, expected);
        house.clock.advance(Duration::from_mins(1));
    }
}

#[tokio::test]
async fn an_endpoint_that_moved_is_looked_up_again_after_one_failure() {
    const WELL_KNOWN: &str = "/.well-known/oauth-authorization-server";
    let houses = Houses::build().await;
    let house = house();
    let mut terms = houses.terms();
    terms.authority = Authority::Issuer(houses.organisation.origin.clone());
    let auth = managed(terms);
    let origin = &houses.organisation.origin;
    let moved = json!({"issuer": origin, "token_endpoint": format!("{origin}/elsewhere")});
    houses
        .organisation
        .publish(WELL_KNOWN, Answer::json(moved.to_string()));
    // Nothing is there yet: the operator moved it back.
    let error = obtain(&house, &auth, &jwt("alice", 3600))
        .await
        .unwrap_err();
    assert_eq!(error.error_kind(), ErrorKind::UpstreamRefused);
    houses
        .organisation
        .publish(WELL_KNOWN, metadata(&houses.organisation, origin));
    houses.grants(300);
    obtain(&house, &auth, &jwt("bob", 3600)).await.unwrap();
    assert_eq!(houses.asked(), (1, 1));
    let sent = houses.organisation.seen();
    let elsewhere = sent.iter().filter(|seen| seen.path == "/elsewhere");
    assert_eq!(elsewhere.count(), 1);
}
