//! Whose challenge a caller gets whose own credential is what a server is called with.

use http::HeaderValue;
use portcullis_credentials::{CredentialErrorKind, challenge_of};
use portcullis_policy::{Acting, Evidence};
use portcullis_upstream::{UpstreamError, UpstreamErrorKind};

use crate::audit::AuditGuard;
use crate::error::EngineError;
use crate::snapshot::ServerEntry;

/// A 401 that is about the caller's own bearer token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// The caller brought none: we say where to read what would help.
    Ours,
    /// The server refused what the caller brought, or that it brought nothing: it says so itself.
    TheServers(HeaderValue),
}

impl Challenge {
    /// Puts it on record: the server was asked, also where that was for its lists.
    pub fn record(&self, audit: &mut AuditGuard) {
        if let Self::TheServers(_) = self {
            audit.upstream_status(401);
        }
    }
}

/// What a failed request to a server comes to. A server that refuses the caller's own bearer token
/// challenges the caller; a credential of ours is our affair.
pub(crate) fn refused(
    entry: &ServerEntry,
    evidence: &Evidence,
    error: UpstreamError,
) -> EngineError {
    let of_caller = entry.auth.auth.passes_through() && *evidence.acting() != Acting::Service;
    if error.kind == UpstreamErrorKind::Unauthorized && of_caller {
        return EngineError::Challenged {
            server: entry.id.clone(),
            challenge: challenge_of(&error.challenge),
        };
    }
    error.into()
}

impl EngineError {
    /// The challenge that goes with it.
    pub fn challenge(&self) -> Option<Challenge> {
        match self {
            Self::Challenged { challenge, .. } => Some(Challenge::TheServers(challenge.clone())),
            Self::Credential(error) if error.kind == CredentialErrorKind::NoBearer => {
                Some(Challenge::Ours)
            }
            _ => None,
        }
    }

    /// Where every server of an aggregate challenges the caller, so does the aggregate, in the words
    /// of the first.
    pub(crate) fn all_challenge<'e>(
        mut errors: impl Iterator<Item = Option<&'e Self>>,
    ) -> Option<Self> {
        let first = errors.next()??;
        let challenged =
            |error: Option<&Self>| error.is_some_and(|error| error.challenge().is_some());
        if !challenged(Some(first)) || !errors.all(challenged) {
            return None;
        }
        match first {
            Self::Challenged { server, challenge } => Some(Self::Challenged {
                server: server.clone(),
                challenge: challenge.clone(),
            }),
            Self::Credential(error) => Some(Self::Credential(error.without_cause())),
            _ => None,
        }
    }
}
