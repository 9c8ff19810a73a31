//! Breakage of a store. Not finding something is `Option`, refusing something is an enum.

use portcullis_core::ErrorKind;

/// The backend's own error behind a [`StoreError`].
pub type BackendError = Box<dyn std::error::Error + Send + Sync>;

/// A store could not do what it promises.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed: {}", .kind.as_str())]
pub struct StoreError {
    /// What was being done, e.g. `api_keys.insert`.
    pub operation: &'static str,
    /// Which way it broke.
    pub kind: StoreErrorKind,
    /// The backend's own error.
    #[source]
    pub source: Option<BackendError>,
}

/// The ways a store breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// Not reachable, locked for too long, or out of space: trying later may help.
    Unavailable,
    /// What is stored, or what is to be stored, contradicts itself: an operator has to look.
    Corrupt,
    /// The page position was not made by this listing.
    InvalidCursor,
}

impl StoreErrorKind {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Corrupt => "corrupt",
            Self::InvalidCursor => "invalid cursor",
        }
    }
}

impl StoreError {
    /// The backend cannot be used now.
    pub fn unavailable(operation: &'static str, source: impl Into<BackendError>) -> Self {
        Self {
            operation,
            kind: StoreErrorKind::Unavailable,
            source: Some(source.into()),
        }
    }

    /// What is stored, or is to be stored, cannot be right.
    pub fn corrupt(operation: &'static str, source: impl Into<BackendError>) -> Self {
        Self {
            operation,
            kind: StoreErrorKind::Corrupt,
            source: Some(source.into()),
        }
    }

    /// The page position was not made by this listing.
    pub const fn invalid_cursor(operation: &'static str) -> Self {
        Self {
            operation,
            kind: StoreErrorKind::InvalidCursor,
            source: None,
        }
    }

    /// The kind a surface reports: every broken store is the closed answer to doubt.
    pub const fn error_kind(&self) -> ErrorKind {
        match self.kind {
            StoreErrorKind::Unavailable | StoreErrorKind::Corrupt => ErrorKind::Unavailable,
            StoreErrorKind::InvalidCursor => ErrorKind::Invalid,
        }
    }
}
