use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256,
};

use super::*;

const ALL: [(SigningAlgorithm, Algorithm); 4] = [
    (SigningAlgorithm::Rs256, Algorithm::RS256),
    (SigningAlgorithm::Ps256, Algorithm::PS256),
    (SigningAlgorithm::Es256, Algorithm::ES256),
    (SigningAlgorithm::EdDsa, Algorithm::EdDSA),
];

#[expect(
    clippy::disallowed_methods,
    reason = "an independent judge of signatures, told one algorithm"
)]
#[test]
fn another_library_verifies_by_what_is_published() {
    for (ours, theirs) in ALL {
        let der = SigningKey::generate(ours).unwrap();
        let key = SigningKey::from_pkcs8(&der, ours).unwrap();
        let claims = json!({"sub": "alice", "aud": "mcp", "exp": 4_000_000_000_u32});
        let token = key.sign("at+jwt", &claims).unwrap();
        let published: Jwk = serde_json::from_value(key.public_jwk()).unwrap();
        let public = DecodingKey::from_jwk(&published).unwrap();
        let mut rules = Validation::new(theirs);
        rules.set_audience(&["mcp"]);
        let read = decode::<Value>(token.expose(), &public, &rules).unwrap();
        assert_eq!(read.claims, claims);
        assert_eq!(read.header.kid.as_deref(), Some(key.key_id()));
        assert_eq!(read.header.typ.as_deref(), Some("at+jwt"));
        let again = SigningKey::from_pkcs8(&der, ours).unwrap();
        assert_eq!(again, key, "the same bytes are the same key");
    }
}

/// JWKS-13.
#[test]
fn nothing_private_is_published_or_printed() {
    for (algorithm, _) in ALL {
        let der = SigningKey::generate(algorithm).unwrap();
        let key = SigningKey::from_pkcs8(&der, algorithm).unwrap();
        let published = key.public_jwk();
        for private in ["d", "p", "q", "dp", "dq", "qi", "k", "oth"] {
            assert!(published.get(private).is_none(), "{private}");
        }
        let printed = format!("{key:?}");
        assert!(
            printed.contains(key.key_id()) && printed.len() < 100,
            "{printed}"
        );
    }
}

#[test]
fn rfc_7638_3_1_the_thumbprint_of_the_example() {
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let members = [
        ("e", "AQAB".to_owned()),
        ("kty", "RSA".to_owned()),
        ("n", n.to_owned()),
    ];
    assert_eq!(
        thumbprint(&members),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
}

/// SIGN-07.
#[test]
fn a_key_that_cannot_sign_as_is_asked_is_refused() {
    let pem = |kind| SecretValue::new(KeyPair::generate_for(kind).unwrap().serialize_pem());
    let ec = pem(&PKCS_ECDSA_P256_SHA256);
    let rs256 = Some(SigningAlgorithm::Rs256);
    for (pem, algorithm, why) in [
        (ec.clone(), rs256, InvalidAssertionKey::WrongAlgorithm),
        (
            pem(&PKCS_ED25519),
            rs256,
            InvalidAssertionKey::WrongAlgorithm,
        ),
        (
            pem(&PKCS_ECDSA_P384_SHA384),
            None,
            InvalidAssertionKey::Unsupported,
        ),
        (
            SecretValue::new("nonsense"),
            None,
            InvalidAssertionKey::NotPem,
        ),
    ] {
        assert_eq!(SigningKey::from_pem(&pem, algorithm).unwrap_err(), why);
    }
    let algorithms = |pem: &SecretValue, algorithm| -> Vec<SigningAlgorithm> {
        let keys = SigningKey::from_pem(pem, algorithm).unwrap();
        keys.iter().map(SigningKey::algorithm).collect()
    };
    let rsa = pem(&PKCS_RSA_SHA256);
    let both = SecretValue::new(format!("{}{}", rsa.expose(), ec.expose()));
    let (rs256, es256) = (SigningAlgorithm::Rs256, SigningAlgorithm::Es256);
    assert_eq!(algorithms(&ec, None), [es256]);
    assert_eq!(algorithms(&rsa, None), [rs256]);
    assert_eq!(algorithms(&both, Some(rs256)), [rs256, es256]);
    assert!(
        SigningKey::from_pem(&both, Some(es256)).is_err(),
        "the first one signs"
    );
    assert!(SigningKey::from_pkcs8(b"nonsense", SigningAlgorithm::Es256).is_err());
}
