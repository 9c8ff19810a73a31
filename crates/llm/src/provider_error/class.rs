//! What a refusal is about.

use portcullis_core::ErrorKind;

/// What a refusal is about: which fallback applies, whether it is worth another try, and whether
/// the deployment is to be left alone for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The prompt does not fit the model's context window.
    ContextWindow,
    /// The provider's content policy.
    ContentPolicy,
    /// Too many requests or tokens.
    RateLimited,
    /// No money left with the provider.
    Quota,
    /// The provider does not accept our credential.
    Authentication,
    /// The credential may not do this.
    Permission,
    /// No such model or deployment.
    NotFound,
    /// The body is larger than the provider takes.
    TooLarge,
    /// Anything else that the provider finds wrong with the request.
    Invalid,
    /// The provider did not answer in time, by its own account.
    Timeout,
    /// The provider has too much to do.
    Overloaded,
    /// A defect of the provider's.
    Server,
    /// Something that is no answer.
    Unreadable,
    /// The stream ended before the answer.
    CutOff,
}

const CONTEXT_WINDOW: &[&str] = &[
    "context_length_exceeded",
    "context length",
    "context window",
    "context limit",
    "prompt is too long",
    "input is too long",
    "input length and `max_tokens` exceed",
    "exceeds the maximum number of tokens",
    "maximum input tokens",
    "reduce the length of the messages",
    "too many input tokens",
];

const CONTENT_POLICY: &[&str] = &[
    "content_policy_violation",
    "content_filter",
    "content filtering policy",
    "content management policy",
    "responsibleaipolicyviolation",
    "invalid_prompt",
    "safety system",
    "prohibited_content",
];

/// Google says it with 400.
const AUTHENTICATION: &[&str] = &["api_key_invalid", "api key not valid", "api key expired"];

const QUOTA: &[&str] = &[
    "insufficient_quota",
    "billing_error",
    "credit balance is too low",
    "billing_hard_limit_reached",
];

impl ErrorClass {
    pub(super) fn of(status: Option<u16>, words: &[Option<&str>], message: &str) -> Self {
        let said: Vec<String> = words
            .iter()
            .flatten()
            .copied()
            .chain([message])
            .map(str::to_ascii_lowercase)
            .collect();
        let says = |patterns: &[&str]| {
            said.iter()
                .any(|text| patterns.iter().any(|pattern| text.contains(pattern)))
        };
        // What a provider says in words is believed of requests only: a failing server's page may
        // say anything.
        if status.is_none_or(|status| matches!(status, 400 | 402 | 403 | 413 | 422 | 429)) {
            if says(CONTEXT_WINDOW) {
                return Self::ContextWindow;
            }
            if says(CONTENT_POLICY) {
                return Self::ContentPolicy;
            }
            if says(QUOTA) {
                return Self::Quota;
            }
            if says(AUTHENTICATION) {
                return Self::Authentication;
            }
        }
        let word = |name: &str| said.iter().any(|text| text == name);
        if word("overloaded_error") || word("server_is_overloaded") || word("unavailable") {
            return Self::Overloaded;
        }
        if word("rate_limit_error") || word("rate_limit_exceeded") || word("resource_exhausted") {
            return Self::RateLimited;
        }
        match status {
            Some(401) => Self::Authentication,
            Some(402) => Self::Quota,
            Some(403) => Self::Permission,
            Some(404) => Self::NotFound,
            Some(408 | 504) => Self::Timeout,
            Some(413) => Self::TooLarge,
            Some(429) => Self::RateLimited,
            Some(503 | 529) => Self::Overloaded,
            Some(500..=599) => Self::Server,
            Some(400..=499) => Self::Invalid,
            _ if word("invalid_request_error") => Self::Invalid,
            _ if word("authentication_error") => Self::Authentication,
            _ if word("permission_error") => Self::Permission,
            _ if word("not_found_error") => Self::NotFound,
            _ => Self::Server,
        }
    }

    /// The stable snake-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ContextWindow => "context_window",
            Self::ContentPolicy => "content_policy",
            Self::RateLimited => "rate_limited",
            Self::Quota => "quota",
            Self::Authentication => "authentication",
            Self::Permission => "permission",
            Self::NotFound => "not_found",
            Self::TooLarge => "too_large",
            Self::Invalid => "invalid",
            Self::Timeout => "timeout",
            Self::Overloaded => "overloaded",
            Self::Server => "server",
            Self::Unreadable => "unreadable",
            Self::CutOff => "cut_off",
        }
    }

    /// What it means to the caller. The gateway's own credential is not the caller's business: that
    /// it was refused is a refusal of the upstream.
    pub const fn kind(self) -> ErrorKind {
        match self {
            Self::ContextWindow | Self::ContentPolicy | Self::TooLarge | Self::Invalid => {
                ErrorKind::Invalid
            }
            Self::RateLimited => ErrorKind::RateLimited,
            Self::Quota | Self::Authentication | Self::Permission | Self::NotFound => {
                ErrorKind::UpstreamRefused
            }
            Self::Timeout => ErrorKind::Timeout,
            Self::Overloaded | Self::Server | Self::Unreadable | Self::CutOff => {
                ErrorKind::UpstreamUnreachable
            }
        }
    }

    /// Whether the same request may succeed at the same deployment a little later.
    pub const fn is_worth_a_retry(self) -> bool {
        matches!(
            self,
            Self::RateLimited
                | Self::Timeout
                | Self::Overloaded
                | Self::Server
                | Self::Unreadable
                | Self::CutOff
        )
    }

    /// Whether another deployment of the same model may do better.
    pub const fn is_worth_another_deployment(self) -> bool {
        !matches!(
            self,
            Self::ContextWindow | Self::ContentPolicy | Self::TooLarge | Self::Invalid
        )
    }

    /// What the caller is told, in our words.
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::ContextWindow => "the prompt does not fit the model's context window",
            Self::ContentPolicy => "the provider's content policy refuses the request",
            Self::RateLimited => "the provider takes no more requests for now",
            Self::Quota => "the provider's account has no budget left",
            Self::Authentication => "the provider does not accept the gateway's credential",
            Self::Permission => "the provider does not allow this to the gateway's credential",
            Self::NotFound => "the provider has no such model",
            Self::TooLarge => "the request is larger than the provider takes",
            Self::Invalid => "the provider finds the request invalid",
            Self::Timeout => "the provider did not answer in time",
            Self::Overloaded => "the provider is overloaded",
            Self::Server => "the provider failed",
            Self::Unreadable => "the provider's answer cannot be read",
            Self::CutOff => "the provider's answer ended too early",
        }
    }
}
