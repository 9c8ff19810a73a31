//! Stores that hang, or fail after they have done what they were asked.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use portcullis_core::{ManualClock, SeededEntropy, Timestamp};
use portcullis_store::{Stores, UsageOf, UsageRow, memory};
use tokio::sync::Semaphore;

use super::held::{Held, Holding, Shared};
use super::tally::{Used, Whose};
use super::*;
use crate::audit::Outcome;

#[derive(Debug)]
struct Nobody;

impl Allowances for Nobody {
    fn of(&self, _: &Principal) -> Result<Vec<Allowance>, AllowancesUnknown> {
        Ok(Vec::new())
    }
}

/// Does what it is asked and says, once, that it could not.
#[derive(Debug)]
struct Doubtful {
    inner: Arc<dyn ConcurrencyStore>,
    fails: AtomicBool,
    asked: AtomicUsize,
}

#[async_trait]
impl ConcurrencyStore for Doubtful {
    async fn acquire(
        &self,
        holder: &str,
        slots: &[Slot],
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Seated, StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let seated = self.inner.acquire(holder, slots, now, until).await;
        if self.fails.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("concurrency.acquire", "timed out"));
        }
        seated
    }

    async fn renew(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        self.inner.renew(holder, now, until).await
    }

    async fn release(&self, holder: &str) -> Result<(), StoreError> {
        self.inner.release(holder).await
    }

    async fn held(&self, scope: &str, now: Timestamp) -> Result<u64, StoreError> {
        self.inner.held(scope, now).await
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.inner.purge(now).await
    }
}

/// Writes nothing before it may.
#[derive(Debug)]
struct Slow {
    inner: Arc<dyn UsageStore>,
    may: Semaphore,
}

#[async_trait]
impl UsageStore for Slow {
    async fn add(&self, rows: &[UsageRow]) -> Result<(), StoreError> {
        self.may.acquire().await.unwrap().forget();
        self.inner.add(rows).await
    }

    async fn sums(
        &self,
        from: Timestamp,
        until: Timestamp,
        key_id: Option<&str>,
        limit: usize,
    ) -> Result<Vec<UsageRow>, StoreError> {
        self.inner.sums(from, until, key_id, limit).await
    }

    async fn spent(&self, of: UsageOf<'_>) -> Result<u64, StoreError> {
        self.inner.spent(of).await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.inner.purge(before).await
    }
}

/// Lets the others run until it is so.
async fn eventually(is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    let patience = Duration::from_secs(30);
    tokio::time::timeout(patience, waiting)
        .await
        .expect("never");
}

struct Stage {
    stores: Stores,
    doubtful: Arc<Doubtful>,
    slow: Arc<Slow>,
    clock: Arc<ManualClock>,
    limiter: Arc<Limiter>,
}

fn stage() -> Stage {
    let stores = memory::stores();
    let doubtful = Arc::new(Doubtful {
        inner: Arc::clone(&stores.concurrency),
        fails: AtomicBool::new(true),
        asked: AtomicUsize::new(0),
    });
    let slow = Arc::new(Slow {
        inner: Arc::clone(&stores.usage),
        may: Semaphore::new(0),
    });
    let deps = LimitDeps {
        counters: Arc::clone(&stores.counters),
        concurrency: Arc::clone(&doubtful) as _,
        budgets: Arc::clone(&stores.budgets),
        usage: Arc::clone(&slow) as _,
        allowances: Arc::new(Nobody),
    };
    let clock = Arc::new(ManualClock::at_millis(1_800_000_000_000));
    let replica = ReplicaId::generate(&SeededEntropy::new(1)).unwrap();
    let limiter = Limiter::new(
        deps,
        replica,
        Arc::clone(&clock) as Arc<dyn Clock>,
        TaskTracker::new(),
    );
    Stage {
        stores,
        doubtful,
        slow,
        clock,
        limiter,
    }
}

impl Stage {
    fn holding(&self) -> Held {
        Held::new(Holding {
            limiter: Arc::clone(&self.limiter),
            holder: self.limiter.holder(),
            shared: Shared::No,
            here: false,
            reserved: false,
            cost_nano_usd: 0,
            sent: false,
            whose: Whose::default(),
        })
    }

    async fn seated(&self, held: &mut Held) -> Result<Seated, StoreError> {
        let slots = [Slot {
            scope: "server:a".to_owned(),
            most: 1,
        }];
        let holding = held.holding().unwrap();
        self.limiter.seated(holding, &slots).await
    }

    async fn taken(&self) -> u64 {
        let store = &self.stores.concurrency;
        store.held("server:a", self.clock.now()).await.unwrap()
    }

    async fn is_free(&self) {
        eventually(async || self.taken().await == 0).await;
    }
}

