//! What is kept of an approval that nobody may read or change in the store.

use std::time::Duration;

use portcullis_core::{ApprovalId, Purpose, Sealer, Sha256, Timestamp, hex};
use serde::{Deserialize, Serialize};

use super::ApprovalError;
use super::behalf::Says;

/// How long rows can be opened: longer than they are kept.
const READABLE: Duration = Duration::from_hours(60 * 24);

/// What is asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Details {
    /// The subject's digest, in hexadecimal.
    pub(super) subject: String,
    pub(super) principal: String,
    /// What people call the caller.
    pub(super) name: String,
    pub(super) user_id: Option<String>,
    pub(super) server: String,
    pub(super) tool: String,
    /// As the caller wrote them; empty when there are none.
    pub(super) arguments: String,
    /// By which rule an approval is needed.
    pub(super) rule: String,
    /// On whose behalf, where the caller alone does not say it.
    #[serde(default)]
    pub(super) on_behalf: Option<Says>,
}

/// What was decided.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Decision {
    pub(super) granted: bool,
    pub(super) by: String,
    pub(super) name: String,
    pub(super) reason: Option<String>,
    /// In milliseconds since 1970.
    pub(super) at: i64,
    pub(super) until: i64,
}

impl Details {
    pub(super) fn seal(
        &self,
        sealer: &dyn Sealer,
        id: &ApprovalId,
        now: Timestamp,
    ) -> Result<String, ApprovalError> {
        let plain = serde_json::to_vec(self).map_err(|_| ApprovalError::KeyRing)?;
        let expires = now.after(READABLE);
        sealer
            .seal(Purpose::Approval, id.as_str().as_bytes(), expires, &plain)
            .map_err(|_| ApprovalError::KeyRing)
    }

    /// What was sealed for this id. Of a row that was moved or changed nothing is believed.
    pub(super) fn open(
        sealer: &dyn Sealer,
        id: &ApprovalId,
        now: Timestamp,
        sealed: &str,
    ) -> Result<Self, ApprovalError> {
        let opened = sealer.open(Purpose::Approval, id.as_str().as_bytes(), now, sealed);
        let plain = opened.map_err(|_| ApprovalError::Damaged)?;
        serde_json::from_slice(&plain).map_err(|_| ApprovalError::Damaged)
    }
}

impl Decision {
    pub(super) fn seal(
        &self,
        sealer: &dyn Sealer,
        id: &ApprovalId,
        subject: &str,
        now: Timestamp,
    ) -> Result<String, ApprovalError> {
        let plain = serde_json::to_vec(self).map_err(|_| ApprovalError::KeyRing)?;
        let expires = now.after(READABLE);
        sealer
            .seal(
                Purpose::ApprovalDecision,
                &binding(id, subject),
                expires,
                &plain,
            )
            .map_err(|_| ApprovalError::KeyRing)
    }

    /// What was decided about this id and subject.
    pub(super) fn open(
        sealer: &dyn Sealer,
        id: &ApprovalId,
        subject: &str,
        now: Timestamp,
        sealed: Option<&str>,
    ) -> Result<Self, ApprovalError> {
        let sealed = sealed.ok_or(ApprovalError::Damaged)?;
        let opened = sealer.open(
            Purpose::ApprovalDecision,
            &binding(id, subject),
            now,
            sealed,
        );
        let plain = opened.map_err(|_| ApprovalError::Damaged)?;
        serde_json::from_slice(&plain).map_err(|_| ApprovalError::Damaged)
    }
}

fn binding(id: &ApprovalId, subject: &str) -> [u8; 32] {
    let both = Sha256::new().part(id.as_str().as_bytes());
    both.part(subject.as_bytes()).finish()
}

/// A digest as it is written into what is sealed.
pub(super) fn written(subject: &[u8; 32]) -> String {
    hex(subject)
}
