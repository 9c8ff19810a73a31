//! Tokens used, under one convention.

/// Tokens of one answer. `input` **includes** what was read from and written to the prompt cache,
/// and `output` includes thoughts, whatever the provider's own convention is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub input: u64,
    /// Of these, tokens read from the cache.
    pub cache_read: u64,
    /// Of these, tokens written to the cache for five minutes, or for as long as the provider likes.
    pub cache_write: u64,
    /// Of these, tokens written to the cache for an hour.
    pub cache_write_hour: u64,
    /// Tokens of the answer, thoughts included.
    pub output: u64,
    /// Of these, tokens of thoughts.
    pub reasoning: u64,
}

impl Usage {
    /// Everything together.
    pub const fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// Tokens of the prompt that the cache had no part in.
    pub const fn input_uncached(&self) -> u64 {
        self.input
            .saturating_sub(self.cache_read)
            .saturating_sub(self.cache_write)
            .saturating_sub(self.cache_write_hour)
    }

    /// A later snapshot of the same answer. Providers count up: Anthropic says the input first and
    /// the output later, so each number stands until a larger one is said.
    #[must_use]
    pub fn updated(self, later: Self) -> Self {
        Self {
            input: self.input.max(later.input),
            cache_read: self.cache_read.max(later.cache_read),
            cache_write: self.cache_write.max(later.cache_write),
            cache_write_hour: self.cache_write_hour.max(later.cache_write_hour),
            output: self.output.max(later.output),
            reasoning: self.reasoning.max(later.reasoning),
        }
    }
}
