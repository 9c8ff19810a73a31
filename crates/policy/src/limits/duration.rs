//! How long a budget lasts.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate};
use portcullis_core::Timestamp;

/// A span in which a budget is spent, written as LiteLLM does: `30s`, `15m`, `24h`, `30d`, `1w`, `1mo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetDuration {
    count: u32,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
}

impl Unit {
    const ALL: [Self; 6] = [
        Self::Month,
        Self::Second,
        Self::Minute,
        Self::Hour,
        Self::Day,
        Self::Week,
    ];

    const fn suffix(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "m",
            Self::Hour => "h",
            Self::Day => "d",
            Self::Week => "w",
            Self::Month => "mo",
        }
    }

    /// In milliseconds; months differ.
    const fn millis(self) -> Option<i64> {
        match self {
            Self::Second => Some(1000),
            Self::Minute => Some(60_000),
            Self::Hour => Some(3_600_000),
            Self::Day => Some(86_400_000),
            Self::Week => Some(604_800_000),
            Self::Month => None,
        }
    }
}

/// A text that is no such span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a number followed by s, m, h, d, w or mo, such as 30d")]
pub struct InvalidDuration;

impl FromStr for BudgetDuration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let read = |unit: Unit| {
            let digits = text.strip_suffix(unit.suffix())?;
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            let count = digits.parse().ok().filter(|count| plain && *count > 0)?;
            Some(Self { count, unit })
        };
        Unit::ALL.into_iter().find_map(read).ok_or(InvalidDuration)
    }
}

impl fmt::Display for BudgetDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.count, self.unit.suffix())
    }
}

impl BudgetDuration {
    /// When the span that is now began, and when the next one begins: multiples of it since 1970 in UTC,
    /// weeks from Mondays, months by the calendar. Every replica finds the same ones.
    pub fn around(self, now: Timestamp) -> (Timestamp, Timestamp) {
        let Some(millis) = self.unit.millis() else {
            return self.months_around(now);
        };
        let span = millis.saturating_mul(i64::from(self.count));
        // The epoch was a Thursday.
        let shift = match self.unit {
            Unit::Week => 4 * 86_400_000,
            _ => 0,
        };
        let past = now.as_millis().saturating_sub(shift).rem_euclid(span);
        let began = now.as_millis().saturating_sub(past);
        (
            Timestamp::from_millis(began),
            Timestamp::from_millis(began.saturating_add(span)),
        )
    }

    fn months_around(self, now: Timestamp) -> (Timestamp, Timestamp) {
        let count = i64::from(self.count);
        let months = DateTime::from_timestamp_millis(now.as_millis()).map_or(0, |date| {
            i64::from(date.year()) * 12 + i64::from(date.month0())
        });
        // Counted from January 1970, so that quarters begin where quarters do.
        let began = months - (months - 1970 * 12).rem_euclid(count);
        (
            first_of(began).unwrap_or(Timestamp::from_millis(i64::MIN)),
            first_of(began.saturating_add(count)).unwrap_or(Timestamp::from_millis(i64::MAX)),
        )
    }
}

/// The first moment of a month, counted from the year 0.
fn first_of(months: i64) -> Option<Timestamp> {
    let year = i32::try_from(months.div_euclid(12)).ok()?;
    let month = u32::try_from(months.rem_euclid(12)).ok()? + 1;
    let midnight = NaiveDate::from_ymd_opt(year, month, 1)?.and_hms_opt(0, 0, 0)?;
    Some(Timestamp::from_millis(
        midnight.and_utc().timestamp_millis(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_begins_where_every_replica_says_it_does() {
        for (text, now, began, ends) in [
            (
                "24h",
                "2026-11-22T13:05:06.007Z",
                "2026-11-22T00:00:00.000Z",
                "2026-11-23T00:00:00.000Z",
            ),
            (
                "1d",
                "2026-11-22T00:00:00.000Z",
                "2026-11-22T00:00:00.000Z",
                "2026-11-23T00:00:00.000Z",
            ),
            (
                "90s",
                "1970-01-01T00:02:59.999Z",
                "1970-01-01T00:01:30.000Z",
                "1970-01-01T00:03:00.000Z",
            ),
            (
                "15m",
                "2026-11-22T13:44:59.000Z",
                "2026-11-22T13:30:00.000Z",
                "2026-11-22T13:45:00.000Z",
            ),
            (
                "1w",
                "2026-11-22T23:59:59.000Z",
                "2026-11-16T00:00:00.000Z",
                "2026-11-23T00:00:00.000Z",
            ),
            (
                "1mo",
                "2028-02-29T12:00:00.000Z",
                "2028-02-01T00:00:00.000Z",
                "2028-03-01T00:00:00.000Z",
            ),
            (
                "3mo",
                "2026-12-31T23:00:00.000Z",
                "2026-10-01T00:00:00.000Z",
                "2027-01-01T00:00:00.000Z",
            ),
        ] {
            let duration: BudgetDuration = text.parse().unwrap();
            let around = duration.around(now.parse().unwrap());
            let expected = (began.parse().unwrap(), ends.parse().unwrap());
            assert_eq!(around, expected, "{text} at {now}");
            assert_eq!(duration.to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_no_span() {
        for text in [
            "",
            "d",
            "0d",
            "-1d",
            "+1d",
            "1.5h",
            "30 d",
            "30y",
            "99999999999d",
            "mo",
            "１d",
        ] {
            assert_eq!(
                text.parse::<BudgetDuration>(),
                Err(InvalidDuration),
                "{text}"
            );
        }
    }

    #[test]
    fn no_moment_and_no_span_is_too_far_away() {
        for text in ["4294967295w", "4294967295mo", "1mo", "7d"] {
            let duration: BudgetDuration = text.parse().unwrap();
            for now in [i64::MIN, 0, i64::MAX] {
                let now = Timestamp::from_millis(now);
                let (began, ends) = duration.around(now);
                assert!(began <= ends, "{text}");
            }
        }
    }
}
