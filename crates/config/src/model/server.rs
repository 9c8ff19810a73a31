//! One upstream MCP server.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use portcullis_core::{ClientSecret, ScopeSet, SecretValue, ServerId};
use portcullis_policy::{ApprovalRules, ArgumentSchema, OnDrift};
use url::Url;

use super::{AwsSigV4, Delegation, Forwarding, Sourced, Transport};
use crate::key_map::MappedKey;

/// One entry of `mcp_servers`.
#[derive(Clone, Debug)]
pub struct McpServer {
    /// The entry's name.
    pub id: ServerId,
    /// It was defined by the admin API, and does not stand in the file.
    pub defined: bool,
    /// Prefix of its tools at the aggregate endpoint, when it is not the name.
    pub alias: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// For the model.
    pub instructions: Option<String>,
    /// How it is reached.
    pub transport: Transport,
    /// Which revision to speak.
    pub protocol_version: Revision,
    /// What we present.
    pub auth: Auth,
    /// Whether requests carry a token of our own (`mcp_jwt_signer`).
    pub signed: bool,
    /// What we present where we ask for its lists, if that is something else.
    pub discovery_auth: Option<Auth>,
    /// What of its callers' requests it is handed.
    pub forwarding: Forwarding,
    /// Whether it judges its callers itself.
    pub delegation: Delegation,
    /// Sent with every request.
    pub static_headers: Vec<StaticHeader>,
    /// Groups that a grant may name.
    pub access_groups: BTreeSet<String>,
    /// Every authenticated caller may use it.
    pub allow_all_keys: bool,
    /// Nobody outside `mcp_internal_ip_ranges` sees it.
    pub inside_only: bool,
    /// Only these tools, when given.
    pub allowed_tools: Option<BTreeSet<String>>,
    /// Never these tools.
    pub disallowed_tools: BTreeSet<String>,
    /// For a tool listed here, only these top-level arguments.
    pub allowed_params: BTreeMap<String, BTreeSet<String>>,
    /// For a tool listed here, what its arguments may hold.
    pub argument_schemas: BTreeMap<String, ArgumentSchema>,
    /// Which of its tools are called with an approval only.
    pub approval: ApprovalRules,
    /// What happens to its tools when they change; `None`: what `policy.on_drift` says.
    pub on_drift: Option<OnDrift>,
    /// Which scopes its callers need; `None`: none.
    pub scopes: Option<ToolScopes>,
    /// It may ask the client's model.
    pub allow_sampling: bool,
    /// It may ask the client's user.
    pub allow_elicitation: bool,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// Longest that a call may take, whatever it lets know meanwhile.
    pub total_timeout: Duration,
    /// Plain http beyond loopback was accepted by name.
    pub allow_insecure_http: bool,
    /// Free facts for lists.
    pub mcp_info: Option<serde_json::Value>,
    /// What all callers together may ask of it (`rpm`, `max_concurrent_requests`, `tool_limits`), and what
    /// calls cost.
    pub limits: portcullis_policy::ServerLimits,
}

impl McpServer {
    /// Its address, if it has one.
    pub const fn url(&self) -> Option<&Url> {
        self.transport.url()
    }

    /// What its tools are prefixed with.
    pub fn prefix(&self) -> &str {
        self.alias.as_deref().unwrap_or(self.id.as_str())
    }
}

/// `tool_scopes`. What is not in it is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolScopes {
    /// What single tools need.
    pub tools: BTreeMap<String, ScopeSet>,
    /// What everything else of the server needs.
    pub others: Option<ScopeSet>,
}

/// `protocol_version`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revision {
    /// Find out.
    Auto,
    /// This one, by its date.
    Exactly(&'static str),
}

/// What we present. Values are as the operator wrote them; the sender builds the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Nothing.
    None,
    /// `X-API-Key: v`
    ApiKey(Sourced<SecretValue>),
    /// `Authorization: Bearer v`
    BearerToken(Sourced<SecretValue>),
    /// `Authorization: Basic base64(v)`; `v` is `user:password`.
    Basic(Sourced<SecretValue>),
    /// `Authorization: v`
    Authorization(Sourced<SecretValue>),
    /// `Authorization: token v`
    Token(Sourced<SecretValue>),
    /// `name: v`
    Header(StaticHeader),
    /// OAuth 2.0 client credentials (RFC 6749 §4.4).
    ClientCredentials(Box<ClientCredentials>),
    /// For each caller the account that they connected (RFC 6749 §4.1).
    AuthorizationCode(Box<AuthorizationCode>),
    /// The caller's token, exchanged for one of this server.
    TokenExchange(Box<TokenExchange>),
    /// The caller's token, exchanged in two legs by way of their organisation.
    IdJag(Box<super::IdJag>),
    /// For each caller the key that was set apart for them. No file says this: `portcullis proxy` does.
    MappedKeys(Box<MappedKeys>),
    /// A signature of each request (AWS Signature Version 4).
    AwsSigV4(Box<AwsSigV4>),
    /// The caller's own bearer token, after admission by a key beside it.
    TruePassthrough,
    /// The caller's own bearer token, for the server to judge.
    Delegated,
}

impl Auth {
    /// The `auth_type` of debug headers and audit.
    pub fn auth_type(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ApiKey(_) => "api_key",
            Self::BearerToken(_) => "bearer_token",
            Self::Basic(_) => "basic",
            Self::Authorization(_) => "authorization",
            Self::Token(_) => "token",
            Self::Header(_) => "header",
            Self::ClientCredentials(_) | Self::AuthorizationCode(_) | Self::Delegated => "oauth2",
            Self::TruePassthrough => "true_passthrough",
            Self::TokenExchange(_) => "oauth2_token_exchange",
            Self::IdJag(_) => "oauth2_id_jag",
            Self::MappedKeys(_) => "mapped_key",
            Self::AwsSigV4(_) => "aws_sigv4",
        }
    }

    /// The header it fills, lower case.
    pub fn header_name(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::ApiKey(_) => Some("x-api-key".to_owned()),
            Self::Header(header) => Some(header.name.to_ascii_lowercase()),
            Self::MappedKeys(keys) => Some(keys.style.header_name()),
            _ => Some("authorization".to_owned()),
        }
    }
}

