//! An issuer with an Ed25519 key, and rules that its good token keeps.

use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::Timestamp;
use portcullis_oauth::jose::{
    Algorithm, Claims, Jwks, Jws, TokenFault, TokenRules, TokenType, Unverified, Verified,
    verify_access_token,
};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://issuer.example/tenant";
pub(crate) const AUDIENCE: &str = "https://gw.example/mcp";
pub(crate) const NOW: i64 = 1_800_000_000;

pub(crate) fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn keys() -> Jwks {
    let x = encode(pair().public_key());
    let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": x}]});
    Jwks::parse(set.to_string().as_bytes()).unwrap()
}

pub(crate) fn rules() -> TokenRules {
    TokenRules {
        issuer: ISSUER.to_owned(),
        audiences: vec![AUDIENCE.to_owned()],
        algorithms: vec![Algorithm::EdDsa],
        types: vec![TokenType::named("at+jwt"), TokenType::named("JWT")],
        leeway: Duration::from_secs(30),
        max_lifetime: Duration::from_hours(24),
    }
}

pub(crate) fn good_header() -> Value {
    json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "k1"})
}

pub(crate) fn good_claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "alice", "aud": AUDIENCE,
        "iat": NOW - 10, "exp": NOW + 300, "jti": "1", "scope": "a b",
    })
}

/// These members changed; `null` takes one away.
pub(crate) fn with(mut value: Value, changes: Value) -> Value {
    let members = value.as_object_mut().unwrap();
    let Value::Object(changes) = changes else {
        panic!("changes are members");
    };
    for (name, change) in changes {
        if change.is_null() {
            members.remove(&name);
        } else {
            members.insert(name, change);
        }
    }
    value
}

/// The key's signature over whatever this is.
pub(crate) fn sign(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    let message = format!("{}.{}", encode(header), encode(payload));
    let signature = pair().sign(message.as_bytes());
    format!("{message}.{}", encode(signature))
}

pub(crate) fn token(header: &Value, claims: &Value) -> String {
    sign(header.to_string(), claims.to_string())
}

pub(crate) fn verify_by(token: &str, rules: &TokenRules) -> Result<Verified<Claims>, TokenFault> {
    verify_held(token, rules, None)
}

/// What becomes of a token whose bearer proved to hold a certificate.
pub(crate) fn verify_held(
    token: &str,
    rules: &TokenRules,
    holder: Option<&[u8; 32]>,
) -> Result<Verified<Claims>, TokenFault> {
    let token = Unverified::<Jws<'_>>::parse(token)?;
    verify_access_token(&token, &keys(), rules, holder, Timestamp::from_secs(NOW))
}

pub(crate) fn verify(token: &str) -> Result<Verified<Claims>, TokenFault> {
    verify_by(token, &rules())
}

/// What becomes of a token with these claims changed.
pub(crate) fn claiming(changes: Value) -> Result<(), TokenFault> {
    verify(&token(&good_header(), &with(good_claims(), changes))).map(drop)
}

/// What becomes of a token with these header members changed.
pub(crate) fn headed(changes: Value) -> Result<(), TokenFault> {
    verify(&token(&with(good_header(), changes), &good_claims())).map(drop)
}
