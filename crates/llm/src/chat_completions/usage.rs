//! `usage`, whose `prompt_tokens` includes what was cached.

use crate::hub::Usage;
use crate::json::{Members, ObjectText};

/// Reads the object; numbers that are missing are zero.
pub(crate) fn read_usage(usage: &Members<'_>) -> Usage {
    let prompt = usage.object("prompt_tokens_details").unwrap_or_default();
    let completion = usage
        .object("completion_tokens_details")
        .unwrap_or_default();
    // DeepSeek and Moonshot say it at the top, each in their own word.
    let cache_read = prompt
        .number("cached_tokens")
        .or_else(|| usage.number("prompt_cache_hit_tokens"))
        .or_else(|| usage.number("cached_tokens"))
        .unwrap_or(0);
    let cache_write = prompt
        .number("cache_write_tokens")
        .or_else(|| usage.number("cache_creation_input_tokens"))
        .unwrap_or(0);
    Usage {
        input: usage.number("prompt_tokens").unwrap_or(0),
        cache_read,
        cache_write,
        cache_write_hour: 0,
        output: usage.number("completion_tokens").unwrap_or(0),
        reasoning: completion.number("reasoning_tokens").unwrap_or(0),
    }
}

pub(super) fn write_usage(usage: &Usage) -> String {
    let mut prompt = ObjectText::new();
    prompt.number("cached_tokens", usage.cache_read);
    let mut completion = ObjectText::new();
    completion.number("reasoning_tokens", usage.reasoning);
    let mut object = ObjectText::new();
    object
        .number("prompt_tokens", usage.input)
        .number("completion_tokens", usage.output)
        .number("total_tokens", usage.total())
        .raw("prompt_tokens_details", &prompt.finish())
        .raw("completion_tokens_details", &completion.finish());
    let written = usage.cache_write.saturating_add(usage.cache_write_hour);
    if written > 0 {
        // As LiteLLM says it.
        object.number("cache_creation_input_tokens", written);
    }
    object.finish()
}
