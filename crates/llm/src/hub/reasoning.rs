//! How much a model is to think, in the words of four formats.

/// What the caller asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasoning {
    /// How hard.
    pub effort: Option<Effort>,
    /// Whether, and with how many tokens at most.
    pub thinking: Option<ThinkingMode>,
    /// What of it is to be shown: `auto`, `concise`, `detailed` (Responses), or asked for at all
    /// (Gemini `includeThoughts`).
    pub summary: Option<String>,
}

impl Reasoning {
    /// Whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The effort, be it said or meant by the number of tokens.
    pub(crate) fn as_effort(&self) -> Option<Effort> {
        self.effort.or_else(|| {
            Some(match self.thinking? {
                ThinkingMode::Disabled => Effort::None,
                ThinkingMode::Adaptive => return None,
                ThinkingMode::Budget(tokens) => Effort::of_budget(tokens),
            })
        })
    }

    /// The most tokens to think with, be they said or meant by the effort.
    pub(crate) fn as_budget(&self) -> Option<u64> {
        match self.thinking {
            Some(ThinkingMode::Budget(tokens)) => Some(tokens),
            Some(ThinkingMode::Disabled) => Some(0),
            Some(ThinkingMode::Adaptive) | None => self.effort.map(Effort::budget_tokens),
        }
    }
}

/// Anthropic's `thinking`, Gemini's `thinkingBudget`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThinkingMode {
    /// Not at all.
    Disabled,
    /// As the model sees fit.
    Adaptive,
    /// With at most this many tokens.
    Budget(u64),
}

/// How hard to think: OpenAI's `reasoning_effort` with what Anthropic's `output_config.effort` adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Not at all.
    None,
    /// Hardly.
    Minimal,
    /// A little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// More than that.
    ExtraHigh,
    /// Without bound.
    Max,
}

impl Effort {
    const ALL: [Self; 7] = [
        Self::None,
        Self::Minimal,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::ExtraHigh,
        Self::Max,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::ExtraHigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// Reads the word.
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effort| effort.as_str() == text)
    }

    /// Tokens for models that want a number: powers of two, as other gateways give them.
    pub const fn budget_tokens(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Minimal | Self::Low => 1024,
            Self::Medium => 2048,
            Self::High => 4096,
            Self::ExtraHigh => 8192,
            Self::Max => 16_384,
        }
    }

    const fn of_budget(tokens: u64) -> Self {
        match tokens {
            0 => Self::None,
            1..=1024 => Self::Low,
            1025..=2048 => Self::Medium,
            2049..=4096 => Self::High,
            4097..=8192 => Self::ExtraHigh,
            _ => Self::Max,
        }
    }
}
