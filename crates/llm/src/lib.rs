#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod answer;
mod anthropic_thinking;
mod arguments;
mod balance;
mod caller_error;
mod chat_completions;
mod data_url;
mod dialect;
mod error;
mod format;
mod generate_content;
mod hub;
mod json;
mod messages;
mod passthrough;
mod path;
pub mod price;
pub mod provider;
mod provider_error;
mod reasoning_item;
mod responses;
pub mod route;
pub mod router;
mod seal;
mod sse;
mod stream;
mod target;
mod tool_call_id;
mod tool_names;

pub use answer::{Answer, AnswerHead};
pub use caller_error::CallerError;
pub use dialect::{decode_request, decode_response, encode_request, encode_response};
pub use error::LlmError;
pub use format::Format;
pub use hub::{
    BlockKind, ChatEvent, ChatRequest, ChatResponse, Content, Delta, Document, Dropped, Effort,
    Extra, Extras, FunctionTool, Logprobs, Media, Message, OutputFormat, Part, Reasoning, Role,
    Sampling, Seal, Source, Stop, StopReason, Thinking, ThinkingMode, Tool, ToolCall, ToolChoice,
    ToolResult, Usage,
};
pub use json::{Json, JsonError};
pub use passthrough::{Passthrough, Relay, usage_of};
pub use provider_error::{ErrorClass, ProviderError, read_error};
pub use stream::{Fold, StreamDecoder, StreamEncoder};
pub use target::{ModelTraits, ProviderRequest, Quirks, Target};
pub use tool_names::ToolNames;
