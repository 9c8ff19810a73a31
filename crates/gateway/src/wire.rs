//! From configuration to rooms: the only place that names concrete backends.

#![expect(
    clippy::unused_async,
    reason = "these signatures are what the command line builds on; the rooms behind them wait"
)]

use std::path::Path;
use std::sync::Arc;

use portcullis_core::ApiKey;
use portcullis_egress::HttpClient;
use serde_json::Value;
use url::Url;

use crate::cli::exit::{CommandError, Exit};
use crate::lifecycle::{Lifecycle, Reloads};

/// What `serve` was asked for; options override the file.
#[derive(Clone, Debug, Default)]
pub struct ServeOptions<'a> {
    /// The file; absent: `portcullis.yaml` of the working folder, made when there is none.
    pub config: Option<&'a Path>,
    /// Overrides the host to listen on.
    pub host: Option<&'a str>,
    /// Overrides the port to listen on.
    pub port: Option<u16>,
}

/// What `check` found.
#[derive(Clone, Debug)]
pub struct CheckReport {
    /// How many findings forbid a start.
    pub errors: usize,
    /// How many do not.
    pub warnings: usize,
    /// All findings (and the explanation when wanted) as text, secrets redacted.
    pub text: String,
    /// The same as JSON.
    pub json: Value,
}

/// What `init` made.
#[derive(Debug)]
pub struct FirstKey {
    /// The admin key, shown this once.
    pub key: ApiKey,
    /// The gateway's URL.
    pub url: Url,
}

/// What `audit verify` found.
#[derive(Clone, Debug)]
pub struct Verification {
    /// Events whose place in their chain was proven.
    pub verified: u64,
    /// What does not fit, one sentence each; empty: nothing was changed, removed or reordered.
    pub broken: Vec<String>,
}

/// A gateway that serves the demo.
#[derive(Debug)]
pub struct DemoGateway {
    /// Its base URL.
    pub url: Url,
    /// May do everything.
    pub admin: ApiKey,
    /// May call the mock's tools.
    pub caller: ApiKey,
}

fn unwired<T>(what: &str) -> Result<T, CommandError> {
    Err(anyhow::anyhow!("{what} needs rooms that this build does not hold").into())
}

/// The client through which all verbs reach out.
pub fn http_client() -> Result<Arc<dyn HttpClient>, CommandError> {
    unwired("reaching a gateway")
}

/// Serves until the lifecycle's stop; returns when everything has ended.
pub async fn serve(
    _options: ServeOptions<'_>,
    _lifecycle: &Lifecycle,
    _reloads: Reloads,
) -> Result<Exit, CommandError> {
    unwired("serve")
}

/// Checks one file.
pub async fn check(
    _file: Option<&Path>,
    _online: bool,
    _explain: bool,
) -> Result<CheckReport, CommandError> {
    unwired("check")
}

/// Makes store and key ring for a configuration that was just written, and the first admin key.
pub async fn init(_file: &Path) -> Result<FirstKey, CommandError> {
    unwired("init")
}

/// Makes a key in the store that the configuration names; `wanted` and the answer are bodies of
/// `POST /key/generate`.
pub async fn generate_key(_config: Option<&Path>, _wanted: &Value) -> Result<Value, CommandError> {
    unwired("making a key without a running gateway")
}

/// Verifies the whole audit trail of the store that the configuration names.
pub async fn verify_audit(_config: Option<&Path>) -> Result<Verification, CommandError> {
    unwired("audit verify")
}

/// Starts a gateway on loopback in front of the mock whose base URL is `mock`, as the server
/// `support` (M2M, with the mock's client). It runs on `lifecycle.tasks` and ends with its stop.
pub async fn demo_gateway(
    _mock: &str,
    _port: u16,
    _lifecycle: &Lifecycle,
) -> Result<DemoGateway, CommandError> {
    unwired("demo")
}

/// The JSON Schema of the configuration file.
pub fn schema() -> Result<String, CommandError> {
    unwired("schema")
}
