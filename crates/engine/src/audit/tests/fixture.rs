//! A trail over a store in memory that can break, and whose rows an attacker can reach.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use portcullis_core::{
    Clock, ManualClock, Principal, PrincipalKind, RequestId, Role, SeededEntropy, ServerGrants,
};
use portcullis_store::{
    AuditFilter, AuditHead, AuditPruning, AuditRow, AuditStore, Page, PageRequest, StoreError,
    StoreErrorKind,
};
use tokio_util::task::TaskTracker;

use crate::audit::{
    AuditDeps, AuditEvent, AuditLog, AuditSettings, ChainMac, Outcome, Surface, VerifyReport,
    WriterId, verify,
};
use crate::metrics::Metrics;

#[derive(Debug)]
pub(crate) struct TestMac(hmac::Key);

impl TestMac {
    pub(crate) fn new() -> Self {
        Self(hmac::Key::new(
            hmac::HMAC_SHA256,
            b"a key that no store has",
        ))
    }
}

impl ChainMac for TestMac {
    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(part);
        }
        context.sign().as_ref().try_into().unwrap()
    }
}

/// How the next appends go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    Down,
    /// Stores, and then says that it did not.
    LosesTheAnswer,
    /// Neither stores nor answers.
    Hangs,
}

#[derive(Debug)]
pub(crate) struct TestStore {
    pub(crate) rows: Mutex<Vec<AuditRow>>,
    pub(crate) kept_prunings: Mutex<BTreeMap<String, AuditPruning>>,
    pub(crate) kept_heads: Mutex<BTreeMap<String, AuditHead>>,
    mood: Mutex<Mood>,
    pub(crate) appends: AtomicUsize,
}

impl TestStore {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            rows: Mutex::default(),
            kept_prunings: Mutex::default(),
            kept_heads: Mutex::default(),
            mood: Mutex::new(Mood::Well),
            appends: AtomicUsize::new(0),
        })
    }

    pub(crate) fn be(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn mood(&self) -> Mood {
        *self.mood.lock().unwrap()
    }

    pub(crate) fn events(&self) -> Vec<serde_json::Value> {
        let mut rows = self.rows.lock().unwrap().clone();
        rows.sort_by(|a, b| (&a.writer, a.seq).cmp(&(&b.writer, b.seq)));
        rows.iter()
            .map(|row| serde_json::from_str(&row.event).unwrap())
            .collect()
    }

    pub(crate) fn of_kind(&self, kind: &str) -> Vec<serde_json::Value> {
        let mut events = self.events();
        events.retain(|event| event["event"] == kind);
        events
    }

    pub(crate) async fn verify(&self) -> VerifyReport {
        verify(self, &TestMac::new()).await.unwrap()
    }
}

fn broken(kind: StoreErrorKind) -> StoreError {
    StoreError {
        operation: "audit.append",
        kind,
        source: None,
    }
}

#[async_trait]
impl AuditStore for TestStore {
    async fn append(&self, rows: &[AuditRow], head: &AuditHead) -> Result<(), StoreError> {
        self.appends.fetch_add(1, Ordering::SeqCst);
        let mood = self.mood();
        match mood {
            Mood::Down => return Err(broken(StoreErrorKind::Unavailable)),
            Mood::Hangs => std::future::pending().await,
            Mood::Well | Mood::LosesTheAnswer => {}
        }
        {
            let mut heads = self.kept_heads.lock().unwrap();
            let last = heads.get(&head.writer).map_or(0, |head| head.seq);
            if rows[0].seq != last + 1 {
                return Err(broken(StoreErrorKind::Corrupt));
            }
            self.rows.lock().unwrap().extend_from_slice(rows);
            heads.insert(head.writer.clone(), head.clone());
        }
        match mood {
            Mood::LosesTheAnswer => {
                self.be(Mood::Well);
                Err(broken(StoreErrorKind::Unavailable))
            }
            _ => Ok(()),
        }
    }

    async fn heads(&self) -> Result<Vec<AuditHead>, StoreError> {
        if self.mood() == Mood::Down {
            return Err(broken(StoreErrorKind::Unavailable));
        }
        let heads = self.kept_heads.lock().unwrap();
        Ok(heads.values().cloned().collect())
    }

