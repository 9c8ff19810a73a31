//! What people agreed to that a client may do, so that they are not asked the same again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{Clock, PrincipalId, ScopeSet, SealError, Timestamp, hex};
use portcullis_store::{ConsentRecord, ConsentStore, StoreError};
use portcullis_vault::{KeyRing, MacPurpose, SealedBox};
use serde::{Deserialize, Serialize};

use crate::authorization_server::Pending;

/// How long a consent saves the question.
const KEPT: Duration = Duration::from_hours(90 * 24);
/// Most that are listed.
const MOST: usize = 500;
/// Where a consent lies, which its seal is bound to.
const TABLE: &str = "consents";
const COLUMN: &str = "sealed";

/// The consents of all people.
#[derive(Clone)]
pub struct Consents {
    store: Arc<dyn ConsentStore>,
    ring: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
}

/// What somebody agreed to, as it is shown to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    principal: PrincipalId,
    /// `client_id`.
    pub client_id: String,
    /// What the client called itself.
    pub client_name: Option<String>,
    /// Where its codes go.
    pub redirect_host: String,
    /// What it may reach.
    pub resource: String,
    /// Within which scopes.
    pub scopes: ScopeSet,
    /// When it was given last.
    pub given_at: Timestamp,
}

/// Consents cannot be told: then everybody is asked, or nothing goes on.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// The store does not answer.
    #[error("the store of consents failed")]
    Store(#[from] StoreError),
    /// The key ring does not seal, or a row does not open: somebody changed it.
    #[error("a consent does not open")]
    Seal(#[from] SealError),
    /// A consent opens and does not read.
    #[error("a consent does not read")]
    Unreadable(#[from] serde_json::Error),
}

impl Consents {
    /// Kept there, sealed with this ring.
    pub fn new(store: Arc<dyn ConsentStore>, ring: Arc<KeyRing>, clock: Arc<dyn Clock>) -> Self {
        Self { store, ring, clock }
    }

    /// Whether this person agreed to exactly this before: the same client as it is known now, the same
    /// place for its codes, resource and scopes.
    pub async fn covers(
        &self,
        principal: &PrincipalId,
        pending: &Pending,
    ) -> Result<bool, ConsentError> {
        let id = self.id(principal, pending);
        let Some(record) = self.store.get(&id, self.clock.now()).await? else {
            return Ok(false);
        };
        // The row is for finding; who agreed says the seal.
        Ok(self.open(&record)?.principal == *principal)
    }

    /// Remembers that this person agreed to this.
    pub async fn give(
        &self,
        principal: &PrincipalId,
        pending: &Pending,
    ) -> Result<(), ConsentError> {
        let (id, now) = (self.id(principal, pending), self.clock.now());
        let consent = Consent {
            principal: principal.clone(),
            client_id: pending.client_id.clone(),
            client_name: pending.client_name.clone(),
            redirect_host: pending.redirect_host.clone(),
            resource: pending.resource.clone(),
            scopes: pending.scopes.clone(),
            given_at: now,
        };
        let text = serde_json::to_vec(&consent)?;
        let sealed = self.ring.seal_row(TABLE, &hex(&id), COLUMN, &text)?;
        let record = ConsentRecord {
            id,
            principal: self.whose(principal),
            client: self.to_whom(principal, &pending.client_id),
            sealed: sealed.as_bytes().to_vec(),
            given_at: now,
            expires_at: now.after(KEPT),
        };
        Ok(self.store.give(&record).await?)
    }

    /// What this person agreed to, the latest first.
    pub async fn of(&self, principal: &PrincipalId) -> Result<Vec<Consent>, ConsentError> {
        let (whose, now) = (self.whose(principal), self.clock.now());
        let records = self.store.of_principal(&whose, now, MOST).await?;
        let mut consents = Vec::with_capacity(records.len());
        for record in &records {
            let consent = self.open(record)?;
            if consent.principal == *principal {
                consents.push(consent);
            }
        }
        Ok(consents)
    }

    /// Forgets everything that this person agreed to for a client.
    pub async fn withdraw(
        &self,
        principal: &PrincipalId,
        client_id: &str,
    ) -> Result<u64, ConsentError> {
        let client = self.to_whom(principal, client_id);
        Ok(self.store.withdraw(&client).await?)
    }

    fn open(&self, record: &ConsentRecord) -> Result<Consent, ConsentError> {
        let sealed = SealedBox::from_bytes(record.sealed.clone());
        let place = hex(&record.id);
        let text = self.ring.open_row(TABLE, &place, COLUMN, &sealed)?;
        Ok(serde_json::from_slice(&text)?)
    }

    fn id(&self, principal: &PrincipalId, pending: &Pending) -> [u8; 32] {
        let servers = pending.servers.join(",");
        self.ring.mac(
            MacPurpose::Consent,
            &[
                b"consent",
                principal.as_str().as_bytes(),
                pending.client_id.as_bytes(),
                &pending.client_fingerprint,
                pending.redirect_host.as_bytes(),
                pending.resource.as_bytes(),
                servers.as_bytes(),
                pending.scopes.to_string().as_bytes(),
            ],
        )
    }

    fn whose(&self, principal: &PrincipalId) -> [u8; 32] {
        let id = principal.as_str().as_bytes();
        self.ring.mac(MacPurpose::Consent, &[b"principal", id])
    }

    fn to_whom(&self, principal: &PrincipalId, client_id: &str) -> [u8; 32] {
        let (whose, client) = (principal.as_str().as_bytes(), client_id.as_bytes());
        self.ring
            .mac(MacPurpose::Consent, &[b"client", whose, client])
    }
}

impl fmt::Debug for Consents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Consents")
    }
}
