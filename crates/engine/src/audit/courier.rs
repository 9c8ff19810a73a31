//! How lines of the trail get to another machine.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

/// The way to one receiver.
#[async_trait]
pub trait Courier: Send + Sync + fmt::Debug {
    /// Brings lines of the trail, each one JSON text without line breaks, in this order. `Ok` only when
    /// the receiver has taken the whole; anything else is repeated, so that a receiver may see lines
    /// twice and tells them apart by `writer` and `seq`. Bounds its own time.
    async fn carry(&self, lines: &[String]) -> Result<Carried, Undelivered>;
}

/// What became of lines that are not to be brought again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// How many of them the receiver will never take.
    pub refused: u64,
    /// Why, in its own words.
    pub because: Option<String>,
}

/// Lines that the receiver has not taken, as far as we know.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct Undelivered {
    /// Why.
    pub why: UndeliveredKind,
    /// How long the receiver wants to be left alone.
    pub retry_after: Option<Duration>,
}

/// Why lines were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UndeliveredKind {
    /// No usable answer.
    #[error("the receiver cannot be reached ({0})")]
    Unreachable(&'static str),
    /// It answered with this HTTP status.
    #[error("the receiver refused with HTTP status {0}")]
    Refused(u16),
    /// It did not answer in time.
    #[error("the receiver takes too long")]
    Late,
    /// It wants fewer at a time.
    #[error("the receiver wants fewer lines at a time")]
    TooLarge,
}

impl From<UndeliveredKind> for Undelivered {
    fn from(why: UndeliveredKind) -> Self {
        Self {
            why,
            retry_after: None,
        }
    }
}
