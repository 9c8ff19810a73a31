//! Why an upstream gave no usable answer.

use http::HeaderMap;
use http::header::{HeaderValue, WWW_AUTHENTICATE};
use portcullis_core::{ErrorKind, ServerId};
use portcullis_egress::{EgressError, EgressErrorKind};

use crate::transport::NotPresented;

/// A failed upstream request. The text is for the operator; callers get the kind.
#[derive(Debug, thiserror::Error)]
#[error("server `{server}`: {kind}")]
pub struct UpstreamError {
    /// Which server.
    pub server: ServerId,
    /// Which way it failed.
    pub kind: UpstreamErrorKind,
    /// Its `WWW-Authenticate` values, with a 401 or 403.
    pub challenge: Box<[HeaderValue]>,
    /// Our id of the request in its session, where the server may be busy with it still: nobody waits for
    /// the answer any more, and nobody has told it so.
    pub unanswered: Option<i64>,
    /// The cause, when a library reported one.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The ways an upstream fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamErrorKind {
    /// It refused our credential with 401.
    #[error("refused the credential (401)")]
    Unauthorized,
    /// It does not take our keys any more; nothing was executed.
    #[error("does not know our keys, or says that they have ended (403)")]
    KeysRefused,
    /// It calculated another signature; nothing was executed.
    #[error(
        "refused the signature (403): look at the clock, aws_region_name, aws_service_name and the secret key"
    )]
    SignatureRefused,
    /// The credential could not be put on the request; nothing was sent.
    #[error("was not asked: the credential cannot be put on the request")]
    NotPresented,
    /// It refused what was asked with 403.
    #[error("refused the request (403)")]
    Forbidden,
    /// It asked to slow down.
    #[error("asked to slow down (429)")]
    RateLimited,
    /// It no longer knows the session; nothing was executed.
    #[error("no longer knows the session")]
    SessionLost,
    /// It does not speak a revision of this era.
    #[error("does not speak a revision of the caller's era")]
    Era,
    /// It wants to speak a revision that is not spoken here.
    #[error("wants to speak a revision that is not spoken here (2024-11-05, or an unknown one)")]
    Revision,
    /// Any other HTTP status that carries no JSON-RPC answer.
    #[error("answered HTTP {0}")]
    Status(u16),
    /// The answer is not MCP.
    #[error("answered something that is not MCP")]
    BadAnswer,
    /// Its program cannot be started.
    #[error("cannot be started: look at its `command`, and at `PATH` in its `env`")]
    NotStarted,
    /// Its program ended again and again, and is left alone for a while.
    #[error("ended again and again, and is started anew later")]
    Resting,
    /// There are as many processes as there may be.
    #[error(
        "cannot be started: as many processes run as `general_settings.max_stdio_processes` allows in all, or a quarter of that for one caller"
    )]
    TooManyProcesses,
    /// It names another origin as the address for messages.
    #[error("names another origin as the address for its messages")]
    ForeignEndpoint,
    /// The answer repeats the credential that we presented.
    #[error("repeated our credential in its answer")]
    Revealing,
    /// The answer is larger than allowed.
    #[error("answered more than allowed")]
    TooLarge,
    /// Its OpenAPI document cannot be read, or not be used.
    #[error("has no OpenAPI document that can be used")]
    Document,
    /// The stream ended before the answer.
    #[error("broke off before the answer")]
    Broken,
    /// No connection, or none that may be opened.
    #[error("is unreachable ({0})")]
    Unreachable(EgressErrorKind),
    /// Took too long.
    #[error("took too long")]
    Timeout,
    /// One more session with it would be more than are kept, and every other one is just being
    /// opened.
    #[error("has more sessions being opened with it than are kept")]
    TooManySessions,
    /// The permit names another server.
    #[error("was called with a permit for another server")]
    WrongPermit,
}

impl UpstreamErrorKind {
    /// Whether the server refused the credential before it did anything, and another one may do.
    pub const fn refuses_credential(self) -> bool {
        matches!(self, Self::Unauthorized | Self::KeysRefused)
    }

    /// Whether nothing of the request has left the house for certain.
    pub const fn is_before_send(self) -> bool {
        matches!(
            self,
            Self::Unreachable(_)
                | Self::NotStarted
                | Self::Document
                | Self::Resting
                | Self::TooManyProcesses
                | Self::TooManySessions
                | Self::NotPresented
                | Self::WrongPermit
        )
    }

    /// Whether the server took the credential, and does not let it do this.
    pub const fn refuses_operation(self) -> bool {
        matches!(self, Self::Forbidden)
    }
}

/// Most values of `WWW-Authenticate` that are looked at.
const MOST_CHALLENGES: usize = 4;

impl UpstreamError {
    pub(crate) fn new(server: &ServerId, kind: UpstreamErrorKind) -> Self {
        Self {
            server: server.clone(),
            kind,
            challenge: Box::default(),
            unanswered: None,
            source: None,
        }
    }

