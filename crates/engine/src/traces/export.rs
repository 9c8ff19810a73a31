//! From requests that are over to the collector, without anybody waiting.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use portcullis_core::{Clock, Entropy};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Sampler, Span};
use crate::audit::{Undelivered, UndeliveredKind};
use crate::metrics::TraceMeters;

/// Spans that may wait; beyond, those of whole requests are left out and counted.
const MOST_WAITING: usize = 8_192;
/// Spans of one delivery, until the collector wants fewer.
const MOST_AT_ONCE: usize = 512;
/// How often spans are offered in all.
const ATTEMPTS: u32 = 4;
/// What a collector may ask for at most.
const PAUSE_ASKED: Duration = Duration::from_secs(30);

/// The way to a collector.
#[async_trait]
pub trait SpanCourier: Send + Sync + fmt::Debug {
    /// Brings spans; how many of them the collector rejected for good.
    async fn carry(&self, spans: &[Span]) -> Result<u64, Undelivered>;
}

/// How fast spans are brought.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long the first of a delivery waits for company.
    pub company: Duration,
    /// Longest that one delivery may take, whatever its courier says.
    pub delivery: Duration,
    /// First pause after a failure; doubles.
    pub pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            company: Duration::from_secs(1),
            delivery: Duration::from_secs(10),
            pause: Duration::from_millis(500),
        }
    }
}

/// What a tracer is made of.
#[derive(Debug)]
pub struct TracerDeps {
    /// Which requests are told.
    pub sampler: Sampler,
    /// How they get there.
    pub courier: Arc<dyn SpanCourier>,
    /// How fast.
    pub pace: Pace,
    /// For ids, which need not be secret.
    pub entropy: Arc<dyn Entropy>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where spans are counted.
    pub meters: TraceMeters,
    /// Keeps the task that delivers.
    pub tracker: TaskTracker,
}

/// A cheap handle on the way to the collector.
#[derive(Clone, Debug)]
pub struct Tracer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sampler: Sampler,
    entropy: Arc<dyn Entropy>,
    clock: Arc<dyn Clock>,
    meters: TraceMeters,
    queue: mpsc::Sender<Vec<Span>>,
    waiting: Arc<AtomicUsize>,
    closing: CancellationToken,
    abandoned: CancellationToken,
    ended: CancellationToken,
}

impl Tracer {
    /// Starts the task that delivers.
    pub fn start(deps: TracerDeps) -> Self {
        // Every message holds a span at least, so the count below is what bounds it.
        let (queue, spans) = mpsc::channel(MOST_WAITING);
        let waiting = Arc::new(AtomicUsize::new(0));
        let (closing, abandoned) = (CancellationToken::new(), CancellationToken::new());
        let ended = CancellationToken::new();
        let exporter = Exporter {
            spans,
            courier: deps.courier,
            pace: deps.pace,
            meters: deps.meters.clone(),
            waiting: Arc::clone(&waiting),
            closing: closing.clone(),
            most: MOST_AT_ONCE,
            complaining: false,
        };
        let (given_up, done) = (abandoned.clone(), ended.clone().drop_guard());
        deps.tracker.spawn(async move {
            let _done = done;
            given_up.run_until_cancelled(exporter.run()).await;
        });
        Self(Arc::new(Inner {
            sampler: deps.sampler,
            entropy: deps.entropy,
            clock: deps.clock,
            meters: deps.meters,
            queue,
            waiting,
            closing,
            abandoned,
            ended,
        }))
    }

    /// Offers what waits once more, and gives up after this time.
    pub async fn close(&self, limit: Duration) {
        self.0.closing.cancel();
        if timeout(limit, self.0.ended.cancelled()).await.is_err() {
            self.0.abandoned.cancel();
            let lost = self.0.waiting.swap(0, Ordering::Relaxed);
            self.0.meters.undelivered.inc_by(lost as u64);
            tracing::warn!(lost, "the trace collector was still silent at the end");
        }
    }

    pub(super) fn sampler(&self) -> Sampler {
        self.0.sampler
    }

    pub(super) fn now(&self) -> Duration {
        self.0.clock.monotonic()
    }

    /// Ids of a trace and of a span; all zeros are none (W3C Trace Context §3.2.2.3).
    pub(super) fn fresh(&self) -> Option<([u8; 16], [u8; 8])> {
        let (mut trace, mut span) = ([0; 16], [0; 8]);
        self.0.entropy.fill(&mut trace).ok()?;
        self.0.entropy.fill(&mut span).ok()?;
        (trace != [0; 16] && span != [0; 8]).then_some((trace, span))
    }

