//! C2SP Wycheproof's vectors: our check agrees with every one of them, except where it refuses
//! before anything is computed: symmetric signatures, P-521, and the two vectors in which a key that
//! says `PS256` verifies a `PS384` signature (RFC 7517 §4.4, RFC 8725 §3.1).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_oauth::jose::{Algorithm, Jwks, Jws, Unverified};
use serde_json::{Value, json};

const VECTORS: &str = include_str!("../fixtures/wycheproof-json-web-signature.json");

#[test]
fn our_check_agrees_with_every_vector() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let (mut accepted, mut refused, mut stricter) = (0, 0, 0);
    for group in vectors["testGroups"].as_array().unwrap() {
        let key = match &group["public"] {
            Value::Null => &group["private"],
            public => public,
        };
        let keys = Jwks::parse(json!({"keys": [key]}).to_string().as_bytes());
        for case in group["tests"].as_array().unwrap() {
            let text = case["jws"].as_str().unwrap();
            let good = keys.as_ref().is_ok_and(|keys| {
                Unverified::<Jws<'_>>::parse(text)
                    .is_ok_and(|token| token.signed_by(keys, &Algorithm::ALL).is_ok())
            });
            let valid = case["result"] == "valid";
            if valid && is_not_ours(key, text) {
                assert!(!good, "{} {case}", group["comment"]);
                stricter += 1;
            } else {
                assert_eq!(good, valid, "{} {case}", group["comment"]);
                accepted += usize::from(good);
                refused += usize::from(!good);
            }
        }
    }
    assert_eq!(accepted + refused + stricter, 401);
    assert_eq!((accepted, stricter), (32, 14));
}

fn is_not_ours(key: &Value, text: &str) -> bool {
    let named = || {
        let header = URL_SAFE_NO_PAD.decode(text.split('.').next().unwrap());
        let header: Value = serde_json::from_slice(&header.unwrap()).unwrap();
        header["alg"].clone()
    };
    key["kty"] == "oct" || key["crv"] == "P-521" || key["alg"] != named()
}
