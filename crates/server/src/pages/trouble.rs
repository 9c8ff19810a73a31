//! What a person is told when something does not work: what happened, what to do, and nothing that
//! anybody else said.

use std::num::NonZeroU32;

use askama::Template;
use axum::body::Body;
use axum::http::header::RETRY_AFTER;
use axum::http::{Response, StatusCode};
use portcullis_core::ErrorKind;
use portcullis_identity::SignInFault;
use portcullis_oauth::authorization_server::OAuthFault;

use super::{Frame, layout};
use crate::oauth::desk::TOO_OFTEN;

/// Why a visit does not come to what it was for.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    /// The status of the page.
    pub(crate) status: StatusCode,
    /// How it is counted.
    pub(crate) kind: ErrorKind,
    /// The stable reason in the audit event.
    pub(crate) reason: &'static str,
    /// The heading.
    pub(crate) title: &'static str,
    /// What happened.
    pub(crate) happened: &'static str,
    /// What to do.
    pub(crate) advice: &'static str,
    /// What of it whoever made the application has to know, in words of ours.
    pub(crate) detail: Option<Box<OAuthFault>>,
    /// In how many seconds it may be tried again, where that is known.
    pub(crate) retry_after: Option<NonZeroU32>,
    /// Where to go on, and what that is called.
    pub(crate) link: Option<(String, &'static str)>,
}

#[derive(Template)]
#[template(path = "trouble.html")]
struct TroublePage<'a> {
    frame: Frame,
    trouble: &'a Trouble,
}

impl Trouble {
    /// The page.
    pub(super) fn response(&self, frame: Frame) -> Option<Response<Body>> {
        let page = TroublePage {
            frame,
            trouble: self,
        };
        let mut response = layout::html(self.status, &page, None)?;
        if let Some(seconds) = self.retry_after {
            let headers = response.headers_mut();
            headers.insert(RETRY_AFTER, seconds.get().into());
        }
        Some(response)
    }

