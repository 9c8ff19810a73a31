//! Obligations of [`crate::CounterStore`].

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{Rate, Timestamp};

use super::{CONTENDERS, at_once};
use crate::{CLOCK_TOLERANCE, Charge, Stores, Taken};

/// An ordinary moment.
const NOW: i64 = 1_700_000_000_000;

fn charge(scope: &str, per_minute: u32, burst: u32) -> Charge {
    Charge {
        scope: scope.to_owned(),
        rate: Rate::of_requests(per_minute, burst),
    }
}

async fn take(stores: &Stores, charges: &[Charge], millis: i64) -> Taken {
    let now = Timestamp::from_millis(millis);
    stores.counters.take(charges, now).await.unwrap()
}

async fn passes(stores: &Stores, charge: &Charge, millis: i64) -> bool {
    take(stores, std::slice::from_ref(charge), millis).await == Taken::Taken
}

const fn limited(which: usize, millis: u64) -> Taken {
    Taken::Limited {
        which,
        retry_after: Duration::from_millis(millis),
    }
}

pub(super) async fn a_burst_passes_and_then_one_each_time_that_is_due(stores: Stores) {
    let ten = charge("key:a", 60, 10);
    for _ in 0..10 {
        assert!(passes(&stores, &ten, NOW).await);
    }
    let ten = [ten];
    assert_eq!(take(&stores, &ten, NOW).await, limited(0, 1000));
    assert_eq!(take(&stores, &ten, NOW + 400).await, limited(0, 600));
    assert_eq!(take(&stores, &ten, NOW + 1000).await, Taken::Taken);
    assert_eq!(take(&stores, &ten, NOW + 1000).await, limited(0, 1000));
    let neighbour = charge("key:A", 60, 1);
    assert!(passes(&stores, &neighbour, NOW).await);
}

pub(super) async fn the_wait_that_is_said_is_the_wait(stores: Stores) {
    // One in 8571.429 ms: the wait is said in full.
    let seven = [charge("server:x", 7, 1)];
    assert_eq!(take(&stores, &seven, NOW).await, Taken::Taken);
    let retry_after = match take(&stores, &seven, NOW + 3).await {
        Taken::Limited { retry_after, .. } => retry_after,
        Taken::Taken => Duration::ZERO,
    };
    assert_eq!(retry_after, Duration::from_micros(8_571_429 - 3000));
    let due = i64::try_from(retry_after.as_micros().div_ceil(1000)).unwrap();
    assert_ne!(take(&stores, &seven, NOW + 3 + due - 1).await, Taken::Taken);
    assert_eq!(take(&stores, &seven, NOW + 3 + due).await, Taken::Taken);
}

pub(super) async fn one_scope_that_may_not_keeps_all_from_counting(stores: Stores) {
    let (wide, narrow) = (charge("team:t", 60, 5), charge("key:k", 60, 2));
    let both = [wide.clone(), narrow.clone()];
    for _ in 0..2 {
        assert_eq!(take(&stores, &both, NOW).await, Taken::Taken);
    }
    for _ in 0..20 {
        assert_eq!(take(&stores, &both, NOW).await, limited(1, 1000));
    }
    let third = [
        wide.clone(),
        charge("key:l", 60, 9),
        charge("user:u", 60, 9),
    ];
    for _ in 0..3 {
        assert_eq!(take(&stores, &third, NOW).await, Taken::Taken);
    }
    assert!(!passes(&stores, &wide, NOW).await);
    let slow = charge("key:slow", 1, 1);
    assert!(passes(&stores, &slow, NOW).await);
    let longest = [wide, slow, narrow];
    let waited = take(&stores, &longest, NOW).await;
    assert_eq!(waited, limited(1, 60_000), "the longest wait is told");
}

pub(super) async fn of_many_at_once_exactly_as_many_pass_as_may(stores: Stores) {
    for scopes in [1, 3] {
        let charges: Vec<Charge> = (0..scopes)
            .map(|number| charge(&format!("crowd:{scopes}:{number}"), 60, 7 + number))
            .collect();
        let taken = at_once(|number| {
            let (counters, mut charges) = (Arc::clone(&stores.counters), charges.clone());
            // Whoever names them in another order waits for nobody for ever.
            if number % 2 == 1 {
                charges.reverse();
            }
            async move {
                let now = Timestamp::from_millis(NOW);
                let mut passed = 0;
                for _ in 0..4 {
                    let taken = counters.take(&charges, now).await.unwrap();
                    passed += usize::from(taken == Taken::Taken);
                }
                passed
            }
        })
        .await;
        assert_eq!(taken.len(), CONTENDERS);
        assert_eq!(taken.iter().sum::<usize>(), 7, "{scopes} scopes: {taken:?}");
    }
}

pub(super) async fn nothing_passes_where_nothing_may(stores: Stores) {
    let none = [charge("server:closed", 0, 5), charge("key:k", 60, 1)];
    for minutes in 0..3 {
        let taken = take(&stores, &none, NOW + minutes * 60_000).await;
        assert!(
            matches!(taken, Taken::Limited { which: 0, .. }),
            "{taken:?}"
        );
    }
    assert!(passes(&stores, &none[1], NOW).await, "it never counted");
}

pub(super) async fn a_rate_is_the_one_of_this_call(stores: Stores) {
    for _ in 0..6 {
        assert!(passes(&stores, &charge("key:k", 60, 6), NOW).await);
    }
    assert!(!passes(&stores, &charge("key:k", 60, 6), NOW).await);
    assert!(passes(&stores, &charge("key:k", 120, 60), NOW).await);
    assert!(!passes(&stores, &charge("key:k", 6, 1), NOW).await);
}

pub(super) async fn a_clock_that_goes_back_locks_nobody_out_for_long(stores: Stores) {
    let two = charge("key:k", 60, 2);
    let hour = 3_600_000;
    for _ in 0..2 {
        assert!(passes(&stores, &two, NOW + hour).await);
    }
    // What was used up stays so, and nobody waits an hour for it.
    assert!(!passes(&stores, &two, NOW).await);
    assert!(!passes(&stores, &two, NOW + 999).await);
    assert!(passes(&stores, &two, NOW + 1000).await);
    assert!(!passes(&stores, &two, NOW + 1000).await);
    // A replica whose clock is a little behind gives nothing away.
    let tolerated = i64::try_from(CLOCK_TOLERANCE.as_millis()).unwrap();
    let behind = charge("key:behind", 60, 1);
    assert!(passes(&stores, &behind, NOW).await);
    assert!(!passes(&stores, &behind, NOW - tolerated).await);
    assert!(!passes(&stores, &behind, NOW + 999).await);
    assert!(passes(&stores, &behind, NOW + 1000).await);
}

pub(super) async fn purging_forgets_only_what_makes_no_difference(stores: Stores) {
    assert!(passes(&stores, &charge("key:gone", 60, 1), NOW).await);
    assert!(passes(&stores, &charge("key:here", 6, 1), NOW).await);
    let purge = async |millis| {
        let now = Timestamp::from_millis(millis);
        stores.counters.purge(now).await.unwrap()
    };
    assert_eq!(purge(NOW + 1001).await, 1);
    assert_eq!(purge(NOW + 1001).await, 0);
    assert!(!passes(&stores, &charge("key:here", 6, 1), NOW + 1001).await);
    let odd = charge("' OR '1'='1\n%_\\ 数据🗝", 60, 1);
    assert!(passes(&stores, &odd, NOW).await);
    assert!(!passes(&stores, &odd, NOW).await);
}
