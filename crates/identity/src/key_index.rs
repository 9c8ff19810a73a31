//! Every store key in memory, as fresh as the store's change feed.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock, RwLockWriteGuard};
use std::time::Duration;

use portcullis_core::{ApiKey, Clock, KeyId, Principal, PrincipalId, PrincipalKind};
use portcullis_store::{ApiKeyRecord, ApiKeyStore, StoreError, UnreadableKey};
use portcullis_vault::KeyRing;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::key_seal::is_genuine;
use crate::{AuthnErrorKind, key_mac};

/// How many changes one question to the store asks for.
const BATCH: usize = 1000;

/// How fresh the index is kept.
#[derive(Clone, Copy, Debug)]
pub struct KeyIndexSettings {
    /// Time between two looks at the change feed: how long a revocation made elsewhere may take.
    pub refresh_every: Duration,
    /// How long the index is trusted without news from the store; then store keys are refused.
    pub max_staleness: Duration,
}

impl Default for KeyIndexSettings {
    fn default() -> Self {
        Self {
            refresh_every: Duration::from_millis(250),
            max_staleness: Duration::from_mins(1),
        }
    }
}

/// What is known of the store's keys.
pub struct KeyIndex {
    store: Arc<dyn ApiKeyStore>,
    ring: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
    settings: KeyIndexSettings,
    tables: RwLock<Tables>,
    /// The last change that was read; held while reading so that two refreshes do not cross.
    position: tokio::sync::Mutex<u64>,
    /// Monotonic milliseconds of the last complete refresh; `NEVER` before the first.
    fresh_at: AtomicU64,
    rejected: AtomicU64,
}

const NEVER: u64 = u64::MAX;

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
        settings: KeyIndexSettings,
    ) -> Self {
        Self {
            store,
            ring,
            clock,
            settings,
            tables: RwLock::default(),
            position: tokio::sync::Mutex::new(0),
            fresh_at: AtomicU64::new(NEVER),
            rejected: AtomicU64::new(0),
        }
    }

    /// Takes in everything that changed since the last time.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let mut position = self.position.lock().await;
        // Taken before asking: what is learned is at least as fresh as this.
        let started = self.monotonic_millis();
        loop {
            let changes = self.store.changed_since(*position, BATCH).await?;
            for (change, record) in &changes {
                match record {
                    Ok(record) => self.learn(record)?,
                    Err(unreadable) => self.refuse(unreadable)?,
                }
                *position = *change;
            }
            if changes.len() < BATCH {
                break;
            }
        }
        self.fresh_at.store(started, Ordering::Release);
        Ok(())
    }

    /// Keeps the index fresh until the token is cancelled.
    pub fn run(self: &Arc<Self>, tracker: &TaskTracker, token: CancellationToken) {
        let index = Arc::clone(self);
        tracker.spawn(async move {
            let mut ticks = tokio::time::interval(index.settings.refresh_every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut failing = false;
            let refresh_with_the_clock = async {
                loop {
                    ticks.tick().await;
                    failing = index.refresh_and_report(failing).await;
                }
            };
            token.run_until_cancelled(refresh_with_the_clock).await;
        });
    }

    /// Said once when the feed breaks and once when it works again, not four times a second.
    async fn refresh_and_report(&self, was_failing: bool) -> bool {
        match self.refresh().await {
            Ok(()) => {
                if was_failing {
                    tracing::info!("the key store answers again");
                }
                false
            }
            Err(error) => {
                if !was_failing {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        trusted_for_secs = self.settings.max_staleness.as_secs(),
                        "the key store does not answer; known keys are trusted for a while"
                    );
                }
                true
            }
        }
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
        if entry.revoked {
            return Err(AuthnErrorKind::Revoked);
        }
        if self.is_over(&entry) {
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

    /// Whether what the index knows may still be trusted.
    pub fn is_fresh(&self) -> bool {
        let fresh_at = self.fresh_at.load(Ordering::Acquire);
        let trusted = u64::try_from(self.settings.max_staleness.as_millis()).unwrap_or(u64::MAX);
        fresh_at != NEVER && self.monotonic_millis().saturating_sub(fresh_at) <= trusted
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

    fn monotonic_millis(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(NEVER - 1)
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

/// The name of a store key's principal.
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
    }
}
