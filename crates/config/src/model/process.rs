//! What concerns the process: sockets, files, logs.

use std::num::NonZeroU8;
use std::path::PathBuf;
use std::time::Duration;

use portcullis_core::{AddressRange, SecretValue, TrustedOrigin};
use url::Url;

use super::{Sourced, Traces};

/// `server`
#[derive(Clone, Debug)]
pub struct Server {
    /// Where callers connect.
    pub listen: Listen,
    /// A second listener for metrics and the admin API.
    pub admin_listen: Option<Listen>,
    /// A listener for the other replicas, where there are several.
    pub replica_listen: Option<Listen>,
    /// Where the other replicas reach it, when that is not the address that it is bound to.
    pub replica_url: Option<Url>,
    /// The origin that clients see (`server.public_url`, `PROXY_BASE_URL`); its path is `/`.
    pub public_url: Option<Url>,
    /// Where our client document is published, when not by us (`server.client_metadata_url`).
    pub client_metadata_url: Option<Url>,
    /// Whose `X-Forwarded-*` headers are believed; `None`: nobody's.
    pub forwarded: Option<Forwarded>,
    /// The operator's own addresses (`general_settings.mcp_internal_ip_ranges`).
    pub inside: Vec<AddressRange>,
    /// What servers may do that the admin API defines.
    pub defined: DefinedServers,
    /// Who may ask how its request was authenticated.
    pub debug_headers: DebugHeaders,
    /// Whether the servers in view are listed as a registry lists them (`general_settings.enable_mcp_registry`).
    pub registry: bool,
    /// TLS here, or none.
    pub tls: Option<Tls>,
    /// Further `Host` values, `host` or `host:port`, lower case.
    pub allowed_hosts: Vec<String>,
    /// Further browser origins, serialized (RFC 6454 §6.2).
    pub allowed_origins: Vec<String>,
    /// Origins to which the relay's authorization endpoints may send codes, besides our own and
    /// loopback (`MCP_TRUSTED_REDIRECT_ORIGINS`).
    pub trusted_redirect_origins: Vec<TrustedOrigin>,
    /// Further certification authorities for outgoing TLS.
    pub ca_file: Option<PathBuf>,
    /// Largest request body.
    pub max_body: u64,
    /// Most connections at one time.
    pub max_connections: u64,
    /// Most connections of one address; `None`: the listener's default, which spares loopback.
    pub max_connections_per_address: Option<u64>,
    /// Most requests of strangers in a minute, of one network.
    pub strangers_per_minute: u32,
    /// Most requests in a minute at what needs no key, of one network.
    pub limits: Limits,
    /// Time for the TLS handshake and the head of a request.
    pub header_timeout: Duration,
    /// Time for the whole of a body.
    pub body_timeout: Duration,
    /// How long to go on accepting after the stop signal.
    pub grace: Duration,
    /// How long running requests may then take.
    pub drain: Duration,
}

/// `server.api_…`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DefinedServers {
    /// The schemes of references that they may hold.
    pub secret_stores: Vec<&'static str>,
    /// They may be at addresses that are not public.
    pub private_addresses: bool,
}

/// `server.limits`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Clients that register.
    pub register_per_minute: u32,
    /// Tokens that are asked for or given back.
    pub token_per_minute: u32,
    /// Authorization requests.
    pub authorize_per_minute: u32,
    /// Questions about tokens.
    pub introspect_per_minute: u32,
    /// Sign-ins that begin.
    pub sign_in_per_minute: u32,
}

/// `general_settings.use_x_forwarded_for` and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// Where the proxies are.
    pub proxies: Vec<AddressRange>,
    /// How many of them append to `X-Forwarded-For`, when that is fixed.
    pub hops: Option<NonZeroU8>,
}

/// `server.debug_headers`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebugHeaders {
    /// Nobody.
    Off,
    /// Administrators.
    Admin,
    /// Every authenticated caller.
    Authenticated,
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// An IP address or a name.
    pub host: String,
    /// 0 picks a free port.
    pub port: u16,
}

/// `server.tls`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificate chain, leaf first.
    pub cert: PathBuf,
    /// The leaf's key.
    pub key: PathBuf,
    /// Whose certificates clients come with; `None`: they are asked for none.
    pub client_ca: Option<ClientCa>,
}

/// `server.tls.client_ca`, `server.tls.client_certificate`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCa {
    /// Certificates of authorities.
    pub files: Vec<PathBuf>,
    /// Whether a connection without one is refused.
    pub required: bool,
}

/// `store`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// The SQLite database; the key ring lies beside it.
    pub path: PathBuf,
    /// A PostgreSQL database in its place.
    pub postgres: Option<Postgres>,
}

/// `store.database_url` and what belongs to it
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postgres {
    /// Where it is, with the password.
    pub url: Sourced<SecretValue>,
    /// Whether it need not prove who it is.
    pub allow_unverified: bool,
    /// Most connections.
    pub connections: u32,
    /// How long to wait for one.
    pub acquire_timeout: Duration,
    /// How long a statement may take.
    pub statement_timeout: Duration,
}

/// `telemetry`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telemetry {
    /// How log lines look.
    pub log_format: LogFormat,
    /// Least important level that is logged.
    pub log_level: LogLevel,
    /// Whether `/metrics` is served.
    pub metrics: bool,
    /// Where spans go, if anywhere.
    pub traces: Option<Traces>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// Least important level that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Errors only.
    Error,
    /// And warnings.
    Warn,
    /// And news.
    Info,
    /// And details.
    Debug,
    /// And everything else.
    Trace,
}

impl LogLevel {
    /// The word that filters understand.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}
