//! Clients that sign, and responses that must say more than a token.

use std::collections::{BTreeMap, HashSet};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use portcullis_core::SecretValue;
use portcullis_credentials::{AssertionAudience, ClientProof, CredentialErrorKind, TokenEndpoint};
use portcullis_oauth::{AssertionKey, TokenRules};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::Value;

use crate::fake::{Answer, AuthorizationServer, Seen};
use crate::{client, house, server};

fn pair() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

fn signing(pair: &KeyPair, audience: AssertionAudience) -> ClientProof {
    let pem = SecretValue::new(pair.serialize_pem());
    ClientProof::PrivateKeyJwt {
        key: AssertionKey::from_pem(&pem, None, Some("k1")).unwrap(),
        audience,
    }
}

/// What the authorization server learns from an assertion, after it verified it.
#[expect(
    clippy::disallowed_methods,
    reason = "an independent judge of signatures, told one algorithm"
)]
fn claims(pair: &KeyPair, seen: &Seen) -> Value {
    let key = DecodingKey::from_ec_pem(pair.public_key_pem().as_bytes()).unwrap();
    let mut rules = Validation::new(Algorithm::ES256);
    (rules.validate_exp, rules.validate_aud) = (false, false);
    let assertion = &seen.form["client_assertion"];
    decode::<Value>(assertion, &key, &rules).unwrap().claims
}

#[tokio::test]
async fn rfc_7523_2_2_each_request_is_signed_anew_and_holds_no_secret() {
    let as1 = AuthorizationServer::start().await;
    let pair = pair();
    let mut grant = client(TokenEndpoint::Configured(as1.url("/token")));
    grant.client.proof = signing(&pair, AssertionAudience::Server);
    let house = house();
    let mut unique = HashSet::new();
    for scope in ["a", "b", "c"] {
        grant.scopes = scope.parse().unwrap();
        house.obtain(&server("m2m", grant.clone())).await.unwrap();
    }
    for seen in as1.seen() {
        assert_eq!(
            seen.form["client_assertion_type"],
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        );
        assert_eq!(seen.form["client_id"], "gateway");
        assert!(!seen.form.contains_key("client_secret"));
        assert_eq!(seen.headers.get("authorization"), None);
        let claims = claims(&pair, &seen);
        assert_eq!(claims["sub"], "gateway");
        assert_eq!(claims["aud"], as1.url("/token").as_str());
        assert_eq!(claims["iat"], 1_795_000_000);
        unique.insert(claims["jti"].to_string());
    }
    assert_eq!(unique.len(), 3);
}

#[tokio::test]
async fn an_assertion_is_for_the_discovered_issuer_or_for_whom_the_file_says() {
    let as1 = AuthorizationServer::start().await;
    as1.publish(
        "/.well-known/oauth-authorization-server",
        Answer::json(format!(
            r#"{{"issuer":"{0}","token_endpoint":"{0}/token","response_types_supported":[]}}"#,
            as1.origin
        )),
    );
    let pair = pair();
    let house = house();
    let token_url = as1.url("/token").to_string();
    for (audience, expected) in [
        (AssertionAudience::Server, as1.origin.as_str()),
        (AssertionAudience::TokenEndpoint, token_url.as_str()),
        (AssertionAudience::Exactly("urn:as".to_owned()), "urn:as"),
    ] {
        let mut grant = client(TokenEndpoint::Discover {
            server_url: as1.url("/mcp"),
            issuer: None,
        });
        grant.client.proof = signing(&pair, audience);
        house.obtain(&server("m2m", grant)).await.unwrap();
        let seen = as1.seen();
        assert_eq!(claims(&pair, seen.last().unwrap())["aud"], expected);
    }
}

#[tokio::test]
async fn another_key_gets_another_token() {
    let as1 = AuthorizationServer::start().await;
    let house = house();
    let mut grant = client(TokenEndpoint::Configured(as1.url("/token")));
    for count in 1..=2 {
        grant.client.proof = signing(&pair(), AssertionAudience::Server);
        let auth = server("m2m", grant.clone());
        assert_eq!(
            house.presented(&auth).await,
            format!("Bearer token-{count}")
        );
    }
}

#[tokio::test]
async fn a_response_that_breaks_a_rule_gives_no_token() {
    let as1 = AuthorizationServer::start().await;
    let response = |tenant: &str| {
        Answer::json(format!(
            r#"{{"access_token":"canary","token_type":"Bearer","team":{{"id":"{tenant}"}}}}"#
        ))
    };
    as1.next(response("T2"));
    as1.next(response("T1"));
    let mut grant = client(TokenEndpoint::Configured(as1.url("/token")));
    let rules = BTreeMap::from([("team.id".to_owned(), "T1".to_owned())]);
    grant.rules = TokenRules::new(rules);
    let house = house();
    let auth = server("m2m", grant);
    let error = house.obtain(&auth).await.unwrap_err();
    assert_eq!(error.kind, CredentialErrorKind::RuleBroken);
    assert!(!format!("{error} {error:?}").contains("canary"));
    house.clock.advance(std::time::Duration::from_secs(5));
    assert_eq!(house.presented(&auth).await, "Bearer canary");
}
