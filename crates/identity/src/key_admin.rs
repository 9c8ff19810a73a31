//! Creating, listing and revoking store keys, for `/key/*` and the command line.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{
    ApiKey, Clock, Entropy, ErrorKind, KeyId, Principal, PrincipalKind, Role, ScopeSet,
    ServerGrants,
};
use portcullis_store::{
    ApiKeyRecord, ApiKeyStore, Inserted, Page, PageRequest, ReadKey, Replaced, StoreError,
    StoreErrorKind,
};
use portcullis_vault::KeyRing;

use crate::directory::is_unlimited;
use crate::key_index::principal_id;
use crate::key_seal::{is_genuine, key_seal};
use crate::{KeyForm, KeyIndex, key_mac, mint};

/// What a new key shall be.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What people call it; unique.
    pub alias: Option<String>,
    /// The user that it acts for.
    pub user_id: Option<String>,
    /// Team.
    pub team: Option<String>,
    /// Organization.
    pub org: Option<String>,
    /// Rights over the gateway.
    pub role: Role,
    /// Which servers it sees.
    pub grants: ServerGrants,
    /// OAuth scopes that it carries.
    pub scopes: ScopeSet,
    /// How long it works; `None`: until it is revoked.
    pub expires_in: Option<Duration>,
    /// Whatever the operator wants to keep with it.
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

/// What shall be different about a key; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct KeyChange {
    /// What people call it, or nothing.
    pub alias: Option<Option<String>>,
    /// The user that it acts for, or nobody.
    pub user_id: Option<Option<String>>,
    /// Team, or none.
    pub team: Option<Option<String>>,
    /// Organization, or none.
    pub org: Option<Option<String>>,
    /// Which servers it sees.
    pub grants: Option<ServerGrants>,
    /// OAuth scopes that it carries.
    pub scopes: Option<ScopeSet>,
    /// How long it works from now on, or until it is revoked.
    pub expires_in: Option<Option<Duration>>,
    /// Whatever the operator wants to keep with it.
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A key and its record. The key is shown now and never again.
#[derive(Clone, Debug)]
pub struct CreatedKey {
    /// The secret.
    pub key: ApiKey,
    /// What is stored.
    pub record: ApiKeyRecord,
}

/// A key that is decided upon and not stored: nobody can come with it yet.
#[derive(Clone, Debug)]
pub struct PreparedKey(CreatedKey);

impl PreparedKey {
    /// Its public part.
    pub const fn id(&self) -> &KeyId {
        &self.0.record.id
    }
}

/// A key before and after a change.
#[derive(Clone, Debug)]
pub struct ChangedKey {
    /// What was stored.
    pub before: ApiKeyRecord,
    /// What is stored.
    pub after: ApiKeyRecord,
}

/// Which key is meant.
#[derive(Clone, Debug)]
pub enum KeySelector {
    /// By its public part.
    Id(KeyId),
    /// By its alias.
    Alias(String),
    /// By the key itself.
    Key(ApiKey),
}

impl KeySelector {
    /// The store key that this principal presented, if it presented one. Keys of the file have names
    /// too, which may be some store key's id.
    pub fn own(by: &Principal) -> Option<Self> {
        let id = by.key_id.as_ref()?;
        (by.id == principal_id(id)).then(|| Self::Id(id.clone()))
    }
}

/// Keys that exist and that somebody may end, each once: only [`KeyAdmin::revocable`] finds out.
#[derive(Clone, Debug)]
pub struct Revocable(Vec<KeyId>);

impl Revocable {
    /// Which ones.
    pub fn ids(&self) -> &[KeyId] {
        &self.0
    }
}

/// A key as a list shows it.
#[derive(Clone, Debug)]
pub enum ListedKey {
    /// As it was made.
    Sound(Box<ApiKeyRecord>),
    /// Its row is not as it was sealed: the key is not accepted, and what the row says is not shown.
    Altered(KeyId),
    /// Its row cannot be read: the key is not accepted.
    Unreadable(KeyId),
}

