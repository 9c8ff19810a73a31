//! Stores of secrets, and how long their values are good for.

use std::path::PathBuf;
use std::time::Duration;

use portcullis_core::SecretValue;
use url::Url;

use super::{AwsIdentity, Sourced};

/// `secrets`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secrets {
    /// How often values are asked for again.
    pub refresh: Duration,
    /// How long a value is used that its store does not give any more.
    pub max_stale: Duration,
    /// HashiCorp Vault.
    pub vault: Option<VaultStore>,
    /// AWS Secrets Manager.
    pub aws: Option<AwsStore>,
}

/// `secrets.vault`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultStore {
    /// Its address.
    pub address: Url,
    /// The namespace.
    pub namespace: Option<String>,
    /// Where the KV version 2 engine is mounted.
    pub mount: String,
    /// How we log in.
    pub auth: VaultAuth,
    /// Plain http beyond loopback was accepted by name.
    pub allow_insecure_http: bool,
}

/// `secrets.vault.auth`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultAuth {
    /// A token.
    Token(Sourced<SecretValue>),
    /// A role id and its secret id.
    AppRole {
        /// Where the method is mounted.
        mount: String,
        /// The role.
        role_id: String,
        /// Its secret.
        secret_id: Sourced<SecretValue>,
    },
    /// The token of a Kubernetes service account.
    Kubernetes {
        /// Where the method is mounted.
        mount: String,
        /// The role.
        role: String,
        /// The token's file.
        token_file: PathBuf,
    },
}

/// `secrets.aws`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsStore {
    /// Who asks.
    pub identity: AwsIdentity,
    /// Secrets Manager's endpoint.
    pub endpoint: Url,
}
