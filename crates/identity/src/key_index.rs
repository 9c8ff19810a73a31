//! Every store key in memory, as fresh as the store's change feed.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, RwLock, RwLockWriteGuard};

use async_trait::async_trait;
use portcullis_core::{
    ApiKey, Clock, CredentialMarks, KeyId, Principal, PrincipalId, PrincipalKind,
};
use portcullis_store::{
    ApiKeyRecord, ApiKeyStore, Changes, ReadKey, Reading, StoreError, UnreadableKey,
};
use portcullis_vault::KeyRing;

use crate::follow::{Followed, Freshness, FreshnessSettings};
use crate::key_seal::is_genuine;
use crate::{AuthnErrorKind, key_mac};

/// What is known of the store's keys.
pub struct KeyIndex {
    store: Arc<dyn ApiKeyStore>,
    ring: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
    tables: RwLock<Tables>,
    reading: tokio::sync::Mutex<Reading>,
    first: OnceLock<Arc<dyn Followed>>,
    freshness: Freshness,
    rejected: AtomicU64,
}

#[derive(Default)]
struct Tables {
    macs: HashMap<[u8; 32], Arc<Entry>>,
    ids: HashMap<KeyId, Arc<Entry>>,
    aliases: HashMap<String, KeyId>,
}

impl Tables {
    fn forget_unless_revoked(&mut self, id: &KeyId) {
        let Some(known) = self.ids.get(id).filter(|known| !known.revoked).cloned() else {
            return;
        };
        self.ids.remove(id);
        self.macs.remove(&known.mac);
        if let Some(alias) = &known.alias {
            self.aliases.remove(alias);
        }
    }
}

struct Entry {
    id: KeyId,
    mac: [u8; 32],
    alias: Option<String>,
    revoked: bool,
    principal: Arc<Principal>,
}

impl KeyIndex {
    /// An empty index, which refuses every key until its first [`refresh`](Self::refresh).
    pub fn new(
        store: Arc<dyn ApiKeyStore>,
        ring: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
        settings: FreshnessSettings,
    ) -> Self {
        Self {
            store,
            ring,
            freshness: Freshness::new(Arc::clone(&clock), settings),
            clock,
            tables: RwLock::default(),
            reading: tokio::sync::Mutex::default(),
            first: OnceLock::new(),
            rejected: AtomicU64::new(0),
        }
    }

    /// From now on no change of a key is taken in before this is: limits that were written before their key
    /// was are known before the key is accepted.
    pub fn only_after(&self, first: Arc<dyn Followed>) {
        // Once and for all: a second one would be a defect of the wiring, and change nothing.
        let _ = self.first.set(first);
    }

