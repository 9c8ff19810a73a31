//! What an ID token must say before a person is who it says (OpenID Connect Core 1.0 §3.1.3.7).

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{AccessToken, Timestamp, constant_time_eq};
use serde_json::{Map, Value};

use super::access_token::{Source, judge};
use super::json;
use super::{
    Algorithm, Claims, Jwks, Jws, TokenFault, TokenRules, TokenType, Unverified, Verified,
};

/// What ties an ID token to the sign-in that it ends.
#[derive(Clone, Copy, Debug)]
pub struct SignInMarks<'a> {
    /// Our client at the provider: the audience.
    pub client_id: &'a str,
    /// The `nonce` that the person's browser took along.
    pub nonce: &'a str,
    /// What came beside it.
    pub access_token: &'a AccessToken,
}

/// Believes an ID token, or says why not. Of the rules the issuer, the algorithms, the leeway and the
/// longest lifetime count; audience and type are those of ID tokens.
pub fn verify_id_token(
    token: &Unverified<Jws<'_>>,
    keys: &Jwks,
    rules: &TokenRules,
    marks: &SignInMarks<'_>,
    now: Timestamp,
) -> Result<Verified<Claims>, TokenFault> {
    // Core does not name a type; what is of another one is another token (RFC 8725 §3.11).
    let types = [TokenType::absent(), TokenType::named("JWT")];
    if !types.contains(token.token_type()) {
        return Err(TokenFault::Type);
    }
    let payload = token.signed_by(keys, &rules.algorithms)?;
    let members = json::object(*payload).ok_or(TokenFault::Malformed)?;
    if members.get("iss").and_then(Value::as_str) != Some(&rules.issuer) {
        return Err(TokenFault::Issuer);
    }
    // A logout token is signed by the same key for the same audience, and has `events` for `nonce`
    // (OpenID Connect Back-Channel Logout §2.4).
    if members.contains_key("events") {
        return Err(TokenFault::NotAnIdToken);
    }
    authorized_party(&members, marks.client_id)?;
    let nonce = members.get("nonce").and_then(Value::as_str);
    let nonce = nonce.ok_or(TokenFault::Nonce)?;
    if !constant_time_eq(nonce.as_bytes(), marks.nonce.as_bytes()) {
        return Err(TokenFault::Nonce);
    }
    if let Some(hash) = members.get("at_hash") {
        let algorithm = token.algorithm()?;
        if hash.as_str() != Some(&left_half(algorithm, marks.access_token)) {
            return Err(TokenFault::AccessTokenHash);
        }
    }
    let rules = TokenRules {
        audiences: vec![marks.client_id.to_owned()],
        ..rules.clone()
    };
    let claims = judge(members, &rules, None, now, Source::Token)?;
    if claims.issued_at().is_none() {
        return Err(TokenFault::Claims);
    }
    Ok(Verified::new(claims))
}

/// §3.1.3.7 no. 4 and 5: of several audiences the token says which one asked for it.
fn authorized_party(members: &Map<String, Value>, client_id: &str) -> Result<(), TokenFault> {
    let several = members
        .get("aud")
        .and_then(Value::as_array)
        .is_some_and(|audiences| audiences.len() > 1);
    match members.get("azp") {
        None if several => Err(TokenFault::Audience),
        None => Ok(()),
        Some(Value::String(party)) if party == client_id => Ok(()),
        Some(_) => Err(TokenFault::Audience),
    }
}

/// `at_hash` (§3.1.3.6): the left half of the hash that the signature's algorithm uses. EdDSA over
/// Ed25519 uses SHA-512 (RFC 8032 §5.1).
fn left_half(algorithm: Algorithm, token: &AccessToken) -> String {
    let hash = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 => &digest::SHA256,
        Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Es384 => &digest::SHA384,
        Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::EdDsa => &digest::SHA512,
    };
    let hash = digest::digest(hash, token.expose().as_bytes());
    let (left, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
    URL_SAFE_NO_PAD.encode(left)
}
