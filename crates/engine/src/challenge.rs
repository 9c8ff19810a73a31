//! Whose challenge a caller gets whose own credential is what a server is called with.

use std::sync::Arc;

use http::HeaderValue;
use portcullis_core::ErrorKind;
use portcullis_credentials::{CredentialError, CredentialErrorKind, challenge_of};
use portcullis_policy::{Acting, Evidence};
use portcullis_upstream::{UpstreamError, UpstreamErrorKind};

use crate::audit::AuditGuard;
use crate::error::EngineError;
use crate::snapshot::ServerEntry;

/// Whose `WWW-Authenticate` a 401 has (RFC 9110 §15.5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// Ours: we say where to read what would help.
    Ours {
        /// Whether a token that was presented is bad (RFC 6750 §3.1: `invalid_token`).
        invalid_token: bool,
    },
    /// Whoever would exchange the caller's token wants this proved first: a claims request, base64.
    StepUp {
        /// `claims`
        claims: Arc<str>,
    },
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
    /// The challenge that goes with it; `None`: authentication is not what failed.
    pub fn challenge(&self) -> Option<Challenge> {
        if let Self::Challenged { challenge, .. } = self {
            return Some(Challenge::TheServers(challenge.clone()));
        }
        if let Some(claims) = self.step_up() {
            let claims = Arc::clone(claims);
            return Some(Challenge::StepUp { claims });
        }
        let nothing_presented = |kind| {
            matches!(
                kind,
                CredentialErrorKind::NoSubject
                    | CredentialErrorKind::NoSignIn
                    | CredentialErrorKind::NoBearer
            )
        };
        (self.kind() == ErrorKind::Unauthenticated).then(|| Challenge::Ours {
            invalid_token: !matches!(
                self,
                Self::Credential(error) if nothing_presented(error.kind)
            ),
        })
    }

    /// The same in the revisions with sessions, where most of what fails stays in-band: only of what
    /// let the caller in, and of a bearer token that the server itself is called with; and of what a
    /// caller has to sign in anew for.
    pub(crate) fn legacy_challenge(&self) -> Option<Challenge> {
        let asked_for = matches!(self, Self::NoLongerStands) || self.is_about_bearer();
        let asked_for = asked_for || self.step_up().is_some();
        self.challenge().filter(|_| asked_for)
    }

    /// What the caller would have to prove, if that is why there is no credential.
    fn step_up(&self) -> Option<&Arc<str>> {
        match self {
            Self::Credential(CredentialError {
                kind: CredentialErrorKind::SubjectRefused { .. },
                claims,
                ..
            }) => claims.as_ref(),
            _ => None,
        }
    }

    /// Whether a server that is called with callers' own bearer tokens wants another.
    fn is_about_bearer(&self) -> bool {
        match self {
            Self::Challenged { .. } => true,
            Self::Credential(error) => error.kind == CredentialErrorKind::NoBearer,
            _ => false,
        }
    }

    /// Where every server of an aggregate challenges the caller, so does the aggregate, in the words
    /// of the first.
    pub(crate) fn all_challenge<'e>(
        mut errors: impl Iterator<Item = Option<&'e Self>>,
    ) -> Option<Self> {
        let first = errors.next()??;
        let challenged = |error: Option<&Self>| error.is_some_and(Self::is_about_bearer);
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
