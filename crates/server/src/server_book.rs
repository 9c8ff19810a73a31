//! Servers that administrators define at run time, as the surfaces see them: who keeps them, and how, is the
//! binary's business.

use async_trait::async_trait;
use portcullis_core::{ErrorKind, Principal, ServerId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Whoever keeps servers.
#[async_trait]
pub trait ServerBook: Send + Sync + std::fmt::Debug {
    /// Every server that was defined, whatever became of it, in order of their names.
    async fn all(&self) -> Result<Vec<DefinedServer>, BookError>;
    /// The one of this name.
    async fn get(&self, id: &ServerId) -> Result<Option<DefinedServer>, BookError>;
    /// Defines a new one, and returns when this gateway serves it, or holds it for review.
    async fn define(&self, wish: NewServer, by: &Principal) -> Result<ChangedServer, BookError>;
    /// Changes these keys of one; `seen` is the state that the caller saw, where they say.
    async fn change(
        &self,
        id: &ServerId,
        changes: Map<String, Value>,
        seen: Option<u64>,
        by: &Principal,
    ) -> Result<ChangedServer, BookError>;
    /// Takes one away, and with it its sessions and what people connected there. The state that it was in.
    async fn remove(&self, id: &ServerId, seen: Option<u64>) -> Result<u64, BookError>;
    /// Decides about one that was submitted.
    async fn review(
        &self,
        id: &ServerId,
        verdict: Verdict,
        seen: Option<u64>,
        by: &Principal,
    ) -> Result<ChangedServer, BookError>;
    /// Asks a server for its tools, once, without keeping anything of it. `None`: it does not answer.
    async fn try_out(&self, entry: Map<String, Value>) -> Result<Option<Vec<Value>>, BookError>;
    /// The configuration in force, every secret masked.
    async fn configuration(&self) -> Result<Value, BookError>;
    /// What a reload of the file would change. Nothing is put in force.
    async fn configuration_diff(&self) -> Result<ConfigurationDiff, BookError>;
}

/// A server that somebody wants.
#[derive(Clone, Debug)]
pub struct NewServer {
    /// Its name.
    pub id: ServerId,
    /// The keys of an entry of `mcp_servers`.
    pub entry: Map<String, Value>,
    /// Whether it is held until somebody reviewed it.
    pub submitted: bool,
}

/// What a reviewer says.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It is served.
    Approve,
    /// It is not, for this reason.
    Reject {
        /// What its submitter is told.
        notes: Option<String>,
    },
}

/// Where a server stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// Nobody sees it until somebody reviewed it.
    PendingReview,
    /// It is served.
    Active,
    /// It was turned down; nobody sees it.
    Rejected,
}

/// Who did what with a server, and when (RFC 3339).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Provenance {
    /// When it was defined.
    pub created_at: String,
    /// By which principal.
    pub created_by: String,
    /// When it was changed last.
    pub updated_at: String,
    /// By which principal.
    pub updated_by: String,
    /// When it was submitted.
    pub submitted_at: Option<String>,
    /// By which principal.
    pub submitted_by: Option<String>,
    /// The team of the key that submitted it.
    pub submitted_by_team: Option<String>,
    /// When somebody decided about it.
    pub reviewed_at: Option<String>,
    /// Who.
    pub reviewed_by: Option<String>,
    /// What they said.
    pub review_notes: Option<String>,
}

/// A server as it is kept, without its secrets.
#[derive(Clone, Debug)]
pub struct DefinedServer {
    /// Its name.
    pub id: ServerId,
    /// Which state of it this is.
    pub version: u64,
    /// Where it stands.
    pub approval: Approval,
    /// Whether a server of the file has its name, so that what is served under it is not this one.
    pub is_behind_file: bool,
    /// Its entry, with a mark in the place of each secret.
    pub entry: Map<String, Value>,
    /// Who did what with it.
    pub provenance: Provenance,
    /// Why it is not served although it is active.
    pub problems: Vec<String>,
    /// What was noticed besides.
    pub warnings: Vec<String>,
}

/// A server that was made or changed.
#[derive(Clone, Debug)]
pub struct ChangedServer {
    /// As it is kept now.
    pub server: DefinedServer,
    /// The state that it was in before; `None`: there was none of this name.
    pub from: Option<u64>,
    /// The names of what differs.
    pub fields: Vec<String>,
}

/// What a reload would change.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct ConfigurationDiff {
    /// Keys that differ, in the order of their names. Secrets are told to differ, never shown.
    pub changes: Vec<ChangedKey>,
    /// Sections of which the change takes effect at the next start only.
    pub at_next_start: Vec<String>,
    /// What is wrong with the file: a reload would leave everything as it is.
    pub refused: Option<String>,
}

/// One key that differs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ChangedKey {
    /// Where it stands.
    pub path: String,
    /// What is in force; absent: nothing.
    #[schema(value_type = Option<Object>)]
    pub in_force: Option<Value>,
    /// What the file says; absent: nothing.
    #[schema(value_type = Option<Object>)]
    pub in_file: Option<Value>,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// What was sent cannot be a server; says where, and what to write instead, never a secret.
    #[error("{0}")]
    Invalid(String),
    /// The name is taken by a server of the file or of the store.
    #[error("MCP server with name {0} already exists. Cannot create another.")]
    Taken(String),
    /// There is no such server in the store.
    #[error("MCP server not found")]
    Unknown,
    /// It is not in the state that was seen.
    #[error("the server was changed meanwhile: read it again")]
    Changed,
    /// It is in that state already.
    #[error("{0}")]
    Already(&'static str),
    /// There are as many as there is room for.
    #[error("there are as many servers as there is room for")]
    Full,
    /// The store, the key ring or the configuration is not available.
    #[error("the servers cannot be read or changed now")]
    Unavailable,
}

impl BookError {
    /// How surfaces should treat this.
    pub const fn error_kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) | Self::Taken(_) | Self::Already(_) => ErrorKind::Invalid,
            Self::Unknown => ErrorKind::NotFound,
            Self::Changed | Self::Full => ErrorKind::Conflict,
            Self::Unavailable => ErrorKind::Unavailable,
        }
    }
}
