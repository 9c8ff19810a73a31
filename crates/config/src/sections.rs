//! One reader for each section of the file.

pub(crate) mod addresses;
pub(crate) mod authorization_code;
pub(crate) mod authorization_server;
pub(crate) mod aws_identity;
pub(crate) mod aws_sigv4;
pub(crate) mod client_certificates;
pub(crate) mod delegation;
pub(crate) mod discovery_auth;
pub(crate) mod forwarding;
pub(crate) mod grants;
pub(crate) mod headers;
pub(crate) mod id_jag;
pub(crate) mod identity;
pub(crate) mod issuers;
pub(crate) mod login;
pub(crate) mod mcp_server;
pub(crate) mod oauth_client;
pub(crate) mod openapi;
pub(crate) mod process;
pub(crate) mod scopes;
pub(crate) mod secrets;
pub(crate) mod server;
pub(crate) mod signer;
pub(crate) mod token_exchange;
pub(crate) mod transport;
pub(crate) mod upstream_auth;
