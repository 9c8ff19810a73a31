//! Why there is no credential to present.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{ErrorKind, ServerId};
use portcullis_egress::{EgressError, EgressErrorKind};

/// No credential. The text is for the operator and names no secret and nothing that the token
/// endpoint said in prose.
#[derive(Debug, thiserror::Error)]
#[error("no credential for server `{server}`: {kind}")]
pub struct CredentialError {
    /// The server.
    pub server: ServerId,
    /// Which way it failed.
    pub kind: CredentialErrorKind,
    /// What the token endpoint wants the caller to prove before it takes the caller's token: a claims
    /// request, read and written anew.
    pub claims: Option<Arc<str>>,
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
    /// The request brought no token to act with.
    #[error("the caller sent no token of their own to act with")]
    NoSubject,
    /// The server is called as whoever signed in, and there is nothing of a sign-in to act with.
    #[error(
        "the caller's client was not let in by a sign-in with the provider, or what the provider said then has ended"
    )]
    NoSignIn,
    /// The request brought no bearer token of the caller's own to be passed through.
    #[error("the caller sent no bearer token of their own")]
    NoBearer,
    /// The caller's token is over.
    #[error("the caller's token has ended")]
    SubjectEnded,
    /// The token endpoint refused the caller's token.
    #[error("the token endpoint refused the caller's token{}", code.map(|code| format!(" ({code})")).unwrap_or_default())]
    SubjectRefused {
        /// The registered code.
        code: Option<&'static str>,
    },
    /// No key was set apart for whoever acts.
    #[error("no key of this server was set apart for whoever acts")]
    NoKey,
    /// The caller's token is not believed.
    #[error("the caller's token was not verified")]
    SubjectNotVerified,
    /// Whoever verifies callers' tokens does not answer.
    #[error("the caller's token cannot be verified now")]
    Unverifiable,
    /// The caller's token says less than the operator requires.
    #[error("the caller's token does not say what the signer needs")]
    SubjectLacksClaims,
    /// The caller's token carries none of the scopes that would be asked for, or does not say which.
    #[error(
        "the caller's token carries none of the scopes that are asked for (scopes_within_subject)"
    )]
    SubjectLacksScopes,
    /// What was granted is worth more than what was asked for.
    #[error("the token endpoint granted more scopes than were asked for")]
    MoreThanAsked,
    /// Nothing could be signed: there is no key, or what is to be said does not fit.
    #[error("the request cannot be signed")]
    CannotSign,
    /// It breaks a rule of `token_validation`.
    #[error("the token response breaks a rule of token_validation")]
    RuleBroken,
    /// Its address is not one that this configuration may reach.
    #[error("the token endpoint's address is not allowed")]
    NotAllowed,
    /// The token endpoint could not be discovered.
    #[error(
        "no token endpoint could be discovered (write it down: `token_url`, or the endpoints of `oauth2_id_jag`)"
    )]
    NotDiscovered,
    /// We have no client at the server's authorization server, and could not register one.
    #[error(
        "no OAuth client could be registered with the server's authorization server (register one there, and write `client_id`, and `client_secret` if it has one)"
    )]
    NotRegistered,
    /// The server names another authorization server than the one that the file's client belongs to,
    /// as far as is known.
    #[error(
        "the server names another authorization server than the one that its `client_id` was first used with, and the client's secret is not shown to it (if it has moved, write `issuer`, or `authorization_url` and `token_url`)"
    )]
    OtherAuthorizationServer,
    /// The server's authorization server does not say that it takes PKCE with S256.
    #[error(
        "the server's authorization server does not announce PKCE with S256 (code_challenge_methods_supported), without which nobody is sent there"
    )]
    NoPkce,
    /// The Security Token Service refused us; `code` is its error code, if it is a known one.
    #[error("AWS refused to give keys (HTTP {status}{})", code.map(|code| format!(", {code}")).unwrap_or_default())]
    AwsRefused {
        /// HTTP status.
        status: u16,
        /// The code.
        code: Option<&'static str>,
    },
    /// The file that holds the web identity's token cannot be used.
    #[error("the web identity's token cannot be had (aws_web_identity_token_file)")]
    NoWebIdentity,
    /// Whoever acts has not connected an account of theirs at this server, or it has to be connected
    /// anew: a person can help, nobody else.
    #[error("whoever acts has no account connected")]
    ConsentRequired,
    /// Whoever wants to connect was sent away too often lately and did not come back.
    #[error("too many connections of this person to this server were begun and not finished")]
    TooManyFlows,
    /// The evidence is for another server: a defect of ours, and no reason to present anything.
    #[error("the permit is for another server")]
    OtherServer,
}

