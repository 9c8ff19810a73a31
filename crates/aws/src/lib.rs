#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod error;
mod identity;
mod keys;
mod sign;
mod sts;
mod wallet;

pub use error::{AwsError, SigningError, known_error_code};
pub use identity::{Identity, Role, Source, StsEndpoint, WebIdentity};
pub use keys::{AccessKeys, TemporaryKeys};
pub use sign::{Scope, sign};
pub use sts::{Answer, send};
pub use wallet::Wallet;
