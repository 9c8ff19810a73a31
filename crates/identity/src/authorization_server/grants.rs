//! Grants: what a person let a client do. Everything that the client holds leads to one.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_core::{Clock, PrincipalId, ScopeSet, Timestamp};
use portcullis_store::{GrantRecord, GrantStore};
use portcullis_vault::{KeyRing, SealedBox};
use serde::{Deserialize, Serialize};

use super::{AuthorizationError, Endpoint};
use crate::{Person, RevocationAdmin};

const TABLE: &str = "oauth_grants";
const COLUMN: &str = "sealed";
/// How long a grant that was read is believed: the revocation list outdates it sooner.
const KEPT: Duration = Duration::from_secs(1);
/// Grants that are remembered at one time.
const MOST: usize = 10_000;

/// A grant that is to be.
pub(super) struct NewGrant {
    pub(super) client: String,
    pub(super) client_name: Option<String>,
    pub(super) person: Person,
    pub(super) principal: PrincipalId,
    pub(super) origin: String,
    pub(super) resource: String,
    pub(super) endpoint: Endpoint,
    pub(super) scopes: ScopeSet,
    pub(super) refreshes: bool,
}

/// A grant as it was made.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Grant {
    pub(super) client: String,
    pub(super) client_name: Option<String>,
    pub(super) person: Person,
    pub(super) principal: PrincipalId,
    /// The issuer of its tokens.
    pub(super) origin: String,
    pub(super) resource: String,
    pub(super) endpoint: Endpoint,
    pub(super) scopes: ScopeSet,
    pub(super) refreshes: bool,
    pub(super) created_at: Timestamp,
}

/// A grant and what became of it.
#[derive(Debug)]
pub(super) struct ReadGrant {
    pub(super) id: String,
    pub(super) grant: Grant,
    pub(super) expires_at: Timestamp,
    pub(super) ended: bool,
}

impl ReadGrant {
    pub(super) fn stands(&self, now: Timestamp) -> bool {
        !self.ended && now < self.expires_at
    }
}

/// A grant, as its person is shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGrant {
    /// Which.
    pub id: String,
    /// `client_id`.
    pub client_id: String,
    /// What the client called itself.
    pub client_name: Option<String>,
    /// What it may reach.
    pub resource: String,
    /// Its scopes.
    pub scopes: ScopeSet,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it is over by itself.
    pub expires_at: Timestamp,
}

/// All grants.
pub struct Grants {
    pub(super) store: Arc<dyn GrantStore>,
    revoking: RevocationAdmin,
    ring: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
    read: Mutex<HashMap<String, (Arc<ReadGrant>, Duration)>>,
}

