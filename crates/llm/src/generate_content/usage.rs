//! `usageMetadata`, whose `promptTokenCount` includes what was cached, and whose
//! `candidatesTokenCount` excludes thoughts.

use crate::hub::Usage;
use crate::json::Members;

/// Reads the object; numbers that are missing are zero.
pub(crate) fn read_usage(usage: &Members<'_>) -> Usage {
    let number = |name: &str| usage.number(name).unwrap_or(0);
    let reasoning = number("thoughtsTokenCount");
    Usage {
        input: number("promptTokenCount").saturating_add(number("toolUsePromptTokenCount")),
        cache_read: number("cachedContentTokenCount"),
        cache_write: 0,
        cache_write_hour: 0,
        output: number("candidatesTokenCount").saturating_add(reasoning),
        reasoning,
    }
}
