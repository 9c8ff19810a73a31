//! The ring: one root secret for MACs, several sealing keys of which one is active.

mod file;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::{ArcSwap, Guard};
use portcullis_core::{Clock, Entropy, ErrorKind, Timestamp, constant_time_eq};

pub(crate) use self::file::Material;
use self::file::{Content, Directory};
use crate::derived::{DerivationFailed, MacKeys, SealingKeys};

/// Between two looks at the file because of a key that is not known, in milliseconds: anybody can name
/// one.
const BETWEEN_LOOKS: i64 = 100;

/// Names a sealing key inside what it sealed: random, and nothing that helps to open it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RingKeyId([u8; Self::LEN]);

impl RingKeyId {
    pub(crate) const LEN: usize = 4;

    pub(crate) const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn to_bytes(self) -> [u8; Self::LEN] {
        self.0
    }
}

impl fmt::Display for RingKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for RingKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Every key that this installation seals, opens and authenticates with.
pub struct KeyRing {
    path: Option<PathBuf>,
    entropy: Arc<dyn Entropy>,
    macs: MacKeys,
    root_fingerprint: [u8; 32],
    keys: ArcSwap<KeySet>,
    /// When the file was last looked at because of a key that is not known.
    looked: AtomicI64,
}

/// The sealing keys, derived and ready.
pub(crate) struct KeySet {
    active: Arc<SealingKeys>,
    retired: Vec<Arc<SealingKeys>>,
}

impl KeySet {
    pub(crate) fn active(&self) -> &SealingKeys {
        &self.active
    }

    pub(crate) fn find(&self, id: RingKeyId) -> Option<&SealingKeys> {
        std::iter::once(&self.active)
            .chain(&self.retired)
            .find(|key| key.id == id)
            .map(Arc::as_ref)
    }

    fn derive(content: &Content) -> Result<Self, DerivationFailed> {
        let mut retired = Vec::new();
        for entry in content.retired() {
            retired.push(Arc::new(SealingKeys::derive(entry.id, &entry.secret)?));
        }
        let active = content.active();
        Ok(Self {
            active: Arc::new(SealingKeys::derive(active.id, &active.secret)?),
            retired,
        })
    }
}

/// A key ring cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// The operating system refused.
    #[error("cannot {operation} key ring `{}`", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Its answer.
        #[source]
        source: std::io::Error,
    },
    /// Others may read the file.
    #[error(
        "key ring `{0}` is open to others (mode {mode:04o}): run `chmod 600 {0}`; where a mounted \
         volume sets the mode (Kubernetes `fsGroup` gives 0440), copy it at the start to a file that \
         only this process's user may read",
        path.display()
    )]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a key ring, or a damaged one. The position, never the content: that is secret.
    #[error("key ring `{}` is damaged at line {line}, column {column}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where reading stopped.
        line: usize,
        /// Where reading stopped.
        column: usize,
    },
    /// Readable, and contradicts itself.
    #[error("key ring `{}` is not usable: {reason}", path.display())]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The random source failed.
    #[error("the random source failed")]
    Entropy,
    /// The crypto library failed.
    #[error("the crypto library failed to derive keys")]
    Derivation,
    /// The file now holds another root than the one that this process runs with.
    #[error(
        "key ring `{}` was replaced by another one: restart to use it, or restore it",
        path.display()
    )]
    Replaced {
        /// The file.
        path: PathBuf,
    },
}

impl KeyRingError {
    /// Without keys nothing is decided: the closed answer.
    pub const fn error_kind(&self) -> ErrorKind {
        ErrorKind::Unavailable
    }
}

impl From<DerivationFailed> for KeyRingError {
    fn from(_: DerivationFailed) -> Self {
        Self::Derivation
    }
}

impl From<portcullis_core::EntropyUnavailable> for KeyRingError {
    fn from(_: portcullis_core::EntropyUnavailable) -> Self {
        Self::Entropy
    }
}

impl KeyRing {
    /// Reads the ring, or makes one (mode 0600) where there is none. Of several processes that start
    /// at once one creates it and all use it.
    pub fn load_or_create(
        path: &Path,
        entropy: Arc<dyn Entropy>,
        clock: &dyn Clock,
    ) -> Result<Self, KeyRingError> {
        let directory = Directory::lock(path)?;
        let content = if let Some(content) = file::read(path)? {
            content
        } else {
            let content = Content::generate(entropy.as_ref(), clock.now())?;
            directory.replace(path, &content, entropy.as_ref())?;
            content
        };
        Self::build(Some(path.to_owned()), &content, entropy)
    }

