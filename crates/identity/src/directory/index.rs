//! Every entry in memory.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, RwLock};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use portcullis_core::{Clock, LevelKind, Toolsets};
use portcullis_store::{
    Changes, DirectoryStore, EntryKind, EntryRecord, ReadEntry, Reading, StoreError,
    UnreadableEntry,
};
use portcullis_vault::KeyRing;

use super::entry::{Defined, FileDirectory, Toolset};
use super::level::{Found, entry_of};
use super::seal::is_genuine;
use crate::follow::{Followed, Freshness, FreshnessSettings};

/// What is known of teams, organizations, people, end users and toolsets, from the store and the file.
pub struct Directory {
    store: Arc<dyn DirectoryStore>,
    ring: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
    file: ArcSwap<FileDirectory>,
    tables: RwLock<Tables>,
    /// Those of both by their names, the file's before the store's.
    toolsets: ArcSwap<Toolsets>,
    reading: tokio::sync::Mutex<Reading>,
    first: OnceLock<Arc<dyn Followed>>,
    /// How many times the store was asked.
    asked: AtomicU64,
    freshness: Freshness,
}

#[derive(Default)]
struct Tables {
    levels: HashMap<EntryKind, HashMap<String, Stored>>,
    /// By id: name and content.
    toolsets: BTreeMap<String, (String, Toolset)>,
    /// Kinds of which one was ever seen, deleted ones and unreadable ones too.
    seen: HashSet<EntryKind>,
}

#[derive(Clone)]
enum Stored {
    Standing(Arc<Defined>),
    Deleted,
    Unreadable,
}

impl Directory {
    /// An empty one, which refuses whoever names anything until its first [`refresh`](Self::refresh).
    pub fn new(
        store: Arc<dyn DirectoryStore>,
        ring: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
        settings: FreshnessSettings,
        file: FileDirectory,
    ) -> Self {
        let directory = Self {
            store,
            ring,
            freshness: Freshness::new(Arc::clone(&clock), settings),
            clock,
            file: ArcSwap::default(),
            tables: RwLock::default(),
            toolsets: ArcSwap::default(),
            reading: tokio::sync::Mutex::default(),
            first: OnceLock::new(),
            asked: AtomicU64::new(0),
        };
        directory.follow_file(file);
        directory
    }

    /// From now on the file says this.
    pub fn follow_file(&self, file: FileDirectory) {
        self.file.store(Arc::new(file));
        if let Ok(tables) = self.tables.read() {
            self.name_toolsets(&tables);
        }
    }

    pub(super) fn file(&self) -> Arc<FileDirectory> {
        self.file.load_full()
    }

    /// The toolsets by their names.
    pub fn toolsets(&self) -> Arc<Toolsets> {
        self.toolsets.load_full()
    }

    /// From now on no change of an entry is taken in before this is: limits that were written before their
    /// entry was are known before the entry is.
    pub fn only_after(&self, first: Arc<dyn Followed>) {
        // Once and for all: a second one would be a defect of the wiring, and change nothing.
        let _ = self.first.set(first);
    }