    async fn list(
        &self,
        _: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditRow>, StoreError> {
        let mut rows = self.rows.lock().unwrap().clone();
        rows.sort_by(|a, b| (a.at, &a.writer, a.seq).cmp(&(b.at, &b.writer, b.seq)));
        let start: usize = page
            .after
            .as_ref()
            .map_or(0, |after| after.parse().unwrap());
        let end = rows.len().min(start + page.limit);
        Ok(Page {
            next: (end < rows.len()).then(|| end.to_string()),
            items: rows[start..end].to_vec(),
        })
    }

    async fn latest(&self, _: &AuditFilter, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        let mut rows = self.rows.lock().unwrap().clone();
        rows.sort_by(|a, b| (b.at, &b.writer, b.seq).cmp(&(a.at, &a.writer, a.seq)));
        rows.truncate(limit);
        Ok(rows)
    }

    async fn chain(
        &self,
        writer: &str,
        from_seq: u64,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let mut rows = self.rows.lock().unwrap().clone();
        rows.retain(|row| row.writer == writer && row.seq >= from_seq);
        rows.sort_by_key(|row| row.seq);
        rows.truncate(limit);
        Ok(rows)
    }

    async fn prune(&self, pruning: &AuditPruning) -> Result<u64, StoreError> {
        let mut rows = self.rows.lock().unwrap();
        let gone = |row: &AuditRow| row.writer == pruning.writer && row.seq <= pruning.seq;
        let there = |row: &AuditRow| gone(row) && row.mac == pruning.mac && row.seq == pruning.seq;
        if !rows.iter().any(there) {
            return Err(broken(StoreErrorKind::Corrupt));
        }
        let before = rows.len();
        rows.retain(|row| !gone(row));
        let mut prunings = self.kept_prunings.lock().unwrap();
        prunings.insert(pruning.writer.clone(), pruning.clone());
        Ok((before - rows.len()) as u64)
    }

    async fn prunings(&self) -> Result<Vec<AuditPruning>, StoreError> {
        let prunings = self.kept_prunings.lock().unwrap();
        Ok(prunings.values().cloned().collect())
    }
}

/// One process's life on a store.
pub(crate) struct Process {
    pub(crate) log: AuditLog,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) metrics: Arc<Metrics>,
    entropy: SeededEntropy,
}

/// Real time only bounds how long a test takes; no test depends on how fast anything is.
pub(crate) fn quick() -> AuditSettings {
    AuditSettings {
        poll: Duration::from_millis(1),
        retry_first: Duration::from_millis(1),
        retry_most: Duration::from_millis(2),
        ..AuditSettings::default()
    }
}

impl Process {
    /// `life` tells processes apart and orders them.
    pub(crate) async fn begin(store: &Arc<TestStore>, life: u32, settings: AuditSettings) -> Self {
        let clock = Arc::new(ManualClock::at_millis(
            1_795_247_580_000 + i64::from(life) * 1_000,
        ));
        let entropy = SeededEntropy::new(u64::from(life));
        let metrics = Arc::new(Metrics::new());
        let log = AuditLog::start(
            settings,
            AuditDeps {
                store: store.clone(),
                mac: Arc::new(TestMac::new()),
                writer: WriterId::generate(clock.now(), &entropy).unwrap(),
                clock: clock.clone(),
                metrics: metrics.clone(),
                tracker: TaskTracker::new(),
            },
        )
        .await
        .unwrap();
        Self {
            log,
            clock,
            metrics,
            entropy,
        }
    }

    /// Waits until everything is stored; a trail that never gets there fails instead of hanging.
    pub(crate) async fn stored(&self) {
        let flushed = tokio::time::timeout(Duration::from_secs(30), self.log.flush()).await;
        flushed.unwrap().unwrap();
    }

    pub(crate) fn request_id(&self) -> RequestId {
        RequestId::generate(self.clock.now(), &self.entropy).unwrap()
    }

    pub(crate) fn event(&self, outcome: Outcome) -> Box<AuditEvent> {
        let mut event = AuditEvent::opened(self.clock.now(), self.request_id(), Surface::Mcp);
        event.outcome = outcome;
        Box::new(event)
    }
}

pub(crate) fn alice() -> Principal {
    Principal {
        id: "key:alice".into(),
        subject: "alice".into(),
        kind: PrincipalKind::ApiKey,
        user_id: None,
        client_id: None,
        email: None,
        team: None,
        org: None,
        groups: std::collections::BTreeSet::default(),
        scopes: portcullis_core::ScopeSet::default(),
        key_id: Some("alice".into()),
        issuer: None,
        role: Role::User,
        grants: ServerGrants::default(),
        expires_at: None,
        marks: portcullis_core::CredentialMarks::default(),
        subject_kind: portcullis_core::SubjectKind::Holder,
        levels: Vec::new(),
    }
}
