//! The one writer: looks at the queue every 50 ms, chains what is there and stores it in one
//! transaction.
//!
//! While the store is down the batch in hand and the queue are all the memory there is; the batch
//! is tried again, byte for byte the same, so that an attempt whose answer got lost is recognised
//! instead of written twice.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use portcullis_core::{Clock, hex};
use portcullis_store::{AuditHead, AuditRow, AuditStore, StoreError};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::chain::{Chain, ChainEvent, SeenHead};
use super::sinks::Sink;
use super::{AuditEvent, AuditSettings};
use crate::metrics::AuditMeters;

/// Heads that a `writer_started` event embeds, newest first.
const MOST_HEADS: usize = 256;

/// However many rows come, heads are read no more often than this.
const ANCHOR_SPACING: Duration = Duration::from_secs(10);

/// Rows sealed before other tasks of the thread get a turn.
const ROWS_PER_TURN: usize = 64;

/// Bytes that hardly any event's text exceeds.
const USUAL_EVENT: usize = 768;

/// What travels through the queue.
#[derive(Debug)]
pub(super) enum Item {
    Event(Box<AuditEvent>),
    Durable(Box<AuditEvent>, oneshot::Sender<()>),
    Chain(ChainEvent),
    Flush(oneshot::Sender<()>),
}

/// Rows that have their place in the chain and are not known to be stored.
#[derive(Debug)]
struct Batch {
    rows: Vec<AuditRow>,
    head: AuditHead,
    waiting: Vec<(String, oneshot::Sender<()>)>,
    flushes: Vec<oneshot::Sender<()>>,
    /// An attempt failed; it may have been stored all the same.
    tried: bool,
}

#[derive(Debug)]
pub(super) struct Writer {
    settings: AuditSettings,
    store: Arc<dyn AuditStore>,
    clock: Arc<dyn Clock>,
    meters: AuditMeters,
    chain: Chain,
    items: mpsc::Receiver<Item>,
    availability: watch::Sender<bool>,
    wake: Arc<Notify>,
    unreported: Arc<AtomicU64>,
    sinks: Vec<Sink>,
    unsent: Option<Batch>,
    /// Rows of the batch in hand, also while an attempt holds it.
    unconfirmed: usize,
    withheld: Vec<String>,
    pause: Option<Duration>,
    rows_since_anchor: u64,
    anchored_at: Duration,
    anchored: BTreeMap<String, u64>,
}

