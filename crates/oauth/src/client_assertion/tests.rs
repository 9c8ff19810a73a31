use std::collections::HashSet;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256,
};
use serde_json::Value;

use super::*;
use crate::assertion_key::{InvalidAssertionKey, SigningAlgorithm};

const NOW: i64 = 1_795_000_000;

fn pem(pair: &KeyPair) -> SecretValue {
    SecretValue::new(pair.serialize_pem())
}

#[expect(
    clippy::disallowed_methods,
    reason = "an independent judge of signatures, told one algorithm"
)]
fn verified(pair: &KeyPair, algorithm: Algorithm, assertion: &SecretValue) -> (Value, Value) {
    let public = pair.public_key_pem();
    let key = match algorithm {
        Algorithm::RS256 | Algorithm::PS256 => DecodingKey::from_rsa_pem(public.as_bytes()),
        Algorithm::ES256 => DecodingKey::from_ec_pem(public.as_bytes()),
        _ => DecodingKey::from_ed_pem(public.as_bytes()),
    }
    .unwrap();
    let mut rules = Validation::new(algorithm);
    rules.set_audience(&["https://as.example"]);
    rules.validate_exp = false;
    let token = decode::<Value>(assertion.expose(), &key, &rules).unwrap();
    (serde_json::to_value(token.header).unwrap(), token.claims)
}

fn assertion(key: &AssertionKey, unique: [u8; 16]) -> SecretValue {
    client_assertion(
        key,
        "gateway",
        "https://as.example",
        Timestamp::from_secs(NOW),
        &unique,
    )
    .unwrap()
}

#[test]
fn rfc_7523_3_every_algorithm_verifies_with_another_library() {
    let kinds = [
        (&PKCS_RSA_SHA256, "RS256", Algorithm::RS256),
        (&PKCS_RSA_SHA256, "PS256", Algorithm::PS256),
        (&PKCS_ECDSA_P256_SHA256, "ES256", Algorithm::ES256),
        (&PKCS_ED25519, "EdDSA", Algorithm::EdDSA),
    ];
    for (kind, name, algorithm) in kinds {
        let pair = KeyPair::generate_for(kind).unwrap();
        let key = AssertionKey::from_pem(&pem(&pair), name.parse().ok(), Some("k1")).unwrap();
        let (header, claims) = verified(&pair, algorithm, &assertion(&key, [7; 16]));
        assert_eq!(header["alg"], name);
        assert_eq!(header["kid"], "k1");
        assert_eq!(claims["iss"], "gateway");
        assert_eq!(claims["sub"], "gateway");
        assert_eq!(claims["jti"], "07".repeat(16));
        assert_eq!(claims["iat"], NOW);
        assert_eq!(claims["exp"], NOW + 60);
    }
}

#[test]
fn the_kind_of_key_decides_where_no_algorithm_is_named() {
    for (kind, name) in [
        (&PKCS_RSA_SHA256, "RS256"),
        (&PKCS_ECDSA_P256_SHA256, "ES256"),
        (&PKCS_ED25519, "EdDSA"),
    ] {
        let pair = KeyPair::generate_for(kind).unwrap();
        let key = AssertionKey::from_pem(&pem(&pair), None, None).unwrap();
        assert_eq!(key.algorithm().as_str(), name);
        assert!(!format!("{key:?}").contains("PRIVATE"));
    }
}

#[test]
fn a_key_that_cannot_sign_is_refused_without_being_repeated() {
    let p256 = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let refused = |text: &SecretValue, algorithm, id| {
        AssertionKey::from_pem(text, algorithm, id).unwrap_err()
    };
    for (text, expected) in [
        ("", InvalidAssertionKey::NotPem),
        ("canary", InvalidAssertionKey::NotPem),
        (
            "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----",
            InvalidAssertionKey::Unsupported,
        ),
    ] {
        let error = refused(&SecretValue::new(text), None, None);
        assert_eq!(error, expected);
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
    let public = SecretValue::new(p256.public_key_pem());
    assert_eq!(refused(&public, None, None), InvalidAssertionKey::NotPem);
    assert_eq!(
        refused(&pem(&p384), None, None),
        InvalidAssertionKey::Unsupported
    );
    assert_eq!(
        refused(&pem(&p256), Some(SigningAlgorithm::Rs256), None),
        InvalidAssertionKey::WrongAlgorithm
    );
    for id in ["", "a\nb"] {
        assert_eq!(
            refused(&pem(&p256), None, Some(id)),
            InvalidAssertionKey::BadKeyId
        );
    }
}

#[test]
fn keys_differ_by_text_algorithm_and_id() {
    let rsa = pem(&KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap());
    let other = pem(&KeyPair::generate_for(&PKCS_ED25519).unwrap());
    let key = |text, algorithm, id| AssertionKey::from_pem(text, algorithm, id).unwrap();
    let keys = [
        key(&rsa, None, None),
        key(&rsa, Some(SigningAlgorithm::Ps256), None),
        key(&rsa, None, Some("k")),
        key(&other, None, None),
    ];
    let distinct: HashSet<_> = keys.iter().map(|key| *key.fingerprint()).collect();
    assert_eq!(distinct.len(), keys.len());
    assert_eq!(keys[0], key(&rsa, Some(SigningAlgorithm::Rs256), None));
}
