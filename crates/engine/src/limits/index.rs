//! Who may what, in memory: what administrators wrote into the store, what the file says, and what it says
//! of everybody else.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use portcullis_core::{Clock, LevelKind, Principal, constant_time_eq};
use portcullis_policy::Limits;
use portcullis_store::{Changes, LimitRecord, LimitScope, LimitStore, Reading, StoreError};

use super::scopes::ScopeKind;
use super::{Allowance, Allowances, AllowancesUnknown};
use crate::audit::ChainMac;

/// What the file says.
#[derive(Clone, Debug, Default)]
pub struct FileLimits {
    /// For each scope of a kind of which nothing else is said.
    pub defaults: Vec<(ScopeKind, Limits)>,
    /// Of single scopes.
    pub named: Vec<(ScopeKind, String, Limits)>,
}

/// The limits of callers. What is known stays in force while the store is away: whoever is limited cannot
/// be counted then, and whoever is not needs no store.
pub struct LimitIndex {
    store: Arc<dyn LimitStore>,
    mac: Arc<dyn ChainMac>,
    clock: Arc<dyn Clock>,
    tables: RwLock<Tables>,
    reading: tokio::sync::Mutex<Reading>,
}

#[derive(Default)]
struct Tables([Table; ScopeKind::OF_CALLERS.len()]);

/// One kind of scope.
#[derive(Default)]
struct Table {
    default: Arc<Limits>,
    file: HashMap<Arc<str>, Limits>,
    stored: HashMap<Arc<str>, Stored>,
    /// What is in force for each scope of which something is said.
    known: HashMap<Arc<str>, Arc<Limits>>,
}

struct Stored {
    version: u64,
    /// `None`: the row cannot be read, or is not as it was sealed.
    limits: Option<Limits>,
}

impl Table {
    fn settle(&mut self, id: &Arc<str>) {
        let stored = self.stored.get(id).and_then(|row| row.limits.clone());
        let limits = stored.unwrap_or_default();
        let limits = match self.file.get(id) {
            Some(file) => limits.or(file),
            None => limits,
        };
        let limits = limits.or(&self.default);
        self.known.insert(Arc::clone(id), Arc::new(limits));
    }

    fn settle_all(&mut self) {
        self.known.clear();
        let ids: Vec<Arc<str>> = self
            .file
            .keys()
            .chain(self.stored.keys())
            .cloned()
            .collect();
        for id in ids {
            self.settle(&id);
        }
    }

    fn of(&self, id: &str) -> Result<&Arc<Limits>, ()> {
        if self.stored.get(id).is_some_and(|row| row.limits.is_none()) {
            return Err(());
        }
        Ok(self.known.get(id).unwrap_or(&self.default))
    }
}

impl Tables {
    fn table(&mut self, kind: ScopeKind) -> Option<&mut Table> {
        let place = ScopeKind::OF_CALLERS.iter().position(|one| *one == kind)?;
        self.0.get_mut(place)
    }

    fn of(&self, kind: ScopeKind) -> Option<&Table> {
        let place = ScopeKind::OF_CALLERS.iter().position(|one| *one == kind)?;
        self.0.get(place)
    }
}

impl LimitIndex {
    /// An index that knows nothing until its first [`refresh`](Self::refresh). `mac` seals rows: whoever can
    /// write the table does not change what an administrator decided.
    pub fn new(store: Arc<dyn LimitStore>, mac: Arc<dyn ChainMac>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            mac,
            clock,
            tables: RwLock::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// Puts the file's limits in force.
    pub fn follow_file(&self, file: FileLimits) {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        for table in &mut tables.0 {
            table.default = Arc::default();
            table.file.clear();
        }
        for (kind, limits) in file.defaults {
            if let Some(table) = tables.table(kind) {
                table.default = Arc::new(limits);
            }
        }
        for (kind, id, limits) in file.named {
            if let Some(table) = tables.table(kind) {
                table.file.insert(id.into(), limits);
            }
        }
        for table in &mut tables.0 {
            table.settle_all();
        }
    }

    /// Takes in everything that changed since the last time, and every few minutes all there is.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let mut reading = self.reading.lock().await;
        reading.catch_up(self, self.clock.monotonic()).await
    }

    /// Takes in one row; one that is older than what is known changes nothing.
    pub(super) fn learn(&self, record: &LimitRecord) {
        let kinds = ScopeKind::OF_CALLERS.iter();
        let Some(kind) = kinds
            .copied()
            .find(|kind| kind.as_str() == record.scope.kind)
        else {
            tracing::warn!(kind = ?record.scope.kind, "limits of something that is not known here");
            return;
        };
        let limits = self.read(record);
        if limits.is_none() {
            tracing::error!(
                kind = kind.as_str(),
                id = ?record.scope.id,
                "limits are not as they were written: what is limited by them is refused"
            );
        }
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        let Some(table) = tables.table(kind) else {
            return;
        };
        let id: Arc<str> = record.scope.id.as_str().into();
        let newer = |known: &Stored| known.version > record.version && limits.is_some();
        if table.stored.get(&id).is_some_and(newer) {
            return;
        }
        let version = record.version;
        table
            .stored
            .insert(Arc::clone(&id), Stored { version, limits });
        table.settle(&id);
    }

