//! Whether a caller's own token is believed. Whoever knows issuers hands it in: this room does not.

use std::sync::Arc;

use async_trait::async_trait;
use portcullis_core::SubjectToken;
use portcullis_oauth::jose::{Claims, Verified};

use crate::CredentialErrorKind;
use crate::error::Failure;

/// Verifies callers' tokens before anything is said on their word.
#[async_trait]
pub trait VerifiesSubjects: Send + Sync + std::fmt::Debug {
    /// What the token says, if it is believed.
    async fn verify(&self, subject: &SubjectToken) -> Result<Arc<Verified<Claims>>, SubjectFault>;
}

/// Judges callers' tokens before they are exchanged: they may have been revoked here, which their
/// authorization server need not know.
#[async_trait]
pub trait JudgesSubjects: Send + Sync + std::fmt::Debug {
    /// Whether a token that came beside a key may be acted with. Asked each time, also where what was
    /// got for it is remembered.
    async fn judge(&self, subject: &SubjectToken) -> Result<(), SubjectFault>;
}

/// Why a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectFault {
    /// It is not good, or nothing tells whether it is.
    #[error("the token is not believed")]
    Refused,
    /// Whoever knows does not answer.
    #[error("the token cannot be verified now")]
    Unavailable,
}

impl From<SubjectFault> for Failure {
    fn from(fault: SubjectFault) -> Self {
        Self::new(match fault {
            SubjectFault::Refused => CredentialErrorKind::SubjectNotVerified,
            SubjectFault::Unavailable => CredentialErrorKind::Unverifiable,
        })
    }
}
