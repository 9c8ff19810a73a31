//! Why nothing usable came back.

use http::uri::Authority;
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

impl EgressError {
    /// A failure that no library reported.
    pub(crate) fn new(kind: EgressErrorKind, authority: &Authority) -> Self {
        Self {
            kind,
            host: authority.as_str().to_owned(),
            source: None,
        }
    }

    /// A failure with its cause.
    pub(crate) fn caused(
        kind: EgressErrorKind,
        authority: &Authority,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            kind,
            host: authority.as_str().to_owned(),
            source: Some(source.into()),
        }
    }

    /// How a surface reports it.
    pub const fn error_kind(&self) -> ErrorKind {
        self.kind.error_kind()
    }
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
    /// Refused or unreachable while connecting: the request was not sent.
    #[error("connection failed")]
    Connect,
    /// The TLS handshake or certificate check failed: the request was not sent.
    #[error("TLS failed")]
    Tls,
    /// A time limit passed.
    #[error("timed out")]
    Timeout,
    /// The body is larger than allowed.
    #[error("response too large")]
    TooLarge,
    /// The peer broke off or broke HTTP after the connection stood: the request may have been
    /// received, so it is not safe to repeat.
    #[error("connection broke")]
    Broken,
}

impl EgressErrorKind {
    /// Whether no byte of the request can have reached the peer, so that sending again is safe.
    pub const fn is_before_send(self) -> bool {
        matches!(
            self,
            Self::Blocked | Self::InvalidUrl | Self::Dns | Self::Connect | Self::Tls
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
