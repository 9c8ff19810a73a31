//! Which entries of the directory stand above credentials.

use portcullis_core::LevelKind;
use portcullis_store::EntryKind;

use crate::AuthnErrorKind;

/// The entry that a level is, if there are such.
pub(super) const fn entry_of(level: LevelKind) -> Option<EntryKind> {
    match level {
        LevelKind::Team => Some(EntryKind::Team),
        LevelKind::Organization => Some(EntryKind::Organization),
        LevelKind::User => Some(EntryKind::User),
        LevelKind::EndUser => Some(EntryKind::EndUser),
        LevelKind::Request => None,
    }
}

/// What is known of one.
#[derive(Clone, Debug)]
pub(super) enum Found<T> {
    /// It stands.
    Standing(T),
    /// Nobody defined one of its kind: the credential's word is a label.
    Label,
    /// Others of its kind are defined, and this one is not, or not any more.
    Undefined,
    /// What its row says cannot be believed.
    Unreadable,
}

impl<T> Found<T> {
    /// It, if it stands; nothing, if it is a label; a reason otherwise.
    pub(super) fn required(self, kind: LevelKind) -> Result<Option<T>, AuthnErrorKind> {
        match self {
            Self::Standing(found) => Ok(Some(found)),
            Self::Label => Ok(None),
            Self::Undefined => Err(AuthnErrorKind::Undefined(kind)),
            Self::Unreadable => Err(AuthnErrorKind::UnreadableLevel(kind)),
        }
    }
}
