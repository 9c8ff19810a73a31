#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod challenge;
mod error_code;
pub mod jose;
mod metadata;
mod token_request;
mod token_response;

pub use challenge::{Challenge, InvalidChallenge};
pub use error_code::registered_error_code;
pub use metadata::{AuthorizationServerMetadata, MetadataError, ProtectedResourceMetadata};
pub use token_request::{ClientAuthentication, InvalidTokenRequest, TokenRequest};
pub use token_response::{InvalidTokenResponse, TokenResponse};
