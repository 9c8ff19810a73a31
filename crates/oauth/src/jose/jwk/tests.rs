//! Key sets as issuers and attackers publish them.

use super::*;

const ED25519_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const P256: &str = r#""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;

fn usable(keys: &str) -> Result<usize, JwksError> {
    Jwks::parse(format!(r#"{{"keys":[{keys}]}}"#).as_bytes()).map(|keys| keys.usable())
}

fn ed25519(rest: &str) -> String {
    format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{ED25519_X}"{rest}}}"#)
}

fn rsa(n: &[u8], e: &[u8]) -> String {
    let (n, e) = (URL_SAFE_NO_PAD.encode(n), URL_SAFE_NO_PAD.encode(e));
    format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#)
}

/// An odd number of this many bytes whose first bit is set.
fn modulus(bytes: usize) -> Vec<u8> {
    let mut n = vec![0xff; bytes];
    n[0] = 0xc1;
    n
}

/// JWKS-05.
#[test]
fn what_is_no_key_set_is_refused_whole() {
    for body in [
        "",
        "<html>",
        "null",
        "[]",
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":[1]}"#,
        r#"{"keys":[],"keys":[]}"#,
        r#"{"keys":[{"kty":"OKP","kty":"OKP"}]}"#,
        r#"{"keys":["#,
    ] {
        let refused = Jwks::parse(body.as_bytes()).unwrap_err();
        assert_eq!(refused, JwksError::Malformed, "{body}");
    }
    let many = vec![ed25519(""); MOST_KEYS + 1].join(",");
    assert_eq!(usable(&many).unwrap_err(), JwksError::TooMany);
}

/// An issuer that withdrew its keys, or has only such that we cannot use, is to be believed.
#[test]
fn a_set_without_a_usable_key_is_a_set() {
    for keys in ["", "{}", r#"{"kty":"oct","k":"AAAA"}"#, r#"{"kty":"new"}"#] {
        assert_eq!(usable(keys), Ok(0), "{keys}");
    }
}

/// JWKS-07.
#[test]
fn good_keys_among_bad_ones_are_used() {
    let twin = format!(r#"{{{P256},"kid":"twin"}}"#);
    let keys = [
        ed25519(r#","kid":"good","use":"sig","alg":"EdDSA""#),
        ed25519(r#","kid":"encrypts","use":"enc""#),
        ed25519(r#","kid":"signs only","key_ops":["sign"]"#),
        ed25519(r#","kid":"no list","key_ops":"verify""#),
        ed25519(r#","kid":"private","d":"AAAA""#),
        ed25519(r#","kid":5"#),
        ed25519(r#","alg":"RS256""#),
        ed25519(r#","alg":"HS256""#),
        ed25519(r#","kid":"twin""#),
        twin,
        r#"{"kty":"oct","kid":"shared","k":"c2VjcmV0c2VjcmV0"}"#.to_owned(),
        r#"{"kty":"new","kid":"unheard of"}"#.to_owned(),
        r#"{"kid":"nothing"}"#.to_owned(),
        r#"{"x5c":["MIIB"]}"#.to_owned(),
    ]
    .join(",");
    let keys = Jwks::parse(format!(r#"{{"keys":[{keys}]}}"#).as_bytes()).unwrap();
    assert_eq!((keys.usable(), keys.skipped()), (1, 13));
    assert!(keys.key(Some("good"), Algorithm::EdDsa).is_ok());
    for (kid, fault) in [
        (Some("good"), TokenFault::Algorithm),
        (Some("Good"), TokenFault::UnknownKey),
        (Some("twin"), TokenFault::UnknownKey),
        (Some("shared"), TokenFault::UnknownKey),
        (Some(""), TokenFault::UnknownKey),
        (None, TokenFault::UnknownKey),
    ] {
        assert_eq!(
            keys.key(kid, Algorithm::Rs256).unwrap_err(),
            fault,
            "{kid:?}"
        );
    }
}

#[test]
fn a_token_without_a_key_id_needs_that_only_one_key_fits() {
    let one = format!("{},{{{P256}}}", ed25519(""));
    let one = Jwks::parse(format!(r#"{{"keys":[{one}]}}"#).as_bytes()).unwrap();
    assert!(one.key(None, Algorithm::EdDsa).is_ok());
    assert!(one.key(None, Algorithm::Es256).is_ok());
    let two = format!("{},{}", ed25519(r#","kid":"a""#), ed25519(r#","kid":"b""#));
    let two = Jwks::parse(format!(r#"{{"keys":[{two}]}}"#).as_bytes()).unwrap();
    assert!(two.key(Some("a"), Algorithm::EdDsa).is_ok());
    let refused = two.key(None, Algorithm::EdDsa).unwrap_err();
    assert_eq!(refused, TokenFault::UnknownKey);
}

/// JWT-21.
#[test]
fn weak_keys_are_left_out() {
    let exponent = [1, 0, 1];
    let even = {
        let mut n = modulus(256);
        n[255] = 0xfe;
        n
    };
    let short = {
        let mut n = modulus(256);
        n[0] = 0x41;
        n
    };
    for (n, e, good) in [
        (modulus(256), exponent.as_slice(), true),
        ([vec![0], modulus(256)].concat(), exponent.as_slice(), true),
        (modulus(256), &[3], true),
        (modulus(1024), &exponent, true),
        (modulus(128), &exponent, false),
        (modulus(255), &exponent, false),
        (short, &exponent, false),
        (modulus(2048), &exponent, false),
        (even, &exponent, false),
        (modulus(256), &[1], false),
        (modulus(256), &[2], false),
        (modulus(256), &[], false),
        (modulus(256), &[1, 0, 0, 0, 1], false),
        (Vec::new(), &exponent, false),
    ] {
        let found = usable(&rsa(&n, e));
        assert_eq!(
            found,
            Ok(usize::from(good)),
            "{} bytes, exponent {e:?}",
            n.len()
        );
    }
}

/// JWT-21.
#[test]
fn a_point_that_is_not_on_the_curve_is_no_key() {
    assert_eq!(usable(&format!("{{{P256}}}")), Ok(1));
    let zero = URL_SAFE_NO_PAD.encode([0; 32]);
    for (crv, x, y) in [
        ("P-256", zero.as_str(), zero.as_str()),
        ("P-256", ED25519_X, ED25519_X),
        ("P-256", "AA", "AA"),
        ("P-256", "", ""),
        ("P-384", ED25519_X, ED25519_X),
        ("secp256k1", ED25519_X, ED25519_X),
    ] {
        let key = format!(r#"{{"kty":"EC","crv":"{crv}","x":"{x}","y":"{y}"}}"#);
        assert_eq!(usable(&key), Ok(0), "{key}");
    }
}

/// JWT-20.
#[test]
fn a_point_of_small_order_is_no_key() {
    let last = |first: u8, middle: u8, last: u8| {
        let mut key = [middle; 32];
        (key[0], key[31]) = (first, last);
        key
    };
    for key in [
        last(0, 0, 0),
        last(1, 0, 0),
        last(1, 0, 0x80),
        last(0xec, 0xff, 0x7f),
        last(0xed, 0xff, 0x7f),
        last(0xee, 0xff, 0xff),
    ] {
        assert!(is_of_small_order(key), "{key:02x?}");
        let key = URL_SAFE_NO_PAD.encode(key);
        let key = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{key}"}}"#);
        assert_eq!(usable(&key), Ok(0));
    }
    assert_eq!(usable(&ed25519("")), Ok(1));
}
