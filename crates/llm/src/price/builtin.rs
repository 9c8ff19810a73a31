//! The prices that the gateway ships.
//!
//! Few models on purpose: list prices of those that are asked for most. Operators add theirs, and
//! whoever has a contract says what it says.

/// The table, in the form that operators write.
pub(super) const TABLE: &str = r#"{
  "as_of": "2026-11-22",
  "source": "platform.claude.com/docs/en/about-claude/pricing, developers.openai.com/api/docs/pricing, ai.google.dev/gemini-api/docs/pricing",
  "prices": {
    "anthropic/claude-fable-5-1": {"input": "10", "output": "50", "cache_read": "0.25", "cache_write": "12.5", "cache_write_hour": "20"},
    "anthropic/claude-fable-5": {"input": "10", "output": "50", "cache_read": "1", "cache_write": "12.5", "cache_write_hour": "20"},
    "anthropic/claude-opus-5-5": {"input": "4", "output": "20", "cache_read": "0.2", "cache_write": "5", "cache_write_hour": "8"},
    "anthropic/claude-sonnet-5": {"input": "2", "output": "10", "cache_read": "0.2", "cache_write": "2.5", "cache_write_hour": "4"},
    "anthropic/claude-opus-5": {"input": "5", "output": "25", "cache_read": "0.5", "cache_write": "6.25", "cache_write_hour": "10"},
    "anthropic/claude-opus-4-8": {"input": "5", "output": "25", "cache_read": "0.5", "cache_write": "6.25", "cache_write_hour": "10"},
    "anthropic/claude-opus-4-7": {"input": "5", "output": "25", "cache_read": "0.5", "cache_write": "6.25", "cache_write_hour": "10"},
    "anthropic/claude-opus-4-6": {"input": "5", "output": "25", "cache_read": "0.5", "cache_write": "6.25", "cache_write_hour": "10"},
    "anthropic/claude-opus-4-5": {"input": "5", "output": "25", "cache_read": "0.5", "cache_write": "6.25", "cache_write_hour": "10"},
    "anthropic/claude-sonnet-4-6": {"input": "3", "output": "15", "cache_read": "0.3", "cache_write": "3.75", "cache_write_hour": "6"},
    "anthropic/claude-sonnet-4-5": {"input": "3", "output": "15", "cache_read": "0.3", "cache_write": "3.75", "cache_write_hour": "6"},
    "anthropic/claude-haiku-4-5": {"input": "1", "output": "5", "cache_read": "0.1", "cache_write": "1.25", "cache_write_hour": "2"},
    "openai/gpt-5": {"input": "1.25", "output": "10", "cache_read": "0.125"},
    "openai/gpt-5-mini": {"input": "0.25", "output": "2", "cache_read": "0.025"},
    "openai/gpt-5-nano": {"input": "0.05", "output": "0.4", "cache_read": "0.005"},
    "openai/gpt-4.1": {"input": "2", "output": "8", "cache_read": "0.5"},
    "openai/gpt-4.1-mini": {"input": "0.4", "output": "1.6", "cache_read": "0.1"},
    "openai/gpt-4.1-nano": {"input": "0.1", "output": "0.4", "cache_read": "0.025"},
    "openai/gpt-4o": {"input": "2.5", "output": "10", "cache_read": "1.25"},
    "openai/gpt-4o-mini": {"input": "0.15", "output": "0.6", "cache_read": "0.075"},
    "gemini/gemini-2.5-pro": {"input": "1.25", "output": "10", "long": {"above_tokens": 200000, "input": "2.5", "output": "15"}},
    "gemini/gemini-2.5-flash": {"input": "0.3", "output": "2.5"}
  }
}"#;
