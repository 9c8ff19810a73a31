//! Why nothing usable came back.

use portcullis_core::ErrorKind;

/// A failed exchange. `Display` names host and class for the operator; callers get only the kind.
#[derive(Debug, thiserror::Error)]
#[error("{kind} ({host})")]
pub struct EgressError {
    /// Which way it failed.
    pub kind: EgressErrorKind,
    /// Host and port, never the path, query or userinfo.
    pub host: String,
    /// The cause, when a library reported one.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The ways an exchange fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum EgressErrorKind {
    /// The address class, scheme or port is not allowed; no connection was opened.
    #[error("destination not allowed")]
    Blocked,
    /// The URL cannot be requested at all.
    #[error("invalid URL")]
    InvalidUrl,
    /// Name resolution failed.
    #[error("name resolution failed")]
    Dns,
    /// Refused, unreachable or reset before the head.
    #[error("connection failed")]
    Connect,
    /// The TLS handshake or certificate check failed.
    #[error("TLS failed")]
    Tls,
    /// A time limit passed.
    #[error("timed out")]
    Timeout,
    /// The body is larger than allowed.
    #[error("response too large")]
    TooLarge,
    /// The peer broke off or broke HTTP.
    #[error("connection broke")]
    Broken,
}

impl EgressErrorKind {
    /// Whether no byte of the request can have reached the peer, so that sending again is safe.
    pub const fn is_before_send(self) -> bool {
        matches!(
            self,
            Self::Blocked | Self::InvalidUrl | Self::Dns | Self::Tls
        )
    }

    /// How a surface reports it.
    pub const fn error_kind(self) -> ErrorKind {
        match self {
            Self::Timeout => ErrorKind::Timeout,
            _ => ErrorKind::UpstreamUnreachable,
        }
    }
}
