//! Identity's judgement of callers' own tokens, for the credentials room, which does not know identity.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use portcullis_core::{ErrorKind, SubjectToken};
use portcullis_credentials::{JudgesSubjects, SubjectFault};
use portcullis_identity::{Authentication, Judged};

/// Asks whoever is in force.
#[derive(Debug)]
pub(super) struct Subjects {
    authentication: Arc<ArcSwap<Authentication>>,
    /// That something was let through unread has been said.
    said: AtomicBool,
}

impl Subjects {
    pub(super) fn judged_by(authentication: &Arc<ArcSwap<Authentication>>) -> Arc<Self> {
        Arc::new(Self {
            authentication: Arc::clone(authentication),
            said: AtomicBool::new(false),
        })
    }
}

#[async_trait]
impl JudgesSubjects for Subjects {
    async fn judge(&self, subject: &SubjectToken) -> Result<(), SubjectFault> {
        let authentication = self.authentication.load_full();
        match authentication.judge_subject(subject).await {
            Ok(Judged::ByTheList) => Ok(()),
            Ok(Judged::Unread) => {
                if !self.said.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        "opaque tokens beside keys are acted with unread, as long as no token is \
                         revoked that they may be; give their issuer an `introspection` in \
                         `identity.issuers` to have them judged"
                    );
                }
                Ok(())
            }
            Err(error) => {
                tracing::info!(
                    reason = %error,
                    "an opaque token beside a key is not acted with"
                );
                Err(match error.error_kind() {
                    ErrorKind::Unavailable => SubjectFault::Unavailable,
                    _ => SubjectFault::Refused,
                })
            }
        }
    }
}
