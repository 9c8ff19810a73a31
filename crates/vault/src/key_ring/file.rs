//! The ring on disk: JSON, mode 0600, replaced as a whole so that a crash leaves the old or the new.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{Entropy, Timestamp, hex, sha256};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroizing;

use super::{KeyRingError, RingKeyId};

const VERSION: u32 = 1;
/// Far more than a ring with a thousand retired keys.
const MAX_SIZE: u64 = 1 << 20;

/// 32 secret bytes.
pub(crate) struct Material(Zeroizing<[u8; 32]>);

impl Material {
    fn generate(entropy: &dyn Entropy) -> Result<Self, KeyRingError> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        entropy.fill(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    pub(crate) fn expose(&self) -> &[u8] {
        self.0.as_slice()
    }

    pub(super) fn fingerprint(&self) -> [u8; 32] {
        sha256(self.expose())
    }
}

impl Serialize for Material {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(self.expose()));
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Material {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let mut bytes = Zeroizing::new([0_u8; 32]);
        match URL_SAFE_NO_PAD.decode_slice(text.as_bytes(), bytes.as_mut_slice()) {
            Ok(32) => Ok(Self(bytes)),
            _ => Err(de::Error::custom("not 32 bytes in base64url")),
        }
    }
}

impl Serialize for RingKeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RingKeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        u32::from_str_radix(&text, 16)
            .ok()
            .filter(|_| text.len() == 2 * Self::LEN)
            .map(|id| Self::from_bytes(id.to_be_bytes()))
            .ok_or_else(|| de::Error::custom("not eight hexadecimal digits"))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) id: RingKeyId,
    pub(super) secret: Material,
    created_at: Timestamp,
    retired_at: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    root: Material,
    keys: Vec<Entry>,
}

/// A ring that is consistent: the active key is known to exist.
pub(super) struct Content {
    root: Material,
    active: Entry,
    retired: Vec<Entry>,
}

impl Content {
    pub(super) fn generate(entropy: &dyn Entropy, now: Timestamp) -> Result<Self, KeyRingError> {
        Ok(Self {
            root: Material::generate(entropy)?,
            active: Entry::generate(entropy, now)?,
            retired: Vec::new(),
        })
    }

    pub(super) const fn root(&self) -> &Material {
        &self.root
    }

    pub(super) const fn active(&self) -> &Entry {
        &self.active
    }

    pub(super) fn retired(&self) -> &[Entry] {
        &self.retired
    }

    pub(super) fn rotate(
        &mut self,
        entropy: &dyn Entropy,
        now: Timestamp,
    ) -> Result<(), KeyRingError> {
        let fresh = loop {
            let fresh = Entry::generate(entropy, now)?;
            if self.ids().all(|id| id != fresh.id) {
                break fresh;
            }
        };
        let mut former = std::mem::replace(&mut self.active, fresh);
        former.retired_at = Some(now);
        self.retired.push(former);
        Ok(())
    }

    fn ids(&self) -> impl Iterator<Item = RingKeyId> {
        std::iter::once(&self.active)
            .chain(&self.retired)
            .map(|entry| entry.id)
    }

    fn from_document(document: Document) -> Result<Self, &'static str> {
        if document.version != VERSION {
            return Err("its version is not one that this program knows");
        }
        let (mut active, retired): (Vec<_>, Vec<_>) = document
            .keys
            .into_iter()
            .partition(|entry| entry.retired_at.is_none());
        let (Some(active), true) = (active.pop(), active.is_empty()) else {
            return Err("it does not have exactly one active key");
        };
        let content = Self {
            root: document.root,
            active,
            retired,
        };
        let mut ids: Vec<_> = content.ids().map(RingKeyId::to_bytes).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err("two keys have the same id");
        }
        Ok(content)
    }

    fn to_json(&self) -> Result<Zeroizing<Vec<u8>>, serde_json::Error> {
        #[derive(Serialize)]
        struct Borrowed<'a> {
            version: u32,
            root: &'a Material,
            keys: Vec<&'a Entry>,
        }
        // Allocated once at full size: a buffer that grows leaves copies of secrets behind.
        let mut json = Zeroizing::new(Vec::with_capacity(512 + 256 * (self.retired.len() + 1)));
        let document = Borrowed {
            version: VERSION,
            root: &self.root,
            keys: self.retired.iter().chain([&self.active]).collect(),
        };
        serde_json::to_writer_pretty(&mut *json, &document)?;
        json.push(b'\n');
        Ok(json)
    }
}

