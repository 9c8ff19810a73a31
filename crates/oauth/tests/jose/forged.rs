//! What forgers send in place of a signature, and what they ask for in a header.

use portcullis_oauth::jose::{Jws, TokenFault, Unverified};
use serde_json::json;

use crate::issuer::{
    encode, good_claims, good_header, headed, pair, rules, sign, token, verify, verify_by, with,
};

#[test]
fn the_control_is_believed() {
    let claims = verify(&token(&good_header(), &good_claims())).unwrap();
    assert_eq!(claims.subject(), "alice");
    assert_eq!(claims.scopes().to_string(), "a b");
}

/// JWT-01.
#[test]
fn a_token_without_a_signature_is_nobodys() {
    let body = encode(good_claims().to_string());
    let good = token(&good_header(), &good_claims());
    let old = good.rsplit('.').next().unwrap();
    for alg in [
        json!("none"),
        json!("None"),
        json!("NONE"),
        json!("nOnE"),
        json!(""),
        json!(null),
        json!(["EdDSA"]),
        json!(5),
    ] {
        let header = encode(with(good_header(), json!({"alg": alg})).to_string());
        for signature in ["", old, "AAAA"] {
            assert!(
                verify(&format!("{header}.{body}.{signature}")).is_err(),
                "{alg}"
            );
        }
        assert!(verify(&format!("{header}.{body}")).is_err());
    }
    let header = encode(good_header().to_string());
    for signature in ["", "AAAA", &encode([0; 64])] {
        let forged = format!("{header}.{body}.{signature}");
        assert_eq!(verify(&forged).unwrap_err(), TokenFault::Signature);
    }
}

/// JWT-02, JWT-03.
#[test]
fn the_issuers_list_says_which_algorithm_and_never_the_header() {
    for alg in ["HS256", "RS256", "ES256", "ES256K", "eddsa", "Ed25519"] {
        let refused = headed(json!({"alg": alg})).unwrap_err();
        assert_eq!(refused, TokenFault::Algorithm, "{alg}");
    }
    let mut rules = rules();
    rules.algorithms = vec![portcullis_oauth::jose::Algorithm::Rs256];
    let good = token(&good_header(), &good_claims());
    assert_eq!(verify_by(&good, &rules).unwrap_err(), TokenFault::Algorithm);
}

/// JWT-05.
#[test]
fn a_key_id_is_a_name_and_leads_nowhere_else() {
    for kid in [
        json!("../../../../dev/null"),
        json!("' UNION SELECT 1"),
        json!("http://evil.example/k"),
        json!("K1"),
        json!(""),
    ] {
        let refused = headed(json!({"kid": kid})).unwrap_err();
        assert_eq!(refused, TokenFault::UnknownKey, "{kid}");
    }
    for kid in [
        json!("k1\u{0}"),
        json!("k\r\n1"),
        json!("k".repeat(10_240)),
        json!(1),
        json!({"k": 1}),
        json!(["k1"]),
    ] {
        let refused = headed(json!({"kid": kid})).unwrap_err();
        assert_eq!(refused, TokenFault::Malformed, "{kid}");
    }
    // Only one key fits.
    headed(json!({"kid": null})).unwrap();
}

/// JWT-06, JWT-07.
#[test]
fn keys_that_a_token_brings_along_are_not_used() {
    let forger = aws_lc_rs::signature::Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
    let public = encode(aws_lc_rs::signature::KeyPair::public_key(&forger));
    let own = json!({"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": public});
    for brought in [
        json!({"jwk": own}),
        json!({"jku": "https://evil.example/jwks"}),
        json!({"x5u": "https://evil.example/x5u"}),
        json!({"x5c": ["MIIB"]}),
    ] {
        let header = with(good_header(), brought);
        let message = format!(
            "{}.{}",
            encode(header.to_string()),
            encode(good_claims().to_string())
        );
        let forged = format!("{message}.{}", encode(forger.sign(message.as_bytes())));
        assert_eq!(
            verify(&forged).unwrap_err(),
            TokenFault::Signature,
            "{header}"
        );
    }
}

/// JWT-08.
#[test]
fn an_extension_that_must_be_understood_is_not() {
    for header in [
        json!({"crit": ["exp"]}),
        json!({"crit": ["foo"]}),
        json!({"crit": []}),
        json!({"crit": "b64"}),
        json!({"b64": false, "crit": ["b64"]}),
        json!({"b64": true}),
        json!({"enc": "A256GCM"}),
        json!({"zip": "DEF"}),
        json!({"cty": "JWT"}),
    ] {
        assert_eq!(
            headed(header.clone()).unwrap_err(),
            TokenFault::Header,
            "{header}"
        );
    }
}