impl Grants {
    pub(super) fn new(
        store: Arc<dyn GrantStore>,
        revoking: RevocationAdmin,
        ring: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            revoking,
            ring,
            clock,
            read: Mutex::default(),
        }
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<String, (Arc<ReadGrant>, Duration)>> {
        // Whole entries are put there: a panic leaves nothing half done.
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a grant, which is over at `until` unless it is begun.
    pub(super) async fn open(
        &self,
        id: &str,
        new: NewGrant,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<(), AuthorizationError> {
        let grant = Grant {
            client: new.client,
            client_name: new.client_name,
            person: new.person,
            principal: new.principal,
            origin: new.origin,
            resource: new.resource,
            endpoint: new.endpoint,
            scopes: new.scopes,
            refreshes: new.refreshes,
            created_at: now,
        };
        let text = serde_json::to_vec(&grant)?;
        let sealed = self.ring.seal_row(TABLE, id, COLUMN, &text)?;
        let record = GrantRecord {
            id: id.to_owned(),
            principal: grant.principal.to_string(),
            client: grant.client,
            sealed: sealed.as_bytes().to_vec(),
            created_at: now,
            expires_at: until,
            ended_at: None,
        };
        if self.store.open(&record).await? {
            Ok(())
        } else {
            Err(portcullis_core::EntropyUnavailable.into())
        }
    }

    /// The grant of this id as the store has it now. A row that was moved or changed does not open.
    pub(super) async fn get(&self, id: &str) -> Result<Option<ReadGrant>, AuthorizationError> {
        let record = self.store.get(id).await?;
        record.map(|record| self.opened(record)).transpose()
    }

    /// The same, as it was read within the last second.
    pub(super) async fn recent(
        &self,
        id: &str,
    ) -> Result<Option<Arc<ReadGrant>>, AuthorizationError> {
        let now = self.clock.monotonic();
        if let Some((grant, read)) = self.remembered().get(id)
            && now.saturating_sub(*read) < KEPT
        {
            return Ok(Some(Arc::clone(grant)));
        }
        let Some(grant) = self.get(id).await? else {
            return Ok(None);
        };
        let grant = Arc::new(grant);
        let mut all = self.remembered();
        if all.len() >= MOST {
            all.retain(|_, (_, read)| now.saturating_sub(*read) < KEPT);
            if all.len() >= MOST {
                return Ok(Some(grant));
            }
        }
        all.insert(id.to_owned(), (Arc::clone(&grant), now));
        Ok(Some(grant))
    }

    fn opened(&self, record: GrantRecord) -> Result<ReadGrant, AuthorizationError> {
        let sealed = SealedBox::from_bytes(record.sealed);
        let text = self.ring.open_row(TABLE, &record.id, COLUMN, &sealed)?;
        Ok(ReadGrant {
            id: record.id,
            grant: serde_json::from_slice(&text)?,
            expires_at: record.expires_at,
            ended: record.ended_at.is_some(),
        })
    }

    /// Ends a grant: its row, and by the revocation list what every replica remembers of it.
    pub(super) async fn end(&self, id: &str, why: &str) -> Result<(), AuthorizationError> {
        let now = self.clock.now();
        self.store.end(id, now).await?;
        self.remembered().remove(id);
        let Some(read) = self.get(id).await? else {
            return Ok(());
        };
        // Also when it was ended before: the entry may be what failed then.
        self.revoking
            .end_session(&read.grant.origin, id, read.expires_at.max(now), why)
            .await
            .map_err(AuthorizationError::NotRevoked)
    }

    /// The grants of a person that stand, oldest first. A row that does not open gives nobody access, and
    /// hides none of the others.
    pub async fn of(
        &self,
        principal: &PrincipalId,
    ) -> Result<Vec<ListedGrant>, AuthorizationError> {
        let now = self.clock.now();
        let records = self.store.standing(principal.as_str(), now).await?;
        let mut listed = Vec::with_capacity(records.len());
        for record in records {
            let Some(read) = self.opened_or_told(record) else {
                continue;
            };
            // The column is for finding; who it is says the seal.
            if read.grant.principal == *principal {
                listed.push(ListedGrant {
                    id: read.id,
                    client_id: read.grant.client,
                    client_name: read.grant.client_name,
                    resource: read.grant.resource,
                    scopes: read.grant.scopes,
                    created_at: read.grant.created_at,
                    expires_at: read.expires_at,
                });
            }
        }
        Ok(listed)
    }

    /// Ends a grant of this person's, and says whether it was one of theirs.
    pub async fn end_of(
        &self,
        principal: &PrincipalId,
        id: &str,
    ) -> Result<bool, AuthorizationError> {
        let read = self.get(id).await?;
        if read.is_none_or(|read| read.grant.principal != *principal) {
            return Ok(false);
        }
        self.end(id, "its person ended it").await?;
        Ok(true)
    }

    /// Ends every grant to this client, whoever gave it; returns how many. It may ask its people again.
    pub async fn end_client(&self, client: &str) -> Result<usize, AuthorizationError> {
        let records = self.store.of_client(client, self.clock.now()).await?;
        let count = records.len();
        let mut failed = None;
        for record in records {
            // One that does not end keeps no other alive.
            if let Err(error) = self.end(&record.id, "an operator ended its client").await {
                failed = Some(error);
            }
        }
        match failed {
            None => Ok(count),
            Some(error) => Err(error),
        }
    }

    /// Ends every grant of a person's to this client; returns how many. What is wrong with one of them
    /// keeps none of the others: it is reported when all have been gone through.
    pub async fn end_with(
        &self,
        principal: &PrincipalId,
        client: &str,
    ) -> Result<usize, AuthorizationError> {
        let now = self.clock.now();
        let records = self.store.standing(principal.as_str(), now).await?;
        let (mut count, mut failed) = (0, None);
        for record in records {
            let (id, named) = (record.id.clone(), record.client == client);
            let ended = match self.opened_or_told(record) {
                Some(read) if read.grant.principal == *principal && read.grant.client == client => {
                    self.end(&id, "its person ended it").await
                }
                // Its tokens are good for nothing. It need not be listed for ever.
                None if named => self.store.end(&id, now).await.map(drop).map_err(Into::into),
                _ => continue,
            };
            match ended {
                Ok(()) => count += 1,
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(count), Err)
    }

    fn opened_or_told(&self, record: GrantRecord) -> Option<ReadGrant> {
        let id = record.id.clone();
        self.opened(record)
            .inspect_err(|error| {
                tracing::error!(
                    grant.id = id,
                    error = error as &dyn std::error::Error,
                    "a grant does not open: it was moved, changed, or sealed with a key that is gone"
                );
            })
            .ok()
    }
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Grants")
    }
}
