//! Why an answer ended.

/// Why an answer ended, in our word and in the provider's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Our word.
    pub reason: StopReason,
    /// The provider's, where it is a plain word.
    pub native: Option<String>,
    /// The text that ended it, where one did.
    pub sequence: Option<String>,
}

impl Stop {
    /// A stop for this reason alone.
    pub const fn of(reason: StopReason) -> Self {
        Self {
            reason,
            native: None,
            sequence: None,
        }
    }

    pub(crate) fn native(reason: StopReason, native: &str) -> Self {
        Self {
            reason,
            native: word(native),
            sequence: None,
        }
    }
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// It was complete.
    EndTurn,
    /// One of the caller's texts came.
    StopSequence,
    /// There were no tokens left, be it of the answer or of the context.
    MaxTokens,
    /// Tools are to be called.
    ToolCalls,
    /// The provider withheld the rest, or the model refused.
    ContentFilter,
    /// A long turn was interrupted and can be continued (Anthropic `pause_turn`).
    Paused,
    /// The model made something that is no answer, such as a call that cannot be read.
    Malformed,
}

impl StopReason {
    /// From `finish_reason` of Chat Completions and those who imitate it.
    pub(crate) fn of_chat_completions(word: &str) -> Self {
        match word {
            "length" => Self::MaxTokens,
            "tool_calls" | "function_call" => Self::ToolCalls,
            "content_filter" => Self::ContentFilter,
            "error" => Self::Malformed,
            _ => Self::EndTurn,
        }
    }

    /// As `finish_reason`, which official clients take as a closed list.
    pub(crate) const fn as_chat_completions(self) -> &'static str {
        match self {
            Self::EndTurn | Self::StopSequence | Self::Malformed => "stop",
            Self::MaxTokens | Self::Paused => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
        }
    }

    /// From `stop_reason` of Messages.
    pub(crate) fn of_messages(word: &str) -> Self {
        match word {
            "stop_sequence" => Self::StopSequence,
            "max_tokens" | "model_context_window_exceeded" | "compaction" => Self::MaxTokens,
            "tool_use" => Self::ToolCalls,
            "refusal" => Self::ContentFilter,
            "pause_turn" => Self::Paused,
            _ => Self::EndTurn,
        }
    }

    /// As `stop_reason`.
    pub(crate) const fn as_messages(self) -> &'static str {
        match self {
            Self::EndTurn | Self::Malformed => "end_turn",
            Self::StopSequence => "stop_sequence",
            Self::MaxTokens => "max_tokens",
            Self::ToolCalls => "tool_use",
            Self::ContentFilter => "refusal",
            Self::Paused => "pause_turn",
        }
    }

    /// From `finishReason` of Gemini, which says `STOP` also when it wants tools.
    pub(crate) fn of_generate_content(word: &str, calls_tools: bool) -> Self {
        match word {
            "STOP" if calls_tools => Self::ToolCalls,
            "STOP" | "FINISH_REASON_UNSPECIFIED" => Self::EndTurn,
            "MAX_TOKENS" => Self::MaxTokens,
            "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "LANGUAGE" => {
                Self::ContentFilter
            }
            word if word.starts_with("IMAGE_") => Self::ContentFilter,
            // MALFORMED_FUNCTION_CALL, UNEXPECTED_TOOL_CALL, MISSING_THOUGHT_SIGNATURE and the like.
            _ => Self::Malformed,
        }
    }

    /// As `finishReason`.
    pub(crate) const fn as_generate_content(self) -> &'static str {
        match self {
            Self::EndTurn | Self::StopSequence | Self::ToolCalls | Self::Paused => "STOP",
            Self::MaxTokens => "MAX_TOKENS",
            Self::ContentFilter => "SAFETY",
            Self::Malformed => "OTHER",
        }
    }
}

/// A registered word, short and without anything that could be prose.
fn word(text: &str) -> Option<String> {
    let plain = !text.is_empty()
        && text.len() <= 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    plain.then(|| text.to_owned())
}