    pub(crate) fn not_presented(server: &ServerId, error: NotPresented) -> Self {
        Self {
            source: Some(error.0),
            ..Self::new(server, UpstreamErrorKind::NotPresented)
        }
    }

    pub(crate) fn egress(server: &ServerId, error: EgressError) -> Self {
        let kind = match error.kind {
            EgressErrorKind::Timeout => UpstreamErrorKind::Timeout,
            EgressErrorKind::TooLarge => UpstreamErrorKind::TooLarge,
            EgressErrorKind::Broken => UpstreamErrorKind::Broken,
            other => UpstreamErrorKind::Unreachable(other),
        };
        Self {
            server: server.clone(),
            kind,
            challenge: Box::default(),
            unanswered: None,
            source: Some(Box::new(error)),
        }
    }

    /// The same, with what the response's head says of why.
    pub(crate) fn challenging(mut self, headers: &HeaderMap) -> Self {
        let values = headers.get_all(WWW_AUTHENTICATE).iter();
        self.challenge = values.take(MOST_CHALLENGES).cloned().collect();
        self
    }

    /// How a surface reports it.
    pub const fn error_kind(&self) -> ErrorKind {
        match self.kind {
            UpstreamErrorKind::Unauthorized
            | UpstreamErrorKind::Forbidden
            | UpstreamErrorKind::KeysRefused
            | UpstreamErrorKind::SignatureRefused
            | UpstreamErrorKind::RateLimited
            | UpstreamErrorKind::Era
            | UpstreamErrorKind::Revision
            | UpstreamErrorKind::Status(_) => ErrorKind::UpstreamRefused,
            UpstreamErrorKind::SessionLost
            | UpstreamErrorKind::BadAnswer
            | UpstreamErrorKind::Document
            | UpstreamErrorKind::NotStarted
            | UpstreamErrorKind::Resting
            | UpstreamErrorKind::ForeignEndpoint
            | UpstreamErrorKind::Revealing
            | UpstreamErrorKind::TooLarge
            | UpstreamErrorKind::Broken
            | UpstreamErrorKind::Unreachable(_) => ErrorKind::UpstreamUnreachable,
            UpstreamErrorKind::Timeout => ErrorKind::Timeout,
            UpstreamErrorKind::TooManySessions | UpstreamErrorKind::TooManyProcesses => {
                ErrorKind::Unavailable
            }
            UpstreamErrorKind::WrongPermit | UpstreamErrorKind::NotPresented => ErrorKind::Internal,
        }
    }

    /// The word of LiteLLM's `server_outcomes` for it.
    pub const fn outcome(&self) -> &'static str {
        match self.kind {
            UpstreamErrorKind::Unauthorized
            | UpstreamErrorKind::KeysRefused
            | UpstreamErrorKind::SignatureRefused => "auth_required",
            UpstreamErrorKind::Forbidden => "forbidden",
            UpstreamErrorKind::RateLimited
            | UpstreamErrorKind::TooManySessions
            | UpstreamErrorKind::TooManyProcesses => "rate_limited",
            UpstreamErrorKind::Timeout => "timeout",
            UpstreamErrorKind::Unreachable(_)
            | UpstreamErrorKind::Broken
            | UpstreamErrorKind::NotStarted
            | UpstreamErrorKind::Resting => "unreachable",
            UpstreamErrorKind::WrongPermit | UpstreamErrorKind::NotPresented => "internal",
            _ => "upstream_error",
        }
    }

    /// The upstream's HTTP status, where it gave one.
    pub const fn status(&self) -> Option<u16> {
        match self.kind {
            UpstreamErrorKind::Unauthorized => Some(401),
            UpstreamErrorKind::Forbidden
            | UpstreamErrorKind::KeysRefused
            | UpstreamErrorKind::SignatureRefused => Some(403),
            UpstreamErrorKind::RateLimited => Some(429),
            UpstreamErrorKind::SessionLost => Some(404),
            UpstreamErrorKind::Status(status) => Some(status),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_never_left_is_before_the_sending() {
        for (kind, before) in [
            (
                UpstreamErrorKind::Unreachable(EgressErrorKind::Connect),
                true,
            ),
            (UpstreamErrorKind::NotStarted, true),
            (UpstreamErrorKind::Resting, true),
            (UpstreamErrorKind::TooManyProcesses, true),
            (UpstreamErrorKind::TooManySessions, true),
            (UpstreamErrorKind::NotPresented, true),
            (UpstreamErrorKind::Broken, false),
            (UpstreamErrorKind::TooLarge, false),
            (UpstreamErrorKind::BadAnswer, false),
            (UpstreamErrorKind::Revealing, false),
            (UpstreamErrorKind::SessionLost, false),
            (UpstreamErrorKind::Timeout, false),
            (UpstreamErrorKind::Status(500), false),
        ] {
            assert_eq!(kind.is_before_send(), before, "{kind}");
        }
    }
}
