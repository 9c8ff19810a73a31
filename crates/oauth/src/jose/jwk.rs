//! An issuer's keys (RFC 7517, RFC 7518 §6, RFC 8037), as far as they can verify signatures.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::json;
use super::{Algorithm, TokenFault};

/// More keys than this are no key set: an issuer has a handful.
const MOST_KEYS: usize = 100;
/// RSA keys from 2048 (RFC 7518 §3.3) to 8192 bits; larger ones cost whoever verifies too much.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;
/// Longest `kid`, in a key and in a header.
pub(super) const LONGEST_KID: usize = 256;

/// The keys of one issuer that can verify signatures.
#[derive(Debug, Default)]
pub struct Jwks {
    keys: Vec<Key>,
    skipped: usize,
}

/// A body that is no key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// Not a JSON object with a list of objects, or a member is there twice.
    #[error("not a JWK set")]
    Malformed,
    /// More keys than anybody has.
    #[error("a JWK set of more than {MOST_KEYS} keys")]
    TooMany,
}

impl Jwks {
    /// Reads a key set. Keys that cannot be used are left out: other types, other uses, weak or
    /// malformed ones, ones whose private half was published, and all that share a `kid`.
    ///
    /// A set in which nothing is left is one like any other (RFC 7517 §5 has keys that are not
    /// understood ignored): it says that no key that could be used before is the issuer's any more.
    pub fn parse(body: &[u8]) -> Result<Self, JwksError> {
        let document = json::object(body).ok_or(JwksError::Malformed)?;
        let Some(Value::Array(entries)) = document.get("keys") else {
            return Err(JwksError::Malformed);
        };
        if entries.len() > MOST_KEYS {
            return Err(JwksError::TooMany);
        }
        let kids: Vec<Option<&str>> = entries.iter().map(kid_of).collect();
        let mut keys = Vec::new();
        for entry in entries {
            let members = entry.as_object().ok_or(JwksError::Malformed)?;
            let kid = kid_of(entry);
            let alone = kid.is_none() || kids.iter().filter(|other| **other == kid).count() == 1;
            keys.extend(Key::parse(members).filter(|_| alone));
        }
        Ok(Self {
            skipped: entries.len() - keys.len(),
            keys,
        })
    }

    /// How many keys can be used.
    pub const fn usable(&self) -> usize {
        self.keys.len()
    }

    /// How many were left out.
    pub const fn skipped(&self) -> usize {
        self.skipped
    }

    /// The one key for a token: of this id, or, for a token without one, the only key that fits.
    pub(super) fn key(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&Key, TokenFault> {
        if let Some(kid) = kid {
            let named = self.keys.iter().find(|key| key.kid.as_deref() == Some(kid));
            let key = named.ok_or(TokenFault::UnknownKey)?;
            return if key.fits(algorithm) {
                Ok(key)
            } else {
                Err(TokenFault::Algorithm)
            };
        }
        let mut fitting = self.keys.iter().filter(|key| key.fits(algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            _ => Err(TokenFault::UnknownKey),
        }
    }
}

fn kid_of(entry: &Value) -> Option<&str> {
    entry.get("kid").and_then(Value::as_str)
}

/// One public key.
#[derive(Debug)]
pub(super) struct Key {
    kid: Option<String>,
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Debug)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(ParsedPublicKey),
    P384(ParsedPublicKey),
    Ed25519(ParsedPublicKey),
}

impl Key {
    fn parse(members: &Map<String, Value>) -> Option<Self> {
        let kid = match members.get("kid") {
            None => None,
            Some(Value::String(kid)) if kid.len() <= LONGEST_KID => Some(kid.clone()),
            Some(_) => return None,
        };
        let algorithm = match members.get("alg") {
            None => None,
            Some(name) => Some(name.as_str()?.parse().ok()?),
        };
        let key = Self {
            kid,
            algorithm,
            material: Material::parse(members)?,
        };
        let consistent = algorithm.is_none_or(|algorithm| key.material.fits(algorithm));
        (consistent && is_for_verifying(members)).then_some(key)
    }

    /// Whether a signature of this algorithm can be this key's: the key's own `alg` binds it, else
    /// its type does.
    fn fits(&self, algorithm: Algorithm) -> bool {
        match self.algorithm {
            Some(own) => own == algorithm,
            None => self.material.fits(algorithm),
        }
    }