impl Entry {
    fn generate(entropy: &dyn Entropy, now: Timestamp) -> Result<Self, KeyRingError> {
        let mut id = [0_u8; RingKeyId::LEN];
        entropy.fill(&mut id)?;
        Ok(Self {
            id: RingKeyId::from_bytes(id),
            secret: Material::generate(entropy)?,
            created_at: now,
            retired_at: None,
        })
    }
}

/// Reads the ring; `None` where there is no file.
pub(super) fn read(path: &Path) -> Result<Option<Content>, KeyRingError> {
    match File::open(path) {
        Ok(file) => read_open(path, file).map(Some),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(io("open", path)(source)),
    }
}

/// Reads a ring that must exist.
pub(super) fn read_existing(path: &Path) -> Result<Content, KeyRingError> {
    let file = File::open(path).map_err(io("open", path))?;
    read_open(path, file)
}

fn read_open(path: &Path, file: File) -> Result<Content, KeyRingError> {
    // Asked of the open file, not of the name: what is checked is what is read.
    let metadata = file.metadata().map_err(io("inspect", path))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyRingError::Permissions {
            path: path.to_owned(),
            mode,
        });
    }
    let capacity = usize::try_from(metadata.len().min(MAX_SIZE)).unwrap_or_default();
    let mut json = Zeroizing::new(Vec::with_capacity(capacity + 1));
    file.take(MAX_SIZE)
        .read_to_end(&mut json)
        .map_err(io("read", path))?;
    let document = serde_json::from_slice(&json).map_err(|error| KeyRingError::Damaged {
        path: path.to_owned(),
        line: error.line(),
        column: error.column(),
    })?;
    Content::from_document(document).map_err(|reason| KeyRingError::Inconsistent {
        path: path.to_owned(),
        reason,
    })
}

/// The ring's folder, locked against other processes that would write the ring. Where the ring is a
/// link, it is the folder that the link leads to: there the ring is replaced.
pub(super) struct Directory {
    handle: File,
    target: PathBuf,
}

impl Directory {
    pub(super) fn lock(path: &Path) -> Result<Self, KeyRingError> {
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let handle = File::open(folder(&target)).map_err(io("open the folder of", &target))?;
        handle.lock().map_err(io("lock the folder of", &target))?;
        Ok(Self { handle, target })
    }

    /// Writes beside the ring and moves into its place, both made durable.
    pub(super) fn replace(
        &self,
        path: &Path,
        content: &Content,
        entropy: &dyn Entropy,
    ) -> Result<(), KeyRingError> {
        let target = &self.target;
        let mut suffix = [0_u8; 8];
        entropy.fill(&mut suffix)?;
        let mut draft = target.clone().into_os_string();
        draft.push(format!(".{}.new", hex(&suffix)));
        let draft = PathBuf::from(draft);
        let json = content.to_json().map_err(|_| KeyRingError::Inconsistent {
            path: path.to_owned(),
            reason: "it cannot be written as JSON",
        })?;
        let written = write_durably(&draft, &json).and_then(|()| fs::rename(&draft, target));
        if let Err(source) = written {
            let _ = fs::remove_file(&draft);
            return Err(io("write", path)(source));
        }
        self.handle
            .sync_all()
            .map_err(io("make durable the folder of", target))
    }
}

fn write_durably(draft: &Path, json: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)?;
    file.write_all(json)?;
    file.sync_all()
}

fn folder(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."))
}

fn io(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> KeyRingError {
    let path = path.to_owned();
    move |source| KeyRingError::Io {
        operation,
        path,
        source,
    }
}
