#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod assertion_key;
mod authorization;
pub mod authorization_server;
mod challenge;
mod claims_challenge;
mod client_assertion;
mod error_code;
mod exchange_request;
mod id_jag;
pub mod jose;
mod metadata;
mod openid_provider;
mod pkce;
mod redirect_rules;
mod registration;
mod token_request;
mod token_response;
mod token_rules;
mod unverified;
mod vouching;

pub use assertion_key::{AssertionKey, InvalidAssertionKey, SigningAlgorithm, SigningFailed};
pub use authorization::{
    Arrival, AuthorizationRequest, AuthorizationResponse, InvalidAuthorizationResponse,
    IssuerDoubt, NoAuthorizationEndpoint, check_issuer,
};
pub use challenge::{Challenge, InvalidChallenge};
pub use claims_challenge::claims_challenge;
pub use client_assertion::{CLIENT_ASSERTION_TYPE, client_assertion};
pub use error_code::registered_error_code;
pub use exchange_request::Exchange;
pub use id_jag::{ID_JAG_TYPE, IdJag, InvalidIdJag};
pub use metadata::{AuthorizationServerMetadata, MetadataError, ProtectedResourceMetadata};
pub use openid_provider::{CodeResponse, OpenIdProvider, SignInRequest};
pub use pkce::{CodeVerifier, S256};
pub use redirect_rules::{RedirectAccepted, RedirectRefused, RedirectRules};
pub use registration::{ClientMetadata, InvalidRegistration, RegisteredClient};
pub use token_request::{ClientAuthentication, InvalidTokenRequest, TokenRequest};
pub use token_response::{InvalidTokenResponse, TokenResponse};
pub use token_rules::TokenRules;
pub use unverified::{claimed_expiry, claimed_scopes};
pub use vouching::{
    ClaimRules, Issue, NameTooLong, OUR_CLAIMS, SubjectSource, Unvouchable, errand_scope,
    full_scope, vouched_claims,
};
