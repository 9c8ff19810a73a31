//! Browsers that come back: with somebody else's state, with nothing, with what another server said.

use std::time::Duration;

use portcullis_credentials::{CredentialErrorKind, WhyNot};
use portcullis_testkit::authorization_server::Iss;
use serde_json::json;

use super::{Stage, cookie};

/// PKCE-06, PKCE-07, PKCE-17: without both halves of the secret nothing is found, and nothing is lost.
#[tokio::test]
async fn a_browser_comes_back_with_its_own_state_once_and_in_time() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    let mallory = stage.person("mallory").await;
    let departure = stage.begin(&alice).await.unwrap();
    let query = stage.authorization.agrees(&departure.url);
    let other = stage.begin(&mallory).await.unwrap();
    let other_query = stage.authorization.agrees(&other.url);
    let (name, value) = cookie(&departure).split_once('=').unwrap();
    let doubled = format!("{name}={value}; {name}={value}");
    let flipped = query.replacen("state=", "state=x", 1);
    let stateless = query.replacen("state=", "no=", 1);
    let twice = format!("{query}&state=x");
    let codeless = query.replacen("code=code", "code=&no=code", 1);
    let blank = query.replacen("code=code", "code=%20&no=code", 1);
    for (query, cookie) in [
        (query.as_str(), ""),
        (query.as_str(), cookie(&other)),
        (query.as_str(), &format!("{name}=x")),
        (query.as_str(), doubled.as_str()),
        (other_query.as_str(), cookie(&departure)),
        (flipped.as_str(), cookie(&departure)),
        (stateless.as_str(), cookie(&departure)),
        (twice.as_str(), cookie(&departure)),
        (codeless.as_str(), cookie(&departure)),
        (blank.as_str(), cookie(&departure)),
        ("", cookie(&departure)),
    ] {
        let refused = stage.arrive(&alice, query, cookie).await.unwrap_err();
        let uniform = matches!(refused.why, WhyNot::UnknownFlow | WhyNot::Unreadable(_));
        assert!(uniform, "{refused:?}");
        assert!(refused.server.is_none());
    }
    assert!(stage.authorization.token_forms().is_empty());
    let arrived = stage
        .arrive(&alice, &query, cookie(&departure))
        .await
        .unwrap();
    assert_eq!(
        (&arrived.principal, arrived.server.as_str()),
        (&alice.id, "a")
    );
    assert!(arrived.forget_cookie.starts_with(&format!("{name}=;")));
    let again = stage
        .arrive(&alice, &query, cookie(&departure))
        .await
        .unwrap_err();
    assert_eq!(again.why, WhyNot::UnknownFlow);
    assert_eq!(stage.authorization.token_forms().len(), 1);
    stage.later(Duration::from_mins(10)).await;
    let late = stage.arrive(&alice, &other_query, cookie(&other)).await;
    assert_eq!(late.unwrap_err().why, WhyNot::UnknownFlow);
    assert_eq!(super::status(&stage.house, &mallory).await, None);
    stage.end().await;
}

/// RFC 6265bis §4.1.3.2, and PKCE-09 as far as it is ours: the cookie is the browser's and this
/// host's.
#[tokio::test]
async fn the_cookie_of_a_flow_belongs_to_one_host_and_is_no_scripts() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    let departure = stage.begin(&alice).await.unwrap();
    let text = &departure.cookie;
    assert!(text.starts_with("__Host-portcullis_connect_"), "{text}");
    for attribute in [
        "; Path=/",
        "; Secure",
        "; HttpOnly",
        "; SameSite=Lax",
        "; Max-Age=600",
    ] {
        assert!(text.contains(attribute), "{attribute}: {text}");
    }
    assert!(!text.contains("Domain"));
    let (_, value) = cookie(&departure).split_once('=').unwrap();
    assert!(!departure.url.as_str().contains(value));
    // Two flows of one browser do not disturb each other.
    let second = stage.begin(&alice).await.unwrap();
    let both = format!("{}; {}", cookie(&departure), cookie(&second));
    for departure in [&departure, &second] {
        let query = stage.authorization.agrees(&departure.url);
        stage.arrive(&alice, &query, &both).await.unwrap();
    }
    stage.end().await;
}

