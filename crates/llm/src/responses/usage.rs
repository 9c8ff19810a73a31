//! `usage`, whose `input_tokens` includes what was cached.

use crate::hub::Usage;
use crate::json::{Members, ObjectText};

/// Reads the object; numbers that are missing are zero.
pub(crate) fn read_usage(usage: &Members<'_>) -> Usage {
    let input = usage.object("input_tokens_details").unwrap_or_default();
    let output = usage.object("output_tokens_details").unwrap_or_default();
    Usage {
        input: usage.number("input_tokens").unwrap_or(0),
        cache_read: input.number("cached_tokens").unwrap_or(0),
        cache_write: input.number("cache_write_tokens").unwrap_or(0),
        cache_write_hour: 0,
        output: usage.number("output_tokens").unwrap_or(0),
        reasoning: output.number("reasoning_tokens").unwrap_or(0),
    }
}

pub(super) fn write_usage(usage: &Usage) -> String {
    let mut input = ObjectText::new();
    input.number("cached_tokens", usage.cache_read);
    let mut output = ObjectText::new();
    output.number("reasoning_tokens", usage.reasoning);
    let mut object = ObjectText::new();
    object
        .number("input_tokens", usage.input)
        .raw("input_tokens_details", &input.finish())
        .number("output_tokens", usage.output)
        .raw("output_tokens_details", &output.finish())
        .number("total_tokens", usage.total());
    object.finish()
}