    /// What is written below, for whoever made the application.
    fn detail(&self) -> Option<&'static str> {
        self.detail.as_deref().map(|fault| fault.description)
    }

    const fn of(
        status: StatusCode,
        kind: ErrorKind,
        reason: &'static str,
        [title, happened, advice]: [&'static str; 3],
    ) -> Self {
        Self {
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

    fn leading_to_login(self) -> Self {
        Self {
            link: Some(("/login".to_owned(), "Go to sign-in")),
            ..self
        }
    }

    pub(crate) const fn unavailable() -> Self {
        Self::of(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Unavailable,
            "unavailable",
            [
                "Not available right now",
                "The gateway cannot tell at the moment who is signed in, so it lets nobody through.",
                "Try again in a minute. If it stays like this, tell whoever runs this gateway the \
                 number at the foot of this page.",
            ],
        )
    }

    /// Too many came from the same network.
    pub(super) fn too_often(wait: u64) -> Self {
        let mut trouble = Self::of(
            StatusCode::TOO_MANY_REQUESTS,
            ErrorKind::RateLimited,
            TOO_OFTEN,
            [
                "Too many at once",
                "More requests came from your network than this gateway takes at one time. Nothing was \
                 done.",
                "Wait a minute and try again. If it stays like this, tell whoever runs this gateway.",
            ],
        );
        trouble.retry_after = NonZeroU32::new(u32::try_from(wait).unwrap_or(u32::MAX));
        trouble
    }

    pub(super) const fn not_a_form() -> Self {
        Self::of(
            StatusCode::BAD_REQUEST,
            ErrorKind::Invalid,
            "form_malformed",
            [
                "That did not arrive",
                "What your browser sent is not the form of this page.",
                "Go back, reload the page and fill it in once more.",
            ],
        )
    }

    pub(super) fn long_form() -> Self {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        Self {
            status,
            ..Self::not_a_form()
        }
    }

    pub(super) fn slow_form() -> Self {
        let status = StatusCode::REQUEST_TIMEOUT;
        Self {
            status,
            ..Self::not_a_form()
        }
    }

    /// CSRF, or a page that lay open for too long.
    pub(crate) const fn foreign_form() -> Self {
        Self::of(
            StatusCode::FORBIDDEN,
            ErrorKind::Forbidden,
            "form_token",
            [
                "This page is too old",
                "The page was opened more than an hour ago, or before you signed in or out in this \
                 browser, or it was sent by another website. Nothing was done.",
                "Go back, reload the page and try again.",
            ],
        )
    }

    /// The person signed in, and cannot be remembered.
    pub(super) const fn too_many_groups() -> Self {
        Self::of(
            StatusCode::BAD_GATEWAY,
            ErrorKind::Invalid,
            "session_too_large",
            [
                "You are in too many groups",
                "You were recognised, but your sign-in provider names more groups than a browser \
                 session can hold.",
                "Tell whoever runs this gateway: the groups that it is told of have to be fewer. Its \
                 log says which setting that is.",
            ],
        )
    }

    pub(crate) fn no_such_page() -> Self {
        let mut trouble = Self::of(
            StatusCode::NOT_FOUND,
            ErrorKind::NotFound,
            "no_such_page",
            [
                "There is nothing here",
                "This address does not lead to a page of this gateway.",
                "Check the address, or go on from the overview.",
            ],
        );
        trouble.link = Some(("/connect".to_owned(), "Go to the overview"));
        trouble
    }

    /// Somebody else has to decide.
    pub(super) const fn not_yours_to_decide() -> Self {
        Self::of(
            StatusCode::FORBIDDEN,
            ErrorKind::Forbidden,
            "not_a_decider",
            [
                "Somebody else has to decide",
                "Approvals are decided by approvers and administrators, and by none of them about their \
                 own calls. Nothing was decided.",
                "Ask an approver of this gateway to open this page.",
            ],
        )
    }

    /// There is nothing left to decide.
    pub(super) const fn decided_already() -> Self {
        Self::of(
            StatusCode::CONFLICT,
            ErrorKind::Conflict,
            "decided_already",
            [
                "That is decided already",
                "Somebody was faster, or the time to decide is over. Nothing was changed.",
                "Load the page again to see how it stands.",
            ],
        )
    }

    /// What an application brought is wrong in a way of which it cannot be told.
    pub(super) fn application(fault: OAuthFault, kind: ErrorKind) -> Self {
        let status = match kind {
            ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        let mut trouble = Self::of(
            status,
            kind,
            fault.code,
            [
                "This application cannot be let in",
                "An application sent you here with a request that this gateway does not accept, so \
                 you were not sent back to it.",
                "Nothing was given to anybody. Start again in the application; if it happens again, \
                 tell whoever made it what is written below.",
            ],
        );
        trouble.detail = Some(Box::new(fault));
        trouble
    }

    /// A request that waits no more.
    pub(super) const fn over() -> Self {
        Self::of(
            StatusCode::BAD_REQUEST,
            ErrorKind::Invalid,
            "authorization_request_over",
            [
                "This request is over",
                "It was decided before, or waited for longer than ten minutes.",
                "Go back to the application and start again there.",
            ],
        )
    }

    /// A key typed into a page that others on the way could read.
    pub(super) const fn not_private() -> Self {
        Self::of(
            StatusCode::FORBIDDEN,
            ErrorKind::Forbidden,
            "sign_in_not_private",
            [
                "Not over this connection",
                "This page did not come over https, so others on the way could read a key.",
                "Open this gateway by its https address. If there is none, ask whoever runs it.",
            ],
        )
    }

    pub(super) const fn no_keys() -> Self {
        Self::of(
            StatusCode::FORBIDDEN,
            ErrorKind::Forbidden,
            "sign_in_with_key_off",
            [
                "Not with a key",
                "Whoever runs this gateway does not let people sign in with a key.",
                "Go back and sign in with the provider.",
            ],
        )
    }
}

impl From<SignInFault> for Trouble {
    fn from(fault: SignInFault) -> Self {
        let (status, texts) = match fault {
            SignInFault::Malformed | SignInFault::Unknown => (
                StatusCode::BAD_REQUEST,
                [
                    "This sign-in is over",
                    "It took longer than ten minutes, was finished before, or did not begin here.",
                    "Sign in again from the start.",
                ],
            ),
            SignInFault::OtherBrowser => (
                StatusCode::BAD_REQUEST,
                [
                    "This sign-in began in another browser",
                    "You came here by a link that was made for another browser, or this browser does \
                     not keep cookies of this site.",
                    "Sign in again from the start, in one browser. If somebody sent you the link, do \
                     not use it.",
                ],
            ),
            SignInFault::OtherIssuer => (
                StatusCode::BAD_REQUEST,
                [
                    "Somebody else answered",
                    "The answer did not come from the sign-in provider that you were sent to.",
                    "Sign in again from the start. If it happens again, tell whoever runs this gateway.",
                ],
            ),
            SignInFault::Refused => (
                StatusCode::FORBIDDEN,
                [
                    "You were not signed in",
                    "You stopped at the sign-in provider, or it did not let you in.",
                    "Try again, or ask whoever runs this gateway whether you may use it.",
                ],
            ),
            SignInFault::NotAnew => (
                StatusCode::FORBIDDEN,
                [
                    "You were not asked to sign in",
                    "The application wants you to sign in anew, and the sign-in provider only remembered \
                     you.",
                    "Sign out at the provider, and try again from the application.",
                ],
            ),
            SignInFault::Token(_) => (
                StatusCode::BAD_GATEWAY,
                [
                    "The sign-in cannot be believed",
                    "What the sign-in provider sent about you does not pass the checks of this \
                     gateway.",
                    "Sign in again from the start. If it happens again, tell whoever runs this gateway: \
                     its log says which check it was.",
                ],
            ),
            SignInFault::Provider => (
                StatusCode::BAD_GATEWAY,
                [
                    "The sign-in provider does not answer",
                    "This gateway could not reach the provider, or got an answer that it does not \
                     understand.",
                    "Try again in a minute. If it stays like this, tell whoever runs this gateway.",
                ],
            ),
            SignInFault::Unavailable => return Self::unavailable(),
        };
        Self::of(status, fault.error_kind(), fault.as_str(), texts).leading_to_login()
    }
}
