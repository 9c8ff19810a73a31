//! Whom a request is written for.

use crate::format::Format;
use crate::hub::Dropped;
use crate::tool_names::ToolNames;

/// The provider's side of a translation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The format to write.
    pub format: Format,
    /// The model as the provider calls it.
    pub model: String,
    /// What the provider does differently.
    pub quirks: Quirks,
    /// What the model does differently.
    pub traits: ModelTraits,
}

impl Target {
    /// A target without peculiarities.
    pub fn new(format: Format, model: impl Into<String>) -> Self {
        Self {
            format,
            model: model.into(),
            quirks: Quirks::default(),
            traits: ModelTraits::default(),
        }
    }
}

/// What a provider does differently from the format that it imitates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quirks {
    /// Calls the most tokens of an answer `max_tokens`, the older name.
    pub max_tokens: bool,
    /// Knows the role `developer`; others get `system`.
    pub developer_role: bool,
    /// Takes a message's content as one text only.
    pub text_content_only: bool,
    /// Does not take `stream_options`.
    pub no_stream_options: bool,
    /// Takes the signature of a call in `extra_content` (Google's imitation of Chat Completions).
    pub google_signatures: bool,
    /// Does not take ids of calls (Vertex AI).
    pub no_call_ids: bool,
    /// Says the model in the address, and wants this `anthropic_version` in the body instead (Vertex
    /// AI, for models of Anthropic's).
    pub anthropic_version: Option<String>,
    /// Members of the body that it refuses.
    pub refused: Vec<String>,
}

/// What a model does differently from others of its format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelTraits {
    /// The most tokens of an answer when the caller sets no bound and the format needs one.
    pub max_output_tokens: Option<u64>,
    /// Refuses `temperature`, `top_p` and `top_k`.
    pub no_sampling: bool,
    /// Thinks as it sees fit, by `effort`, and refuses a budget of tokens (Anthropic, newer
    /// models) or wants a level (Gemini 3).
    pub thinks_by_effort: bool,
    /// Takes system messages between others (Anthropic, newer models).
    pub system_in_between: bool,
    /// Cannot be made to call a tool while it thinks.
    pub no_forced_tools: bool,
}

/// A request as the provider is to get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderRequest {
    /// The body.
    pub body: String,
    /// What the body could not say.
    pub dropped: Vec<Dropped>,
    /// The tools' names, for reading the answer.
    pub names: ToolNames,
}
