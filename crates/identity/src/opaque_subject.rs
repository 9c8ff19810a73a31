//! Whether a token that a caller brought beside a key may be acted with, where it does not say itself
//! whose it is.
//!
//! A JWT is found in the revocation list by what it says of itself, at the door. An opaque token says
//! nothing: its authorization server is asked, if that is one which we may ask. Nobody is asked while
//! the list names no token at all, and only about a token that is about to be exchanged: one for
//! somebody else is nobody's business here.

use portcullis_core::{SubjectToken, TokenMarks};
use portcullis_oauth::jose::{TokenFault, claimed_marks};

use crate::{Authentication, AuthnError};

/// What could be told of a token that is not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Whose it is; the list does not name it.
    ByTheList,
    /// Nothing, and the list names nobody whose it could be.
    Unread,
}

/// What an authorization server says of a token beside a key.
#[derive(Clone, Debug)]
pub enum Told {
    /// It is one of its own.
    Own(TokenMarks),
    /// It is none that it stands for, or not any more: whoever exchanges it will hear the same.
    Other,
}

impl Authentication {
    /// Judges a token that came beside a key, before it is acted with. The closed answer where the
    /// list names tokens of an issuer that it may be of, and nobody here can tell whose it is.
    pub async fn judge_subject(&self, subject: &SubjectToken) -> Result<Judged, AuthnError> {
        if claimed_marks(subject.token().expose()).is_some() {
            return Ok(Judged::ByTheList);
        }
        let list = self.revocations();
        if !list.names_tokens_but_of(None).await? {
            return Ok(Judged::Unread);
        }
        let mut asked = None;
        for one in self.authenticators() {
            match one.tells_of(subject).await? {
                Some((_, Told::Own(marks))) => {
                    list.judge_token(&marks).await?;
                    return Ok(Judged::ByTheList);
                }
                Some((issuer, Told::Other)) => asked = Some(issuer),
                None => {}
            }
        }
        if list.names_tokens_but_of(asked).await? {
            return Err(TokenFault::Issuer.into());
        }
        Ok(Judged::Unread)
    }
}
