//! Time as a value: pure code takes a [`Timestamp`], services hold an `Arc<dyn Clock>`.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment of wall-clock time, in whole milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// A moment given in milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// A moment given in whole seconds since the Unix epoch, as JWT `NumericDate`s are.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The moment `span` later; saturates at the end of time instead of wrapping.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// The moment `span` earlier; saturates.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// Time elapsed since `earlier`; zero when `earlier` lies in the future (a clock that jumped).
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// RFC 3339 in UTC with milliseconds, e.g. `2026-11-21T07:53:00.000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0) * 1_000_000;
        let Ok(moment) = ::time::OffsetDateTime::from_unix_timestamp_nanos(nanos) else {
            return write!(f, "{}ms", self.0);
        };
        let Ok(year) = u32::try_from(moment.year()) else {
            return write!(f, "{}ms", self.0);
        };
        // Every audit event has one: digits are set by hand, a formatter costs ten times as much.
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let fields = [
            (3, year),
            (6, u32::from(u8::from(moment.month()))),
            (9, u32::from(moment.day())),
            (12, u32::from(moment.hour())),
            (15, u32::from(moment.minute())),
            (18, u32::from(moment.second())),
            (22, u32::from(moment.millisecond())),
        ];
        for (last, value) in fields {
            set_digits(&mut text, last, value);
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// Writes a number into a text of digits, its last digit at this place.
fn set_digits(text: &mut [u8], last: usize, mut value: u32) {
    let places = text.get_mut(..=last).into_iter().flatten().rev();
    for place in places {
        if value == 0 {
            return;
        }
        *place = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
}

/// A text that is no RFC 3339 moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 date and time")]
pub struct InvalidTimestamp;

impl std::str::FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let format = ::time::format_description::well_known::Rfc3339;
        let moment = ::time::OffsetDateTime::parse(text, &format).map_err(|_| InvalidTimestamp)?;
        i64::try_from(moment.unix_timestamp_nanos() / 1_000_000)
            .map(Self)
            .map_err(|_| InvalidTimestamp)
    }
}

/// Where a service learns the time.
///
/// `now` is wall time and may jump; `monotonic` never goes back and is what intervals, time-outs
/// and cache lifetimes are measured with.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Wall-clock time.
    fn now(&self) -> Timestamp;
    /// Time since an arbitrary fixed start; never decreases.
    fn monotonic(&self) -> Duration;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    started: std::time::Instant,
}

impl SystemClock {
    /// Starts the monotonic count now.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one door to the machine's clock"
    )]
    pub fn start() -> Self {
        Self {
            started: std::time::Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one door to the machine's clock"
    )]
    fn now(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock that moves only when told to; for tests.
#[derive(Debug)]
pub struct ManualClock {
    wall: AtomicI64,
    elapsed: AtomicI64,
}

impl ManualClock {
    /// A clock that stands at this moment.
    pub const fn at_millis(millis: i64) -> Self {
        Self {
            wall: AtomicI64::new(millis),
            elapsed: AtomicI64::new(0),
        }
    }

    /// Moves wall and monotonic time forward together.
    pub fn advance(&self, span: Duration) {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        self.wall.fetch_add(millis, Ordering::SeqCst);
        self.elapsed.fetch_add(millis, Ordering::SeqCst);
    }

    /// Moves wall time alone, as an operator or NTP does; negative goes back.
    pub fn jump_millis(&self, millis: i64) {
        self.wall.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.wall.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.elapsed.load(Ordering::SeqCst)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_reads_as_rfc_3339_in_utc() {
        assert_eq!(
            Timestamp::from_millis(0).to_string(),
            "1970-01-01T00:00:00.000Z"
        );
        assert_eq!(
            Timestamp::from_millis(1_795_247_580_042).to_string(),
            "2026-11-21T07:53:00.042Z"
        );
        assert_eq!(
            Timestamp::from_millis(-62_135_596_800_000).to_string(),
            "0001-01-01T00:00:00.000Z"
        );
        assert_eq!(
            Timestamp::from_millis(253_402_300_799_999).to_string(),
            "9999-12-31T23:59:59.999Z"
        );
        assert_eq!(
            Timestamp::from_millis(i64::MAX).to_string(),
            "9223372036854775807ms"
        );
    }

    #[test]
    fn what_is_printed_is_read_back() {
        let moment = Timestamp::from_millis(1_795_247_580_042);
        assert_eq!(moment.to_string().parse(), Ok(moment));
        assert_eq!("yesterday".parse::<Timestamp>(), Err(InvalidTimestamp));
    }

    #[test]
    fn arithmetic_saturates_and_a_clock_that_jumped_back_yields_zero() {
        let end = Timestamp::from_millis(i64::MAX);
        assert_eq!(end.after(Duration::from_secs(1)), end);
        let now = Timestamp::from_secs(10);
        assert_eq!(now.since(Timestamp::from_secs(20)), Duration::ZERO);
        assert_eq!(now.since(Timestamp::from_secs(4)), Duration::from_secs(6));
    }

    #[test]
    fn a_wall_clock_jump_does_not_move_monotonic_time() {
        let clock = ManualClock::at_millis(1_000);
        clock.jump_millis(-500);
        assert_eq!(clock.now(), Timestamp::from_millis(500));
        assert_eq!(clock.monotonic(), Duration::ZERO);
    }
}
