//! An OAuth client of ours, and how it proves itself at a token endpoint.

use portcullis_core::{ClientSecret, Clock, Entropy, Sha256};
use portcullis_oauth::{AssertionKey, ClientAuthentication, client_assertion};

use crate::CredentialErrorKind;
use crate::error::Failure;
use crate::token_endpoint::Endpoint;

/// A client that the operator registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenClient {
    /// `client_id`.
    pub client_id: String,
    /// What proves it.
    pub proof: ClientProof,
}

/// Client authentication at the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientProof {
    /// `none`: a public client has nothing to prove itself with (RFC 6749 §2.1).
    Public,
    /// `client_secret_post`: `client_id` and `client_secret` in the form (RFC 6749 §2.3.1).
    SecretPost(ClientSecret),
    /// `client_secret_basic`: HTTP Basic, both parts form-encoded first (RFC 6749 §2.3.1).
    SecretBasic(ClientSecret),
    /// `private_key_jwt`: an assertion, signed anew for each request (RFC 7523 §2.2).
    PrivateKeyJwt {
        /// What signs it.
        key: AssertionKey,
        /// Whom it is for.
        audience: AssertionAudience,
    },
}

/// The `aud` of an assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssertionAudience {
    /// The issuer that discovery found; where nothing was discovered, the token endpoint.
    Server,
    /// The token endpoint's URL (RFC 7523 §3).
    TokenEndpoint,
    /// As the operator wrote it.
    Exactly(String),
}

impl TokenClient {
    /// Adds everything that a token depends on to a cache key.
    pub(crate) fn digest(&self, key: Sha256) -> Sha256 {
        let key = key.part(self.client_id.as_bytes());
        match &self.proof {
            ClientProof::Public => key.part(b"none"),
            ClientProof::SecretPost(secret) => key.part(b"post").part(&secret.fingerprint()),
            ClientProof::SecretBasic(secret) => key.part(b"basic").part(&secret.fingerprint()),
            ClientProof::PrivateKeyJwt {
                key: pair,
                audience,
            } => key.part(b"jwt").part(pair.fingerprint()).part(
                match audience {
                    AssertionAudience::Server => "server".to_owned(),
                    AssertionAudience::TokenEndpoint => "endpoint".to_owned(),
                    AssertionAudience::Exactly(text) => format!("={text}"),
                }
                .as_bytes(),
            ),
        }
    }

    /// Proves the client for one request; what is made here is not used again.
    pub(crate) fn authenticate<T>(
        &self,
        endpoint: &Endpoint,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
        with: impl FnOnce(&ClientAuthentication<'_>) -> T,
    ) -> Result<T, Failure> {
        let client_id = self.client_id.as_str();
        Ok(match &self.proof {
            ClientProof::Public => with(&ClientAuthentication::Public { client_id }),
            ClientProof::SecretPost(client_secret) => with(&ClientAuthentication::Post {
                client_id,
                client_secret,
            }),
            ClientProof::SecretBasic(client_secret) => with(&ClientAuthentication::Basic {
                client_id,
                client_secret,
            }),
            ClientProof::PrivateKeyJwt { key, audience } => {
                let unavailable = CredentialErrorKind::Unavailable;
                let mut unique = [0_u8; 16];
                entropy
                    .fill(&mut unique)
                    .map_err(|error| Failure::new(unavailable).because(error))?;
                let audience = match audience {
                    AssertionAudience::Exactly(text) => text,
                    AssertionAudience::TokenEndpoint => endpoint.url.as_str(),
                    AssertionAudience::Server => {
                        endpoint.issuer.as_deref().unwrap_or(endpoint.url.as_str())
                    }
                };
                let assertion = client_assertion(key, client_id, audience, clock.now(), &unique)
                    .map_err(|error| Failure::new(unavailable).because(error))?;
                with(&ClientAuthentication::Assertion {
                    client_id,
                    assertion: &assertion,
                })
            }
        })
    }
}
