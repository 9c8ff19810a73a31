//! An identity at AWS, and what it signs.

use std::path::PathBuf;

use portcullis_core::SecretValue;
use url::Url;

use super::Sourced;

/// `auth_type: aws_sigv4`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsSigV4 {
    /// Who signs.
    pub identity: AwsIdentity,
    /// The service's signing name.
    pub service: String,
}

/// Where keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsIdentity {
    /// What it begins with.
    pub source: AwsSource,
    /// The role that is assumed with it.
    pub role: Option<AwsRole>,
    /// The region that requests are signed for.
    pub region: String,
    /// The Security Token Service.
    pub sts_endpoint: Url,
    /// Plain http to it beyond loopback was accepted by name.
    pub allow_insecure_http: bool,
}

/// What an identity begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AwsSource {
    /// Keys, of the file or of the environment.
    Keys {
        /// The access key's id.
        id: String,
        /// Its secret.
        secret: Sourced<SecretValue>,
        /// The session token of temporary ones.
        session_token: Option<Sourced<SecretValue>>,
    },
    /// A token in a file, and the role that takes it.
    WebIdentity {
        /// The file.
        token_file: PathBuf,
        /// The role.
        role: AwsRole,
    },
}

/// A role and the session in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsRole {
    /// The role.
    pub arn: String,
    /// The session's name.
    pub session_name: String,
    /// What the role's owner asks for.
    pub external_id: Option<String>,
}
