//! Breakage of a store. Not finding something is `Option`, refusing something is an enum.

use portcullis_core::ErrorKind;

/// A store could not do what it promises.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed: {kind:?}")]
pub struct StoreError {
    /// What was being done, e.g. `api_keys.insert`.
    pub operation: &'static str,
    /// Which way it broke.
    pub kind: StoreErrorKind,
    /// The backend's own error.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The ways a store breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// Not reachable, locked for too long, or out of space: trying later may help.
    Unavailable,
    /// What is stored does not decode: an operator has to look.
    Corrupt,
}

impl StoreError {
    /// The kind a surface reports: every broken store is the closed answer to doubt.
    pub const fn error_kind(&self) -> ErrorKind {
        ErrorKind::Unavailable
    }
}
