//! What can be wrong with a request, and with what a provider answers.

use portcullis_core::ErrorKind;

use crate::json::JsonError;

/// Why a message cannot be translated. The texts name places and what belongs there, never what
/// stands there: it may be a prompt.
#[derive(Debug, thiserror::Error)]
pub enum LlmError {
    /// The caller's body is not JSON.
    #[error("the body is {0}")]
    Json(#[source] JsonError),
    /// A member of the caller's body is not what its dialect says.
    #[error("{path} must be {expected}")]
    Invalid {
        /// Where in the body.
        path: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// The body asks for what the chosen provider's format cannot say.
    #[error("{path} cannot be served: {reason}")]
    Unsupported {
        /// Where in the body.
        path: String,
        /// Why not, and what to write instead.
        reason: &'static str,
    },
    /// The provider's answer is not what its format says.
    #[error("the provider's answer is not understood: {path} must be {expected}")]
    Answer {
        /// Where in the answer; empty for the whole of it.
        path: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// The provider's stream holds an event that is larger than allowed.
    #[error("the provider's stream holds an event of more than {limit_bytes} bytes")]
    EventTooLarge {
        /// The limit that it broke.
        limit_bytes: usize,
    },
}

impl LlmError {
    /// What it means to the caller.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Json(_) | Self::Invalid { .. } | Self::Unsupported { .. } => ErrorKind::Invalid,
            Self::Answer { .. } | Self::EventTooLarge { .. } => ErrorKind::UpstreamUnreachable,
        }
    }

    /// The member of the caller's body that it is about.
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::Invalid { path, .. } | Self::Unsupported { path, .. } => Some(path)
                .filter(|path| !path.is_empty())
                .map(String::as_str),
            Self::Json(_) | Self::Answer { .. } | Self::EventTooLarge { .. } => None,
        }
    }

    /// The same fault, found in an answer rather than in a request.
    pub(crate) fn in_answer(self) -> Self {
        match self {
            Self::Json(_) => Self::Answer {
                path: String::new(),
                expected: "a JSON object",
            },
            Self::Invalid { path, expected } => Self::Answer { path, expected },
            Self::Unsupported { path, .. } => Self::Answer {
                path,
                expected: "of a known kind",
            },
            other => other,
        }
    }
}
