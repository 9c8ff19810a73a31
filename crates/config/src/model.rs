//! The configuration, resolved: no reference left to follow, no form of LiteLLM's or a guide's
//! left to interpret.

mod audit;
mod authorization_server;
mod aws;
mod forwarding;
mod id_jag;
mod identity;
mod issuer;
mod limits;
mod login;
mod people;
mod policy;
mod process;
mod redis;
mod secrets;
mod server;
mod signer;
mod traces;
mod transport;

pub use audit::{Audit, AuditReceiver, AuditSink, AuditSinkKind, AuditSpool, SyslogTransport};
pub use authorization_server::{AuthorizationServer, KnownClient};
pub use aws::{AwsIdentity, AwsRole, AwsSigV4, AwsSource};
pub use forwarding::{CallerHeaders, Cookies, Delegation, Forwarding, HeaderTemplate};
pub use id_jag::{IdJag, SubjectSource};
pub use identity::{ClientCertificate, FileKey, Identity, KeyMaterial};
pub use issuer::{
    ClaimNames, ClientAuth, Introspection, IssuerGrants, JWS_ALGORITHMS, TokenIssuer, TokenTypeName,
};
pub use limits::{CallerLimits, DefaultLimits, StoreFault};
pub use login::{GrantedScopes, Login, LoginProvider};
pub use people::{People, WrittenLevel, WrittenToolset};
pub use policy::{Approvals, Policy};
pub use process::{
    ClientCa, DebugHeaders, DefinedServers, Forwarded, Limits, Listen, LogFormat, LogLevel,
    Postgres, Server, Store, Telemetry, Tls,
};
pub use redis::Redis;
pub use secrets::{AwsStore, Secrets, VaultAuth, VaultStore};
pub use server::{
    ActorSource, AssertionAudience, Auth, AuthorizationCode, ClientCredentials, ClientKey,
    ClientProof, ExchangeProfile, InteractiveClient, KeyStyle, MappedKeys, McpServer, OAuthClient,
    Resource, Revision, Rfc8693, StaticHeader, TokenExchange, ToolScopes,
};

pub use signer::{
    ClaimSource, JwtSigner, SignerAudience, SignerClaims, SignerScopes, SubjectIntrospection,
    TokenVerification,
};

pub use traces::{TraceSampler, Traces};
pub use transport::{
    EnvValue, EnvVar, OpenApiDocument, SpecPath, StdioCommand, StdioProcesses, Transport,
};

use crate::references::Origin;

/// Everything the operator decided.
#[derive(Clone, Debug)]
pub struct Config {
    /// `server`
    pub server: Server,
    /// `identity`, `general_settings.master_key`
    pub identity: Identity,
    /// `mcp_servers`, `servers`; in the order of the file.
    pub mcp_servers: Vec<McpServer>,
    /// Most processes of stdio servers at once (`general_settings.max_stdio_processes`).
    pub max_stdio_processes: usize,
    /// `teams`, `organizations`, `users`, `end_users`, `toolsets`
    pub people: People,
    /// `policy`
    pub policy: Policy,
    /// `limits`
    pub limits: CallerLimits,
    /// `secrets`
    pub secrets: Secrets,
    /// The `mcp_jwt_signer` of `guardrails`.
    pub jwt_signer: Option<JwtSigner>,
    /// `store`
    pub store: Store,
    /// `redis`, or where LiteLLM's settings name it
    pub redis: Option<Redis>,
    /// `audit`
    pub audit: Audit,
    /// `telemetry`
    pub telemetry: Telemetry,
    /// `compat`
    pub compat: Compat,
    /// Relaxations chosen by name, one line each, to be logged at every start.
    pub insecure_choices: Vec<String>,
}

/// Whose defaults apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compat {
    /// Ours: closed.
    #[default]
    None,
    /// LiteLLM's.
    LiteLlm,
}

/// A value that remembers where it was found, so that it can be spoken of without being shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it was found.
    pub origin: Origin,
}

impl<T> Sourced<T> {
    /// The same place, another type.
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Sourced<U> {
        Sourced {
            value: f(self.value),
            origin: self.origin,
        }
    }
}
