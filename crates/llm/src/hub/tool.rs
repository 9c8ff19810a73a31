//! Tools that the model may ask for.

use super::losses::Extras;
use crate::format::Format;
use crate::json::Json;

/// One tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tool {
    /// The caller runs it.
    Function(FunctionTool),
    /// One format alone has it: a provider's own tool, a grammar, an MCP server.
    Opaque {
        /// The format that has it.
        format: Format,
        /// The whole of it.
        json: Json,
        /// Where it stood.
        path: String,
    },
}

/// A tool that the caller runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionTool {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The JSON Schema of its arguments, untouched.
    pub parameters: Option<Json>,
    /// Whether the model is held to the schema.
    pub strict: Option<bool>,
    /// `cache_control` (Anthropic).
    pub cache: Option<Json>,
    /// Members without a place here.
    pub extras: Extras,
    /// Where it stood: `tools[0]`.
    pub path: String,
}

/// Which tools the model may ask for, and whether it must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it likes.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// This one.
    Function(String),
    /// Of these; all others stay listed (OpenAI `allowed_tools`).
    Allowed {
        /// Whether it must.
        required: bool,
        /// Their names.
        names: Vec<String>,
    },
}