    /// Takes in everything that changed since the last time, and every few minutes all there is. A
    /// revocation that is known stays known.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let mut reading = self.reading.lock().await;
        let asked = self.freshness.asking();
        reading.catch_up(self, self.clock.monotonic()).await?;
        self.freshness.learned(asked);
        Ok(())
    }

    /// Whose key this is: one HMAC and one look-up, whose time tells nobody anything, since what is
    /// compared is keyed. `id` is the public part of the same key.
    pub(crate) fn check(&self, id: &KeyId, key: &ApiKey) -> Result<Arc<Principal>, AuthnErrorKind> {
        let mac = key_mac(&self.ring, key);
        if !self.is_fresh() {
            return Err(AuthnErrorKind::Unavailable);
        }
        let entry = self
            .tables
            .read()
            .map_err(|_| AuthnErrorKind::Unavailable)?
            .macs
            .get(&mac)
            .cloned()
            .filter(|entry| entry.id == *id)
            .ok_or(AuthnErrorKind::Unknown)?;
        self.holds(&entry)
    }

    /// Whom the key of this id stands for, told without the key: of somebody who showed it before.
    pub(crate) fn of_id(&self, id: &KeyId) -> Option<Result<Arc<Principal>, AuthnErrorKind>> {
        let Ok(tables) = self.tables.read() else {
            return Some(Err(AuthnErrorKind::Unavailable));
        };
        let entry = tables.ids.get(id).cloned();
        drop(tables);
        match entry {
            // What is not known may be known soon: an index that is too old knows nothing.
            _ if !self.is_fresh() => Some(Err(AuthnErrorKind::Unavailable)),
            entry => entry.map(|entry| self.holds(&entry)),
        }
    }

    fn holds(&self, entry: &Entry) -> Result<Arc<Principal>, AuthnErrorKind> {
        if entry.revoked {
            return Err(AuthnErrorKind::Revoked);
        }
        if self.is_over(entry) {
            return Err(AuthnErrorKind::Expired);
        }
        Ok(Arc::clone(&entry.principal))
    }

    fn is_over(&self, entry: &Entry) -> bool {
        let end = entry.principal.expires_at;
        end.is_some_and(|end| self.clock.now() >= end)
    }

    /// Whether a key that was accepted earlier would be accepted still: what open streams ask.
    pub fn stands(&self, id: &KeyId) -> bool {
        let known = self
            .tables
            .read()
            .ok()
            .and_then(|tables| tables.ids.get(id).cloned());
        self.is_fresh() && known.is_some_and(|entry| !entry.revoked && !self.is_over(&entry))
    }

    /// Whether a key that was accepted earlier would be accepted still, as what it was then.
    pub fn stands_as(&self, id: &KeyId, principal: &Principal) -> bool {
        let known = self
            .tables
            .read()
            .ok()
            .and_then(|tables| tables.ids.get(id).cloned());
        let same = known.is_some_and(|entry| says_the_same(&entry.principal, principal));
        same && self.stands(id)
    }

    /// Whether what the index knows may still be trusted.
    pub fn is_fresh(&self) -> bool {
        self.freshness.is_fresh()
    }

    /// Whether this id is a key's, revoked or not.
    pub fn knows(&self, id: &KeyId) -> bool {
        let tables = self.tables.read();
        tables.is_ok_and(|tables| tables.ids.contains_key(id))
    }

    /// How many keys are known, revoked ones included.
    pub fn len(&self) -> usize {
        self.tables.read().map_or(0, |tables| tables.ids.len())
    }

    /// Whether no key is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn id_of_alias(&self, alias: &str) -> Option<KeyId> {
        self.tables.read().ok()?.aliases.get(alias).cloned()
    }

    pub(crate) fn id_of_mac(&self, mac: &[u8; 32]) -> Option<KeyId> {
        let tables = self.tables.read().ok()?;
        tables.macs.get(mac).map(|entry| entry.id.clone())
    }

    /// How many rows were refused because they cannot be read or are not as they were sealed.
    pub fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// Refuses a key whose row says what cannot be, and goes on with the others: whoever damages one
    /// row shall not end every key.
    fn refuse(&self, unreadable: &UnreadableKey) -> Result<(), StoreError> {
        self.rejected.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            key.id = ?unreadable.id.as_str(),
            error = unreadable as &dyn std::error::Error,
            "a key's row cannot be read: the key is not accepted"
        );
        self.tables()?.forget_unless_revoked(&unreadable.id);
        Ok(())
    }

    fn tables(&self) -> Result<RwLockWriteGuard<'_, Tables>, StoreError> {
        self.tables.write().map_err(|_| {
            StoreError::unavailable("key_index.learn", "a panic interrupted an earlier change")
        })
    }

    /// Takes in what was stored here just now: behind a reading that is under way, which may have found what
    /// stood before and would put it back.
    pub(crate) async fn learn_own(&self, record: &ApiKeyRecord) -> Result<(), StoreError> {
        let _behind = self.reading.lock().await;
        self.learn(record)
    }

    /// Takes in one key. A revocation that is known is never forgotten, in whatever order news
    /// arrives.
    pub(crate) fn learn(&self, record: &ApiKeyRecord) -> Result<(), StoreError> {
        let mut tables = self.tables()?;
        if !is_genuine(&self.ring, record) {
            self.rejected.fetch_add(1, Ordering::Relaxed);
            tracing::error!(
                key.id = ?record.id.as_str(),
                "a key's row is not as it was sealed: the key is not accepted"
            );
            // A revocation that is known stays known.
            tables.forget_unless_revoked(&record.id);
            return Ok(());
        }
        let mut entry = Entry::of(record);
        if let Some(former) = tables.ids.get(&record.id).cloned() {
            entry.revoked |= former.revoked;
            tables.macs.remove(&former.mac);
            if let Some(alias) = &former.alias {
                tables.aliases.remove(alias);
            }
        }
        let entry = Arc::new(entry);
        if let Some(alias) = entry.alias.clone() {
            tables.aliases.insert(alias, entry.id.clone());
        }
        tables.macs.insert(entry.mac, Arc::clone(&entry));
        tables.ids.insert(entry.id.clone(), entry);
        Ok(())
    }
}

