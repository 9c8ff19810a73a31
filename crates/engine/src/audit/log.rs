//! The handle through which events enter the trail.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use portcullis_core::{Clock, ErrorKind, RequestId, Timestamp};
use portcullis_store::AuditStore;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::chain::{Chain, ChainEvent, arguments_mac};
use super::retention::Pruned;
use super::sinks::{FileSink, RemoteSink, Sink, SinkState};
use super::writer::{Item, Writer};
use super::{AuditEvent, AuditGuard, ChainMac, Surface, WriterId};
use crate::metrics::Metrics;
use crate::traces::Tracer;

/// How the trail is kept.
#[derive(Clone, Debug)]
pub struct AuditSettings {
    /// An answer is given only after its event is stored.
    pub required: bool,
    /// Events that may wait for the store; beyond, they are lost, counted, and the count is chained.
    pub capacity: usize,
    /// How often the writer looks at the queue. Waking it per event would cost more than the event.
    pub poll: Duration,
    /// Most rows of one transaction.
    pub max_batch: usize,
    /// How long the store may take for one batch.
    pub store_timeout: Duration,
    /// First pause after the store failed; doubles up to [`Self::retry_most`].
    pub retry_first: Duration,
    /// Longest pause between attempts.
    pub retry_most: Duration,
    /// Other chains' heads are sworn to after so many rows (but at most every ten seconds)…
    pub anchor_rows: u64,
    /// …and at the latest after this time.
    pub anchor_interval: Duration,
    /// How long [`AuditLog::close`] tries to store what is left.
    pub close_timeout: Duration,
    /// Files to which each row is copied as a JSON line.
    pub files: Vec<FileSink>,
    /// Copies each row as a JSON line to standard output.
    pub stdout: bool,
    /// Receivers elsewhere to which each row is copied.
    pub remotes: Vec<RemoteSink>,
    /// Also one line of the log for each event.
    pub log: bool,
    /// Also a span for each event.
    pub tracer: Option<Tracer>,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            required: false,
            capacity: 16_384,
            poll: Duration::from_millis(50),
            max_batch: 1_024,
            store_timeout: Duration::from_secs(5),
            retry_first: Duration::from_millis(100),
            retry_most: Duration::from_secs(2),
            anchor_rows: 1_000,
            anchor_interval: Duration::from_mins(10),
            close_timeout: Duration::from_secs(5),
            files: Vec::new(),
            stdout: false,
            remotes: Vec::new(),
            log: false,
            tracer: None,
        }
    }
}

/// What the trail is made of.
#[derive(Clone, Debug)]
pub struct AuditDeps {
    /// Where rows are kept.
    pub store: Arc<dyn AuditStore>,
    /// The key that the store does not have.
    pub mac: Arc<dyn ChainMac>,
    /// This process's chain.
    pub writer: WriterId,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where requests and losses are counted.
    pub metrics: Arc<Metrics>,
    /// Keeps the writer's task.
    pub tracker: TaskTracker,
}

/// The event is not durable (and may never be): deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit trail is unavailable")]
pub struct AuditUnavailable;

impl AuditUnavailable {
    /// How a surface reports it.
    pub const fn error_kind(self) -> ErrorKind {
        ErrorKind::Unavailable
    }
}

/// The trail could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum AuditStartError {
    /// The file, or a file in the folder of a spool, cannot be appended to.
    #[error("cannot append audit lines to {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The thread that writes a copy could not be started.
    #[error("cannot start the thread for audit lines")]
    Thread(#[source] std::io::Error),
}

/// A cheap handle on the trail.
#[derive(Clone, Debug)]
pub struct AuditLog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    required: bool,
    log: bool,
    tracer: Option<Tracer>,
    close_timeout: Duration,
    queue: mpsc::Sender<Item>,
    wake: Arc<Notify>,
    available: watch::Receiver<bool>,
    unreported: Arc<AtomicU64>,
    mac: Arc<dyn ChainMac>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    closing: CancellationToken,
    closed: CancellationToken,
    complete: Arc<AtomicBool>,
    copies: Vec<Arc<SinkState>>,
}

impl AuditLog {
    /// Opens the sinks, tries to begin the chain, and starts the one writer. A store that is down
    /// is not an error: until it is back the trail is not [available](Self::is_available), and
    /// events wait in the queue.
    pub async fn start(settings: AuditSettings, deps: AuditDeps) -> Result<Self, AuditStartError> {
        let (queue, items) = mpsc::channel(settings.capacity.max(1));
        let (availability, available) = watch::channel(false);
        let wake = Arc::new(Notify::new());
        let unreported = Arc::new(AtomicU64::new(0));
        let closing = CancellationToken::new();
        let closed = CancellationToken::new();
        let complete = Arc::new(AtomicBool::new(false));
        let sinks = sinks(&settings, &deps)?;
        let copies = sinks.iter().map(Sink::state).collect();
        let (required, log) = (settings.required, settings.log);
        let (tracer, close_timeout) = (settings.tracer.clone(), settings.close_timeout);
        let mut writer = Writer::new(
            settings,
            deps.store,
            Arc::clone(&deps.clock),
            deps.metrics.audit.clone(),
            Chain::begin(Arc::clone(&deps.mac), &deps.writer),
            items,
            availability,
            Arc::clone(&wake),
            Arc::clone(&unreported),
            sinks,
        );
        writer.round().await;
        let (closing_writer, whole) = (closing.clone(), Arc::clone(&complete));
        let done = closed.clone().drop_guard();
        deps.tracker.spawn(async move {
            let _done = done;
            let all_stored = writer.run(&closing_writer).await;
            whole.store(all_stored, Ordering::SeqCst);
        });
        Ok(Self(Arc::new(Inner {
            required,
            log,
            tracer,
            close_timeout,
            queue,
            wake,
            available,
            unreported,
            mac: deps.mac,
            clock: deps.clock,
            metrics: deps.metrics,
            closing,
            closed,
            complete,
            copies,
        })))
    }

