//! What a client is told when it is refused (RFC 6749 §4.1.2.1 and §5.2, RFC 7591 §3.2.2).

/// A registered error code, and a sentence of ours for whoever debugs the client. Neither ever holds
/// anything that the client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {description}")]
pub struct OAuthFault {
    /// `error`.
    pub code: &'static str,
    /// `error_description`.
    pub description: &'static str,
}

impl OAuthFault {
    /// This code, with these words.
    pub const fn new(code: &'static str, description: &'static str) -> Self {
        Self { code, description }
    }

    /// `invalid_request`.
    pub const fn request(description: &'static str) -> Self {
        Self::new("invalid_request", description)
    }

    /// `invalid_grant`.
    pub const fn grant(description: &'static str) -> Self {
        Self::new("invalid_grant", description)
    }

    /// `invalid_target` (RFC 8707 §2).
    pub const fn target(description: &'static str) -> Self {
        Self::new("invalid_target", description)
    }
}
