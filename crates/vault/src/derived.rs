//! Keys for one use each, derived by HKDF-SHA-256 (RFC 5869) once and kept ready.

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use portcullis_core::Purpose;

use crate::key_ring::{Material, RingKeyId};
use crate::mac::MacPurpose;

/// The AEAD keys of one sealing key. The type names its fields so that a new [`Purpose`] does not
/// compile until it has a key of its own.
pub(crate) struct SealingKeys {
    pub(crate) id: RingKeyId,
    mcp_session: LessSafeKey,
    sse_session: LessSafeKey,
    mcp_cursor: LessSafeKey,
    mcp_request_state: LessSafeKey,
    mcp_consent_state: LessSafeKey,
    mcp_parked_state: LessSafeKey,
    invitation: LessSafeKey,
    browser_session: LessSafeKey,
    form_token: LessSafeKey,
    replica_address: LessSafeKey,
    hand_over: LessSafeKey,
    session_home: LessSafeKey,
    approval: LessSafeKey,
    approval_decision: LessSafeKey,
    pub(crate) rows: LessSafeKey,
}

/// Derivation failed inside the crypto library.
#[derive(Debug, thiserror::Error)]
#[error("the crypto library refused to derive a key")]
pub(crate) struct DerivationFailed;

impl SealingKeys {
    pub(crate) fn derive(id: RingKeyId, material: &Material) -> Result<Self, DerivationFailed> {
        let prk = extract(material);
        let sealing = |purpose: Purpose| aead(&prk, &["seal", purpose.as_str()]);
        Ok(Self {
            id,
            mcp_session: sealing(Purpose::McpSession)?,
            sse_session: sealing(Purpose::SseSession)?,
            mcp_cursor: sealing(Purpose::McpCursor)?,
            mcp_request_state: sealing(Purpose::McpRequestState)?,
            mcp_consent_state: sealing(Purpose::McpConsentState)?,
            mcp_parked_state: sealing(Purpose::McpParkedState)?,
            invitation: sealing(Purpose::Invitation)?,
            browser_session: sealing(Purpose::BrowserSession)?,
            form_token: sealing(Purpose::FormToken)?,
            replica_address: sealing(Purpose::ReplicaAddress)?,
            hand_over: sealing(Purpose::HandOver)?,
            session_home: sealing(Purpose::SessionHome)?,
            approval: sealing(Purpose::Approval)?,
            approval_decision: sealing(Purpose::ApprovalDecision)?,
            rows: aead(&prk, &["rows", ""])?,
        })
    }

    pub(crate) fn sealing(&self, purpose: Purpose) -> &LessSafeKey {
        match purpose {
            Purpose::McpSession => &self.mcp_session,
            Purpose::SseSession => &self.sse_session,
            Purpose::McpCursor => &self.mcp_cursor,
            Purpose::McpRequestState => &self.mcp_request_state,
            Purpose::McpConsentState => &self.mcp_consent_state,
            Purpose::McpParkedState => &self.mcp_parked_state,
            Purpose::Invitation => &self.invitation,
            Purpose::BrowserSession => &self.browser_session,
            Purpose::FormToken => &self.form_token,
            Purpose::ReplicaAddress => &self.replica_address,
            Purpose::HandOver => &self.hand_over,
            Purpose::SessionHome => &self.session_home,
            Purpose::Approval => &self.approval,
            Purpose::ApprovalDecision => &self.approval_decision,
        }
    }
}

/// The MAC keys of the ring's root.
pub(crate) struct MacKeys {
    api_key: hmac::Key,
    api_key_record: hmac::Key,
    revocation: hmac::Key,
    directory_entry: hmac::Key,
    limits: hmac::Key,
    pin: hmac::Key,
    audit_chain: hmac::Key,
    arguments: hmac::Key,
    handles: hmac::Key,
    consent: hmac::Key,
    refresh_token: hmac::Key,
    shared_token: hmac::Key,
    canary: hmac::Key,
}

impl MacKeys {
    pub(crate) fn derive(root: &Material) -> Result<Self, DerivationFailed> {
        let prk = extract(root);
        let key = |purpose: MacPurpose| {
            let info = ["mac/".as_bytes(), purpose.as_str().as_bytes()];
            prk.expand(&info, HMAC_SHA256)
                .map(hmac::Key::from)
                .map_err(|_| DerivationFailed)
        };
        Ok(Self {
            api_key: key(MacPurpose::ApiKey)?,
            api_key_record: key(MacPurpose::ApiKeyRecord)?,
            revocation: key(MacPurpose::Revocation)?,
            directory_entry: key(MacPurpose::DirectoryEntry)?,
            limits: key(MacPurpose::Limits)?,
            pin: key(MacPurpose::Pin)?,
            audit_chain: key(MacPurpose::AuditChain)?,
            arguments: key(MacPurpose::Arguments)?,
            handles: key(MacPurpose::Handles)?,
            consent: key(MacPurpose::Consent)?,
            refresh_token: key(MacPurpose::RefreshToken)?,
            shared_token: key(MacPurpose::SharedToken)?,
            canary: key(MacPurpose::Canary)?,
        })
    }

    pub(crate) const fn key(&self, purpose: MacPurpose) -> &hmac::Key {
        match purpose {
            MacPurpose::ApiKey => &self.api_key,
            MacPurpose::ApiKeyRecord => &self.api_key_record,
            MacPurpose::Revocation => &self.revocation,
            MacPurpose::DirectoryEntry => &self.directory_entry,
            MacPurpose::Limits => &self.limits,
            MacPurpose::Pin => &self.pin,
            MacPurpose::AuditChain => &self.audit_chain,
            MacPurpose::Arguments => &self.arguments,
            MacPurpose::Handles => &self.handles,
            MacPurpose::Consent => &self.consent,
            MacPurpose::RefreshToken => &self.refresh_token,
            MacPurpose::SharedToken => &self.shared_token,
            MacPurpose::Canary => &self.canary,
        }
    }
}

fn extract(material: &Material) -> Prk {
    Salt::new(HKDF_SHA256, b"portcullis key ring v1").extract(material.expose())
}

fn aead(prk: &Prk, label: &[&str; 2]) -> Result<LessSafeKey, DerivationFailed> {
    let [kind, purpose] = label;
    let info = [kind.as_bytes(), b"/", purpose.as_bytes()];
    let okm = prk
        .expand(&info, &AES_256_GCM)
        .map_err(|_| DerivationFailed)?;
    Ok(LessSafeKey::new(UnboundKey::from(okm)))
}