    /// Takes in everything that changed since the last time, and every few minutes all there is.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        self.read(&mut *self.reading.lock().await).await
    }

    async fn read(&self, reading: &mut Reading) -> Result<(), StoreError> {
        self.asked.fetch_add(1, Ordering::AcqRel);
        let asked = self.freshness.asking();
        reading.catch_up(self, self.clock.monotonic()).await?;
        self.freshness.learned(asked);
        Ok(())
    }

    /// Asks the store where what is known is too old, as it is when the machine has slept: once for all who
    /// wait. A question that was under way before does not count, for what it learns may be as old.
    pub(crate) async fn ask_if_old(&self) {
        if self.is_fresh() {
            return;
        }
        let asked = self.asked.load(Ordering::Acquire);
        let mut reading = self.reading.lock().await;
        if self.is_fresh() || self.asked.load(Ordering::Acquire) != asked {
            return;
        }
        if let Err(error) = self.read(&mut reading).await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the directory cannot be read"
            );
        }
    }

    /// Whether what is known may still be trusted.
    pub fn is_fresh(&self) -> bool {
        self.freshness.is_fresh()
    }

    /// The level of this kind and id.
    pub(super) fn level(&self, kind: LevelKind, id: &str) -> Found<Arc<Defined>> {
        let Some(entry) = entry_of(kind) else {
            return Found::Label;
        };
        let file = self.file.load();
        if let Some(defined) = file.levels.get(&(entry, id.to_owned())) {
            return Found::Standing(Arc::clone(defined));
        }
        let Ok(tables) = self.tables.read() else {
            return Found::Unreadable;
        };
        let stored = tables.levels.get(&entry).and_then(|of| of.get(id));
        match stored {
            Some(Stored::Standing(defined)) => Found::Standing(Arc::clone(defined)),
            Some(Stored::Deleted) => Found::Undefined,
            Some(Stored::Unreadable) => Found::Unreadable,
            None if kind == LevelKind::User && file.undefined_users => Found::Label,
            None if tables.seen.contains(&entry) => Found::Undefined,
            None if file.levels.keys().any(|(of, _)| *of == entry) => Found::Undefined,
            None => Found::Label,
        }
    }

    /// Takes in what was stored here just now: behind a reading that is under way, which may have found what
    /// stood before and would put it back.
    pub(super) async fn learn_own(&self, record: &EntryRecord) -> Result<(), StoreError> {
        let _behind = self.reading.lock().await;
        self.learn(record)
    }

    /// Takes in one entry.
    pub(super) fn learn(&self, record: &EntryRecord) -> Result<(), StoreError> {
        if !is_genuine(&self.ring, record) {
            tracing::error!(
                directory.kind = record.kind.as_str(),
                directory.id = ?record.id,
                "an entry's row is not as it was sealed: whoever names it is refused"
            );
            return self.keep(Some(record.kind), &record.id, None, &Stored::Unreadable);
        }
        if record.deleted {
            return self.keep(Some(record.kind), &record.id, None, &Stored::Deleted);
        }
        if record.kind == EntryKind::Toolset {
            let toolset = serde_json::from_str::<Toolset>(&record.body).ok();
            let named = toolset.zip(record.name.clone());
            let named = named.map(|(toolset, name)| (name, toolset));
            return self.keep(
                Some(record.kind),
                &record.id,
                named.as_ref(),
                &Stored::Unreadable,
            );
        }
        let stored = if let Ok(defined) = serde_json::from_str::<Defined>(&record.body) {
            Stored::Standing(Arc::new(defined))
        } else {
            tracing::error!(
                directory.kind = record.kind.as_str(),
                directory.id = ?record.id,
                "what an entry says is not understood: whoever names it is refused"
            );
            Stored::Unreadable
        };
        self.keep(Some(record.kind), &record.id, None, &stored)
    }

    /// Keeps others from being damaged by one damaged row.
    fn refuse(&self, unreadable: &UnreadableEntry) -> Result<(), StoreError> {
        tracing::error!(
            directory.id = ?unreadable.id,
            error = unreadable as &dyn std::error::Error,
            "an entry's row cannot be read: whoever names it is refused"
        );
        self.keep(unreadable.kind, &unreadable.id, None, &Stored::Unreadable)
    }

    /// Of which kind cannot be told: it may be of any.
    fn keep(
        &self,
        kind: Option<EntryKind>,
        id: &str,
        toolset: Option<&(String, Toolset)>,
        stored: &Stored,
    ) -> Result<(), StoreError> {
        let mut tables = self.tables.write().map_err(|_| {
            StoreError::unavailable("directory.learn", "a panic interrupted an earlier change")
        })?;
        let kinds: Vec<EntryKind> = kind.map_or_else(|| EntryKind::ALL.to_vec(), |kind| vec![kind]);
        for kind in kinds {
            tables.seen.insert(kind);
            if kind == EntryKind::Toolset {
                match toolset {
                    Some(named) => tables.toolsets.insert(id.to_owned(), named.clone()),
                    None => tables.toolsets.remove(id),
                };
                self.name_toolsets(&tables);
            } else {
                let of = tables.levels.entry(kind).or_default();
                of.insert(id.to_owned(), stored.clone());
            }
        }
        Ok(())
    }

    fn name_toolsets(&self, tables: &Tables) {
        let stored = tables.toolsets.values();
        let stored = stored.map(|(name, toolset)| (name.clone(), toolset.tools.clone()));
        let file = self.file.load();
        let written = file.toolsets.iter();
        let written = written.map(|(name, toolset)| (name.clone(), toolset.tools.clone()));
        self.toolsets
            .store(Arc::new(stored.chain(written).collect()));
    }
}

#[async_trait]
impl Changes for Directory {
    type Row = ReadEntry;

    async fn since(&self, after: u64, limit: usize) -> Result<Vec<(u64, ReadEntry)>, StoreError> {
        self.store.changed_since(after, limit).await
    }

    async fn first(&self) -> Result<(), StoreError> {
        match self.first.get() {
            Some(first) => first.take_in().await,
            None => Ok(()),
        }
    }

    fn take(&self, row: &ReadEntry) -> Result<(), StoreError> {
        match row {
            Ok(record) => self.learn(record),
            Err(unreadable) => self.refuse(unreadable),
        }
    }
}

#[async_trait]
impl Followed for Directory {
    fn name(&self) -> &'static str {
        "directory"
    }

    async fn take_in(&self) -> Result<(), StoreError> {
        self.refresh().await
    }
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory")
            .field("fresh", &self.is_fresh())
            .finish_non_exhaustive()
    }
}
