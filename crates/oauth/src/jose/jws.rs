//! The compact form (RFC 7515 §7.1), read strictly: one token has one spelling.

use std::ops::Deref;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::jwk::LONGEST_KID;
use super::{Algorithm, Jwks, TokenFault, TokenType, json};

/// Longer tokens fit into no header.
const LONGEST_TOKEN: usize = 16 * 1024;

/// What somebody says, and nobody has vouched for.
#[derive(Debug)]
pub struct Unverified<T>(T);

/// What was vouched for. Only this room makes one.
#[derive(Clone, Debug)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    pub(super) const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value alone.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A signed token, taken apart.
pub struct Jws<'t> {
    algorithm: Result<Algorithm, TokenFault>,
    kid: Option<String>,
    token_type: TokenType,
    message: &'t str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl std::fmt::Debug for Jws<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Jws(redacted)")
    }
}

impl<'t> Unverified<Jws<'t>> {
    /// Whether this may be meant as a JWS or JWE in compact form: its first part is the beginning
    /// of a JSON object. It need not be a good one.
    pub fn looks_like_one(text: &str) -> bool {
        text.split_once('.').is_some_and(|(head, _)| {
            let decoded = URL_SAFE_NO_PAD.decode(head.trim_end_matches('='));
            decoded.is_ok_and(|head| head.trim_ascii_start().first() == Some(&b'{'))
        })
    }

    /// Takes a token apart. Nothing in it is believed by that.
    pub fn parse(text: &'t str) -> Result<Self, TokenFault> {
        if text.len() > LONGEST_TOKEN {
            return Err(TokenFault::Malformed);
        }
        let mut parts = text.split('.');
        let (Some(head), Some(body), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenFault::Malformed);
        };
        let decode = |part: &str| {
            URL_SAFE_NO_PAD
                .decode(part)
                .map_err(|_| TokenFault::Malformed)
        };
        let message = text
            .get(..head.len() + 1 + body.len())
            .ok_or(TokenFault::Malformed)?;
        let header = json::object(&decode(head)?).ok_or(TokenFault::Malformed)?;
        refuse_what_is_not_understood(&header)?;
        Ok(Self(Jws {
            algorithm: algorithm(&header)?,
            kid: kid(&header)?,
            token_type: TokenType::of_header(&header)?,
            message,
            payload: decode(body)?,
            signature: decode(signature)?,
        }))
    }

    /// The `iss` that it claims: good for finding whose keys and rules to ask, and nothing else.
    pub fn claimed_issuer(&self) -> Result<String, TokenFault> {
        let claims = json::object(&self.0.payload).ok_or(TokenFault::Malformed)?;
        match claims.get("iss") {
            Some(Value::String(issuer)) => Ok(issuer.clone()),
            _ => Err(TokenFault::Issuer),
        }
    }

    /// The key that it asks for, under which only the issuer's own keys are looked up.
    pub fn key_id(&self) -> Option<&str> {
        self.0.kid.as_deref()
    }

    /// What it says that it is signed by: true only of what [`signed_by`](Self::signed_by) believed.
    pub(super) fn algorithm(&self) -> Result<Algorithm, TokenFault> {
        self.0.algorithm
    }

    pub(super) const fn token_type(&self) -> &TokenType {
        &self.0.token_type
    }

    /// The payload, if one of the keys signed it by one of the algorithms.
    pub fn signed_by(
        &self,
        keys: &Jwks,
        algorithms: &[Algorithm],
    ) -> Result<Verified<&[u8]>, TokenFault> {
        let Jws {
            algorithm,
            kid,
            message,
            payload,
            signature,
            ..
        } = &self.0;
        let algorithm = (*algorithm)?;
        if !algorithms.contains(&algorithm) {
            return Err(TokenFault::Algorithm);
        }
        let key = keys.key(kid.as_deref(), algorithm)?;
        if key.signed(algorithm, message.as_bytes(), signature) {
            Ok(Verified::new(payload))
        } else {
            Err(TokenFault::Signature)
        }
    }
}

/// `crit` names extensions that must be understood, and none is (RFC 7515 §4.1.11); `b64` changes
/// what is signed (RFC 7797); `enc` and `zip` are of encryption; `cty` is of nesting (RFC 7519 §5.2).
fn refuse_what_is_not_understood(header: &Map<String, Value>) -> Result<(), TokenFault> {
    let asks = ["crit", "b64", "enc", "zip", "cty"]
        .into_iter()
        .any(|name| header.contains_key(name));
    if asks {
        Err(TokenFault::Header)
    } else {
        Ok(())
    }
}

/// An unknown one is told apart from a malformed header only in the audit event.
fn algorithm(header: &Map<String, Value>) -> Result<Result<Algorithm, TokenFault>, TokenFault> {
    match header.get("alg") {
        Some(Value::String(name)) => Ok(name.parse().map_err(|_| TokenFault::Algorithm)),
        _ => Err(TokenFault::Malformed),
    }
}

fn kid(header: &Map<String, Value>) -> Result<Option<String>, TokenFault> {
    match header.get("kid") {
        None => Ok(None),
        Some(Value::String(kid))
            if kid.len() <= LONGEST_KID && !kid.chars().any(char::is_control) =>
        {
            Ok(Some(kid.clone()))
        }
        Some(_) => Err(TokenFault::Malformed),
    }
}
