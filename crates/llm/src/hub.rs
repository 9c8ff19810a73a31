//! The hub: one model of a conversation that each format is read into and written from.
//!
//! It holds what at least one format can say. What a format says that the hub has no place for
//! stays beside it as raw text with its path ([`Extra`]): it is written again for the same format,
//! and reported as [`Dropped`] for any other.

mod event;
mod field;
mod losses;
mod message;
mod reasoning;
mod request;
mod response;
mod stop;
mod tool;
mod usage;

pub use event::{BlockKind, ChatEvent, Delta};
pub(crate) use field::Field;
pub(crate) use losses::Losses;
pub use losses::{Dropped, Extra, Extras};
pub use message::{
    Content, Document, Media, Message, Part, Role, Seal, Source, Thinking, ToolCall, ToolResult,
};
pub use reasoning::{Effort, Reasoning, ThinkingMode};
pub use request::{ChatRequest, Logprobs, OutputFormat, Sampling};
pub use response::ChatResponse;
pub use stop::{Stop, StopReason};
pub use tool::{FunctionTool, Tool, ToolChoice};
pub use usage::Usage;
