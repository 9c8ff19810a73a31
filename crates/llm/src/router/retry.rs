//! When the same deployment is asked again.

use std::time::Duration;

use portcullis_core::Timestamp;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::provider_error::ErrorClass;

/// How often, and with what pauses; the defaults are those of LiteLLM and the official clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// `num_retries`.
    pub retries: u32,
    /// The first pause; each next one is twice as long.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// The longest that a provider's `Retry-After` is waited for. What is longer is not waited for
    /// at all: another deployment is asked.
    pub longest_said: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retries: 2,
            first: Duration::from_millis(500),
            longest: Duration::from_secs(8),
            longest_said: Duration::from_mins(1),
        }
    }
}

impl RetryPolicy {
    /// The pause before try number `retry` (from 1), or `None` when there is none. `chance` is any
    /// number, evenly spread: a quarter of a pause is left to it.
    pub fn pause(
        &self,
        retry: u32,
        class: ErrorClass,
        retry_after: Option<Duration>,
        chance: u64,
    ) -> Option<Duration> {
        if retry == 0 || retry > self.retries || !class.is_worth_a_retry() {
            return None;
        }
        if let Some(said) = retry_after {
            return (said <= self.longest_said).then_some(said);
        }
        let doubled = 1_u32.checked_shl(retry - 1).unwrap_or(u32::MAX);
        let whole = self.first.saturating_mul(doubled).min(self.longest);
        let quarter = whole / 4;
        let millis = u64::try_from(quarter.as_millis()).unwrap_or(u64::MAX);
        let less = chance % millis.saturating_add(1);
        Some(whole.saturating_sub(Duration::from_millis(less)))
    }
}

/// The forms of a date in HTTP (RFC 9110 §5.6.7) that say the whole year.
const FORMS: [&[BorrowedFormatItem<'_>]; 2] = [
    format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    ),
    format_description!(
        "[weekday repr:short] [month repr:short] [day padding:space] [hour]:[minute]:[second] [year]"
    ),
];

/// Reads `Retry-After` (RFC 9110 §10.2.3): whole seconds, or a date. A date that has passed is now.
pub fn parse_retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = FORMS.iter().find_map(|form| date(value, form))?;
    Some(Timestamp::from_secs(date.unix_timestamp()).since(now))
}

fn date(value: &str, form: &[BorrowedFormatItem<'_>]) -> Option<OffsetDateTime> {
    PrimitiveDateTime::parse(value, form)
        .ok()
        .map(PrimitiveDateTime::assume_utc)
}

/// Reads OpenAI's `retry-after-ms`: milliseconds, perhaps with a fraction, which is rounded up.
pub fn parse_retry_after_ms(value: &str) -> Option<Duration> {
    let (whole, part) = value.trim().split_once('.').unwrap_or((value.trim(), "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) {
        return None;
    }
    let millis: u64 = whole.parse().ok()?;
    let more = u64::from(part.bytes().any(|byte| byte != b'0'));
    Some(Duration::from_millis(millis.saturating_add(more)))
}
