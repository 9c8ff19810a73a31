//! Access keys.

use std::fmt;

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::identity::Identity;
use portcullis_core::{SecretValue, Sha256, Timestamp};

/// What signs: an access key id, its secret, and for temporary keys their session token.
#[derive(Clone)]
pub struct AccessKeys {
    id: String,
    session_token: Option<SecretValue>,
    fingerprint: [u8; 32],
    /// As the signer wants them, made once and shared.
    identity: Identity,
}

impl AccessKeys {
    /// These keys.
    pub fn new(id: &str, secret: &SecretValue, session_token: Option<SecretValue>) -> Self {
        let token = session_token
            .as_ref()
            .map(|token| token.expose().to_owned());
        let fingerprint = Sha256::new()
            .part(id.as_bytes())
            .part(secret.expose().as_bytes())
            .part(token.as_deref().unwrap_or_default().as_bytes())
            .finish();
        let identity = Credentials::new(id, secret.expose(), token, None, "portcullis").into();
        Self {
            id: id.to_owned(),
            session_token,
            fingerprint,
            identity,
        }
    }

    /// The access key id; no secret, and what AWS names in its own logs.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The token of temporary keys, which goes along with each request.
    pub const fn session_token(&self) -> Option<&SecretValue> {
        self.session_token.as_ref()
    }

    /// The SHA-256 of all of them.
    pub const fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    pub(crate) const fn identity(&self) -> &Identity {
        &self.identity
    }
}

impl fmt::Debug for AccessKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKeys(redacted)")
    }
}

impl PartialEq for AccessKeys {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for AccessKeys {}

/// Keys that end.
#[derive(Clone, Debug)]
pub struct TemporaryKeys {
    /// The keys.
    pub keys: AccessKeys,
    /// Their end, as the Security Token Service said it.
    pub ends: Timestamp,
}
