//! The operator's own key.

use std::sync::Arc;

use async_trait::async_trait;
use portcullis_core::{
    ApiKey, Principal, PrincipalId, PrincipalKind, Role, ScopeSet, ServerGrants, constant_time_eq,
};

use crate::person::StillHeld;
use crate::{Authenticated, Authenticator, AuthnError, KeyHolder, Presented};

/// Recognises the master key: may do everything, sees every server, never expires.
///
/// Keeps the key's SHA-256 only, which also makes the comparison independent of its length.
pub struct MasterKey {
    fingerprint: [u8; 32],
    principal: Arc<Principal>,
}

/// An empty master key would let everybody in who sends nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the master key is empty")]
pub struct EmptyMasterKey;

impl MasterKey {
    /// Takes any non-empty text, as LiteLLM does; whether it is strong enough for where the gateway
    /// listens is decided where that is known.
    pub fn new(key: &ApiKey) -> Result<Self, EmptyMasterKey> {
        if key.expose().trim().is_empty() {
            return Err(EmptyMasterKey);
        }
        Ok(Self {
            fingerprint: key.fingerprint(),
            principal: Arc::new(Self::principal()),
        })
    }

    /// The operator: also who acts when a command runs on the gateway's own machine.
    pub fn principal() -> Principal {
        Principal {
            id: PrincipalId::from("master"),
            subject: Arc::from("master"),
            kind: PrincipalKind::MasterKey,
            user_id: None,
            client_id: None,
            email: None,
            team: None,
            org: None,
            groups: std::collections::BTreeSet::new(),
            scopes: ScopeSet::default(),
            key_id: None,
            issuer: None,
            role: Role::Admin,
            grants: ServerGrants {
                all: true,
                ..ServerGrants::default()
            },
            expires_at: None,
            marks: portcullis_core::CredentialMarks::default(),
            subject_kind: portcullis_core::SubjectKind::Holder,
            levels: Vec::new(),
        }
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(redacted)")
    }
}

#[async_trait]
impl Authenticator for MasterKey {
    async fn still(&self, holder: &KeyHolder) -> StillHeld {
        let same = constant_time_eq(&holder.fingerprint, &self.fingerprint);
        let same = same && holder.principal == self.principal.id;
        same.then(|| Ok(Arc::clone(&self.principal)))
    }

    async fn authenticate(
        &self,
        presented: &Presented,
    ) -> Result<Option<Authenticated>, AuthnError> {
        let same = constant_time_eq(presented.fingerprint(), &self.fingerprint);
        Ok(same.then(|| Authenticated {
            principal: Arc::clone(&self.principal),
        }))
    }
}
