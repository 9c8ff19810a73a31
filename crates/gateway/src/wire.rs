//! From configuration to rooms: the only place that names concrete backends.

mod authorization;
mod beside;
mod check;
mod defined;
mod demo;
mod desk;
mod doctor;
mod embedded;
mod explanation;
mod files;
mod first_start;
mod forwarding;
mod frontage;
mod hosts;
mod housekeeping;
mod id_jag;
mod identity;
mod interactive;
mod issuers;
mod keys;
mod limits;
mod macs;
mod mapped_keys;
mod oauth_client;
mod openapi;
mod outbound;
mod people;
mod pins;
mod proxy;
mod reload;
mod replicas;
mod retention;
mod revocations;
mod rooms;
mod rotation;
mod serve;
mod servers;
mod sign_in;
mod signer;
mod signing_keys;
mod sinks;
mod standing;
mod storage;
mod stored;
mod subjects;
mod traces;
mod trail;
mod unclaimed;

#[cfg(test)]
mod tests;

use std::path::Path;

use portcullis_core::ApiKey;
use serde_json::Value;
use url::Url;

use crate::cli::exit::CommandError;
use crate::telemetry::LogControl;

pub use check::check;
pub use demo::demo_gateway;
pub use doctor::{Change, DoctorReport, Finding, State, doctor, doctor_server};
pub use embedded::{Embedded, Presenting};
pub use explanation::explain;
pub use first_start::init;
pub use keys::generate_key;
pub use outbound::http_client;
pub use proxy::{ProxyOptions, proxy};
pub use retention::{PrunedTrail, prune_audit};
pub use revocations::{StoreOf, lift_revocation, revocations, revoke};
pub use rotation::{RotatedKey, rotate_ring, rotate_signer, rotate_tokens};
pub use serve::serve;
pub use storage::{MigratedStore, migrate};
pub use trail::verify_audit;

/// What `serve` was asked for; options override the file.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServeOptions<'a> {
    /// The file; absent: `portcullis.yaml` of the working folder, made when there is none.
    pub config: Option<&'a Path>,
    /// Overrides the host to listen on.
    pub host: Option<&'a str>,
    /// Overrides the port to listen on.
    pub port: Option<u16>,
    /// The log that the file's `telemetry` applies to.
    pub logs: Option<&'a LogControl>,
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
    /// Chains whose beginning was removed because it was old enough.
    pub pruned: u64,
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

/// The JSON Schema of the configuration file.
pub fn schema() -> Result<String, CommandError> {
    Ok(portcullis_config::schema_json())
}

/// The reference page of the configuration file.
pub fn reference() -> String {
    portcullis_config::reference_markdown()
}
