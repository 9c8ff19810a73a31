//! When the authorization server itself fails. Then nobody gets anything.

use portcullis_core::{EntropyUnavailable, ErrorKind, SealError};
use portcullis_store::StoreError;

use crate::RevocationError;

/// What is broken; a refusal is none of these.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizationError {
    /// The store does not answer.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The key ring does not seal, or a row does not open: somebody changed it.
    #[error("what is kept for the authorization server does not open")]
    Seal(#[from] SealError),
    /// A row opens and does not read: another program wrote it.
    #[error("what is kept for the authorization server does not read")]
    Unreadable(#[from] serde_json::Error),
    /// As many requests wait for their people as may.
    #[error("too many authorization requests wait for their people")]
    Full,
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyUnavailable),
    /// No key signs.
    #[error("no signing key is known to be good")]
    NoKey,
    /// The library does not sign.
    #[error("the token was not signed")]
    NotSigned,
    /// A grant was ended in its row and not on the revocation list.
    #[error("the grant's session was not revoked")]
    NotRevoked(#[source] RevocationError),
    /// Whether somebody is still who they were cannot be told.
    #[error("whether the person still stands cannot be told")]
    NobodyKnows,
}

impl AuthorizationError {
    /// How a surface reports it.
    pub const fn error_kind(&self) -> ErrorKind {
        match self {
            Self::Seal(SealError::Invalid | SealError::Expired) | Self::Unreadable(_) => {
                ErrorKind::Internal
            }
            _ => ErrorKind::Unavailable,
        }
    }
}