/// JWT-09, JWT-13.
#[test]
fn json_that_two_readers_could_read_differently_is_refused() {
    let header = good_header().to_string();
    let claims = good_claims().to_string();
    let twice = |text: &str, member: &str| text.replacen('{', &format!("{{{member},"), 1);
    for (header, claims) in [
        (twice(&header, r#""alg":"none""#), claims.clone()),
        (header.clone(), twice(&claims, r#""sub":"admin""#)),
        (header.clone(), twice(&claims, r#""aud":"x""#)),
        (header.clone(), twice(&claims, r#""o":{"a":1,"a":2}"#)),
        (header.clone(), format!("\u{feff}{claims}")),
        (header.clone(), claims.replace("alice", r"\ud800")),
        (header.clone(), format!("{claims} {{}}")),
        (header.clone(), "[]".to_owned()),
        ("[]".to_owned(), claims.clone()),
        (format!("\u{feff}{header}"), claims.clone()),
    ] {
        let refused = verify(&sign(&header, &claims)).unwrap_err();
        assert_eq!(refused, TokenFault::Malformed, "{header} {claims}");
    }
    let bytes = claims.replace("alice", "al\u{0}ce").into_bytes();
    let bytes: Vec<u8> = bytes
        .into_iter()
        .map(|b| if b == 0 { 0xff } else { b })
        .collect();
    assert_eq!(
        verify(&sign(header, bytes)).unwrap_err(),
        TokenFault::Malformed
    );
}

/// JWT-10.
#[test]
fn other_serialisations_and_numbers_of_parts_are_refused() {
    let good = token(&good_header(), &good_claims());
    let parts: Vec<&str> = good.split('.').collect();
    let flattened = json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]});
    for text in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        parts[0].to_owned(),
        format!("{}.{}", parts[0], parts[1]),
        format!("{good}."),
        format!("{good}.{}", parts[2]),
        format!("{good}.{}.{}", parts[2], parts[2]),
        format!(".{}.{}", parts[1], parts[2]),
        flattened.to_string(),
        json!({"payload": parts[1], "signatures": [flattened]}).to_string(),
        "x".repeat(20_000),
    ] {
        assert_eq!(verify(&text).unwrap_err(), TokenFault::Malformed, "{text}");
    }
}

/// JWT-11: what has two spellings cannot be revoked by its hash.
#[test]
fn one_token_has_one_spelling() {
    let good = token(&good_header(), &good_claims());
    verify(&good).unwrap();
    let (message, signature) = good.rsplit_once('.').unwrap();
    // 64 bytes leave four bits of the last character unused: the next letter says the same bytes.
    let (rest, last) = signature.split_at(signature.len() - 1);
    let next = char::from(last.as_bytes()[0] + 1);
    for spelled in [
        format!("{good}="),
        format!("{good}=="),
        format!("{message}.{rest}{next}"),
        format!("{message}.{}", signature.replace(['-', '_'], "+")) + "=",
        format!("{message}.\n{signature}"),
        format!(" {good}"),
        format!("{good} "),
        good.replacen('.', "=.", 1),
    ] {
        assert!(verify(&spelled).is_err(), "{spelled}");
    }
}

/// JWT-20, JWT-23.
#[test]
fn a_signature_belongs_to_every_bit_of_its_token() {
    let good = token(&good_header(), &good_claims());
    let (message, signature) = good.rsplit_once('.').unwrap();
    for other in [
        with(good_claims(), json!({"sub": "admin"})),
        with(good_claims(), json!({"exp": 1_800_000_301})),
    ] {
        let other = token(&good_header(), &other);
        let (others, _) = other.rsplit_once('.').unwrap();
        let swapped = format!("{others}.{signature}");
        assert_eq!(verify(&swapped).unwrap_err(), TokenFault::Signature);
    }
    let bytes = pair().sign(message.as_bytes());
    for bit in 0..64 * 8 {
        let mut bytes = bytes.as_ref().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let flipped = format!("{message}.{}", encode(bytes));
        assert_eq!(
            verify(&flipped).unwrap_err(),
            TokenFault::Signature,
            "bit {bit}"
        );
    }
    for length in [0, 1, 32, 63] {
        let cut = format!("{message}.{}", encode(&bytes.as_ref()[..length]));
        assert_eq!(verify(&cut).unwrap_err(), TokenFault::Signature);
    }
}

#[test]
fn what_is_no_token_of_this_form_is_told_apart_from_a_bad_one() {
    let looks = Unverified::<Jws<'_>>::looks_like_one;
    assert!(looks(&token(&good_header(), &good_claims())));
    assert!(looks("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."));
    assert!(looks("eyJhbGciOiJub25lIn0=.e30"));
    for other in ["sk-pc-abc", "sk-1.2.3", "opaque", "", "...", "a.b.c"] {
        assert!(!looks(other), "{other}");
    }
}
