//! The signing key, and JWTs made and checked with it.

use anyhow::Context;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use portcullis_core::{AccessToken, hex, sha256};
use serde::{Deserialize, Serialize};

/// The claims of our access tokens (RFC 9068 §2.2).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) sub: String,
    pub(super) aud: String,
    pub(super) client_id: String,
    pub(super) scope: String,
    pub(super) iat: i64,
    pub(super) exp: i64,
    pub(super) jti: String,
}

/// One RSA key, made at start and gone at the end.
pub(super) struct Keys {
    kid: String,
    sign: EncodingKey,
    verify: DecodingKey,
    jwks: serde_json::Value,
}

impl Keys {
    pub(super) fn generate() -> anyhow::Result<Self> {
        let pair = KeyPair::generate(KeySize::Rsa2048).context("cannot generate an RSA key")?;
        let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair)
            .context("cannot encode the RSA key")?;
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(der.as_ref())
        );
        let sign = EncodingKey::from_rsa_pem(pem.as_bytes()).context("cannot use the RSA key")?;
        let public = Jwk::from_encoding_key(&sign, Algorithm::RS256)
            .context("cannot derive the public key")?;
        let verify = DecodingKey::from_jwk(&public).context("cannot use the public key")?;
        let mut public = serde_json::to_value(&public)?;
        let kid: String = hex(&sha256(public.to_string().as_bytes()))
            .chars()
            .take(16)
            .collect();
        if let Some(members) = public.as_object_mut() {
            members.insert("kid".to_owned(), kid.clone().into());
            members.insert("use".to_owned(), "sig".into());
            members.insert("alg".to_owned(), "RS256".into());
        }
        Ok(Self {
            kid,
            sign,
            verify,
            jwks: serde_json::json!({ "keys": [public] }),
        })
    }

    pub(super) const fn jwks(&self) -> &serde_json::Value {
        &self.jwks
    }

    pub(super) fn sign(&self, claims: &Claims) -> anyhow::Result<AccessToken> {
        let header = Header {
            typ: Some("at+jwt".to_owned()),
            kid: Some(self.kid.clone()),
            ..Header::new(Algorithm::RS256)
        };
        let token = jsonwebtoken::encode(&header, claims, &self.sign)?;
        Ok(AccessToken::new(token))
    }

    /// The claims of a token that this key signed; nothing about their content is checked here.
    pub(super) fn open(&self, token: &str) -> Option<Claims> {
        #[derive(Deserialize)]
        struct Head {
            alg: String,
            kid: String,
            typ: String,
        }
        let (message, signature) = token.rsplit_once('.')?;
        let (head, claims) = message.split_once('.')?;
        let head: Head = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).ok()?).ok()?;
        if head.alg != "RS256" || head.kid != self.kid || head.typ != "at+jwt" {
            return None;
        }
        let genuine = jsonwebtoken::crypto::verify(
            signature,
            message.as_bytes(),
            &self.verify,
            Algorithm::RS256,
        );
        if !matches!(genuine, Ok(true)) {
            return None;
        }
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
