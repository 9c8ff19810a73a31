//! What an ID token of the provider that somebody signed in with must say.

use aws_lc_rs::digest;
use portcullis_core::{AccessToken, Timestamp};
use portcullis_oauth::jose::{
    Claims, Jws, SignInMarks, TokenFault, Unverified, Verified, verify_id_token,
};
use serde_json::{Value, json};

use crate::issuer::{ISSUER, NOW, encode, keys, rules, sign, token, with};

const CLIENT: &str = "gateway";

fn header() -> Value {
    json!({"alg": "EdDSA", "kid": "k1"})
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "alice", "aud": CLIENT, "nonce": "n-1",
        "iat": NOW - 10, "exp": NOW + 300, "email": "alice@example.com",
    })
}

fn verify(text: &str) -> Result<Verified<Claims>, TokenFault> {
    let access_token = AccessToken::new("the-access-token");
    let marks = SignInMarks {
        client_id: CLIENT,
        nonce: "n-1",
        access_token: &access_token,
    };
    let token = Unverified::<Jws<'_>>::parse(text)?;
    verify_id_token(&token, &keys(), &rules(), &marks, Timestamp::from_secs(NOW))
}

#[track_caller]
fn claiming(changes: &Value, expected: Result<(), TokenFault>) {
    let text = token(&header(), &with(claims(), changes.clone()));
    assert_eq!(verify(&text).map(drop), expected, "{changes}");
}

#[test]
fn core_3_1_3_7_the_control_is_believed() {
    let believed = verify(&token(&header(), &claims())).unwrap();
    assert_eq!(believed.subject(), "alice");
    assert_eq!(believed.text("email"), Some("alice@example.com"));
    claiming(&json!({"aud": [CLIENT]}), Ok(()));
    claiming(&json!({"azp": CLIENT}), Ok(()));
    claiming(&json!({"aud": [CLIENT, "project"], "azp": CLIENT}), Ok(()));
}

#[test]
fn core_3_1_3_7_an_id_token_for_another_client_is_refused() {
    for changes in [
        json!({"aud": "other"}),
        json!({"aud": null}),
        json!({"aud": []}),
        json!({"aud": ["other"], "azp": CLIENT}),
        json!({"aud": [CLIENT, "other"]}),
        json!({"azp": "other"}),
        json!({"aud": [CLIENT, "other"], "azp": "other"}),
        json!({"azp": [CLIENT]}),
    ] {
        claiming(&changes, Err(TokenFault::Audience));
    }
}

#[test]
fn core_3_1_3_7_an_id_token_of_another_sign_in_is_refused() {
    for nonce in [json!("n-2"), json!(null), json!(""), json!(["n-1"])] {
        claiming(&json!({ "nonce": nonce }), Err(TokenFault::Nonce));
    }
}

#[test]
fn another_issuers_or_an_ended_id_token_is_refused() {
    claiming(
        &json!({"iss": "https://evil.example"}),
        Err(TokenFault::Issuer),
    );
    claiming(&json!({"exp": NOW - 31}), Err(TokenFault::Expired));
    claiming(&json!({"exp": null}), Err(TokenFault::Claims));
    claiming(&json!({"iat": null}), Err(TokenFault::Claims));
    claiming(&json!({"iat": NOW + 31}), Err(TokenFault::NotYetValid));
    claiming(&json!({"exp": NOW + 90_000}), Err(TokenFault::Lifetime));
    claiming(&json!({"sub": ""}), Err(TokenFault::Claims));
}

#[test]
fn a_token_of_another_type_is_no_id_token() {
    for typ in ["at+jwt", "logout+jwt", "application/at+jwt", ""] {
        let text = token(&with(header(), json!({"typ": typ})), &claims());
        assert_eq!(verify(&text).map(drop), Err(TokenFault::Type), "{typ}");
    }
    verify(&token(&with(header(), json!({"typ": "JWT"})), &claims())).unwrap();
    claiming(&json!({"events": {}}), Err(TokenFault::NotAnIdToken));
}

#[test]
fn core_3_1_3_6_an_id_token_came_with_its_access_token() {
    let hash = digest::digest(&digest::SHA512, b"the-access-token");
    claiming(&json!({"at_hash": encode(&hash.as_ref()[..32])}), Ok(()));
    let other = digest::digest(&digest::SHA512, b"another");
    for wrong in [
        json!(encode(&other.as_ref()[..32])),
        json!(encode(hash)),
        json!(""),
        json!(5),
    ] {
        claiming(
            &json!({ "at_hash": wrong }),
            Err(TokenFault::AccessTokenHash),
        );
    }
}

#[test]
fn an_id_token_without_a_signature_or_by_another_algorithm_is_refused() {
    for algorithm in ["none", "HS256", "RS256"] {
        let header = with(header(), json!({ "alg": algorithm }));
        let text = sign(header.to_string(), claims().to_string());
        assert_eq!(verify(&text).map(drop), Err(TokenFault::Algorithm));
    }
    let good = token(&header(), &claims());
    let (unsigned, _) = good.rsplit_once('.').unwrap();
    assert_eq!(
        verify(&format!("{unsigned}.")).map(drop),
        Err(TokenFault::Signature)
    );
}