#[async_trait]
impl Changes for KeyIndex {
    type Row = ReadKey;

    async fn since(&self, after: u64, limit: usize) -> Result<Vec<(u64, ReadKey)>, StoreError> {
        self.store.changed_since(after, limit).await
    }

    async fn first(&self) -> Result<(), StoreError> {
        match self.first.get() {
            Some(first) => first.take_in().await,
            None => Ok(()),
        }
    }

    fn take(&self, row: &ReadKey) -> Result<(), StoreError> {
        match row {
            Ok(record) => self.learn(record),
            Err(unreadable) => self.refuse(unreadable),
        }
    }
}

#[async_trait]
impl Followed for KeyIndex {
    fn name(&self) -> &'static str {
        "keys"
    }

    async fn take_in(&self) -> Result<(), StoreError> {
        self.refresh().await
    }
}

impl std::fmt::Debug for KeyIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyIndex")
            .field("keys", &self.len())
            .field("fresh", &self.is_fresh())
            .finish_non_exhaustive()
    }
}

impl Entry {
    fn of(record: &ApiKeyRecord) -> Self {
        Self {
            id: record.id.clone(),
            mac: record.mac,
            alias: record.alias.clone(),
            revoked: record.revoked_at.is_some(),
            principal: Arc::new(principal_of(record)),
        }
    }
}

/// Whether a key's rights are still what somebody has who came with it. Whoever signed in with it has a
/// role and scopes of their own; what the directory added is not the key's.
fn says_the_same(key: &Principal, principal: &Principal) -> bool {
    let mut grants = principal.grants.clone();
    grants.toolset_tools = Arc::default();
    if !key.grants.is_list() {
        grants.all = false;
    }
    let signed_in = principal.kind == PrincipalKind::SignedIn;
    key.grants == grants
        && (signed_in || (key.role == principal.role && key.scopes == principal.scopes))
        && (&key.team, &key.org, &key.user_id)
            == (&principal.team, &principal.org, &principal.user_id)
}

/// Which of our keys a principal is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnKey {
    /// One of the file.
    File,
    /// This one of the store.
    Store(KeyId),
}

impl OwnKey {
    /// By the principal's id; `None`: it is no key's.
    pub fn of(principal: &PrincipalId) -> Option<Self> {
        let name = principal.as_str().strip_prefix("key:")?;
        Some(match name.strip_prefix("file:") {
            Some(_) => Self::File,
            None => Self::Store(KeyId::from(name)),
        })
    }
}

pub(crate) fn principal_id(id: &KeyId) -> PrincipalId {
    PrincipalId::from(format!("key:{id}"))
}

fn principal_of(record: &ApiKeyRecord) -> Principal {
    Principal {
        id: principal_id(&record.id),
        subject: Arc::from(record.id.as_str()),
        kind: PrincipalKind::ApiKey,
        user_id: record.user_id.as_deref().map(Arc::from),
        client_id: None,
        email: None,
        team: record.team.as_deref().map(Arc::from),
        org: record.org.as_deref().map(Arc::from),
        groups: BTreeSet::new(),
        scopes: record.scopes.clone(),
        key_id: Some(record.id.clone()),
        issuer: None,
        role: record.role,
        grants: record.grants.clone(),
        expires_at: record.expires_at,
        marks: CredentialMarks {
            issued_at: Some(record.created_at),
            ..CredentialMarks::default()
        },
        subject_kind: portcullis_core::SubjectKind::Holder,
        levels: Vec::new(),
    }
}
