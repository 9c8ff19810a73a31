//! A door with every kind of key, a clock that stands still and a store that can be cut off.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue};
use portcullis_core::{
    ApiKey, KeyId, ManualClock, Principal, Role, ScopeSet, ServerGrants, ServerId, SystemEntropy,
    Timestamp,
};
use portcullis_identity::{
    Authentication, AuthnErrorKind, FileKey, FileKeySecret, FileKeys, FreshnessSettings, KeyAdmin,
    KeyIndex, MasterKey, NewKey, Revocations, StoreKeys,
};
use portcullis_store::{
    ApiKeyRecord, ApiKeyStore, Inserted, KeyChange, Page, PageRequest, ReadKey, Replaced,
    StoreError, UnreadableKey, memory,
};
use portcullis_vault::KeyRing;

pub(crate) const MASTER: &str = "sk-1234";
pub(crate) const FILE_KEY: &str = "sk-from-the-file";

/// The memory store behind a line that can be cut.
#[derive(Debug)]
pub(crate) struct CutLine {
    inner: Arc<dyn ApiKeyStore>,
    pub(crate) cut: AtomicBool,
    /// What somebody who can write the database makes of every row.
    pub(crate) forgery: Mutex<Option<Forgery>>,
    /// The key whose row cannot be read.
    pub(crate) damaged: Mutex<Option<KeyId>>,
    /// The key in whose row a list finds another role.
    pub(crate) altered: Mutex<Option<KeyId>>,
    /// How far the change numbers fell back when the database lost its latest commits.
    pub(crate) fallen_back: AtomicU64,
}

pub(crate) type Forgery = fn(&mut ApiKeyRecord);

impl CutLine {
    fn inner(&self) -> Result<&dyn ApiKeyStore, StoreError> {
        if self.cut.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("api_keys", "the line is cut"));
        }
        Ok(self.inner.as_ref())
    }

    fn damage(&self, key: &mut ReadKey) {
        let damaged = self.damaged.lock().unwrap();
        if let (Ok(record), Some(damaged)) = (&*key, &*damaged)
            && record.id == *damaged
        {
            *key = Err(UnreadableKey {
                id: damaged.clone(),
                source: StoreError::corrupt("api_keys", "not a role"),
            });
        }
    }
}

#[async_trait]
impl ApiKeyStore for CutLine {
    async fn insert(&self, record: &ApiKeyRecord) -> Result<Inserted, StoreError> {
        self.inner()?.insert(record).await
    }
    async fn replace(
        &self,
        record: &ApiKeyRecord,
        seen: &[u8; 32],
    ) -> Result<Replaced, StoreError> {
        self.inner()?.replace(record, seen).await
    }
    async fn get(&self, id: &KeyId) -> Result<Option<ApiKeyRecord>, StoreError> {
        let mut found = self.inner()?.get(id).await?;
        if let Some(record) = &mut found
            && Some(&record.id) == self.altered.lock().unwrap().as_ref()
        {
            record.role = Role::Admin;
        }
        Ok(found)
    }
    async fn list(&self, page: &PageRequest) -> Result<Page<ReadKey>, StoreError> {
        let mut page = self.inner()?.list(page).await?;
        let altered = self.altered.lock().unwrap().clone();
        for key in &mut page.items {
            self.damage(key);
            if let Ok(record) = key
                && Some(&record.id) == altered.as_ref()
            {
                record.role = Role::Admin;
            }
        }
        Ok(page)
    }
    async fn revoke(&self, id: &KeyId, now: Timestamp) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.inner()?.revoke(id, now).await
    }
    async fn changed_since(&self, after: u64, limit: usize) -> Result<Vec<KeyChange>, StoreError> {
        let back = self.fallen_back.load(Ordering::SeqCst);
        let mut changes = self.inner()?.changed_since(after + back, limit).await?;
        for (change, _) in &mut changes {
            *change -= back;
        }
        if let Some(forge) = *self.forgery.lock().unwrap() {
            for record in changes.iter_mut().filter_map(|(_, key)| key.as_mut().ok()) {
                forge(record);
            }
        }
        for (_, key) in &mut changes {
            self.damage(key);
        }
        Ok(changes)
    }
}

/// One replica: an index, an administration and a door of its own over a shared store.
pub(crate) struct Replica {
    pub(crate) index: Arc<KeyIndex>,
    pub(crate) admin: KeyAdmin,
    pub(crate) door: Authentication,
}

