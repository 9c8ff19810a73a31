//! The authorization server's side of OAuth: what clients may ask of us, and what they are told.
//!
//! OAuth 2.1 in the shape that MCP gives it: authorization codes with S256 only (RFC 7636), one
//! resource per request (RFC 8707), redirect URIs compared exactly but for a loopback port (RFC 8252
//! §7.3). Everything here is a client's word, and judged as such.

mod client_document;
mod client_metadata;
mod fault;
mod metadata;
mod parameters;
mod pkce;
mod redirect_uri;
mod request;

pub use client_document::{
    ClientDocument, ClientIdUrl, InvalidClientDocument, InvalidClientIdUrl, LARGEST_DOCUMENT,
    document_lifetime,
};
pub use client_metadata::{
    ApplicationType, AuthMethod, ClientMetadata, GrantType, InvalidRegistration, display_name,
};
pub use fault::OAuthFault;
pub use metadata::{Endpoints, authorization_server_metadata};
pub use parameters::{InvalidParameters, Parameters};
pub use pkce::PkceChallenge;
pub use redirect_uri::{InvalidRedirectUri, NativeRedirects, RedirectUri};
pub use request::{AuthorizationRequest, LONGEST_STATE, Prompt};
