//! An error in the caller's format.

use portcullis_core::ErrorKind;

use crate::error::LlmError;
use crate::format::Format;
use crate::json::ObjectText;
use crate::provider_error::{ErrorClass, ProviderError};

/// What a caller is told. `message` is always ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerError {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// What a provider's refusal is about, if it is one.
    pub class: Option<ErrorClass>,
    /// What is wrong, and what to do.
    pub message: String,
    /// A registered code; the provider's own, where it is a plain word.
    pub code: Option<String>,
    /// Which member of the body it is about.
    pub param: Option<String>,
    /// The request's id, by which the operator finds it.
    pub request_id: String,
}

impl CallerError {
    /// An error of the gateway's.
    pub fn new(kind: ErrorKind, message: impl Into<String>, request_id: &str) -> Self {
        Self {
            kind,
            class: None,
            message: message.into(),
            code: None,
            param: None,
            request_id: request_id.to_owned(),
        }
    }

    /// A request that cannot be translated, or an answer.
    pub fn of_translation(error: &LlmError, request_id: &str) -> Self {
        Self {
            param: error.param().map(str::to_owned),
            ..Self::new(error.kind(), error.to_string(), request_id)
        }
    }

    /// A provider's refusal, in our words, with its code.
    pub fn of_provider(error: &ProviderError, request_id: &str) -> Self {
        Self {
            class: Some(error.class),
            code: error.code.clone(),
            param: error.param.clone(),
            ..Self::new(error.kind(), error.class.explanation(), request_id)
        }
    }

    /// The HTTP status (RFC 9110 §15); in a stream it is sent no more.
    pub const fn status(&self) -> u16 {
        match self.class {
            Some(ErrorClass::TooLarge) => return 413,
            Some(ErrorClass::Overloaded) => return 503,
            _ => {}
        }
        match self.kind {
            ErrorKind::Unauthenticated => 401,
            ErrorKind::Forbidden | ErrorKind::ConsentRequired | ErrorKind::ApprovalRequired => 403,
            ErrorKind::NotFound => 404,
            ErrorKind::Invalid => 400,
            ErrorKind::Conflict => 409,
            ErrorKind::RateLimited => 429,
            ErrorKind::UpstreamRefused | ErrorKind::UpstreamUnreachable => 502,
            ErrorKind::Timeout => 504,
            ErrorKind::Unavailable => 503,
            ErrorKind::Internal => 500,
        }
    }

    /// The value of `x-should-retry`, which OpenAI's and Anthropic's clients obey: a denial does not
    /// change by asking again, a limit does.
    pub const fn should_retry(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::RateLimited
                | ErrorKind::UpstreamUnreachable
                | ErrorKind::Timeout
                | ErrorKind::Unavailable
        )
    }

    /// The body.
    pub fn body(&self, format: Format) -> String {
        match format {
            Format::ChatCompletions | Format::Responses => self.openai(),
            Format::Messages => self.anthropic(),
            Format::GenerateContent => self.google(),
        }
    }

    fn text(&self) -> String {
        format!("{} (request {})", self.message, self.request_id)
    }

    /// The code that clients look for in these two cases, whatever the provider called it.
    pub(crate) fn openai_code(&self) -> Option<&str> {
        match self.class {
            Some(ErrorClass::ContextWindow) => Some("context_length_exceeded"),
            Some(ErrorClass::ContentPolicy) => Some("content_policy_violation"),
            _ => self.code.as_deref(),
        }
    }

    /// `{"error": {message, type, param, code}}`.
    fn openai(&self) -> String {
        let kind = match self.kind {
            ErrorKind::Unauthenticated => "authentication_error",
            ErrorKind::Forbidden | ErrorKind::ConsentRequired | ErrorKind::ApprovalRequired => {
                "permission_error"
            }
            ErrorKind::NotFound => "not_found_error",
            ErrorKind::Invalid | ErrorKind::Conflict => "invalid_request_error",
            ErrorKind::RateLimited => "rate_limit_error",
            ErrorKind::Timeout => "timeout_error",
            ErrorKind::UpstreamRefused
            | ErrorKind::UpstreamUnreachable
            | ErrorKind::Unavailable
            | ErrorKind::Internal => "api_error",
        };
        let mut error = ObjectText::new();
        error.string("message", &self.text()).string("type", kind);
        for (name, value) in [
            ("param", self.param.as_deref()),
            ("code", self.openai_code()),
        ] {
            match value {
                Some(value) => error.string(name, value),
                None => error.raw(name, "null"),
            };
        }
        let mut body = ObjectText::new();
        body.raw("error", &error.finish());
        body.finish()
    }

    /// `{"type": "error", "error": {type, message}, "request_id"}`.
    fn anthropic(&self) -> String {
        let kind = match (self.class, self.kind) {
            (Some(ErrorClass::TooLarge), _) => "request_too_large",
            (Some(ErrorClass::Overloaded), _) | (_, ErrorKind::Unavailable) => "overloaded_error",
            (_, ErrorKind::Unauthenticated) => "authentication_error",
            (
                _,
                ErrorKind::Forbidden | ErrorKind::ConsentRequired | ErrorKind::ApprovalRequired,
            ) => "permission_error",
            (_, ErrorKind::NotFound) => "not_found_error",
            (_, ErrorKind::Invalid | ErrorKind::Conflict) => "invalid_request_error",
            (_, ErrorKind::RateLimited) => "rate_limit_error",
            (_, ErrorKind::Timeout) => "timeout_error",
            (
                _,
                ErrorKind::UpstreamRefused | ErrorKind::UpstreamUnreachable | ErrorKind::Internal,
            ) => "api_error",
        };
        let message = match &self.param {
            Some(param) => format!("{param}: {}", self.text()),
            None => self.text(),
        };
        let mut error = ObjectText::typed(kind);
        error.string("message", &message);
        let mut body = ObjectText::typed("error");
        body.raw("error", &error.finish())
            .string("request_id", &self.request_id);
        body.finish()
    }

    /// `{"error": {code, message, status}}`.
    fn google(&self) -> String {
        let status = match self.kind {
            ErrorKind::Unauthenticated => "UNAUTHENTICATED",
            ErrorKind::Forbidden | ErrorKind::ConsentRequired | ErrorKind::ApprovalRequired => {
                "PERMISSION_DENIED"
            }
            ErrorKind::NotFound => "NOT_FOUND",
            ErrorKind::Invalid => "INVALID_ARGUMENT",
            ErrorKind::Conflict => "ABORTED",
            ErrorKind::RateLimited => "RESOURCE_EXHAUSTED",
            ErrorKind::Timeout => "DEADLINE_EXCEEDED",
            ErrorKind::UpstreamRefused
            | ErrorKind::UpstreamUnreachable
            | ErrorKind::Unavailable => "UNAVAILABLE",
            ErrorKind::Internal => "INTERNAL",
        };
        let mut error = ObjectText::new();
        error
            .number("code", u64::from(self.status()))
            .string("message", &self.text())
            .string("status", status);
        let mut body = ObjectText::new();
        body.raw("error", &error.finish());
        body.finish()
    }
}