    /// Opens the event of a request. Call it before anything else happens to the request.
    pub fn open(&self, request_id: RequestId, surface: Surface) -> AuditGuard {
        AuditGuard::open(self.clone(), request_id, surface)
    }

    /// Records without waiting. When the queue is full the event is lost, and the loss is counted
    /// and chained as soon as the store takes rows again.
    pub fn record(&self, event: Box<AuditEvent>) {
        self.enqueue(Item::Event(event));
    }

    /// Puts on record that old rows were removed.
    pub fn pruned(&self, before: Timestamp, pruned: &Pruned) {
        self.enqueue(Item::Chain(ChainEvent::Pruned {
            before: before.to_string(),
            chains: pruned.chains,
            rows: pruned.rows,
        }));
    }

    /// Records and waits until the store has the event. On `Err` the caller must deny; the event is
    /// still kept if possible, marked as withheld.
    pub async fn record_durable(&self, mut event: Box<AuditEvent>) -> Result<(), AuditUnavailable> {
        if !self.is_available() {
            event.withheld = true;
            self.record(event);
            return Err(AuditUnavailable);
        }
        let (stored, answer) = oneshot::channel();
        if !self.enqueue(Item::Durable(event, stored)) {
            return Err(AuditUnavailable);
        }
        self.0.wake.notify_one();
        let mut available = self.0.available.clone();
        // Whoever waits behind a batch that failed learns it now, not after the store's recovery.
        // The writer sees that nobody listens any more and marks the event as withheld.
        tokio::select! {
            biased;
            stored = answer => stored.map_err(|_| AuditUnavailable),
            _ = available.wait_for(|available| !available) => Err(AuditUnavailable),
        }
    }

    /// Whether an event could be made durable as far as we know. With `audit.required`, ask before
    /// the upstream is called: a call that cannot be recorded must not be made. Answer `Unavailable`
    /// then, and end the guard with a plain [`finish`](AuditGuard::finish).
    pub fn is_available(&self) -> bool {
        // A writer that is gone (it dropped its end) is as unavailable as a store that is down.
        self.0.available.has_changed().is_ok() && *self.0.available.borrow()
    }

    /// Whether every copy of the trail was written and taken when that was last tried.
    pub fn copies_are_well(&self) -> bool {
        self.0.copies.iter().all(|copy| copy.is_well())
    }

    /// Whether answers wait for their event.
    pub fn required(&self) -> bool {
        self.0.required
    }

    /// Waits until everything recorded before is stored, for as long as the store is down. `Err`
    /// when the writer has ended.
    pub async fn flush(&self) -> Result<(), AuditUnavailable> {
        let (stored, answer) = oneshot::channel();
        self.0
            .queue
            .send(Item::Flush(stored))
            .await
            .map_err(|_| AuditUnavailable)?;
        self.0.wake.notify_one();
        answer.await.map_err(|_| AuditUnavailable)
    }

    /// Takes no more events, stores what is queued, ends the chain in order and offers the last spans. `Err` when the
    /// store did not take everything within `close_timeout`.
    pub async fn close(&self) -> Result<(), AuditUnavailable> {
        self.0.closing.cancel();
        self.0.closed.cancelled().await;
        if let Some(tracer) = &self.0.tracer {
            tracer.close(self.0.close_timeout).await;
        }
        if self.0.complete.load(Ordering::SeqCst) {
            Ok(())
        } else {
            Err(AuditUnavailable)
        }
    }

    /// The keyed hash of a call's arguments.
    pub fn hash_arguments(&self, raw: &[u8]) -> [u8; 32] {
        arguments_mac(&*self.0.mac, raw)
    }

    fn enqueue(&self, item: Item) -> bool {
        let accepted = self.0.queue.try_send(item).is_ok();
        if !accepted {
            self.0.unreported.fetch_add(1, Ordering::Relaxed);
            self.0.metrics.audit.dropped.inc();
        }
        accepted
    }

    /// Tells the log of a request that is over, where that is wanted.
    pub(super) fn tell(&self, event: &AuditEvent) {
        if self.0.log {
            super::access::tell(event);
        }
    }

    pub(super) fn tracer(&self) -> Option<&Tracer> {
        self.0.tracer.as_ref()
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }
}

fn sinks(settings: &AuditSettings, deps: &AuditDeps) -> Result<Vec<Sink>, AuditStartError> {
    let meters = &deps.metrics.audit;
    let mut sinks = Vec::new();
    for file in &settings.files {
        sinks.push(Sink::file(file, &deps.clock, meters)?);
    }
    if settings.stdout {
        sinks.push(Sink::stdout(meters)?);
    }
    for remote in &settings.remotes {
        let writer = deps.writer.as_str();
        sinks.push(Sink::remote(remote.clone(), writer, meters, &deps.tracker)?);
    }
    Ok(sinks)
}
