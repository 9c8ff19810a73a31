//! Whether a caller's own token is believed. Whoever knows issuers hands it in: this room does not.

use std::sync::Arc;

use async_trait::async_trait;
use portcullis_core::SubjectToken;
use portcullis_oauth::jose::{Claims, Verified};

/// Verifies callers' tokens before anything is said on their word.
#[async_trait]
pub trait VerifiesSubjects: Send + Sync + std::fmt::Debug {
    /// What the token says, if it is believed.
    async fn verify(&self, subject: &SubjectToken) -> Result<Arc<Verified<Claims>>, SubjectFault>;
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