/// A wish about keys that was not fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum KeyAdminError {
    /// Not for this principal.
    #[error("not allowed for this principal")]
    Forbidden,
    /// Some key has this alias, perhaps a revoked one.
    #[error("the alias is taken")]
    AliasTaken,
    /// Some key has this id: the random source gave it out twice.
    #[error("the id is taken: try again")]
    IdTaken,
    /// It was changed or revoked since.
    #[error("the key was changed or revoked meanwhile: read it again")]
    Stale,
    /// What its row says cannot be believed.
    #[error("the key's row is not as it was sealed: delete the key")]
    Damaged,
    /// There is no such key.
    #[error("no such key")]
    NotFound,
    /// The wish contradicts itself.
    #[error("{0}")]
    Invalid(&'static str),
    /// The random source failed: no key is made.
    #[error("the random source failed")]
    Entropy,
    /// The store failed.
    #[error("the key store failed")]
    Store(#[from] StoreError),
}

impl KeyAdminError {
    /// How a surface reports it.
    pub const fn error_kind(&self) -> ErrorKind {
        match self {
            Self::Forbidden => ErrorKind::Forbidden,
            Self::AliasTaken | Self::IdTaken | Self::Stale | Self::Damaged => ErrorKind::Conflict,
            Self::NotFound => ErrorKind::NotFound,
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::Entropy => ErrorKind::Unavailable,
            Self::Store(error) => error.error_kind(),
        }
    }
}

/// The service behind every way of managing keys. Changes are visible in the local index before the
/// call returns.
#[derive(Clone, Debug)]
pub struct KeyAdmin {
    store: Arc<dyn ApiKeyStore>,
    index: Arc<KeyIndex>,
    ring: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// Ids are 60 random bits: a second collision in a row is a broken random source.
const ATTEMPTS: usize = 3;

impl KeyAdmin {
    /// Manages the keys of this store. The index must read the same store.
    pub const fn new(
        store: Arc<dyn ApiKeyStore>,
        index: Arc<KeyIndex>,
        ring: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            store,
            index,
            ring,
            clock,
            entropy,
        }
    }

    /// Makes a key. Only an administrator may, and no key exceeds its creator in role, servers or
    /// scopes, nor outlives it: a key that expires makes keys that expire no later.
    pub async fn create(&self, new: NewKey, by: &Principal) -> Result<CreatedKey, KeyAdminError> {
        for _ in 0..ATTEMPTS {
            let prepared = self.prepare(&new, by)?;
            match self.insert(prepared).await {
                Err(KeyAdminError::IdTaken) => {}
                made => return made,
            }
        }
        Err(KeyAdminError::Entropy)
    }

    /// Decides about a new key as [`create`](Self::create) does, and makes it, for whoever has something to do
    /// before it exists.
    pub fn prepare(&self, new: &NewKey, by: &Principal) -> Result<PreparedKey, KeyAdminError> {
        if !may_give(by, new.role, &new.scopes, &new.grants) {
            return Err(KeyAdminError::Forbidden);
        }
        if new
            .alias
            .as_ref()
            .is_some_and(|alias| alias.trim().is_empty())
        {
            return Err(KeyAdminError::Invalid("the alias is empty"));
        }
        if new.expires_in.is_some_and(|span| span.as_millis() == 0) {
            return Err(KeyAdminError::Invalid("the key would expire at once"));
        }
        self.draft(new, by).map(PreparedKey)
    }

    /// Stores a key that was prepared.
    pub async fn insert(&self, prepared: PreparedKey) -> Result<CreatedKey, KeyAdminError> {
        let created = prepared.0;
        match self.store.insert(&created.record).await? {
            Inserted::Stored => {
                // The key must reach its owner now; should this index be broken, it denies anyway.
                let _ = self.index.learn(&created.record);
                Ok(created)
            }
            Inserted::Duplicate if created.record.alias.is_some() => Err(KeyAdminError::AliasTaken),
            Inserted::Duplicate => Err(KeyAdminError::IdTaken),
        }
    }

    /// Changes a key: the one whose row `seen` recognises, or what is there now where nobody says what they
    /// saw. Only an administrator may, and the key is then no more than they could have made.
    pub async fn change(
        &self,
        selector: &KeySelector,
        seen: impl FnOnce(&ApiKeyRecord) -> bool,
        change: KeyChange,
        by: &Principal,
    ) -> Result<ChangedKey, KeyAdminError> {
        if by.role < Role::Admin {
            return Err(KeyAdminError::Forbidden);
        }
        let id = self.select(selector, by, Role::Admin).await?;
        let before = self.store.get(&id).await?;
        let before = before.ok_or(KeyAdminError::NotFound)?;
        if !is_genuine(&self.ring, &before) {
            return Err(KeyAdminError::Damaged);
        }
        if before.revoked_at.is_some() || !seen(&before) {
            return Err(KeyAdminError::Stale);
        }
        let after = self.changed(&before, change, by)?;
        if !may_give(by, after.role, &after.scopes, &after.grants) {
            return Err(KeyAdminError::Forbidden);
        }
        match self.store.replace(&after, &before.seal).await? {
            Replaced::Stored => {
                self.index.learn_own(&after).await?;
                Ok(ChangedKey { before, after })
            }
            Replaced::Stale => Err(KeyAdminError::Stale),
            Replaced::AliasTaken => Err(KeyAdminError::AliasTaken),
        }
    }

    fn changed(
        &self,
        before: &ApiKeyRecord,
        change: KeyChange,
        by: &Principal,
    ) -> Result<ApiKeyRecord, KeyAdminError> {
        let alias = change.alias.unwrap_or_else(|| before.alias.clone());
        if alias.as_ref().is_some_and(|alias| alias.trim().is_empty()) {
            return Err(KeyAdminError::Invalid("the alias is empty"));
        }
        let expires_at = match change.expires_in {
            None => before.expires_at,
            Some(Some(span)) if span.as_millis() == 0 => {
                return Err(KeyAdminError::Invalid("the key would expire at once"));
            }
            Some(span) => [span.map(|span| self.clock.now().after(span)), by.expires_at]
                .into_iter()
                .flatten()
                .min(),
        };
        let metadata = match change.metadata {
            None => before.metadata.clone(),
            Some(metadata) => serde_json::to_string(&metadata)
                .map_err(|_| KeyAdminError::Invalid("the metadata is not a JSON object"))?,
        };
        let mut after = ApiKeyRecord {
            alias,
            user_id: change.user_id.unwrap_or_else(|| before.user_id.clone()),
            team: change.team.unwrap_or_else(|| before.team.clone()),
            org: change.org.unwrap_or_else(|| before.org.clone()),
            grants: change.grants.unwrap_or_else(|| before.grants.clone()),
            scopes: change.scopes.unwrap_or_else(|| before.scopes.clone()),
            expires_at,
            metadata,
            ..before.clone()
        };
        after.seal = key_seal(&self.ring, &after);
        Ok(after)
    }

    /// All keys, for those who may read everything. A damaged row is told from the others.
    pub async fn list(
        &self,
        page: &PageRequest,
        by: &Principal,
    ) -> Result<Page<ListedKey>, KeyAdminError> {
        if by.role < Role::Viewer {
            return Err(KeyAdminError::Forbidden);
        }
        let page = self.store.list(page).await?;
        let listed = |read: ReadKey| match read {
            Ok(record) if is_genuine(&self.ring, &record) => ListedKey::Sound(Box::new(record)),
            Ok(record) => ListedKey::Altered(record.id),
            Err(unreadable) => ListedKey::Unreadable(unreadable.id),
        };
        Ok(Page {
            items: page.items.into_iter().map(listed).collect(),
            next: page.next,
        })
    }

    /// One key, for those who may read everything and for the key itself.
    pub async fn info(
        &self,
        selector: &KeySelector,
        by: &Principal,
    ) -> Result<ApiKeyRecord, KeyAdminError> {
        let id = self.select(selector, by, Role::Viewer).await?;
        let record = self.store.get(&id).await?;
        let record = record.ok_or(KeyAdminError::NotFound)?;
        if is_genuine(&self.ring, &record) {
            Ok(record)
        } else {
            Err(KeyAdminError::Damaged)
        }
    }

    /// Which keys would end: for administrators, and for a key that ends itself. All of them are
    /// looked up here, so that a list with one mistake in it ends none.
    pub async fn revocable(
        &self,
        selectors: &[KeySelector],
        by: &Principal,
    ) -> Result<Revocable, KeyAdminError> {
        let mut ids = Vec::with_capacity(selectors.len());
        for selector in selectors {
            let id = self.select(selector, by, Role::Admin).await?;
            match self.store.get(&id).await {
                Ok(None) => return Err(KeyAdminError::NotFound),
                Ok(Some(_)) => {}
                // It exists, and being damaged must not save it.
                Err(error) if error.kind == StoreErrorKind::Corrupt => {}
                Err(error) => return Err(error.into()),
            }
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        Ok(Revocable(ids))
    }

    /// Ends these keys. Repeating it is no error.
    pub async fn revoke_all(&self, keys: &Revocable) -> Result<(), KeyAdminError> {
        for id in keys.ids() {
            let revoked = self.store.revoke(id, self.clock.now()).await?;
            let revoked = revoked.ok_or(KeyAdminError::NotFound)?;
            self.index.learn_own(&revoked).await?;
        }
        Ok(())
    }

    /// Ends one key.
    pub async fn revoke(&self, key: &KeySelector, by: &Principal) -> Result<(), KeyAdminError> {
        let doomed = self.revocable(std::slice::from_ref(key), by).await?;
        self.revoke_all(&doomed).await
    }

    /// The key that is meant, if this principal may do something that takes `role` or being it.
    /// Those who may not learn nothing about which keys exist.
    async fn select(
        &self,
        selector: &KeySelector,
        by: &Principal,
        role: Role,
    ) -> Result<KeyId, KeyAdminError> {
        let found = match selector {
            KeySelector::Id(id) => Some(id.clone()),
            KeySelector::Alias(alias) => {
                self.index.refresh().await?;
                self.index.id_of_alias(alias)
            }
            KeySelector::Key(key) if matches!(KeyForm::of(key.expose()), KeyForm::Ours(_)) => {
                self.index.refresh().await?;
                self.index.id_of_mac(&key_mac(&self.ring, key))
            }
            KeySelector::Key(_) => None,
        };
        let itself = found.as_ref().is_some_and(|id| by.id == principal_id(id));
        if by.role < role && !itself {
            return Err(KeyAdminError::Forbidden);
        }
        found.ok_or(KeyAdminError::NotFound)
    }

    fn draft(&self, new: &NewKey, by: &Principal) -> Result<CreatedKey, KeyAdminError> {
        let minted = mint(self.entropy.as_ref(), &self.ring).map_err(|_| KeyAdminError::Entropy)?;
        let now = self.clock.now();
        let metadata = serde_json::to_string(&new.metadata)
            .map_err(|_| KeyAdminError::Invalid("the metadata is not a JSON object"))?;
        let mut record = ApiKeyRecord {
            id: minted.id,
            mac: minted.mac,
            alias: new.alias.clone(),
            user_id: new.user_id.clone(),
            team: new.team.clone(),
            org: new.org.clone(),
            role: new.role,
            grants: new.grants.clone(),
            scopes: new.scopes.clone(),
            created_at: now,
            created_by: by.id.as_str().to_owned(),
            expires_at: [new.expires_in.map(|span| now.after(span)), by.expires_at]
                .into_iter()
                .flatten()
                .min(),
            revoked_at: None,
            metadata,
            seal: [0; 32],
        };
        record.seal = key_seal(&self.ring, &record);
        Ok(CreatedKey {
            key: minted.key,
            record,
        })
    }
}

/// Whether somebody may make a key that is this. No key exceeds its creator: whoever is limited gives
/// away what they have by name, and never what a team of others has.
fn may_give(by: &Principal, role: Role, scopes: &ScopeSet, grants: &ServerGrants) -> bool {
    // The master key carries no scopes because it is bound by none.
    let scopes = by.kind == PrincipalKind::MasterKey || by.scopes.covers(scopes);
    // Without a list of its own, a key sees what its team does, or everything under `compat: litellm`.
    let inherits = grants.of_team || !grants.is_list();
    by.role >= Role::Admin
        && role <= by.role
        && scopes
        && (is_unlimited(by) || (!inherits && is_within(grants, by)))
}

/// Whether grants are no more than what somebody has, by themselves and under what stands above them.
fn is_within(grants: &ServerGrants, by: &Principal) -> bool {
    let mut above = by.levels.iter().map(|level| &level.grants);
    grants.is_within(&by.grants)
        && above.all(|level| {
            if level.is_list() {
                grants.is_within(level)
            } else {
                grants.tools.is_within(&level.tools)
            }
        })
}
