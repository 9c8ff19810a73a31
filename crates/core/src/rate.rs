//! How often something may happen: the generic cell rate algorithm (ITU-T I.371 annex A), which needs
//! one moment for each party and no windows, between which twice as much would pass.

use std::time::Duration;

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// One more is due this often.
    pub every: Duration,
    /// And so many at once, of somebody who was quiet for long enough; none passes with zero.
    pub burst: u32,
}

impl Rate {
    /// So many a minute, of which a sixth may come at once.
    pub fn per_minute(most: u32) -> Self {
        Self {
            every: Duration::from_mins(1) / most.max(1),
            burst: (most / 6).max(1),
        }
    }

    /// So many a minute, of which `burst` may come at once; none with zero. The next one is due in whole
    /// microseconds, rounded up: what every backend can count in, and never more than was allowed.
    pub fn of_requests(per_minute: u32, burst: u32) -> Self {
        let every = 60_000_000_u64.div_ceil(u64::from(per_minute.max(1)));
        Self {
            every: Duration::from_micros(every),
            burst: burst.min(per_minute),
        }
    }
}

/// Whether one more may happen at `now`, for a party whose count stood at `before` (`None`: it was never
/// counted). `Ok` is the count to keep, a moment at which everything is forgiven; `Err` is how long to
/// wait, and what was refused does not count. Both moments are of one clock that does not go back.
pub fn gcra(rate: Rate, before: Option<Duration>, now: Duration) -> Result<Duration, Duration> {
    let after = before.map_or(now, |before| before.max(now));
    let after = after.saturating_add(rate.every);
    let furthest = now.saturating_add(rate.every.saturating_mul(rate.burst));
    match after.checked_sub(furthest) {
        Some(wait) if !wait.is_zero() => Err(wait),
        _ => Ok(after),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_each_time_that_is_due() {
        let rate = Rate::per_minute(600);
        let mut count = None;
        for _ in 0..100 {
            count = Some(gcra(rate, count, Duration::ZERO).unwrap());
        }
        let tenth = Duration::from_millis(100);
        assert_eq!(gcra(rate, count, Duration::ZERO), Err(tenth));
        let half = tenth / 2;
        assert_eq!(gcra(rate, count, half), Err(half));
        count = Some(gcra(rate, count, tenth).unwrap());
        assert_eq!(gcra(rate, count, tenth), Err(tenth));
        let long_after = Duration::from_hours(1);
        let forgiven = gcra(rate, count, long_after).unwrap();
        assert_eq!(forgiven, long_after + tenth);
    }

    #[test]
    fn nothing_passes_where_nothing_may() {
        let none = Rate {
            every: Duration::from_secs(1),
            burst: 0,
        };
        assert!(gcra(none, None, Duration::from_secs(9)).is_err());
    }

    #[test]
    fn a_limit_is_counted_in_microseconds_and_never_generous() {
        for (per_minute, burst, every, most) in [
            (60, 60, 1_000_000, 60),
            (7, 3, 8_571_429, 3),
            (600_000, 900_000, 100, 600_000),
            (0, 5, 60_000_000, 0),
        ] {
            let rate = Rate::of_requests(per_minute, burst);
            assert_eq!((rate.every.as_micros(), rate.burst), (every, most));
        }
    }

    fn rates() -> impl Strategy<Value = Rate> {
        (1_u64..2_000, 1_u32..50).prop_map(|(millis, burst)| Rate {
            every: Duration::from_millis(millis),
            burst,
        })
    }

    proptest! {
        /// However requests are spread, no span of time lets more through than the burst and what fell
        /// due in it.
        #[test]
        fn no_span_of_time_lets_more_through(
            rate in rates(),
            gaps in proptest::collection::vec(0_u64..500, 1..300),
        ) {
            let (mut now, mut count) = (Duration::ZERO, None);
            let mut passed = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                if let Ok(after) = gcra(rate, count, now) {
                    count = Some(after);
                    passed.push(now);
                }
            }
            for (first, begin) in passed.iter().enumerate() {
                for (last, end) in passed.iter().enumerate().skip(first) {
                    let due = end.saturating_sub(*begin).as_nanos() / rate.every.as_nanos();
                    let most = u128::from(rate.burst) + due;
                    prop_assert!((last - first + 1) as u128 <= most);
                }
            }
        }

        /// Whoever waits as long as they are told gets through, and not a moment sooner.
        #[test]
        fn the_wait_that_is_said_is_the_wait(rate in rates(), count in 0_u64..1_000_000, now in 0_u64..1_000_000) {
            let (count, now) = (Some(Duration::from_millis(count)), Duration::from_millis(now));
            if let Err(wait) = gcra(rate, count, now) {
                prop_assert!(gcra(rate, count, now + wait).is_ok());
                let sooner = wait.saturating_sub(Duration::from_nanos(1));
                prop_assert!(gcra(rate, count, now + sooner).is_err());
            }
        }

        /// Whoever keeps to the rate is never refused.
        #[test]
        fn who_keeps_to_the_rate_is_never_refused(rate in rates(), slack in proptest::collection::vec(0_u64..50, 1..100)) {
            let (mut now, mut count) = (Duration::ZERO, None);
            for more in slack {
                now += rate.every + Duration::from_millis(more);
                let after = gcra(rate, count, now);
                prop_assert!(after.is_ok());
                count = after.ok();
            }
        }
    }
}
