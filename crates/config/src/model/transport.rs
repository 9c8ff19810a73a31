//! How a server is reached.

use std::collections::BTreeSet;
use std::path::PathBuf;

use url::Url;

use super::{Forwarding, Sourced};

/// `transport`, and what it needs.
#[derive(Clone, Debug, PartialEq)]
pub enum Transport {
    /// Streamable HTTP, or HTTP+SSE where the server speaks only that.
    Http(Url),
    /// HTTP+SSE.
    Sse(Url),
    /// A child process of ours.
    Stdio(Box<StdioCommand>),
    /// An API that its OpenAPI document describes.
    OpenApi(Box<OpenApiDocument>),
}

impl Transport {
    /// The server's address, if it has one.
    pub const fn url(&self) -> Option<&Url> {
        match self {
            Self::Http(url) | Self::Sse(url) => Some(url),
            Self::OpenApi(api) => api.url.as_ref(),
            Self::Stdio(_) => None,
        }
    }

    /// The word of `transport`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Sse(_) => "sse",
            Self::Stdio(_) => "stdio",
            Self::OpenApi(_) => "openapi",
        }
    }
}

/// A document whose operations are tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenApiDocument {
    /// `spec_path`
    pub document: SpecPath,
    /// `url`: where the API is, whatever the document says.
    pub url: Option<Url>,
}

/// `spec_path`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpecPath {
    /// A file.
    File(PathBuf),
    /// Where it is fetched.
    Address(Url),
}

/// A command of the operator's. No shell ever reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StdioCommand {
    /// `command`: a name that is looked for in `PATH`, or an absolute path.
    pub command: String,
    /// `args`, as they are.
    pub args: Vec<String>,
    /// `env`
    pub env: Vec<EnvVar>,
    /// What of our own environment it gets: nothing that could hold a secret.
    pub inherited: Vec<(String, String)>,
    /// `cwd`
    pub cwd: Option<PathBuf>,
    /// `stdio_processes`
    pub processes: StdioProcesses,
}

impl StdioCommand {
    /// The headers of callers that its environment holds are what it is handed of their requests.
    pub(crate) fn forwarding(&self) -> Forwarding {
        let headers = self
            .env
            .iter()
            .filter_map(|variable| match &variable.value {
                EnvValue::Header(name) => Some(name.clone()),
                EnvValue::Fixed(_) => None,
            });
        let headers: BTreeSet<String> = headers.collect();
        Forwarding {
            extra_headers: headers.into_iter().collect(),
            ..Forwarding::default()
        }
    }
}

/// Who is served by one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StdioProcesses {
    /// One caller: what a process remembers of one is told to no other.
    #[default]
    PerPrincipal,
    /// Everybody.
    Shared,
}

/// A variable of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: EnvValue,
    /// Whether no caller may hear the value: by its name, or because the file only refers to it.
    pub secret: bool,
}

/// Where its value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvValue {
    /// The file, or what the file refers to.
    Fixed(Sourced<portcullis_core::SecretValue>),
    /// `${X-HEADER}`: this header of the caller's, lower case.
    Header(String),
}
