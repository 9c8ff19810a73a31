//! What an answer to a caller begins with, and what it could not say.

use crate::hub::Dropped;

/// What the gateway says of an answer on its own authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerHead {
    /// The answer's id, with the prefix that the caller's format has.
    pub id: String,
    /// The model as the caller called it.
    pub model: String,
    /// When it was made, in seconds since the Unix epoch.
    pub created_secs: i64,
    /// Whether a stream says the usage at its end, in formats where that is asked for.
    pub with_usage: bool,
}

/// A whole answer in the caller's format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The body.
    pub body: String,
    /// What the body could not say.
    pub dropped: Vec<Dropped>,
}
