//! One reader for each section of the file.

pub(crate) mod grants;
pub(crate) mod headers;
pub(crate) mod identity;
pub(crate) mod issuers;
pub(crate) mod mcp_server;
pub(crate) mod process;
pub(crate) mod server;
pub(crate) mod upstream_auth;
