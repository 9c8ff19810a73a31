//! Anthropic's `thinking`, which callers of Chat Completions send too.

use serde_json::value::RawValue;

use crate::error::LlmError;
use crate::hub::ThinkingMode;
use crate::json::Reader;
use crate::path::Path;

/// Reads `{type, budget_tokens}`.
pub(crate) fn read_thinking(raw: &RawValue, path: &Path<'_>) -> Result<ThinkingMode, LlmError> {
    let mut thinking = Reader::new(raw, path)?;
    match thinking.string("type")?.as_deref() {
        Some("enabled") => match thinking.whole_number("budget_tokens")? {
            Some(tokens) => Ok(ThinkingMode::Budget(tokens)),
            None => Ok(ThinkingMode::Adaptive),
        },
        Some("adaptive") => Ok(ThinkingMode::Adaptive),
        Some("disabled") => Ok(ThinkingMode::Disabled),
        _ => Err(path.invalid("of type `enabled`, `adaptive` or `disabled`")),
    }
}
