#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod compat;
mod defined;
mod diagnostic;
mod excerpt;
mod explain;
mod fields;
mod findings;
mod key_map;
mod keys;
mod load;
mod model;
mod overrides;
mod place;
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

pub use defined::{
    Configuration, Definition, JudgedDefinition, addresses_of_server, changed_server,
    masked_configuration, masked_server, set_mark,
};
pub use diagnostic::{ConfigError, ConfigErrors, Level, Notice};
pub use excerpt::Excerpt;
pub use explain::explain;
pub use key_map::{KEY_MAP_VARIABLE, KeyHolder, KeyMapError, MappedKey, read_key_map};
pub use load::{Loaded, load, load_with, parse_for_fuzz};
pub use model::{
    ActorSource, Approvals, AssertionAudience, Audit, AuditReceiver, AuditSink, AuditSinkKind,
    AuditSpool, Auth, AuthorizationCode, AuthorizationServer, AwsIdentity, AwsRole, AwsSigV4,
    AwsSource, AwsStore, CallerHeaders, CallerLimits, ClaimNames, ClaimSource, ClientAuth,
    ClientCa, ClientCertificate, ClientCredentials, ClientKey, ClientProof, Compat, Config,
    Cookies, DebugHeaders, DefaultLimits, DefinedServers, Delegation, EnvValue, EnvVar,
    ExchangeProfile, FileKey, Forwarded, Forwarding, GrantedScopes, HeaderTemplate, IdJag,
    Identity, InteractiveClient, Introspection, IssuerGrants, JWS_ALGORITHMS, JwtSigner,
    KeyMaterial, KeyStyle, KnownClient, Limits, Listen, LogFormat, LogLevel, Login, LoginProvider,
    MappedKeys, McpServer, OAuthClient, OpenApiDocument, People, Policy, Postgres, Redis, Resource,
    Revision, Rfc8693, Secrets, Server, SignerAudience, SignerClaims, SignerScopes, Sourced,
    SpecPath, StaticHeader, StdioCommand, StdioProcesses, Store, StoreFault, SubjectIntrospection,
    SubjectSource, SyslogTransport, Telemetry, Tls, TokenExchange, TokenIssuer, TokenTypeName,
    TokenVerification, ToolScopes, TraceSampler, Traces, Transport, VaultAuth, VaultStore,
    WrittenLevel, WrittenToolset,
};
pub use place::{KeyPlace, place_of};
pub use reference::reference_markdown;
pub use references::Origin;
pub use sample::sample_config;
pub use schema::schema_json;
pub use sections::issuers::{LONGEST_LEEWAY, LONGEST_TOKEN_LIFETIME};
pub use sources::{CommandLine, Sources, Stored};
pub use tree::MAX_FILE_BYTES;
