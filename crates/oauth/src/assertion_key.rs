//! The key of a client that proves itself by a signed assertion (`private_key_jwt`).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{SecretValue, Sha256, sha256};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

/// How an assertion is signed (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl SigningAlgorithm {
    /// Its name in a JOSE header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl FromStr for SigningAlgorithm {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
            .ok_or(())
    }
}

/// Why a key cannot sign. Nothing of the key is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAssertionKey {
    /// No PEM block with a private key.
    #[error(
        "not an unencrypted private key in PEM (`-----BEGIN PRIVATE KEY-----`, or the RSA or EC form)"
    )]
    NotPem,
    /// Of a kind that no algorithm of ours uses.
    #[error("not a key of at least 2048 bits RSA, of P-256, or of Ed25519")]
    Unsupported,
    /// The key is fine, and of another kind than the algorithm.
    #[error("the key does not fit the algorithm")]
    WrongAlgorithm,
    /// A key id that cannot stand in a header.
    #[error("the key id is empty or has control characters")]
    BadKeyId,
}

/// A signature that could not be made: the library failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key did not sign")]
pub struct SigningFailed;

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A private key with its algorithm. Equal when text, algorithm and id are.
#[derive(Clone)]
pub struct AssertionKey {
    pair: Arc<Pair>,
    algorithm: SigningAlgorithm,
    key_id: Option<Arc<str>>,
    fingerprint: [u8; 32],
}

impl AssertionKey {
    /// Reads a key. Without an algorithm the key's kind decides: RS256, ES256 or EdDSA.
    pub fn from_pem(
        pem: &SecretValue,
        algorithm: Option<SigningAlgorithm>,
        key_id: Option<&str>,
    ) -> Result<Self, InvalidAssertionKey> {
        if key_id.is_some_and(|id| id.is_empty() || id.chars().any(char::is_control)) {
            return Err(InvalidAssertionKey::BadKeyId);
        }
        let der = PrivateKeyDer::from_pem_slice(pem.expose().as_bytes())
            .map_err(|_| InvalidAssertionKey::NotPem)?;
        Self::of(&der, pem.fingerprint(), algorithm, key_id)
    }

    /// Every key of a PEM: the first of this algorithm, the others of it if they fit.
    pub(crate) fn all_from_pem(
        pem: &SecretValue,
        algorithm: Option<SigningAlgorithm>,
    ) -> Result<Vec<Self>, InvalidAssertionKey> {
        let mut keys: Vec<Self> = Vec::new();
        for der in PrivateKeyDer::pem_slice_iter(pem.expose().as_bytes()) {
            let der = der.map_err(|_| InvalidAssertionKey::NotPem)?;
            let text = sha256(der.secret_der());
            let key = match Self::of(&der, text, algorithm, None) {
                Err(InvalidAssertionKey::WrongAlgorithm) if !keys.is_empty() => {
                    Self::of(&der, text, None, None)
                }
                read => read,
            };
            keys.push(key?);
        }
        if keys.is_empty() {
            return Err(InvalidAssertionKey::NotPem);
        }
        Ok(keys)
    }

    /// The same of a key in DER (PKCS #8).
    pub(crate) fn from_pkcs8(
        der: &[u8],
        algorithm: SigningAlgorithm,
    ) -> Result<Self, InvalidAssertionKey> {
        let fingerprint = sha256(der);
        let der = PrivateKeyDer::Pkcs8(der.into());
        Self::of(&der, fingerprint, Some(algorithm), None)
    }

