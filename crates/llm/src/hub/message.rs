//! Messages and what they are made of.

use super::losses::Extras;
use crate::format::Format;
use crate::json::Json;

/// One turn, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Whose it is. Results of tools are parts of the user's messages.
    pub role: Role,
    /// The author's name, where there are several of one role.
    pub name: Option<String>,
    /// What it says, in order.
    pub parts: Vec<Part>,
    /// Members without a place here.
    pub extras: Extras,
    /// Where it stood: `messages[2]`.
    pub path: String,
}

/// Whose message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Instructions of whoever runs the model, or of the application, in formats that know one.
    System,
    /// Instructions of the application's developer (OpenAI).
    Developer,
    /// The user, and results of tools.
    User,
    /// The model.
    Assistant,
}

/// One piece of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub content: Content,
    /// `cache_control`: the prompt up to here is to be cached (Anthropic).
    pub cache: Option<Json>,
    /// Members without a place here.
    pub extras: Extras,
    /// Where it stood: `messages[2].content[0]`.
    pub path: String,
}

impl Part {
    /// A part that this room made.
    pub fn new(content: Content) -> Self {
        Self {
            content,
            cache: None,
            extras: Extras::new(),
            path: String::new(),
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "places are made where they are handed in"
    )]
    pub(crate) fn at(content: Content, path: impl ToString) -> Self {
        Self {
            path: path.to_string(),
            ..Self::new(content)
        }
    }
}

/// What a part is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text.
    Text(String),
    /// The model's words on why it does not answer (OpenAI).
    Refusal(String),
    /// A picture.
    Image(Media),
    /// Sound.
    Audio(Media),
    /// A file.
    Document(Document),
    /// What the model thought.
    Thinking(Thinking),
    /// The model wants a tool called.
    ToolCall(ToolCall),
    /// What a tool answered.
    ToolResult(ToolResult),
    /// Something that one format alone has: only that format is told.
    Opaque {
        /// The format that has it.
        format: Format,
        /// The whole of it.
        json: Json,
    },
}

/// A picture or a sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Where its bytes are.
    pub source: Source,
    /// How closely to look: `low`, `high`, `auto` (OpenAI).
    pub detail: Option<String>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Where its bytes are.
    pub source: Source,
    /// Its name.
    pub name: Option<String>,
}

/// Where bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Here, in base64.
    Base64 {
        /// Their media type.
        media_type: String,
        /// The bytes, encoded.
        data: String,
    },
    /// Here, as plain text.
    Text(String),
    /// Behind an address that the provider fetches. This gateway never does.
    Url(String),
    /// In the provider's own store, under this id.
    FileId(String),
}

/// What the model thought, with the proof that it was the model that thought it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thinking {
    /// The format it came in. It is only given back to a provider of the same, because seals are
    /// good there alone.
    pub maker: Format,
    /// The words; empty when they are withheld.
    pub text: String,
    /// The proof.
    pub seal: Seal,
}

/// The proof of a thought's origin. Opaque; passed on as it came.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Seal {
    /// None.
    #[default]
    None,
    /// The words' signature (Anthropic `thinking`).
    Signature(String),
    /// The words themselves, encrypted (Anthropic `redacted_thinking`).
    Redacted(String),
    /// An item of the Responses format.
    Item {
        /// `id`.
        id: Option<String>,
        /// `encrypted_content`.
        encrypted: Option<String>,
    },
}

/// The model wants a tool called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// Which call, so that its result finds it. Without a signature in it.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments as the model wrote them: JSON, unless it erred. Empty means none.
    pub arguments: String,
    /// The thought behind the call (Gemini `thoughtSignature`), to be given back with it.
    pub signature: Option<String>,
}

/// What a tool answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolResult {
    /// Which call.
    pub call_id: String,
    /// The tool's name, where the format says it.
    pub name: Option<String>,
    /// The answer.
    pub parts: Vec<Part>,
    /// Whether the tool failed.
    pub is_error: bool,
}