#[tokio::test]
async fn a_place_that_may_have_been_given_is_given_back() {
    for share in [OnStoreFault::Deny, OnStoreFault::LocalShare] {
        let stage = stage();
        stage.limiter.on_store_fault(share);
        let mut held = stage.holding();
        let seated = stage.seated(&mut held).await;
        assert_eq!(seated.is_ok(), share == OnStoreFault::LocalShare);
        assert_eq!(stage.taken().await, 1, "the store has it all the same");
        held.give_back(portcullis_core::ErrorKind::Unavailable.into())
            .await;
        stage.is_free().await;
        // Here there is one again, too.
        if share == OnStoreFault::LocalShare {
            let mut next = stage.holding();
            assert_eq!(stage.seated(&mut next).await.unwrap(), Seated::Held);
        }
    }
}

#[tokio::test]
async fn a_store_that_failed_is_asked_once_a_second_where_this_replica_may_count() {
    let stage = stage();
    stage.limiter.on_store_fault(OnStoreFault::LocalShare);
    for (advance, asked) in [(0, 1), (0, 1), (500, 1), (500, 2), (0, 2), (1000, 3)] {
        stage.clock.advance(Duration::from_millis(advance));
        let mut held = stage.holding();
        assert_eq!(stage.seated(&mut held).await.unwrap(), Seated::Held);
        assert_eq!(stage.doubtful.asked.load(Ordering::SeqCst), asked);
        held.give_back(Outcome::Ok).await;
        stage.is_free().await;
    }
    // It answers again, and is asked each time.
    stage.doubtful.fails.store(false, Ordering::SeqCst);
    stage.clock.advance(Duration::from_secs(1));
    for asked in 4..7 {
        let mut held = stage.holding();
        assert_eq!(stage.seated(&mut held).await.unwrap(), Seated::Held);
        assert_eq!(stage.doubtful.asked.load(Ordering::SeqCst), asked);
        assert_eq!(stage.taken().await, 1);
        held.give_back(Outcome::Ok).await;
        assert_eq!(stage.taken().await, 0);
    }
}

#[tokio::test]
async fn usage_is_written_down_though_whoever_wanted_to_see_it_left() {
    let stage = stage();
    let used = Used {
        calls: 1,
        ..Used::default()
    };
    stage.limiter.tally.add(Whose::default(), used);
    tokio::select! {
        biased;
        () = stage.limiter.write_usage() => panic!("the store has not answered"),
        // It has taken the rows, and waits for the store.
        () = eventually(async || stage.limiter.writing.try_lock().is_err()) => {}
    }
    stage.slow.may.add_permits(1);
    let calls = async || {
        let (ever, end) = (Timestamp::from_millis(0), Timestamp::from_millis(i64::MAX));
        let rows = stage.stores.usage.sums(ever, end, None, 9).await.unwrap();
        rows.iter().map(|row| row.calls).sum::<u64>() == 1
    };
    eventually(calls).await;
}

#[tokio::test]
async fn what_went_out_costs_whatever_came_of_it_and_what_was_refused_before_does_not() {
    use portcullis_core::ErrorKind;
    let stage = stage();
    let refused = [
        ErrorKind::Unauthenticated,
        ErrorKind::Forbidden,
        ErrorKind::Invalid,
        ErrorKind::RateLimited,
        ErrorKind::Unavailable,
        ErrorKind::UpstreamUnreachable,
        ErrorKind::UpstreamRefused,
        ErrorKind::Timeout,
        ErrorKind::Internal,
    ];
    let refused = refused.map(Outcome::Kind).map(|outcome| (outcome, false));
    let doubtful = [Outcome::Ok, Outcome::ToolError, Outcome::Abandoned];
    let doubtful = doubtful.map(|outcome| (outcome, true));
    for (outcome, costs) in refused.into_iter().chain(doubtful) {
        for (attempts, costs) in [
            (&[][..], costs),
            (&[false], costs),
            (&[true], true),
            // A second attempt that found nobody does not take the first one back.
            (&[true, false], true),
        ] {
            let mut held = stage.holding();
            held.holding().unwrap().cost_nano_usd = 5;
            for sent in attempts {
                held.sent(*sent);
            }
            held.give_back(outcome).await;
            let spent: u64 = stage
                .limiter
                .tally
                .take()
                .iter()
                .map(|row| row.spent_nano_usd)
                .sum();
            assert_eq!(spent, if costs { 5 } else { 0 }, "{outcome:?} {attempts:?}");
        }
    }
    let mut held = stage.holding();
    held.holding().unwrap().cost_nano_usd = 5;
    held.sent(true);
    held.costs_nothing();
    drop(held);
    assert!(stage.limiter.tally.take().is_empty());
}
