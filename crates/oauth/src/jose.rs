//! Signed tokens, of other issuers and our own: JWS (RFC 7515), keys (RFC 7517), and what a JWT must say before it
//! is believed (RFC 7519, RFC 8725, RFC 9068).
//!
//! Only asymmetric signatures in compact form are known. Nothing in a token chooses how it is
//! verified: the algorithms are the issuer's list, the keys are the issuer's set, and `jku`, `x5u`,
//! `jwk` and `x5c` lead nowhere. What was not verified has a type of its own, [`Unverified`], whose
//! content can be used for nothing but to find whose keys to ask.

mod access_token;
mod algorithm;
mod claimed;
mod claims;
mod fault;
mod id_token;
pub(crate) mod json;
mod jwk;
mod jws;
mod signing;

pub use access_token::{TokenRules, TokenType, read_introspected, verify_access_token};
pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use claimed::{claimed_audience, claimed_marks};
pub use claims::Claims;
pub use fault::TokenFault;
pub use id_token::{SignInMarks, verify_id_token};
pub(crate) use json::object;
pub use jwk::{Jwks, JwksError};
pub use jws::{Jws, Unverified, Verified};
pub(crate) use signing::compact;
pub use signing::{KeyNotMade, SigningKey};
