//! What a step on the server came to, where it did not come to its end.

use portcullis_store::StoreError;
use redis::{ErrorKind, RedisError};

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// There is no connection now.
    #[error("Redis is not connected")]
    NotConnected,
    /// It did not answer in time. Whether the step was done is not known.
    #[error("Redis did not answer in time")]
    TimedOut,
    /// It broke, or was refused.
    #[error("Redis: {0}")]
    Broken(#[from] RedisError),
    /// What is there, or what was answered, is not what we put there.
    #[error("what Redis has is not what was put there")]
    Foreign,
}

/// What the server says of itself while it cannot serve, or as somebody that it is no longer.
const NOT_THE_ONE: [&str; 5] = ["READONLY", "LOADING", "MASTERDOWN", "NOAUTH", "CLUSTERDOWN"];

impl Failure {
    /// Whether another connection has to be made before the next step.
    pub(crate) fn ends_the_connection(&self) -> bool {
        match self {
            Self::NotConnected | Self::Foreign => false,
            Self::TimedOut => true,
            Self::Broken(error) => {
                error.is_io_error()
                    || error.is_unrecoverable_error()
                    || error.kind() == ErrorKind::Parse
                    || error.code().is_some_and(|code| NOT_THE_ONE.contains(&code))
            }
        }
    }

    /// Whether an operator has to look at what is stored.
    fn is_corrupt(&self) -> bool {
        match self {
            Self::Foreign => true,
            Self::NotConnected | Self::TimedOut => false,
            Self::Broken(error) => {
                error.kind() == ErrorKind::UnexpectedReturnType
                    || error
                        .code()
                        .is_some_and(|code| matches!(code, "WRONGTYPE" | "CORRUPT" | "ERR"))
            }
        }
    }

    /// The same, of this operation.
    pub(crate) fn of(self, operation: &'static str) -> StoreError {
        if self.is_corrupt() {
            StoreError::corrupt(operation, self)
        } else {
            StoreError::unavailable(operation, self)
        }
    }
}
