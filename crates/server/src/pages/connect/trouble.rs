//! What can go wrong on the way to a connected account, in words for its person.

use std::num::NonZeroU32;

use axum::http::StatusCode;
use portcullis_core::ErrorKind;
use portcullis_credentials::{CredentialError, CredentialErrorKind, WhyNot};

use crate::pages::{ReturnTo, Trouble};

/// `Retry-After`, as the page says it in words.
const A_MINUTE: Option<NonZeroU32> = NonZeroU32::new(60);
const TEN_MINUTES: Option<NonZeroU32> = NonZeroU32::new(600);

const fn trouble(
    status: StatusCode,
    kind: ErrorKind,
    reason: &'static str,
    [title, happened, advice]: [&'static str; 3],
) -> Trouble {
    Trouble {
        status,
        kind,
        reason,
        title,
        happened,
        advice,
        detail: None,
        retry_after: None,
        link: None,
    }
}

impl Trouble {
    /// The address was made for another person's call.
    pub(super) const fn somebody_elses_request() -> Self {
        trouble(
            StatusCode::FORBIDDEN,
            ErrorKind::Forbidden,
            "invitation_of_another",
            [
                "This was somebody else's request",
                "The address that you opened was made for another person, or for another key than the \
                 one you are signed in with. Nothing was connected.",
                "If it came from your own application, sign out and sign in as the one whose key or \
                 account that application uses. If somebody sent you the address, do not use it.",
            ],
        )
    }

    /// Nobody said what this gateway is called, and whoever asks may call it anything.
    pub(super) fn no_own_address() -> Self {
        tracing::warn!(
            "no account can be connected at an address that only the request's Host says: set server.public_url, or list the host in server.allowed_hosts"
        );
        let mut said = trouble(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Unavailable,
            "no_public_url",
            [
                "This gateway does not know its own address",
                "An account is connected where the gateway can say where to send you back to. \
                 Nothing was connected.",
                "Tell whoever runs this gateway to set server.public_url.",
            ],
        );
        said.link = Some(("/connect".to_owned(), "Go to the overview"));
        said
    }

    /// The address is over, or damaged.
    pub(super) fn old_invitation(place: String) -> Self {
        let mut said = trouble(
            StatusCode::BAD_REQUEST,
            ErrorKind::Invalid,
            "invitation_over",
            [
                "This address is too old",
                "It was made more than ten minutes ago, or is not complete. Nothing was connected.",
                "You can connect your account without it.",
            ],
        );
        said.link = Some((place, "Go to the page of this server"));
        said
    }

    /// The person came back from upstream, and nobody is signed in any more.
    pub(super) fn signed_out_meanwhile() -> Self {
        let mut said = trouble(
            StatusCode::FORBIDDEN,
            ErrorKind::Unauthenticated,
            "signed_out_meanwhile",
            [
                "You are not signed in any more",
                "Your sign-in at this gateway ended while you were away, or this is another browser than \
                 the one that you began in. Nothing was connected.",
                "Sign in, and connect the account once more on the page Your access. If somebody sent \
                 you this address, do not use it.",
            ],
        );
        said.link = Some((ReturnTo::of(None).by_login(), "Go to sign-in"));
        said
    }

    /// Somebody came back from upstream with nothing.
    pub(super) fn not_connected(why: WhyNot, place: Option<String>) -> Self {
        let invalid = (StatusCode::BAD_REQUEST, ErrorKind::Invalid);
        let refused = (StatusCode::BAD_GATEWAY, ErrorKind::UpstreamRefused);
        let ((status, kind), reason, texts) = match why {
            WhyNot::SomebodyElse => return Self::somebody_elses_request(),
            WhyNot::Unreadable(_) => (
                invalid,
                "connect_malformed",
                [
                    "That did not arrive",
                    "What the server's sign-in sent along is not an answer to a request of this \
                     gateway. Nothing was connected.",
                    "Connect the account once more from the start.",
                ],
            ),
            WhyNot::UnknownFlow => (
                invalid,
                "connect_unknown",
                [
                    "This request is over",
                    "It took longer than ten minutes, was finished before, or did not begin in this \
                     browser. Nothing was connected.",
                    "Connect the account once more from the start, in one browser. If somebody sent \
                     you the address, do not use it.",
                ],
            ),
            WhyNot::OtherIssuer(_) | WhyNot::OtherAddress => (
                invalid,
                "connect_other_issuer",
                [
                    "Somebody else answered",
                    "The answer did not come from where you were sent. Nothing was connected.",
                    "Try again. If it happens again, tell whoever runs this gateway.",
                ],
            ),
            WhyNot::Declined(_) => (
                (StatusCode::FORBIDDEN, ErrorKind::ConsentRequired),
                "connect_declined",
                [
                    "Your account was not connected",
                    "You stopped at the server's sign-in, or it did not let you go on.",
                    "Connect the account once more if you want to use this server.",
                ],
            ),
            WhyNot::Changed => (
                invalid,
                "connect_changed",
                [
                    "The server changed meanwhile",
                    "Whoever runs this gateway changed how this server is reached while you were away. \
                     Nothing was connected.",
                    "Connect the account once more.",
                ],
            ),
            WhyNot::Credential(CredentialErrorKind::Unavailable) => (
                (StatusCode::SERVICE_UNAVAILABLE, ErrorKind::Unavailable),
                "connect_unavailable",
                [
                    "Not available right now",
                    "The server's sign-in does not answer, or nothing can be kept at the moment. \
                     Nothing was connected.",
                    "Try again in a minute.",
                ],
            ),
            WhyNot::Credential(CredentialErrorKind::TooManyFlows) => (
                (StatusCode::TOO_MANY_REQUESTS, ErrorKind::RateLimited),
                "connect_too_often",
                [
                    "You began this too often",
                    "You were sent to this server's sign-in many times within ten minutes, and did not \
                     come back from there.",
                    "Finish one of them, or wait ten minutes.",
                ],
            ),
            WhyNot::Credential(CredentialErrorKind::RuleBroken) => (
                (StatusCode::FORBIDDEN, ErrorKind::Forbidden),
                "token_validation_failed",
                [
                    "Not with this account",
                    "Whoever runs this gateway lets accounts of certain kinds be connected here, and \
                     this is none of them. Nothing was kept.",
                    "Sign out there, and connect another account.",
                ],
            ),
            WhyNot::Credential(_) => (
                refused,
                "connect_refused",
                [
                    "Your account was not connected",
                    "The server's sign-in did not give this gateway access.",
                    "Try again. If it happens again, tell whoever runs this gateway the number at the \
                     foot of this page.",
                ],
            ),
        };
        let mut said = trouble(status, kind, reason, texts);
        said.retry_after = match why {
            WhyNot::Credential(CredentialErrorKind::TooManyFlows) => TEN_MINUTES,
            WhyNot::Credential(CredentialErrorKind::Unavailable) => A_MINUTE,
            _ => None,
        };
        said.link = place.map(|place| (place, "Go back"));
        said
    }
}

impl From<CredentialError> for Trouble {
    fn from(error: CredentialError) -> Self {
        tracing::warn!(
            mcp.server.id = %error.server,
            error = &error as &dyn std::error::Error,
            "an account can neither be connected nor told"
        );
        let mut said = Self::not_connected(WhyNot::Credential(error.kind), None);
        said.link = Some(("/connect".to_owned(), "Go to the overview"));
        said
    }
}