    /// Reads a ring that must exist.
    pub fn load(path: &Path, entropy: Arc<dyn Entropy>) -> Result<Self, KeyRingError> {
        let content = file::read_existing(path)?;
        Self::build(Some(path.to_owned()), &content, entropy)
    }

    /// A ring that is gone with the process.
    pub fn in_memory(entropy: Arc<dyn Entropy>) -> Result<Self, KeyRingError> {
        let content = Content::generate(entropy.as_ref(), Timestamp::from_millis(0))?;
        Self::build(None, &content, entropy)
    }

    /// Adds a new active key, in the file too; the former one still opens. MACs do not change.
    pub fn rotate(&self, clock: &dyn Clock) -> Result<RingKeyId, KeyRingError> {
        let Some(path) = &self.path else {
            return self.rotate_in_memory(clock);
        };
        // Under the lock the file is read again: another process may have rotated meanwhile.
        let directory = Directory::lock(path)?;
        let mut content = file::read_existing(path)?;
        self.same_root(path, &content)?;
        content.rotate(self.entropy.as_ref(), clock.now())?;
        let keys = KeySet::derive(&content)?;
        directory.replace(path, &content, self.entropy.as_ref())?;
        self.keys.store(Arc::new(keys));
        Ok(content.active().id)
    }

    /// Takes up what another process wrote. `true`: the active key is another one than before.
    pub fn reload(&self) -> Result<bool, KeyRingError> {
        let Some(path) = &self.path else {
            return Ok(false);
        };
        let content = file::read_existing(path)?;
        self.same_root(path, &content)?;
        let changed = self.active_key() != content.active().id;
        self.keys.store(Arc::new(KeySet::derive(&content)?));
        Ok(changed)
    }

    /// Reads the file for a key that is not known: another replica may have rotated the ring a moment
    /// ago. Not more often than a few times a second, whatever strangers send.
    pub(crate) fn look_again(&self, now: Timestamp) {
        let (now, last) = (now.as_millis(), self.looked.load(Ordering::Relaxed));
        let is_due = now.abs_diff(last) >= BETWEEN_LOOKS.unsigned_abs();
        let is_ours = || {
            self.looked
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        };
        if self.path.is_some() && is_due && is_ours() {
            // Where it cannot be read the key stays unknown; whoever follows the ring says why.
            let _unreadable = self.reload().is_err();
        }
    }

    /// The key that seals at present.
    pub fn active_key(&self) -> RingKeyId {
        self.keys().active.id
    }

    pub(crate) fn keys(&self) -> Guard<Arc<KeySet>> {
        self.keys.load()
    }

    pub(crate) fn entropy(&self) -> &dyn Entropy {
        self.entropy.as_ref()
    }

    pub(crate) const fn mac_keys(&self) -> &MacKeys {
        &self.macs
    }

    fn build(
        path: Option<PathBuf>,
        content: &Content,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, KeyRingError> {
        Ok(Self {
            path,
            entropy,
            macs: MacKeys::derive(content.root())?,
            root_fingerprint: content.root().fingerprint(),
            keys: ArcSwap::from_pointee(KeySet::derive(content)?),
            looked: AtomicI64::new(i64::MIN),
        })
    }

    fn rotate_in_memory(&self, clock: &dyn Clock) -> Result<RingKeyId, KeyRingError> {
        let fresh = Content::generate(self.entropy.as_ref(), clock.now())?;
        let entry = fresh.active();
        let active = Arc::new(SealingKeys::derive(entry.id, &entry.secret)?);
        self.keys.rcu(|keys| {
            let mut retired = keys.retired.clone();
            retired.push(Arc::clone(&keys.active));
            KeySet {
                active: Arc::clone(&active),
                retired,
            }
        });
        Ok(entry.id)
    }

    fn same_root(&self, path: &Path, content: &Content) -> Result<(), KeyRingError> {
        if constant_time_eq(&content.root().fingerprint(), &self.root_fingerprint) {
            Ok(())
        } else {
            Err(KeyRingError::Replaced {
                path: path.to_owned(),
            })
        }
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("path", &self.path)
            .field("active", &self.active_key())
            .finish_non_exhaustive()
    }
}
