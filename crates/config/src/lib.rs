#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod compat;
mod diagnostic;
mod excerpt;
mod explain;
mod fields;
mod findings;
mod keys;
mod load;
mod model;
mod overrides;
mod reference;
mod references;
mod sample;
mod schema;
mod sections;
mod sources;
mod suggest;
mod tree;
mod validate;

#[cfg(test)]
mod tests;

pub use diagnostic::{ConfigError, ConfigErrors, Level, Notice};
pub use excerpt::Excerpt;
pub use explain::explain;
pub use load::{Loaded, load, parse_for_fuzz};
pub use model::{
    AssertionAudience, Audit, Auth, CallerHeaders, ClaimNames, ClientAuth, ClientCredentials,
    ClientKey, ClientProof, Compat, Config, Cookies, DebugHeaders, Delegation, ExchangeProfile,
    FileKey, Forwarded, Forwarding, HeaderTemplate, Identity, Introspection, IssuerGrants,
    JWS_ALGORITHMS, KeyMaterial, Listen, LogFormat, LogLevel, McpServer, OAuthClient, Revision,
    Rfc8693, Server, Sourced, StaticHeader, Store, Telemetry, Tls, TokenExchange, TokenIssuer,
    TokenTypeName, ToolScopes,
};
pub use reference::reference_markdown;
pub use references::Origin;
pub use sample::sample_config;
pub use schema::schema_json;
pub use sources::{CommandLine, Sources};
pub use tree::MAX_FILE_BYTES;