    /// What a row says, if it is genuine.
    pub(super) fn read(&self, record: &LimitRecord) -> Option<Limits> {
        if !constant_time_eq(&self.seal(record), &record.seal) {
            return None;
        }
        let members = serde_json::from_str(&record.limits).ok()?;
        Limits::read(&members).ok()
    }

    /// The MAC over everything that a row says, each part preceded by its length.
    pub(super) fn seal(&self, record: &LimitRecord) -> [u8; 32] {
        // Taken apart without `..`: a new field does not compile until somebody has decided.
        let LimitRecord {
            scope: LimitScope { kind, id },
            limits,
            version,
            updated_at,
            updated_by,
            seal: _,
        } = record;
        let (version, at) = (version.to_be_bytes(), updated_at.as_millis().to_be_bytes());
        let parts = [
            kind.as_bytes(),
            id.as_bytes(),
            limits.as_bytes(),
            &version,
            &at,
            updated_by.as_bytes(),
        ];
        let lengths = parts.map(|part| (part.len() as u64).to_be_bytes());
        let framed: Vec<&[u8]> = lengths
            .iter()
            .zip(parts)
            .flat_map(|(length, part)| [length.as_slice(), part])
            .collect();
        self.mac.mac(&framed)
    }

    /// What is in force for this scope.
    pub fn in_force(&self, kind: ScopeKind, id: &str) -> Result<Arc<Limits>, AllowancesUnknown> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        tables.in_force(kind, id)
    }

    /// The latest version of a stored scope that was heard of, perhaps of a database that has come back
    /// without it since.
    pub(super) fn version_of(&self, kind: ScopeKind, id: &str) -> u64 {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        let known = tables.of(kind).and_then(|table| table.stored.get(id));
        known.map_or(0, |known| known.version)
    }
}

#[async_trait]
impl Changes for LimitIndex {
    type Row = LimitRecord;

    async fn since(&self, after: u64, limit: usize) -> Result<Vec<(u64, LimitRecord)>, StoreError> {
        self.store.changed_since(after, limit).await
    }

    fn take(&self, row: &LimitRecord) -> Result<(), StoreError> {
        self.learn(row);
        Ok(())
    }
}

/// The scopes of a caller, by the order of [`ScopeKind::OF_CALLERS`].
fn scopes_of(principal: &Principal) -> [Option<&str>; ScopeKind::OF_CALLERS.len()] {
    [
        principal.id.as_str().strip_prefix("key:"),
        principal.user_id.as_deref(),
        principal.team.as_deref(),
        principal.org.as_deref(),
        end_user(principal),
    ]
}

/// The organizations that a caller is in by its team alone.
fn organizations_above(principal: &Principal) -> impl Iterator<Item = &str> {
    let above = principal.levels.iter();
    let above = above.filter(|level| level.kind == LevelKind::Organization);
    let own = principal.org.as_deref();
    above
        .map(|level| &*level.id)
        .filter(move |id| Some(*id) != own)
}

impl Tables {
    fn allowance(&self, kind: ScopeKind, id: &str) -> Result<Option<Allowance>, AllowancesUnknown> {
        let limits = self.in_force(kind, id)?;
        Ok((!limits.is_empty()).then(|| Allowance {
            kind,
            id: id.into(),
            limits,
        }))
    }

    fn in_force(&self, kind: ScopeKind, id: &str) -> Result<Arc<Limits>, AllowancesUnknown> {
        let Some(table) = self.of(kind) else {
            return Ok(Arc::default());
        };
        let limits = table.of(id).map_err(|()| AllowancesUnknown(kind))?;
        Ok(Arc::clone(limits))
    }
}

/// For whom the caller says that it asks.
fn end_user(principal: &Principal) -> Option<&str> {
    let mut levels = principal.levels.iter();
    let level = levels.find(|level| level.kind == LevelKind::EndUser)?;
    Some(&level.id)
}

impl Allowances for LimitIndex {
    fn of(&self, principal: &Principal) -> Result<Vec<Allowance>, AllowancesUnknown> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        let kinds = ScopeKind::OF_CALLERS.into_iter();
        let own = kinds.zip(scopes_of(principal));
        let own = own.filter_map(|(kind, id)| Some((kind, id?)));
        let above = organizations_above(principal).map(|id| (ScopeKind::Organization, id));
        let mut allowances = Vec::new();
        for (kind, id) in own.chain(above) {
            allowances.extend(tables.allowance(kind, id)?);
        }
        Ok(allowances)
    }
}

impl fmt::Debug for LimitIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitIndex").finish_non_exhaustive()
    }
}
