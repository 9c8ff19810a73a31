#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod authn;

pub use authn::{Authenticated, Authenticator, AuthnError, AuthnErrorKind, Presented};
