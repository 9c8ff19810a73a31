//! Keyed hashes under the ring's root secret.

use aws_lc_rs::hmac::sign;

use crate::KeyRing;

/// What a MAC is for. MACs of different purposes use different keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacPurpose {
    /// The pepper of API keys at rest.
    ApiKey,
    /// The seal of an API key's row.
    ApiKeyRecord,
    /// The seal of a row of the revocation list.
    Revocation,
    /// The seal of an entry of the directory: a team, a person, a toolset.
    DirectoryEntry,
    /// The seal of a row of limits.
    Limits,
    /// The seal of a pin: what a server's tool looked like.
    Pin,
    /// The audit chain and its anchors.
    AuditChain,
    /// Hashes of tool arguments in audit events: comparable by us, not guessable by others.
    Arguments,
    /// Marks that tie a handle in foreign hands to its principal.
    Handles,
    /// Who agreed to what, told apart without being named.
    Consent,
    /// Refresh tokens at rest.
    RefreshToken,
    /// Where a token that replicas share is kept.
    SharedToken,
    /// The value that proves that a ring belongs to a database.
    Canary,
}

impl MacPurpose {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api-key",
            Self::ApiKeyRecord => "api-key-record",
            Self::Revocation => "revocation",
            Self::DirectoryEntry => "directory-entry",
            Self::Limits => "limits",
            Self::Pin => "pin",
            Self::AuditChain => "audit-chain",
            Self::Arguments => "arguments",
            Self::Handles => "handles",
            Self::Consent => "consent",
            Self::RefreshToken => "refresh-token",
            Self::SharedToken => "shared-token",
            Self::Canary => "canary",
        }
    }
}

impl KeyRing {
    /// HMAC-SHA-256 over the parts, each preceded by its length so that no two lists collide.
    ///
    /// Depends on the ring's root alone: the same before and after any rotation.
    pub fn mac(&self, purpose: MacPurpose, parts: &[&[u8]]) -> [u8; 32] {
        // In one piece: an update costs far more than the few bytes that most parts have.
        let mut framed = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
        for part in parts {
            framed.extend_from_slice(&(part.len() as u64).to_be_bytes());
            framed.extend_from_slice(part);
        }
        let mut out = [0_u8; 32];
        out.copy_from_slice(sign(self.mac_keys().key(purpose), &framed).as_ref());
        out
    }
}
