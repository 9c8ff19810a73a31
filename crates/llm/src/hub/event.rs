//! An answer as it comes.

use super::losses::Dropped;
use super::message::{Part, Seal};
use super::stop::Stop;
use super::usage::Usage;
use crate::format::Format;
use crate::json::Json;
use crate::provider_error::ProviderError;

/// One step of an answer. Blocks are numbered from 0 in the order in which they begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatEvent {
    /// The provider has begun.
    Started {
        /// Its id of the answer.
        id: Option<String>,
        /// The model as it calls it.
        model: Option<String>,
    },
    /// A block begins.
    BlockStarted {
        /// Its number.
        block: u32,
        /// What it is.
        kind: BlockKind,
    },
    /// A block goes on.
    Delta {
        /// Its number.
        block: u32,
        /// What comes next.
        delta: Delta,
    },
    /// A block is complete.
    BlockEnded {
        /// Its number.
        block: u32,
    },
    /// A block that comes whole.
    Block {
        /// Its number.
        block: u32,
        /// All of it.
        part: Box<Part>,
    },
    /// Probabilities of tokens, in the form of Chat Completions' `logprobs.content`.
    Logprobs(Json),
    /// What was used up to now.
    Usage(Usage),
    /// Why the answer ends.
    Stopped(Stop),
    /// Something that no event can say.
    Dropped(Dropped),
    /// The provider failed in the middle. Nothing follows.
    Failed(ProviderError),
    /// The answer is complete. Nothing follows.
    Ended,
}

/// What a block is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// Text.
    Text,
    /// Words on why there is no answer.
    Refusal,
    /// Thoughts.
    Thinking {
        /// The format that they come in.
        maker: Format,
        /// Their id, which the seal is bound to (Responses).
        id: Option<String>,
    },
    /// A call of a tool.
    ToolCall {
        /// Its id.
        id: String,
        /// The tool.
        name: String,
        /// The thought behind it (Gemini).
        signature: Option<String>,
    },
}

/// What comes next in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delta {
    /// Words: of the text, the refusal or the thought.
    Text(String),
    /// A piece of a call's arguments. Only all pieces together are JSON.
    Arguments(String),
    /// The proof of a thought's origin.
    Seal(Seal),
}