    /// Whether this is the key's signature of the message.
    pub(super) fn signed(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.fits(algorithm) {
            return false;
        }
        match &self.material {
            Material::Rsa { n, e } => rsa_parameters(algorithm).is_some_and(|parameters| {
                RsaPublicKeyComponents { n, e }
                    .verify(parameters, message, signature)
                    .is_ok()
            }),
            Material::P256(key) | Material::P384(key) | Material::Ed25519(key) => {
                key.verify_sig(message, signature).is_ok()
            }
        }
    }
}

/// `use` (RFC 7517 §4.2) and `key_ops` (§4.3), each only if it is there. A key whose private half
/// is public proves nothing any more.
fn is_for_verifying(members: &Map<String, Value>) -> bool {
    let used_for_signatures = match members.get("use") {
        None => true,
        Some(used) => used == "sig",
    };
    let may_verify = match members.get("key_ops") {
        None => true,
        Some(Value::Array(operations)) => operations.iter().any(|operation| operation == "verify"),
        Some(_) => false,
    };
    used_for_signatures && may_verify && !members.contains_key("d")
}

impl Material {
    fn parse(members: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        match (text("kty")?, text("crv")) {
            ("RSA", _) => {
                let (n, e) = (unsigned(bytes("n")?), unsigned(bytes("e")?));
                is_sound_rsa(&n, &e).then_some(Self::Rsa { n, e })
            }
            ("EC", Some("P-256")) => {
                let point = point(&bytes("x")?, &bytes("y")?, 32)?;
                let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok()?;
                Some(Self::P256(key))
            }
            ("EC", Some("P-384")) => {
                let point = point(&bytes("x")?, &bytes("y")?, 48)?;
                let key = ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).ok()?;
                Some(Self::P384(key))
            }
            ("OKP", Some("Ed25519")) => {
                let key: [u8; 32] = bytes("x")?.try_into().ok()?;
                if is_of_small_order(key) {
                    return None;
                }
                let key = ParsedPublicKey::new(&ED25519, key).ok()?;
                Some(Self::Ed25519(key))
            }
            _ => None,
        }
    }

    const fn fits(&self, algorithm: Algorithm) -> bool {
        match self {
            Self::Rsa { .. } => rsa_parameters(algorithm).is_some(),
            Self::P256(_) => matches!(algorithm, Algorithm::Es256),
            Self::P384(_) => matches!(algorithm, Algorithm::Es384),
            Self::Ed25519(_) => matches!(algorithm, Algorithm::EdDsa),
        }
    }
}

const fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => return None,
    })
}

/// RFC 7518 §6.3.1.1: no leading zero; some issuers write the sign byte of their integers.
fn unsigned(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.first() == Some(&0) {
        bytes.remove(0);
    }
    bytes
}

/// Modulus and exponent odd, the modulus of a usual size, the exponent from 3 to 32 bits: with 1
/// anybody signs, and long ones only cost time.
fn is_sound_rsa(n: &[u8], e: &[u8]) -> bool {
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    let canonical = |number: &[u8]| number.first().is_some_and(|byte| *byte != 0);
    let full = n.first().is_some_and(|byte| *byte >= 0x80) || n.len() > *RSA_BYTES.start();
    RSA_BYTES.contains(&n.len())
        && full
        && (1..=4).contains(&e.len())
        && e != [1]
        && [n, e]
            .into_iter()
            .all(|number| odd(number) && canonical(number))
}

/// SEC 1 §2.3.3, uncompressed. That it lies on the curve is checked when it is parsed.
fn point(x: &[u8], y: &[u8], length: usize) -> Option<Vec<u8>> {
    let fits = x.len() == length && y.len() == length;
    fits.then(|| [&[4], x, y].concat())
}

/// Points of order 1, 2, 4 and 8 verify signatures that nobody made. The last bit is the sign of x
/// and makes no difference to the order.
fn is_of_small_order(mut key: [u8; 32]) -> bool {
    const ORDER_8: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef,
            0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88,
            0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10,
            0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77,
            0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    if let Some(last) = key.last_mut() {
        *last &= 0x7f;
    }
    let [first, middle @ .., last] = key;
    // y = 0, 1, and p - 1, p, p + 1, where p ends in ed and all between is ones.
    let tiny = first <= 1 && last == 0 && middle.iter().all(|byte| *byte == 0);
    let huge =
        (0xec..=0xee).contains(&first) && last == 0x7f && middle.iter().all(|byte| *byte == 0xff);
    tiny || huge || ORDER_8.contains(&key)
}

#[cfg(test)]
mod tests;