/// PKCE-12: `auth/iss-supported`, `auth/iss-not-advertised`, `auth/iss-supported-missing`,
/// `auth/iss-wrong-issuer`, `auth/iss-unexpected`, `auth/iss-normalized`; also for errors.
#[tokio::test]
async fn whoever_answers_says_who_they_are_or_is_not_listened_to() {
    let stage = Stage::set(&[]).await;
    let origin = stage.authorization.origin().to_owned();
    let other = |issuer: &str| Iss::Exactly(issuer.to_owned());
    for (number, (announced, iss, good)) in [
        (true, Iss::Own, true),
        (false, Iss::Unsaid, true),
        (false, Iss::Own, true),
        (true, Iss::Unsaid, false),
        (true, other("https://evil.example"), false),
        (false, other("https://evil.example"), false),
        (true, other(&format!("{origin}/")), false),
        (true, other(&origin.to_uppercase()), false),
        (true, other(""), false),
    ]
    .into_iter()
    .enumerate()
    {
        let alice = stage.person(&format!("alice-{number}")).await;
        stage.authorization.manners(|manners| {
            manners.metadata["authorization_response_iss_parameter_supported"] = json!(announced);
            manners.iss = iss.clone();
        });
        stage.searches_anew();
        for refuses in [None, Some("access_denied")] {
            stage
                .authorization
                .manners(|manners| manners.refuses = refuses);
            let departure = stage.begin(&alice).await.unwrap();
            let query = stage.authorization.agrees(&departure.url);
            let before = stage.authorization.token_forms().len();
            let outcome = stage.arrive(&alice, &query, cookie(&departure)).await;
            let asked = stage.authorization.token_forms().len() - before;
            match (outcome, refuses) {
                (Ok(_), None) => assert!(good, "{announced} {iss:?}"),
                (Err(refused), Some(code)) if good => {
                    assert_eq!(refused.why, WhyNot::Declined(Some(code)));
                }
                (Err(refused), _) => {
                    assert!(matches!(refused.why, WhyNot::OtherIssuer(_)), "{refused:?}");
                    assert!(!good, "{announced} {iss:?}");
                    assert!(!format!("{refused:?}").contains("canary"));
                }
                (Ok(_), Some(_)) => panic!("nobody agreed"),
            }
            assert_eq!(asked, usize::from(good && refuses.is_none()));
        }
        let connected = super::status(&stage.house, &alice).await.is_some();
        assert_eq!(connected, good, "{announced} {iss:?}");
    }
    stage.end().await;
}

/// PKCE-24: what breaks a rule of the operator's is not kept, not even for a moment.
#[tokio::test]
async fn an_account_that_the_operator_does_not_want_is_not_connected() {
    let stage = Stage::set(&["token_validation: {team.enterprise_id: T1}"]).await;
    let alice = stage.person("alice").await;
    for also in [
        json!({"team": {"enterprise_id": "T2"}}),
        json!({"team": {"enterprise_id": ["T1"]}}),
        json!({"team": {"enterprise_id": [["T1"]]}}),
        json!({"team": "T1"}),
        json!({}),
    ] {
        stage
            .authorization
            .manners(|manners| manners.also = also.clone());
        let departure = stage.begin(&alice).await.unwrap();
        let query = stage.authorization.agrees(&departure.url);
        let refused = stage
            .arrive(&alice, &query, cookie(&departure))
            .await
            .unwrap_err();
        let broken = WhyNot::Credential(CredentialErrorKind::RuleBroken);
        assert_eq!(refused.why, broken, "{also}");
        assert_eq!(super::status(&stage.house, &alice).await, None);
    }
    let good = json!({"team": {"enterprise_id": "T1", "name": "Acme"}});
    stage.authorization.manners(|manners| manners.also = good);
    stage.connect(&alice).await;
    let first = stage.token_of(&alice).await;
    let connection = super::status(&stage.house, &alice).await.unwrap();
    assert_eq!(connection.account.as_deref(), Some("Acme"));
    // Nor when it is renewed.
    let other = json!({"team": {"enterprise_id": "T2"}});
    stage.authorization.manners(|manners| manners.also = other);
    stage.later(Duration::from_hours(1)).await;
    stage.call(&alice).await;
    stage.wants_consent(&alice).await;
    let seen = stage.upstream.seen("tools/call");
    let with_first = format!("Bearer {first}");
    let all_first = |one: &portcullis_testkit::upstream::Recorded| {
        one.header("authorization") == Some(&with_first)
    };
    assert!(seen.iter().all(all_first));
    stage.end().await;
}

/// What a token endpoint says in its refusal is nobody's to read.
#[tokio::test]
async fn a_code_that_is_refused_connects_nobody() {
    let stage = Stage::set(&[]).await;
    let alice = stage.person("alice").await;
    let departure = stage.begin(&alice).await.unwrap();
    let query = stage.authorization.agrees(&departure.url);
    let forged = query.replacen("code=code-", "code=forged-", 1);
    let refused = stage
        .arrive(&alice, &forged, cookie(&departure))
        .await
        .unwrap_err();
    let kind = CredentialErrorKind::Refused {
        status: 400,
        code: Some("invalid_grant"),
    };
    assert_eq!(refused.why, WhyNot::Credential(kind));
    assert_eq!(refused.return_to.as_deref(), Some("/connect/a"));
    assert_eq!(super::status(&stage.house, &alice).await, None);
    stage.end().await;
}