    /// Never waits: what finds no room is counted and gone.
    pub(super) fn hand_over(&self, spans: Vec<Span>) {
        let count = spans.len();
        let before = self.0.waiting.fetch_add(count, Ordering::Relaxed);
        let fits = before.saturating_add(count) <= MOST_WAITING;
        if !fits || self.0.queue.try_send(spans).is_err() {
            self.0.waiting.fetch_sub(count, Ordering::Relaxed);
            self.0.meters.queue_full.inc_by(count as u64);
        }
    }
}

#[derive(Debug)]
struct Exporter {
    spans: mpsc::Receiver<Vec<Span>>,
    courier: Arc<dyn SpanCourier>,
    pace: Pace,
    meters: TraceMeters,
    waiting: Arc<AtomicUsize>,
    closing: CancellationToken,
    most: usize,
    complaining: bool,
}

impl Exporter {
    async fn run(mut self) {
        let closing = self.closing.clone();
        while let Some(Some(first)) = closing.run_until_cancelled(self.spans.recv()).await {
            let batch = self.with_company(first, &closing).await;
            self.deliver(batch).await;
        }
        self.spans.close();
        let mut rest = Vec::new();
        while let Some(more) = self.spans.recv().await {
            rest.extend(more);
        }
        if !rest.is_empty() {
            self.deliver(rest).await;
        }
    }

    async fn with_company(&mut self, first: Vec<Span>, closing: &CancellationToken) -> Vec<Span> {
        let mut batch = first;
        let enough = sleep(self.pace.company);
        tokio::pin!(enough);
        while batch.len() < self.most {
            tokio::select! {
                more = self.spans.recv() => match more {
                    Some(more) => batch.extend(more),
                    None => break,
                },
                () = &mut enough => break,
                () = closing.cancelled() => break,
            }
        }
        batch
    }

    async fn deliver(&mut self, batch: Vec<Span>) {
        let mut rest = batch.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(self.most));
            if self.offer(now).await {
                self.waiting.fetch_sub(now.len(), Ordering::Relaxed);
                rest = later;
            }
        }
    }

    /// Whether these are settled, one way or another; else fewer are to be offered.
    async fn offer(&mut self, spans: &[Span]) -> bool {
        let mut pause = self.pace.pause;
        for attempt in 1..=ATTEMPTS {
            let carried = timeout(self.pace.delivery, self.courier.carry(spans)).await;
            let late = || Undelivered::from(UndeliveredKind::Late);
            let error = match carried.unwrap_or_else(|_| Err(late())) {
                Ok(rejected) => {
                    self.taken(spans.len(), rejected);
                    return true;
                }
                Err(error) => error,
            };
            self.meters.failures.inc();
            if error.why == UndeliveredKind::TooLarge && spans.len() > 1 {
                self.most = spans.len() / 2;
                return false;
            }
            self.complain(&error);
            if attempt == ATTEMPTS || !may_pass(error.why) || self.closing.is_cancelled() {
                break;
            }
            let asked = error.retry_after.unwrap_or_default().min(PAUSE_ASKED);
            let waiting = sleep(pause.max(asked));
            self.closing.run_until_cancelled(waiting).await;
            pause = pause.saturating_mul(2);
        }
        self.meters.undelivered.inc_by(spans.len() as u64);
        true
    }

    fn taken(&mut self, offered: usize, rejected: u64) {
        let taken = (offered as u64).saturating_sub(rejected);
        self.meters.exported.inc_by(taken);
        // One refusal does not mean small portions for ever.
        self.most = self
            .most
            .saturating_add(self.most / 4 + 1)
            .min(MOST_AT_ONCE);
        if rejected > 0 {
            self.meters.rejected.inc_by(rejected);
            tracing::warn!(rejected, "the trace collector rejected spans");
        }
        if std::mem::take(&mut self.complaining) {
            tracing::info!("the trace collector takes spans again");
        }
    }

    /// Once, and not again until it has taken some.
    fn complain(&mut self, error: &Undelivered) {
        if !std::mem::replace(&mut self.complaining, true) {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "the trace collector does not take spans: they are lost when it does not soon"
            );
        }
    }
}

/// "Retryable response codes" (OTLP/HTTP), and whatever came without an answer.
const fn may_pass(why: UndeliveredKind) -> bool {
    matches!(
        why,
        UndeliveredKind::Unreachable(_)
            | UndeliveredKind::Late
            | UndeliveredKind::Refused(429 | 502 | 503 | 504)
    )
}
