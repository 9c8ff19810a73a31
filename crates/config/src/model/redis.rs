//! What is kept beside the database.

use std::path::PathBuf;
use std::time::Duration;

use portcullis_core::SecretValue;

use super::Sourced;

/// `redis`, or the server that LiteLLM's settings name
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redis {
    /// Where it is, with the password.
    pub url: Sourced<SecretValue>,
    /// What every key begins with.
    pub key_prefix: String,
    /// How long one step may take.
    pub timeout: Duration,
    /// Authorities in place of the machine's.
    pub ca_file: Option<PathBuf>,
    /// Whether it need not prove who it is.
    pub allow_unverified: bool,
}
