//! Signing: a key of our own, its public half (RFC 7517) and the compact form (RFC 7515 §7.1).

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{SecretValue, sha256};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::{AssertionKey, InvalidAssertionKey, SigningAlgorithm, SigningFailed};

/// A key that others know by its thumbprint.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    key: AssertionKey,
    key_id: String,
}

/// A key that could not be made: the library failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the crypto library made no key")]
pub struct KeyNotMade;

impl SigningKey {
    /// Reads the operator's keys, at least one. The first is of this algorithm; without one its kind
    /// decides.
    pub fn from_pem(
        pem: &SecretValue,
        algorithm: Option<SigningAlgorithm>,
    ) -> Result<Vec<Self>, InvalidAssertionKey> {
        let keys = AssertionKey::all_from_pem(pem, algorithm)?;
        Ok(keys.into_iter().map(Self::named).collect())
    }

    /// Reads a key that was kept (PKCS #8 in DER).
    pub fn from_pkcs8(
        der: &[u8],
        algorithm: SigningAlgorithm,
    ) -> Result<Self, InvalidAssertionKey> {
        AssertionKey::from_pkcs8(der, algorithm).map(Self::named)
    }

    /// Makes a key, to be kept: PKCS #8 in DER. An RSA key has 2048 bits (RFC 7518 §3.3): a longer one
    /// costs every call three times as much, and this one is easily rotated.
    pub fn generate(algorithm: SigningAlgorithm) -> Result<Zeroizing<Vec<u8>>, KeyNotMade> {
        let failed = |_| KeyNotMade;
        let der = match algorithm {
            SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
                pair.as_der().map_err(failed)?.as_ref().to_vec()
            }
            SigningAlgorithm::Es256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
                let pair = pair.map_err(failed)?;
                pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec()
            }
            SigningAlgorithm::EdDsa => {
                let pair = Ed25519KeyPair::generate().map_err(failed)?;
                pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec()
            }
        };
        Ok(Zeroizing::new(der))
    }

    fn named(key: AssertionKey) -> Self {
        Self {
            key_id: thumbprint(&key.public_members()),
            key,
        }
    }

    /// Its `kid`: the thumbprint of its public half (RFC 7638).
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// How it signs.
    pub const fn algorithm(&self) -> SigningAlgorithm {
        self.key.algorithm()
    }

    /// What everybody may know of it.
    pub fn public_jwk(&self) -> Value {
        let mut members: Map<String, Value> = self
            .key
            .public_members()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        members.insert("kid".to_owned(), self.key_id.as_str().into());
        members.insert("alg".to_owned(), self.algorithm().as_str().into());
        members.insert("use".to_owned(), "sig".into());
        Value::Object(members)
    }

    /// Signs claims as a token of this type (RFC 8725 §3.11).
    pub fn sign(&self, token_type: &str, claims: &Value) -> Result<SecretValue, SigningFailed> {
        let algorithm = self.algorithm().as_str();
        let header = json!({"alg": algorithm, "typ": token_type, "kid": self.key_id});
        compact(&self.key, &header, claims)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// RFC 7638 §3: the hash of exactly these members in this order, without blanks. None of them needs
/// escaping.
fn thumbprint(members: &[(&'static str, String)]) -> String {
    let members: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("\"{name}\":\"{value}\""))
        .collect();
    URL_SAFE_NO_PAD.encode(sha256(format!("{{{}}}", members.join(",")).as_bytes()))
}

/// RFC 7515 §5.1.
pub(crate) fn compact(
    key: &AssertionKey,
    header: &Value,
    claims: &Value,
) -> Result<SecretValue, SigningFailed> {
    let message = [header, claims]
        .map(|part| URL_SAFE_NO_PAD.encode(part.to_string()))
        .join(".");
    let signature = key.sign(message.as_bytes())?;
    Ok(SecretValue::new(format!(
        "{message}.{}",
        URL_SAFE_NO_PAD.encode(signature)
    )))
}

#[cfg(test)]
mod tests;
