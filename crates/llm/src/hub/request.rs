//! A request, whatever format it came in.

use super::field::Field;
use super::losses::Extras;
use super::message::Message;
use super::reasoning::Reasoning;
use super::tool::{Tool, ToolChoice};
use crate::format::Format;
use crate::json::Json;

/// What a caller asks of a model: what we act on in types, the rest untouched beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatRequest {
    /// The format it came in.
    pub format: Format,
    /// The model as the caller calls it.
    pub model: String,
    /// The conversation, instructions included, in the caller's order.
    pub messages: Vec<Message>,
    /// The tools, in the caller's order.
    pub tools: Vec<Tool>,
    /// Which of them, and whether.
    pub tool_choice: Option<ToolChoice>,
    /// Whether several may be asked for at once.
    pub parallel_tool_calls: Option<bool>,
    /// The most tokens of an answer, thoughts included.
    pub max_output_tokens: Option<u64>,
    /// How the next token is chosen.
    pub sampling: Sampling,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// The answer's form.
    pub output: Option<OutputFormat>,
    /// How much to think.
    pub reasoning: Reasoning,
    /// Whether the tokens' probabilities are wanted.
    pub logprobs: Option<Logprobs>,
    /// For whom, as the provider is to know them.
    pub user: Option<String>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Whether a stream is to say the usage (OpenAI `stream_options.include_usage`); other formats
    /// always do.
    pub wants_usage: bool,
    /// Members without a place here.
    pub extras: Extras,
}

impl ChatRequest {
    pub(crate) fn new(format: Format, model: String) -> Self {
        Self {
            format,
            model,
            messages: Vec::new(),
            tools: Vec::new(),
            tool_choice: None,
            parallel_tool_calls: None,
            max_output_tokens: None,
            sampling: Sampling::default(),
            stop: Vec::new(),
            output: None,
            reasoning: Reasoning::default(),
            logprobs: None,
            user: None,
            stream: false,
            wants_usage: false,
            extras: Extras::new(),
        }
    }

    /// How the caller's format calls something.
    pub(crate) const fn path_of(&self, field: Field) -> &'static str {
        field.path_in(self.format)
    }
}

/// How the next token is chosen; numbers as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sampling {
    /// `temperature`, from 0 to 2 (OpenAI, Gemini) or to 1 (Anthropic).
    pub temperature: Option<Json>,
    /// `top_p`, from 0 to 1.
    pub top_p: Option<Json>,
    /// `top_k`, a count of tokens.
    pub top_k: Option<Json>,
    /// `seed`.
    pub seed: Option<Json>,
    /// `presence_penalty`, from -2 to 2.
    pub presence_penalty: Option<Json>,
    /// `frequency_penalty`, from -2 to 2.
    pub frequency_penalty: Option<Json>,
}

/// The answer's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// Any JSON object.
    JsonObject,
    /// JSON by a schema.
    JsonSchema {
        /// The schema's name; OpenAI requires one.
        name: Option<String>,
        /// What it is for.
        description: Option<String>,
        /// The schema, untouched.
        schema: Json,
        /// Whether the model is held to it.
        strict: Option<bool>,
    },
}

/// Whether the tokens' probabilities are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logprobs {
    /// How many alternatives of each.
    pub top: Option<u64>,
}
