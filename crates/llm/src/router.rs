//! Which deployment is asked next, when, and how often: arithmetic over given time and counters.

mod choice;
mod cooldown;
mod retry;
#[cfg(test)]
mod tests;

pub use choice::{Candidate, Strategy, choose};
pub use cooldown::{Cooldown, CooldownPolicy, Group};
pub use retry::{RetryPolicy, parse_retry_after, parse_retry_after_ms};

use crate::provider_error::ErrorClass;

/// Which list of fallbacks applies to a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// `context_window_fallbacks`, then the general ones.
    ContextWindow,
    /// `content_policy_fallbacks`, then the general ones.
    ContentPolicy,
    /// `fallbacks`.
    General,
    /// None: another model would refuse it too.
    None,
}

impl Fallback {
    /// The list for a refusal.
    pub const fn of(class: ErrorClass) -> Self {
        match class {
            ErrorClass::ContextWindow => Self::ContextWindow,
            ErrorClass::ContentPolicy => Self::ContentPolicy,
            ErrorClass::Invalid => Self::None,
            _ => Self::General,
        }
    }
}
