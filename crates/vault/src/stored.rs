//! References into secret stores: `vault:path#field`, `aws-sm:name#field`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use portcullis_aws::AwsError;
use portcullis_core::SecretValue;
use portcullis_egress::EgressError;

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StoreKind {
    /// HashiCorp Vault, a KV version 2 engine.
    Vault,
    /// AWS Secrets Manager.
    AwsSecretsManager,
}

/// One field of one document in a store. Safe to print: it names the place, not the value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoredRef {
    /// Which store.
    pub kind: StoreKind,
    /// The document: a path below the mount, or a secret's name or ARN.
    pub document: String,
    /// Its field.
    pub field: String,
}

/// A text that names no place in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a place in a secret store: write `vault:path#field` or `aws-sm:name#field`")]
pub struct NotAPlace;

impl FromStr for StoredRef {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        let (kind, rest) = [
            ("vault:", StoreKind::Vault),
            ("aws-sm:", StoreKind::AwsSecretsManager),
        ]
        .into_iter()
        .find_map(|(scheme, kind)| Some((kind, text.strip_prefix(scheme)?)))
        .ok_or(NotAPlace)?;
        let (document, field) = rest.rsplit_once('#').ok_or(NotAPlace)?;
        let plain = |text: &str| {
            !text.is_empty()
                && text.len() <= 2048
                && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        // A path that climbs could leave the mount that the file names.
        let climbs = document
            .split('/')
            .any(|part| matches!(part, "" | "." | ".."));
        if !plain(document) || !plain(field) || climbs || document.contains(['?', '#', '%', '\\']) {
            return Err(NotAPlace);
        }
        Ok(Self {
            kind,
            document: document.to_owned(),
            field: field.to_owned(),
        })
    }
}

impl fmt::Display for StoredRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            StoreKind::Vault => "vault",
            StoreKind::AwsSecretsManager => "aws-sm",
        };
        write!(f, "{scheme}:{}#{}", self.document, self.field)
    }
}

/// A document could not be had. Says nothing that a store said in prose.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file names no store of this kind.
    #[error("no such secret store is set up")]
    NotSetUp,
    /// There is no such document, or it was deleted.
    #[error("there is no such secret")]
    Missing,
    /// The document has no such field, or it is no text, or an empty one.
    #[error("the secret has no such field with a text in it")]
    NoField,
    /// The store refused us.
    #[error("the secret store refused us (HTTP {0})")]
    Refused(u16),
    /// The store cannot answer now; a sealed one says 503.
    #[error("the secret store cannot answer now (HTTP {0})")]
    Unavailable(u16),
    /// The answer is not what the store's documentation describes.
    #[error("the secret store's answer has not the documented form")]
    BadResponse,
    /// The address or a header cannot be requested.
    #[error("the secret store cannot be asked: its address or its token cannot be sent")]
    Address,
    /// The identity's token file cannot be read.
    #[error("the token file of the Kubernetes service account cannot be read")]
    TokenFile(#[source] std::io::Error),
    /// Others were waited for too long already.
    #[error("the secret stores took too long")]
    Late,
    /// No answer.
    #[error("the secret store gave no answer")]
    Egress(#[from] EgressError),
    /// AWS gave no answer, or no keys.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl StoreError {
    /// Whether the store may give it later, without anybody changing anything.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Late | Self::Egress(_) => true,
            Self::Aws(error) => error.is_outage(),
            _ => false,
        }
    }
}

/// One store: a document at a time, with all its fields.
#[async_trait]
pub trait SecretStore: Send + Sync + fmt::Debug {
    /// The fields of a document that are texts.
    async fn read(&self, document: &str) -> Result<Fields, StoreError>;
}

/// Fields of a document.
pub type Fields = BTreeMap<String, SecretValue>;

/// The texts of a JSON object.
pub(crate) fn texts(object: &serde_json::Map<String, serde_json::Value>) -> Fields {
    object
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), SecretValue::new(value.as_str()?))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written_and_nothing_else_is_one() {
        for text in [
            "vault:apps/gateway#token",
            "aws-sm:prod/app#token",
            "aws-sm:arn:aws:secretsmanager:eu-west-1:1:secret:app-x#token",
        ] {
            assert_eq!(text.parse::<StoredRef>().unwrap().to_string(), text);
        }
        for text in [
            "vault:apps",
            "vault:#f",
            "vault:a#",
            "vault:../sys/raw#f",
            "vault:a//b#f",
            "vault:/a#f",
            "vault:a?version=1#f",
            "vault:a%2e#f",
            "vault:a b#f",
            "env:A#b",
            "a#b",
        ] {
            assert_eq!(text.parse::<StoredRef>(), Err(NotAPlace), "{text}");
        }
    }
}
