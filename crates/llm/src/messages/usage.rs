//! `usage`, whose `input_tokens` excludes what the cache had a part in.

use crate::hub::Usage;
use crate::json::{Members, ObjectText};

/// Reads the object; numbers that are missing are zero. `message_start` and `message_delta` are
/// snapshots that count up, not steps.
pub(crate) fn read_usage(usage: &Members<'_>) -> Usage {
    let creation = usage.object("cache_creation").unwrap_or_default();
    let cache_read = usage.number("cache_read_input_tokens").unwrap_or(0);
    let written = usage.number("cache_creation_input_tokens").unwrap_or(0);
    let hour = creation.number("ephemeral_1h_input_tokens").unwrap_or(0);
    let bare = usage.number("input_tokens").unwrap_or(0);
    Usage {
        input: bare.saturating_add(cache_read).saturating_add(written),
        cache_read,
        cache_write: written.saturating_sub(hour),
        cache_write_hour: hour.min(written),
        output: usage.number("output_tokens").unwrap_or(0),
        reasoning: usage
            .object("output_tokens_details")
            .and_then(|details| details.number("thinking_tokens"))
            .unwrap_or(0),
    }
}

pub(super) fn write_usage(usage: &Usage) -> String {
    let mut object = ObjectText::new();
    object
        .number("input_tokens", usage.input_uncached())
        .number(
            "cache_creation_input_tokens",
            usage.cache_write.saturating_add(usage.cache_write_hour),
        )
        .number("cache_read_input_tokens", usage.cache_read)
        .number("output_tokens", usage.output);
    if usage.cache_write_hour > 0 {
        let mut creation = ObjectText::new();
        creation
            .number("ephemeral_5m_input_tokens", usage.cache_write)
            .number("ephemeral_1h_input_tokens", usage.cache_write_hour);
        object.raw("cache_creation", &creation.finish());
    }
    object.finish()
}
