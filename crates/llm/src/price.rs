//! What tokens cost, in whole nano-dollars.
//!
//! Prices come from a table with a date and a source. A model that is not in it has no price, and
//! that is said: nothing is free because nobody knows what it costs.

mod amount;
mod builtin;
mod table;
#[cfg(test)]
mod tests;

pub use amount::{NanoUsd, PerMillion};
pub use table::{PriceError, PriceTable};

use crate::hub::Usage;

/// What a model's tokens cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// Tokens of the prompt that the cache has no part in.
    pub input: PerMillion,
    /// Tokens of the answer, thoughts included.
    pub output: PerMillion,
    /// Tokens read from the cache; as the prompt's others when it is not said.
    pub cache_read: Option<PerMillion>,
    /// Tokens written to the cache; as the prompt's others when it is not said.
    pub cache_write: Option<PerMillion>,
    /// Tokens written to the cache for an hour; as the shorter when it is not said.
    pub cache_write_hour: Option<PerMillion>,
    /// What long prompts cost instead.
    pub long: Option<LongPrompt>,
}

/// What a request costs whose prompt is long: all of it, not only what is beyond the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongPrompt {
    /// Prompts of more tokens than this, cached ones included.
    pub above_tokens: u64,
    /// Tokens of the prompt.
    pub input: PerMillion,
    /// Tokens of the answer.
    pub output: PerMillion,
    /// Tokens read from the cache; as the prompt's others when it is not said.
    pub cache_read: Option<PerMillion>,
}

impl Price {
    /// What these tokens cost. Saturates instead of wrapping; rounds up, once.
    pub fn cost(&self, usage: &Usage) -> NanoUsd {
        let long = self.long.filter(|long| usage.input > long.above_tokens);
        let (input, output, cache_read) = match long {
            Some(long) => (long.input, long.output, long.cache_read),
            None => (self.input, self.output, self.cache_read),
        };
        let cache_write = self.cache_write.unwrap_or(input);
        let cache_write_hour = self.cache_write_hour.unwrap_or(cache_write);
        NanoUsd::sum([
            (usage.input_uncached(), input),
            (usage.cache_read, cache_read.unwrap_or(input)),
            (usage.cache_write, cache_write),
            (usage.cache_write_hour, cache_write_hour),
            (usage.output, output),
        ])
    }

    /// The most that a request of at most so many tokens can cost, to be reserved before it is sent.
    pub fn most(&self, input_tokens: u64, output_tokens: u64) -> NanoUsd {
        let inputs = [
            Some(self.input),
            self.cache_read,
            self.cache_write,
            self.cache_write_hour,
            self.long.map(|long| long.input),
        ];
        let outputs = [Some(self.output), self.long.map(|long| long.output)];
        let dearest = |prices: &[Option<PerMillion>]| prices.iter().flatten().max().copied();
        NanoUsd::sum([
            (input_tokens, dearest(&inputs).unwrap_or(self.input)),
            (output_tokens, dearest(&outputs).unwrap_or(self.output)),
        ])
    }
}
