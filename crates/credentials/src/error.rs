//! Why there is no credential to present.

use portcullis_core::ErrorKind;

/// No credential. The text is for the operator and names no secret and nothing that the token
/// endpoint said in prose.
#[derive(Debug, thiserror::Error)]
#[error("no credential for server `{server}`: {kind}")]
pub struct CredentialError {
    /// The server.
    pub server: portcullis_core::ServerId,
    /// Which way it failed.
    pub kind: CredentialErrorKind,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The ways of having no credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialErrorKind {
    /// The token endpoint refused us; `code` is the registered OAuth error code, if it sent one.
    #[error("the token endpoint refused the client (HTTP {status}{})", code.map(|code| format!(", {code}")).unwrap_or_default())]
    Refused {
        /// HTTP status.
        status: u16,
        /// The RFC 6749 §5.2 code.
        code: Option<&'static str>,
    },
    /// It did not answer, or answered 5xx or 429; trying later may help.
    #[error("the token endpoint is unavailable")]
    Unavailable,
    /// It answered something that is not a token response.
    #[error("the token endpoint's answer is not a token response")]
    BadResponse,
    /// The token endpoint could not be discovered.
    #[error("no token endpoint could be discovered (set token_url)")]
    NotDiscovered,
}

impl CredentialError {
    /// How a surface reports it.
    pub const fn error_kind(&self) -> ErrorKind {
        match self.kind {
            CredentialErrorKind::Refused { .. }
            | CredentialErrorKind::BadResponse
            | CredentialErrorKind::NotDiscovered => ErrorKind::UpstreamRefused,
            CredentialErrorKind::Unavailable => ErrorKind::Unavailable,
        }
    }
}
