use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use portcullis_core::{ManualClock, SeededEntropy};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::audit::{Undelivered, UndeliveredKind};
use crate::metrics::{Metrics, TraceMeters};
use crate::traces::{Pace, Sampler, Span, SpanCourier, SpanKind, Tracer, TracerDeps};

/// What a collector does with a delivery.
#[derive(Clone, Copy, Debug)]
pub(super) enum Does {
    Take,
    Reject(u64),
    Fail(UndeliveredKind),
    Hang,
}

/// A collector that does these things in turn, and then takes everything.
#[derive(Debug, Default)]
pub(super) struct Collector {
    does: Mutex<VecDeque<Does>>,
    offered: Mutex<Vec<usize>>,
    taken: Mutex<Vec<Span>>,
    asked: Notify,
}

#[async_trait]
impl SpanCourier for Collector {
    async fn carry(&self, spans: &[Span]) -> Result<u64, Undelivered> {
        self.offered.lock().unwrap().push(spans.len());
        self.asked.notify_one();
        let does = self.does.lock().unwrap().pop_front();
        match does.unwrap_or(Does::Take) {
            Does::Take => {
                self.taken.lock().unwrap().extend_from_slice(spans);
                Ok(0)
            }
            Does::Reject(some) => Ok(some),
            Does::Fail(why) => Err(why.into()),
            Does::Hang => std::future::pending().await,
        }
    }
}

impl Collector {
    pub(super) fn that(does: impl IntoIterator<Item = Does>) -> Arc<Self> {
        Arc::new(Self {
            does: Mutex::new(does.into_iter().collect()),
            ..Self::default()
        })
    }

    pub(super) fn taken(&self) -> Vec<Span> {
        self.taken.lock().unwrap().clone()
    }

    fn offered(&self) -> Vec<usize> {
        self.offered.lock().unwrap().clone()
    }
}

/// Real time only bounds how long a test takes; no test depends on how fast anything is.
const QUICK: Pace = Pace {
    company: Duration::from_millis(1),
    delivery: Duration::from_secs(30),
    pause: Duration::from_millis(1),
};

const LIMIT: Duration = Duration::from_secs(30);

pub(super) fn tracer(collector: &Arc<Collector>, sampler: Sampler) -> (Tracer, TraceMeters) {
    paced(collector, sampler, QUICK)
}

fn paced(collector: &Arc<Collector>, sampler: Sampler, pace: Pace) -> (Tracer, TraceMeters) {
    let meters = Metrics::new().traces;
    let tracer = Tracer::start(TracerDeps {
        sampler,
        courier: Arc::clone(collector) as _,
        pace,
        entropy: Arc::new(SeededEntropy::new(7)),
        clock: Arc::new(ManualClock::at_millis(1_795_247_580_000)),
        meters: meters.clone(),
        tracker: TaskTracker::new(),
    });
    (tracer, meters)
}

fn spans(count: usize) -> Vec<Span> {
    let span = Span {
        trace_id: [1; 16],
        span_id: [2; 8],
        parent: None,
        remote_parent: false,
        state: None,
        kind: SpanKind::Server,
        name: "tools/call".to_owned(),
        started: 1,
        ended: 2,
        attributes: Vec::new(),
        failed: false,
    };
    vec![span; count]
}

const ALL: u32 = 1_000_000;

#[tokio::test]
async fn what_waits_is_delivered_at_the_end() {
    let collector = Collector::that([]);
    let slow = Pace {
        company: LIMIT * 100,
        ..QUICK
    };
    let (tracer, meters) = paced(&collector, Sampler::millionths(ALL), slow);
    tracer.hand_over(spans(2));
    tracer.hand_over(spans(1));
    tracer.close(LIMIT).await;
    assert_eq!(collector.taken().len(), 3);
    assert_eq!(meters.exported.get(), 3);
}

/// "no effect on data path; bounded queue, drop counter".
#[tokio::test]
async fn a_collector_that_hangs_holds_up_nobody_and_what_finds_no_room_is_counted() {
    let collector = Collector::that(std::iter::repeat_n(Does::Hang, 10));
    let (tracer, meters) = tracer(&collector, Sampler::millionths(ALL));
    tracer.hand_over(spans(1));
    collector.asked.notified().await;
    // Nobody reads any more; handing over waits for nothing.
    for _ in 0..9_000 {
        tracer.hand_over(spans(1));
    }
    assert_eq!(meters.queue_full.get(), 9_001 - 8_192);
    tracer.close(Duration::from_millis(1)).await;
    assert_eq!(meters.undelivered.get(), 8_192, "told when it is given up");
    assert_eq!(meters.exported.get(), 0);
}

#[tokio::test]
async fn a_collector_that_is_down_for_a_moment_loses_nothing_and_one_that_refuses_does() {
    use UndeliveredKind::{Refused, Unreachable};
    let down = [
        Does::Fail(Unreachable("connection")),
        Does::Fail(Refused(503)),
    ];
    let collector = Collector::that(down);
    let (up_again, meters) = tracer(&collector, Sampler::millionths(ALL));
    up_again.hand_over(spans(5));
    while meters.exported.get() < 5 {
        collector.asked.notified().await;
        tokio::task::yield_now().await;
    }
    assert_eq!(collector.offered(), [5, 5, 5]);
    assert_eq!(meters.failures.get(), 2);
    assert_eq!(meters.undelivered.get(), 0);

    // 500 and 400 are not among what OTLP repeats; the next spans are offered again.
    for refusal in [500, 400] {
        let collector = Collector::that([Does::Fail(Refused(refusal))]);
        let (tracer, meters) = tracer(&collector, Sampler::millionths(ALL));
        tracer.hand_over(spans(2));
        collector.asked.notified().await;
        tracer.hand_over(spans(1));
        tracer.close(LIMIT).await;
        assert_eq!(meters.undelivered.get(), 2, "{refusal}");
        assert_eq!(meters.exported.get(), 1, "{refusal}");
    }

    let gone = Collector::that(std::iter::repeat_n(Does::Fail(Unreachable("dns")), 4));
    let (tracer, meters) = tracer(&gone, Sampler::millionths(ALL));
    tracer.hand_over(spans(3));
    for _ in 0..4 {
        gone.asked.notified().await;
    }
    tracer.close(LIMIT).await;
    assert_eq!(meters.undelivered.get(), 3);
    assert_eq!(gone.offered().len(), 4, "not for ever");
}

#[tokio::test]
async fn a_collector_that_wants_fewer_gets_fewer_and_what_it_rejects_is_counted() {
    let collector = Collector::that([
        Does::Fail(UndeliveredKind::TooLarge),
        Does::Fail(UndeliveredKind::TooLarge),
        Does::Reject(1),
    ]);
    let (tracer, meters) = tracer(&collector, Sampler::millionths(ALL));
    tracer.hand_over(spans(8));
    tracer.close(LIMIT).await;
    // One refusal does not mean small portions for ever.
    assert_eq!(collector.offered(), [8, 4, 2, 3, 3]);
    assert_eq!((meters.exported.get(), meters.rejected.get()), (7, 1));
}