    fn of(
        der: &PrivateKeyDer<'_>,
        text: [u8; 32],
        algorithm: Option<SigningAlgorithm>,
        key_id: Option<&str>,
    ) -> Result<Self, InvalidAssertionKey> {
        let pair = Pair::read(der).ok_or(InvalidAssertionKey::Unsupported)?;
        let algorithm = match (&pair, algorithm) {
            (Pair::Rsa(_), None) => SigningAlgorithm::Rs256,
            (Pair::P256(_), None) => SigningAlgorithm::Es256,
            (Pair::Ed25519(_), None) => SigningAlgorithm::EdDsa,
            (Pair::Rsa(_), Some(it @ (SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256)))
            | (Pair::P256(_), Some(it @ SigningAlgorithm::Es256))
            | (Pair::Ed25519(_), Some(it @ SigningAlgorithm::EdDsa)) => it,
            _ => return Err(InvalidAssertionKey::WrongAlgorithm),
        };
        let fingerprint = Sha256::new()
            .part(&text)
            .part(algorithm.as_str().as_bytes())
            .part(key_id.unwrap_or_default().as_bytes())
            .finish();
        Ok(Self {
            pair: Arc::new(pair),
            algorithm,
            key_id: key_id.map(Arc::from),
            fingerprint,
        })
    }

    /// How it signs.
    pub const fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// Its `kid`, if the operator gave one.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// What tells it from every other key, for caches.
    pub const fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// The public half as members of a JWK (RFC 7518 §6, RFC 8037 §2): exactly those that a thumbprint
    /// is made of, in its order (RFC 7638 §3.2).
    pub(crate) fn public_members(&self) -> Vec<(&'static str, String)> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let word = str::to_owned;
        match &*self.pair {
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                vec![
                    (
                        "e",
                        text(public.exponent().big_endian_without_leading_zero()),
                    ),
                    ("kty", word("RSA")),
                    (
                        "n",
                        text(public.modulus().big_endian_without_leading_zero()),
                    ),
                ]
            }
            Pair::P256(pair) => {
                // SEC 1 §2.3.3: 04, x, y.
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at(point.len() / 2);
                vec![
                    ("crv", word("P-256")),
                    ("kty", word("EC")),
                    ("x", text(x)),
                    ("y", text(y)),
                ]
            }
            Pair::Ed25519(pair) => vec![
                ("crv", word("Ed25519")),
                ("kty", word("OKP")),
                ("x", text(pair.public_key().as_ref())),
            ],
        }
    }

    /// The signature in the form of RFC 7518 §3.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        let random = SystemRandom::new();
        match &*self.pair {
            Pair::Rsa(pair) => {
                let padding: &'static dyn aws_lc_rs::signature::RsaEncoding = match self.algorithm {
                    SigningAlgorithm::Ps256 => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature)
                    .map_err(|_| SigningFailed)?;
                Ok(signature)
            }
            Pair::P256(pair) => {
                let signature = pair.sign(&random, message).map_err(|_| SigningFailed)?;
                Ok(signature.as_ref().to_vec())
            }
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

impl Pair {
    fn read(der: &PrivateKeyDer<'_>) -> Option<Self> {
        let p256 = &ECDSA_P256_SHA256_FIXED_SIGNING;
        match der {
            PrivateKeyDer::Pkcs1(der) => rsa(RsaKeyPair::from_der(der.secret_pkcs1_der()).ok()?),
            PrivateKeyDer::Sec1(der) => {
                EcdsaKeyPair::from_private_key_der(p256, der.secret_sec1_der())
                    .ok()
                    .map(Self::P256)
            }
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                RsaKeyPair::from_pkcs8(der)
                    .ok()
                    .and_then(rsa)
                    .or_else(|| EcdsaKeyPair::from_pkcs8(p256, der).ok().map(Self::P256))
                    .or_else(|| {
                        Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
                            .ok()
                            .map(Self::Ed25519)
                    })
            }
            _ => None,
        }
    }
}

/// RFC 7518 §3.3: 2048 bits or more.
fn rsa(pair: RsaKeyPair) -> Option<Pair> {
    (pair.public_modulus_len() >= KeySize::Rsa2048.len()).then_some(Pair::Rsa(pair))
}

impl fmt::Debug for AssertionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssertionKey")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl PartialEq for AssertionKey {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for AssertionKey {}