impl Writer {
    #[expect(
        clippy::too_many_arguments,
        reason = "called once, right where each of them is made"
    )]
    pub(super) fn new(
        settings: AuditSettings,
        store: Arc<dyn AuditStore>,
        clock: Arc<dyn Clock>,
        meters: AuditMeters,
        chain: Chain,
        items: mpsc::Receiver<Item>,
        availability: watch::Sender<bool>,
        wake: Arc<Notify>,
        unreported: Arc<AtomicU64>,
        sinks: Vec<Sink>,
    ) -> Self {
        let anchored_at = clock.monotonic();
        Self {
            settings,
            store,
            clock,
            meters,
            chain,
            items,
            availability,
            wake,
            unreported,
            sinks,
            unsent: None,
            unconfirmed: 0,
            withheld: Vec::new(),
            pause: None,
            rows_since_anchor: 0,
            anchored_at,
            anchored: BTreeMap::new(),
        }
    }

    /// Writes until told to close; whether everything was stored.
    pub(super) async fn run(mut self, closing: &CancellationToken) -> bool {
        while !closing.is_cancelled() {
            // No wake-up shortens the pause after a failure: a dead store is not asked once per
            // request.
            let pausing = self.pause.is_some();
            tokio::select! {
                () = sleep(self.pause.unwrap_or(self.settings.poll)) => {}
                () = self.wake.notified(), if !pausing => {}
                () = closing.cancelled() => {}
            }
            self.round().await;
            if self.items.is_closed() && self.items.is_empty() {
                break;
            }
        }
        self.finish().await
    }

    /// Stores what is there; returns early when the store fails.
    pub(super) async fn round(&mut self) {
        loop {
            self.meters.queued.set(gauge(self.items.len()));
            let batch = match self.unsent.take() {
                Some(batch) => batch,
                None => match self.next_batch().await {
                    Ok(Some(batch)) => batch,
                    Ok(None) => return,
                    Err(error) => return self.failed(&error),
                },
            };
            let full = batch.rows.len() >= self.settings.max_batch;
            self.unconfirmed = batch.rows.len();
            if let Err(error) = self.attempt(&batch).await {
                self.unsent = Some(self.refuse(batch));
                return self.failed(&error);
            }
            self.stored(batch);
            if !full {
                return;
            }
        }
    }

    async fn finish(mut self) -> bool {
        self.items.close();
        let limit = self.settings.close_timeout;
        let all_stored = timeout(limit, self.drain()).await.is_ok();
        if !all_stored {
            tracing::error!(
                audit.lost = self.items.len() + self.unconfirmed,
                "audit rows were not stored before the end"
            );
        }
        for sink in self.sinks {
            sink.close(limit).await;
        }
        all_stored
    }

    async fn drain(&mut self) {
        while self.unsent.is_some()
            || self.chain.is_empty()
            || !self.items.is_empty()
            || !self.withheld.is_empty()
            || self.unreported.load(Ordering::Relaxed) > 0
        {
            self.round().await;
            if let Some(pause) = self.pause {
                sleep(pause).await;
            }
        }
        let stopped = self.seal_chain_event(&ChainEvent::WriterStopped);
        self.unsent = self.batch(stopped.into_iter().collect(), Vec::new(), Vec::new());
        while self.unsent.is_some() {
            self.round().await;
            if let Some(pause) = self.pause {
                sleep(pause).await;
            }
        }
    }

    /// Seals what waits. `Err` only when the heads that a first event needs cannot be read.
    async fn next_batch(&mut self) -> Result<Option<Batch>, StoreFailure> {
        let mut rows = Vec::new();
        if self.chain.is_empty() {
            rows.extend(self.writer_started().await?);
        } else if let Some(anchor) = self.anchor_when_due().await {
            rows.extend(self.seal_chain_event(&anchor));
        }
        let lost = self.unreported.swap(0, Ordering::Relaxed);
        if lost > 0 {
            self.meters.gaps.inc();
            rows.extend(self.seal_chain_event(&ChainEvent::Gap { lost }));
        }
        if !self.withheld.is_empty() {
            let request_ids = std::mem::take(&mut self.withheld);
            rows.extend(self.seal_chain_event(&ChainEvent::Withheld { request_ids }));
        }
        let (mut waiting, mut flushes) = (Vec::new(), Vec::new());
        while rows.len() < self.settings.max_batch {
            match self.items.try_recv() {
                Ok(Item::Event(event)) => rows.extend(self.seal(&event)),
                Ok(Item::Durable(mut event, answer)) => {
                    event.withheld = answer.is_closed();
                    if let Some(row) = self.seal(&event) {
                        waiting.push((row.request_id.clone(), answer));
                        rows.push(row);
                    }
                }
                Ok(Item::Chain(event)) => rows.extend(self.seal_chain_event(&event)),
                Ok(Item::Flush(answer)) => flushes.push(answer),
                Err(_) => break,
            }
            if rows.len().is_multiple_of(ROWS_PER_TURN) {
                tokio::task::yield_now().await;
            }
        }
        self.rows_since_anchor = self.rows_since_anchor.saturating_add(rows.len() as u64);
        Ok(self.batch(rows, waiting, flushes))
    }

    fn batch(
        &mut self,
        rows: Vec<AuditRow>,
        waiting: Vec<(String, oneshot::Sender<()>)>,
        flushes: Vec<oneshot::Sender<()>>,
    ) -> Option<Batch> {
        if rows.is_empty() {
            // Everything before is stored: there is never a batch in hand when a next one is made.
            for flush in flushes {
                let _ = flush.send(());
            }
            return None;
        }
        // Before the store has them: a copy elsewhere is worth most when the store fails.
        self.copy_to_sinks(&rows);
        Some(Batch {
            rows,
            head: self.chain.head(),
            waiting,
            flushes,
            tried: false,
        })
    }

    async fn writer_started(&mut self) -> Result<Option<AuditRow>, StoreFailure> {
        let mut heads = self.heads().await?;
        heads.sort_by(|left, right| right.writer.cmp(&left.writer));
        let omitted = heads.len().saturating_sub(MOST_HEADS);
        self.anchored = heads
            .iter()
            .map(|head| (head.writer.clone(), head.seq))
            .collect();
        let heads = heads.iter().take(MOST_HEADS).map(SeenHead::of).collect();
        Ok(self.seal_chain_event(&ChainEvent::WriterStarted { heads, omitted }))
    }

    /// Other writers' heads that moved, when it is time to swear to them.
    async fn anchor_when_due(&mut self) -> Option<ChainEvent> {
        let now = self.clock.monotonic();
        let since = now.saturating_sub(self.anchored_at);
        let busy = self.rows_since_anchor >= self.settings.anchor_rows && since >= ANCHOR_SPACING;
        if !busy && since < self.settings.anchor_interval {
            return None;
        }
        // Unreadable heads are no reason to hold up events; the append will tell.
        let heads = self.heads().await.ok()?;
        self.anchored_at = now;
        self.rows_since_anchor = 0;
        let moved: Vec<SeenHead> = heads
            .iter()
            .filter(|head| head.writer != self.chain.writer())
            .filter(|head| self.anchored.get(&head.writer) != Some(&head.seq))
            .map(SeenHead::of)
            .collect();
        for head in &moved {
            self.anchored.insert(head.writer.clone(), head.seq);
        }
        (!moved.is_empty()).then_some(ChainEvent::Anchor { heads: moved })
    }

    fn seal(&mut self, event: &AuditEvent) -> Option<AuditRow> {
        let Ok(text) = json_of(event) else {
            // Cannot happen for these types; if it does, it is a loss like any other.
            self.unreported.fetch_add(1, Ordering::Relaxed);
            self.meters.dropped.inc();
            return None;
        };
        Some(self.chain.seal(event.at, event.request_id.text(), text))
    }

    fn seal_chain_event(&mut self, event: &ChainEvent) -> Option<AuditRow> {
        let text = serde_json::to_string(event).ok()?;
        Some(self.chain.seal(self.clock.now(), String::new(), text))
    }

    async fn attempt(&self, batch: &Batch) -> Result<(), StoreFailure> {
        if batch.tried && self.has_landed(&batch.head).await? {
            return Ok(());
        }
        within(
            self.settings.store_timeout,
            self.store.append(&batch.rows, &batch.head),
        )
        .await
    }

    /// Whether an attempt that seemed to fail was stored after all.
    async fn has_landed(&self, head: &AuditHead) -> Result<bool, StoreFailure> {
        let heads = self.heads().await?;
        Ok(heads.iter().any(|stored| stored == head))
    }

    async fn heads(&self) -> Result<Vec<AuditHead>, StoreFailure> {
        within(self.settings.store_timeout, self.store.heads()).await
    }

    fn stored(&mut self, batch: Batch) {
        self.pause = None;
        self.unconfirmed = 0;
        self.availability.send_if_modified(|available| {
            let recovered = !*available;
            *available = true;
            recovered
        });
        self.meters.written.inc_by(batch.rows.len() as u64);
        for (request_id, answer) in batch.waiting {
            if answer.send(()).is_err() {
                self.withheld.push(request_id);
            }
        }
        for flush in batch.flushes {
            let _ = flush.send(());
        }
    }

    /// Tells everyone who waits for this batch that it is not durable. If it becomes so later, the
    /// chain will say that those answers were not given.
    fn refuse(&mut self, mut batch: Batch) -> Batch {
        batch.tried = true;
        let refused = batch.waiting.drain(..).map(|(request_id, _)| request_id);
        self.withheld.extend(refused);
        batch
    }

    fn failed(&mut self, error: &StoreFailure) {
        let _ = self.availability.send_replace(false);
        self.meters.store_failures.inc();
        let pause = self.pause.map_or(self.settings.retry_first, |pause| {
            pause.saturating_mul(2).min(self.settings.retry_most)
        });
        self.pause = Some(pause);
        tracing::error!(
            error = error as &dyn std::error::Error,
            audit.queued = self.items.len(),
            "the audit store does not take rows"
        );
    }

    fn copy_to_sinks(&mut self, rows: &[AuditRow]) {
        if self.sinks.is_empty() || rows.is_empty() {
            return;
        }
        let mut lines = String::with_capacity(rows.len() * 640);
        for row in rows {
            // The writer's name and the MAC are ours and need no escaping; the event is JSON.
            let _ = writeln!(
                lines,
                r#"{{"writer":"{}","seq":{},"mac":"{}","event":{}}}"#,
                row.writer,
                row.seq,
                hex(&row.mac),
                row.event
            );
        }
        for sink in &mut self.sinks {
            sink.push(lines.as_bytes(), rows.len() as u64);
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum StoreFailure {
    #[error(transparent)]
    Store(StoreError),
    #[error("the store did not answer in time")]
    TooSlow,
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreFailure> {
    match timeout(limit, work).await {
        Ok(result) => result.map_err(StoreFailure::Store),
        Err(_) => Err(StoreFailure::TooSlow),
    }
}

/// An event's text, for which room is made once and not again and again as it grows.
fn json_of(event: &AuditEvent) -> serde_json::Result<String> {
    let mut text = Vec::with_capacity(USUAL_EVENT);
    serde_json::to_writer(&mut text, event)?;
    String::from_utf8(text).map_err(serde::de::Error::custom)
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
