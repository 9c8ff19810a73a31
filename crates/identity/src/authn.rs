//! From a credential to a principal. There is no path from doubt to a principal.

use async_trait::async_trait;
use portcullis_core::{ApiKey, ErrorKind, LevelKind, Principal, SubjectToken};
use portcullis_oauth::jose::TokenFault;
use std::sync::Arc;
use std::time::Duration;

use crate::{Arrival, KeyHolder, Revoke, Told};

/// The one gateway credential of a request, as extracted from its headers.
#[derive(Clone, Debug)]
pub struct Presented {
    source: CredentialSource,
    key: ApiKey,
    fingerprint: [u8; 32],
    arrival: Arrival,
}

/// Where a credential stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// `x-litellm-api-key` (or `x-portcullis-api-key`).
    KeyHeader,
    /// `Authorization: Bearer …`.
    Bearer,
}

/// A verified caller.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// Who.
    pub principal: Arc<Principal>,
}

/// Why nobody was recognised. Callers learn only the kind; the reason is for the audit event.
#[derive(Debug, thiserror::Error)]
#[error("not authenticated: {reason}", reason = .kind.as_str())]
pub struct AuthnError {
    /// Which way it failed.
    pub kind: AuthnErrorKind,
}

impl From<AuthnErrorKind> for AuthnError {
    fn from(kind: AuthnErrorKind) -> Self {
        Self { kind }
    }
}

impl From<TokenFault> for AuthnError {
    fn from(fault: TokenFault) -> Self {
        AuthnErrorKind::Token(fault).into()
    }
}

impl AuthnError {
    /// How a surface reports it.
    pub const fn error_kind(&self) -> ErrorKind {
        self.kind.error_kind()
    }
}

impl Presented {
    /// A credential from there. Its fingerprint is taken here, once for all who ask for it.
    pub fn new(source: CredentialSource, key: ApiKey) -> Self {
        Self {
            fingerprint: key.fingerprint(),
            source,
            key,
            arrival: Arrival::default(),
        }
    }

    /// The same, in a request that came so.
    #[must_use]
    pub fn arriving(self, arrival: &Arrival) -> Self {
        Self {
            arrival: arrival.clone(),
            ..self
        }
    }

    /// How the request came.
    pub const fn arrival(&self) -> &Arrival {
        &self.arrival
    }

    /// Where it stood.
    pub const fn source(&self) -> CredentialSource {
        self.source
    }

    /// The key or token, wherever it came from.
    pub const fn key(&self) -> &ApiKey {
        &self.key
    }

    /// The SHA-256 of the whole text.
    pub const fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }
}

/// The ways of not being recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthnErrorKind {
    /// No credential at all.
    Missing,
    /// More than one, or one that cannot be told apart: refused as a bad request.
    Ambiguous,
    /// Not of any form that we issue (a typo: bad prefix or checksum).
    Malformed,
    /// Well-formed, and nobody's.
    Unknown,
    /// Was valid until its expiry.
    Expired,
    /// Was revoked.
    Revoked,
    /// A token of an issuer's, which is not believed for this reason.
    Token(TokenFault),
    /// A certificate that no rule names.
    CertificateUnknown,
    /// A certificate that is over, or has not begun.
    CertificateOver,
    /// The store or the issuer that would know is down or too stale: the closed answer.
    Unavailable,
    /// The credential names a team, an organization or a person that is not defined, although others are.
    Undefined(LevelKind),
    /// What the credential names, or the end user, is blocked.
    Blocked(LevelKind),
    /// What is known of one that the credential names cannot be believed.
    UnreadableLevel(LevelKind),
    /// The key's person is not among the members of the key's team.
    NotAMember,
    /// Too many callers of its network have tokens asked about at one time.
    NoTurn,
}

impl AuthnErrorKind {
    /// The stable reason in audit events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Ambiguous => "ambiguous_credentials",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Token(fault) => fault.as_str(),
            Self::CertificateUnknown => "certificate_unknown",
            Self::CertificateOver => "certificate_over",
            Self::Unavailable => "unavailable",
            Self::Undefined(kind) => match kind {
                LevelKind::Team => "team_undefined",
                LevelKind::Organization => "organization_undefined",
                LevelKind::User => "user_undefined",
                LevelKind::EndUser | LevelKind::Request => "end_user_undefined",
            },
            Self::Blocked(kind) => match kind {
                LevelKind::Team => "team_blocked",
                LevelKind::Organization => "organization_blocked",
                LevelKind::User => "user_blocked",
                LevelKind::EndUser | LevelKind::Request => "end_user_blocked",
            },
            Self::UnreadableLevel(kind) => match kind {
                LevelKind::Team => "team_unreadable",
                LevelKind::Organization => "organization_unreadable",
                LevelKind::User => "user_unreadable",
                LevelKind::EndUser | LevelKind::Request => "end_user_unreadable",
            },
            Self::NotAMember => "not_a_member",
            Self::NoTurn => "no_turn",
        }
    }

    /// How a surface reports it.
    pub const fn error_kind(self) -> ErrorKind {
        match self {
            Self::Ambiguous => ErrorKind::Invalid,
            Self::Unavailable | Self::NoTurn | Self::UnreadableLevel(_) => ErrorKind::Unavailable,
            Self::Undefined(_) | Self::Blocked(_) | Self::NotAMember => ErrorKind::Forbidden,
            _ => ErrorKind::Unauthenticated,
        }
    }
}

/// One way of recognising callers; tried in order by the shared helper.
#[async_trait]
pub trait Authenticator: Send + Sync + std::fmt::Debug {
    /// `Ok(None)`: this credential is not of a form that this authenticator knows, try the next.
    /// `Err`: it is, and it does not verify; nothing else is tried.
    async fn authenticate(
        &self,
        presented: &Presented,
    ) -> Result<Option<Authenticated>, AuthnError>;

    /// Whether this opens our door, or once did, told without showing it to anybody else.
    async fn recognises(&self, presented: &Presented) -> bool {
        match self.authenticate(presented).await {
            Ok(found) => found.is_some(),
            Err(error) => !error.kind.is_foreign(),
        }
    }

    /// What is told of an opaque token that came beside a key, and by which issuer; `None` where it
    /// asks none.
    async fn tells_of(&self, _: &SubjectToken) -> Result<Option<(&str, Told)>, AuthnError> {
        Ok(None)
    }

    /// Whether what it knows are keys of ours, told without asking anybody else.
    fn knows_keys(&self) -> bool {
        true
    }

    /// Whom the key of somebody who signed in with it stands for by now. `None`: it is not a key that
    /// it knows.
    async fn still(&self, _: &KeyHolder) -> Option<Result<Arc<Principal>, AuthnErrorKind>> {
        None
    }

    /// Whom the key of this id, or under this alias, stands for by now. For administrators who ask about
    /// somebody else: nobody is let in by it. `None`: it is not a key that it knows.
    fn named(&self, _: &str) -> Option<Result<Arc<Principal>, AuthnErrorKind>> {
        None
    }

    /// Whether the configuration gave it the key or the issuer that a revocation names, and how far
    /// that one's clock may differ.
    fn knows(&self, _: &Revoke) -> Option<Duration> {
        None
    }
}
