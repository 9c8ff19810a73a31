//! An answer, whatever format it came in.

use super::losses::Extras;
use super::message::Part;
use super::stop::Stop;
use super::usage::Usage;
use crate::json::Json;

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatResponse {
    /// The provider's id of it.
    pub id: Option<String>,
    /// The model as the provider calls it.
    pub model: Option<String>,
    /// What the model said, thought and wants called, in order.
    pub parts: Vec<Part>,
    /// Why it ended.
    pub stop: Stop,
    /// What it took; `None` when the provider does not say.
    pub usage: Option<Usage>,
    /// The tokens' probabilities, in the form of Chat Completions' `logprobs.content`.
    pub logprobs: Option<Json>,
    /// Members without a place here.
    pub extras: Extras,
}