impl CredentialError {
    /// The same for somebody else to have; its cause stays where it is.
    #[must_use]
    pub fn without_cause(&self) -> Self {
        Self {
            server: self.server.clone(),
            kind: self.kind,
            claims: self.claims.clone(),
            source: None,
        }
    }

    /// How a surface reports it.
    pub const fn error_kind(&self) -> ErrorKind {
        match self.kind {
            CredentialErrorKind::Refused { .. }
            | CredentialErrorKind::AwsRefused { .. }
            | CredentialErrorKind::BadResponse
            | CredentialErrorKind::RuleBroken
            | CredentialErrorKind::MoreThanAsked
            | CredentialErrorKind::NotAllowed
            | CredentialErrorKind::NotRegistered
            | CredentialErrorKind::OtherAuthorizationServer
            | CredentialErrorKind::NoPkce
            | CredentialErrorKind::NotDiscovered => ErrorKind::UpstreamRefused,
            CredentialErrorKind::NoSubject
            | CredentialErrorKind::NoSignIn
            | CredentialErrorKind::NoBearer
            | CredentialErrorKind::SubjectEnded
            | CredentialErrorKind::SubjectRefused { .. }
            | CredentialErrorKind::SubjectNotVerified => ErrorKind::Unauthenticated,
            CredentialErrorKind::NoKey
            | CredentialErrorKind::SubjectLacksClaims
            | CredentialErrorKind::SubjectLacksScopes => ErrorKind::Forbidden,
            CredentialErrorKind::ConsentRequired => ErrorKind::ConsentRequired,
            CredentialErrorKind::TooManyFlows => ErrorKind::RateLimited,
            CredentialErrorKind::Unavailable
            | CredentialErrorKind::NoWebIdentity
            | CredentialErrorKind::Unverifiable
            | CredentialErrorKind::CannotSign => ErrorKind::Unavailable,
            CredentialErrorKind::OtherServer => ErrorKind::Internal,
        }
    }
}

/// A failure that everyone who waits for the same token gets a copy of.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: CredentialErrorKind,
    /// What a caller would have to prove.
    pub(crate) claims: Option<Arc<str>>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
    /// How long the other side asked us to wait, or what kind of failure it was asks for.
    pub(crate) wait: Option<Duration>,
}

impl Failure {
    pub(crate) const fn new(kind: CredentialErrorKind) -> Self {
        Self {
            kind,
            claims: None,
            source: None,
            wait: None,
        }
    }

    pub(crate) fn because(
        mut self,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    pub(crate) const fn waiting(mut self, wait: Option<Duration>) -> Self {
        self.wait = wait;
        self
    }

    pub(crate) fn asking(mut self, claims: Option<String>) -> Self {
        self.claims = claims.map(Arc::from);
        self
    }

    pub(crate) fn for_server(self, server: &ServerId) -> CredentialError {
        CredentialError {
            server: server.clone(),
            kind: self.kind,
            claims: self.claims,
            source: self.source.map(|source| Box::new(source).into()),
        }
    }
}

impl From<EgressError> for Failure {
    fn from(error: EgressError) -> Self {
        let kind = match error.kind {
            EgressErrorKind::Blocked | EgressErrorKind::InvalidUrl => {
                CredentialErrorKind::NotAllowed
            }
            EgressErrorKind::TooLarge => CredentialErrorKind::BadResponse,
            EgressErrorKind::Dns
            | EgressErrorKind::Connect
            | EgressErrorKind::Tls
            | EgressErrorKind::Timeout
            | EgressErrorKind::Broken => CredentialErrorKind::Unavailable,
        };
        Self::new(kind).because(error)
    }
}
