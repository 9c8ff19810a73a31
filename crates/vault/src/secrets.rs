//! References to secrets that live elsewhere: `env:NAME`, `file:/path`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use portcullis_core::{ErrorKind, SecretValue};
use zeroize::{Zeroize, Zeroizing};

/// Where a secret is. Safe to print: it names the place, not the value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file; one line break at its end does not count.
    File(PathBuf),
}

impl FromStr for SecretRef {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        match text.split_once(':') {
            Some(("env", name)) if is_variable_name(name) => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            // The text may be a literal secret that somebody put here: it is not repeated.
            _ => Err(SecretError::NotAReference),
        }
    }
}

fn is_variable_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

/// A secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The text is not of a form that names a secret.
    #[error("not a secret reference: write `env:NAME` or `file:/path`")]
    NotAReference,
    /// No source is set up that serves this kind of reference.
    #[error("no source serves `{0}`")]
    NoSource(SecretRef),
    /// There is nothing there.
    #[error("`{0}` is not set")]
    Missing(SecretRef),
    /// There is something, and it is empty: never taken for a secret.
    #[error("`{0}` is empty")]
    Empty(SecretRef),
    /// Not UTF-8, or longer than 64 KiB.
    #[error("`{0}` is not text of at most 64 KiB")]
    NotText(SecretRef),
    /// It is there and cannot be read.
    #[error("`{reference}` cannot be read")]
    Unreadable {
        /// The reference.
        reference: SecretRef,
        /// The operating system's answer.
        #[source]
        source: std::io::Error,
    },
}

impl SecretError {
    /// How a surface reports it.
    pub const fn error_kind(&self) -> ErrorKind {
        match self {
            Self::NotAReference | Self::NoSource(_) => ErrorKind::Invalid,
            Self::Missing(_) | Self::Empty(_) | Self::NotText(_) | Self::Unreadable { .. } => {
                ErrorKind::Unavailable
            }
        }
    }
}

/// One place where secrets live.
#[async_trait]
pub trait SecretSource: Send + Sync + fmt::Debug {
    /// The secret; `Ok(None)`: this source does not serve references of this kind.
    async fn fetch(&self, reference: &SecretRef) -> Result<Option<SecretValue>, SecretError>;
}

/// The secret from the first source that serves the reference.
pub async fn resolve(
    sources: &[Arc<dyn SecretSource>],
    reference: &SecretRef,
) -> Result<SecretValue, SecretError> {
    for source in sources {
        if let Some(secret) = source.fetch(reference).await? {
            return Ok(secret);
        }
    }
    Err(SecretError::NoSource(reference.clone()))
}

/// Environment variables of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct EnvSource;

#[async_trait]
impl SecretSource for EnvSource {
    #[expect(
        clippy::disallowed_methods,
        reason = "this source is the door to variables that hold secrets"
    )]
    async fn fetch(&self, reference: &SecretRef) -> Result<Option<SecretValue>, SecretError> {
        let SecretRef::Env(name) = reference else {
            return Ok(None);
        };
        match std::env::var(name) {
            Ok(text) => accept(reference, &Zeroizing::new(text)).map(Some),
            Err(std::env::VarError::NotPresent) => Err(SecretError::Missing(reference.clone())),
            Err(std::env::VarError::NotUnicode(_)) => Err(SecretError::NotText(reference.clone())),
        }
    }
}

/// Files, as orchestrators mount secrets.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileSource;

const MAX_SECRET: usize = 64 * 1024;

#[async_trait]
impl SecretSource for FileSource {
    async fn fetch(&self, reference: &SecretRef) -> Result<Option<SecretValue>, SecretError> {
        use std::io::Read;
        let SecretRef::File(path) = reference else {
            return Ok(None);
        };
        let failed = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::NotFound => SecretError::Missing(reference.clone()),
            _ => SecretError::Unreadable {
                reference: reference.clone(),
                source,
            },
        };
        // A mounted secret is a few bytes on a local or memory file system, read at start and on
        // reload only: not worth a thread of its own.
        let file = std::fs::File::open(path).map_err(failed)?;
        // Allocated once at full size: a buffer that grows leaves copies of the secret behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET + 2));
        file.take(MAX_SECRET as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        let too_long = bytes.len() > MAX_SECRET;
        let text = String::from_utf8(std::mem::take(&mut *bytes)).map_err(|error| {
            error.into_bytes().zeroize();
            SecretError::NotText(reference.clone())
        })?;
        let mut text = Zeroizing::new(text);
        if too_long {
            return Err(SecretError::NotText(reference.clone()));
        }
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        accept(reference, &text).map(Some)
    }
}

fn accept(reference: &SecretRef, text: &str) -> Result<SecretValue, SecretError> {
    if text.trim().is_empty() {
        return Err(SecretError::Empty(reference.clone()));
    }
    Ok(SecretValue::new(text))
}