/// The keys of one server, and whose they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedKeys {
    /// Whose tokens the names in the map are about.
    pub issuer: String,
    /// How a key is presented.
    pub style: KeyStyle,
    /// Never empty.
    pub keys: Vec<MappedKey>,
}

/// How a mapped key is presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyStyle {
    /// `Authorization: Bearer v`
    Bearer,
    /// `name: v`
    Header(String),
}

impl KeyStyle {
    /// The header it fills, lower case.
    fn header_name(&self) -> String {
        match self {
            Self::Bearer => "authorization".to_owned(),
            Self::Header(name) => name.to_ascii_lowercase(),
        }
    }
}

/// A header with a secret value; name and value are valid (RFC 9110 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticHeader {
    /// Its name as written.
    pub name: String,
    /// Its value.
    pub value: Sourced<SecretValue>,
}

/// The client-credentials grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCredentials {
    /// Token endpoint; discovered when absent.
    pub token_url: Option<Url>,
    /// The authorization server, pinned for discovery.
    pub issuer: Option<Url>,
    /// Who asks.
    pub client: OAuthClient,
    /// Scopes to ask for.
    pub scopes: ScopeSet,
    /// `audience`
    pub audience: Option<String>,
    /// `resource` (RFC 8707)
    pub resource: Option<String>,
    /// What a token response must say: paths and texts.
    pub token_validation: BTreeMap<String, String>,
}

/// The authorization code grant. What is absent is found from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationCode {
    /// `issuer`
    pub issuer: Option<Url>,
    /// `authorization_url`
    pub authorization_url: Option<Url>,
    /// `token_url`
    pub token_url: Option<Url>,
    /// `registration_url`
    pub registration_url: Option<Url>,
    /// The client that was registered by hand; `None`: we get one ourselves.
    pub client: Option<InteractiveClient>,
    /// Scopes to ask for; empty: those that the server asks for.
    pub scopes: ScopeSet,
    /// `audience`
    pub audience: Option<String>,
    /// `resource` (RFC 8707)
    pub resource: Resource,
    /// What a token response must say: paths and texts.
    pub token_validation: BTreeMap<String, String>,
    /// `token_storage_ttl_seconds`
    pub storage_ttl: Option<Duration>,
}

/// A client of the authorization code grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InteractiveClient {
    /// `client_id`
    pub client_id: String,
    /// What proves it; `None`: it is public.
    pub proof: Option<ClientProof>,
    /// Whether `token_endpoint_auth_method` is written; otherwise the server's metadata decides.
    pub method_is_written: bool,
}

/// The `resource` of an interactive server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// As the server's own metadata names it, else its URL.
    Own,
    /// As written.
    Exactly(String),
    /// Not sent.
    Unsaid,
}

/// How callers' tokens are exchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenExchange {
    /// Where.
    pub endpoint: Url,
    /// Who asks.
    pub client: OAuthClient,
    /// What is asked.
    pub profile: ExchangeProfile,
    /// Scopes to ask for.
    pub scopes: ScopeSet,
    /// What a token response must say: paths and texts.
    pub token_validation: BTreeMap<String, String>,
}

/// `token_exchange_profile`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExchangeProfile {
    /// RFC 8693.
    Rfc8693(Box<Rfc8693>),
    /// Microsoft Entra's on-behalf-of flow.
    EntraObo,
}

/// The parameters of RFC 8693 §2.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rfc8693 {
    /// `subject_token_type`
    pub subject_token_type: String,
    /// `requested_token_type`
    pub requested_token_type: Option<String>,
    /// `actor_token` and `actor_token_type`
    pub actor: Option<(ActorSource, String)>,
    /// `audience`
    pub audience: Option<String>,
    /// `resource` (RFC 8707)
    pub resource: Option<String>,
    /// Nothing is asked for that the caller's token does not carry.
    pub scopes_within_subject: bool,
}

/// `actor_token_source`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActorSource {
    /// `actor_token`
    Secret(Sourced<SecretValue>),
    /// The same client's own token, of the same endpoint, with these `actor_scopes`.
    ClientCredentials(ScopeSet),
}

/// An OAuth client and what proves it at the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthClient {
    /// `client_id`
    pub client_id: String,
    /// What proves it.
    pub proof: ClientProof,
}

/// Client authentication at the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientProof {
    /// `client_id` and `client_secret` in the form (RFC 6749 §2.3.1).
    Post(Sourced<ClientSecret>),
    /// HTTP Basic (RFC 6749 §2.3.1).
    Basic(Sourced<ClientSecret>),
    /// A signed assertion (RFC 7523 §2.2).
    PrivateKeyJwt(Box<ClientKey>),
}

/// What signs a client's assertions, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientKey {
    /// The private key in PEM; whoever signs with it reads it.
    pub private_key: Sourced<SecretValue>,
    /// `kid`
    pub key_id: Option<String>,
    /// `alg`; the key's kind decides when absent.
    pub algorithm: Option<&'static str>,
    /// `aud`
    pub audience: AssertionAudience,
}

/// The `aud` of a client's assertions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssertionAudience {
    /// The issuer that discovery finds, or else the token endpoint.
    Server,
    /// The token endpoint.
    TokenEndpoint,
    /// This text.
    Exactly(String),
}