pub(crate) struct House {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<CutLine>,
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) here: Replica,
}

impl House {
    pub(crate) async fn open() -> Self {
        let clock = Arc::new(ManualClock::at_millis(1_900_000_000_000));
        let store = Arc::new(CutLine {
            inner: memory::stores().api_keys,
            cut: AtomicBool::new(false),
            forgery: Mutex::default(),
            damaged: Mutex::default(),
            altered: Mutex::default(),
            fallen_back: AtomicU64::new(0),
        });
        let ring = Arc::new(KeyRing::in_memory(Arc::new(SystemEntropy)).unwrap());
        let here = Replica::over(&clock, &store, &ring, FreshnessSettings::default());
        here.index.refresh().await.unwrap();
        Self {
            clock,
            store,
            ring,
            here,
        }
    }

    pub(crate) fn replica(&self, settings: FreshnessSettings) -> Replica {
        Replica::over(&self.clock, &self.store, &self.ring, settings)
    }

    pub(crate) fn cut(&self, cut: bool) {
        self.store.cut.store(cut, Ordering::SeqCst);
    }

    pub(crate) async fn mint(&self, new: NewKey) -> (String, KeyId) {
        let created = self
            .here
            .admin
            .create(new, &MasterKey::principal())
            .await
            .unwrap();
        (created.key.expose().to_owned(), created.record.id)
    }
}

impl Replica {
    fn over(
        clock: &Arc<ManualClock>,
        store: &Arc<CutLine>,
        ring: &Arc<KeyRing>,
        settings: FreshnessSettings,
    ) -> Self {
        let index = Arc::new(KeyIndex::new(
            Arc::clone(store) as _,
            Arc::clone(ring),
            Arc::clone(clock) as _,
            settings,
        ));
        let file_keys = FileKeys::new(vec![file_key("ci", FILE_KEY)], Arc::clone(clock) as _);
        Self {
            admin: KeyAdmin::new(
                Arc::clone(store) as _,
                Arc::clone(&index),
                Arc::clone(ring),
                Arc::clone(clock) as _,
                Arc::new(SystemEntropy),
            ),
            door: Authentication::new(
                vec![
                    Arc::new(MasterKey::new(&ApiKey::new(MASTER)).unwrap()),
                    Arc::new(file_keys.unwrap()),
                    Arc::new(StoreKeys::new(Arc::clone(&index))),
                ],
                nobody_revoked(clock, ring),
            ),
            index,
        }
    }

    pub(crate) async fn knock(&self, key: &str) -> Result<Arc<Principal>, AuthnErrorKind> {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::try_from(format!("Bearer {key}")).unwrap();
        headers.insert("authorization", value);
        let answer = self
            .door
            .authenticate(&headers, &portcullis_identity::Arrival::default())
            .await;
        answer
            .map(|caller| caller.principal)
            .map_err(|error| error.kind)
    }
}

/// A list in a store of its own, which nobody cuts off.
pub(crate) fn nobody_revoked(clock: &Arc<ManualClock>, ring: &Arc<KeyRing>) -> Arc<Revocations> {
    Arc::new(Revocations::new(
        memory::stores().revocations,
        Arc::clone(ring),
        Arc::clone(clock) as _,
        FreshnessSettings::default(),
    ))
}

pub(crate) fn file_key(name: &str, secret: &str) -> FileKey {
    FileKey {
        name: KeyId::from(name),
        secret: FileKeySecret::parse(secret).unwrap(),
        user_id: None,
        team: Some("platform".to_owned()),
        org: None,
        role: Role::User,
        grants: grants(&["github"]),
        scopes: ScopeSet::default(),
        expires_at: None,
    }
}

pub(crate) fn grants(servers: &[&str]) -> ServerGrants {
    ServerGrants {
        servers: servers.iter().copied().map(ServerId::from).collect(),
        ..ServerGrants::default()
    }
}

pub(crate) fn user_key() -> NewKey {
    NewKey {
        alias: None,
        user_id: Some("alice".to_owned()),
        team: None,
        org: None,
        role: Role::User,
        grants: grants(&["github"]),
        scopes: ScopeSet::default(),
        expires_in: None,
        metadata: serde_json::Map::new(),
    }
}
