//! Why nobody came back signed in from a provider.

use portcullis_core::ErrorKind;
use portcullis_oauth::jose::TokenFault;

/// The ways in which a sign-in with a provider ends without anybody. Pages tell them apart only as far
/// as it helps the person; the reason is for the audit event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInFault {
    /// The way back lacks a parameter, or has one twice.
    Malformed,
    /// Its `state` is none of ours, was used before, or its time is over.
    Unknown,
    /// Another browser began it.
    OtherBrowser,
    /// It is another issuer that answers, or the provider does not say which (RFC 9207 §2.4).
    OtherIssuer,
    /// The person, or the provider, said no.
    Refused,
    /// They were asked to prove it anew, and the provider says that they did so long ago.
    NotAnew,
    /// The ID token is not believed.
    Token(TokenFault),
    /// The provider does not answer, or not as a provider does.
    Provider,
    /// The store or the key ring does not answer.
    Unavailable,
}

impl SignInFault {
    /// The stable reason in audit events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "sign_in_malformed",
            Self::Unknown => "sign_in_unknown",
            Self::OtherBrowser => "sign_in_other_browser",
            Self::OtherIssuer => "sign_in_other_issuer",
            Self::Refused => "sign_in_refused",
            Self::NotAnew => "sign_in_not_anew",
            Self::Token(fault) => fault.as_str(),
            Self::Provider => "sign_in_provider",
            Self::Unavailable => "unavailable",
        }
    }

    /// How a surface reports it.
    pub const fn error_kind(self) -> ErrorKind {
        match self {
            Self::Malformed | Self::Unknown | Self::OtherBrowser | Self::OtherIssuer => {
                ErrorKind::Invalid
            }
            Self::Refused | Self::NotAnew => ErrorKind::Forbidden,
            Self::Token(_) => ErrorKind::Unauthenticated,
            Self::Provider => ErrorKind::UpstreamUnreachable,
            Self::Unavailable => ErrorKind::Unavailable,
        }
    }
}
