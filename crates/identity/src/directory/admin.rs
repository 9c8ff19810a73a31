//! Defining, changing and deleting entries of the directory, for the admin API and the command line.

use std::sync::Arc;

use portcullis_core::{Clock, Entropy, ErrorKind, Level, Principal, Role, Timestamp, hex};
use portcullis_store::{
    DirectoryStore, Entered, EntryKind, EntryRecord, Page, PageRequest, StoreError,
};
use portcullis_vault::KeyRing;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::index::Directory;
use super::seal::{entry_seal, is_genuine};

/// Longest id, name or alias, in bytes.
const LONGEST: usize = 256;

/// An entry as it is shown.
#[derive(Clone, Debug)]
pub struct Shown<T> {
    /// Which one.
    pub id: String,
    /// By what else it is addressed.
    pub name: Option<String>,
    /// What a change has to say that it saw.
    pub version: u64,
    /// What is decided.
    pub body: T,
    /// When it became what it is.
    pub changed_at: Timestamp,
    /// The principal that made it so.
    pub changed_by: String,
}

/// An entry before and after a change.
#[derive(Clone, Debug)]
pub struct Changed<T> {
    /// As it was.
    pub before: Shown<T>,
    /// As it is.
    pub after: Shown<T>,
}

/// An entry as a list shows it.
#[derive(Clone, Debug)]
pub enum Listed<T> {
    /// As it was made.
    Sound(Shown<T>),
    /// Its row cannot be read or is not as it was sealed: whoever names it is refused, and what the row
    /// says is not shown.
    Damaged(String),
}

/// A wish about the directory that was not fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Not for this principal.
    #[error("not allowed for this principal")]
    Forbidden,
    /// Only who sees every server may say what others see.
    #[error("only an administrator whose own servers are not limited may define what others see")]
    Limited,
    /// There is one with this id.
    #[error("the id is taken")]
    IdTaken,
    /// There is one with this name.
    #[error("the name is taken")]
    NameTaken,
    /// The configuration file says what it is.
    #[error("it is defined in the configuration file, and changed there")]
    InFile,
    /// There is no such entry.
    #[error("there is none with this id")]
    NotFound,
    /// It was changed since.
    #[error("it was changed meanwhile: read it again")]
    Stale,
    /// The wish contradicts itself.
    #[error("{0}")]
    Invalid(String),
    /// What its row says cannot be believed.
    #[error("its row cannot be read or is not as it was sealed: delete it and define it anew")]
    Damaged,
    /// The random source failed.
    #[error("the random source failed")]
    Entropy,
    /// The store failed.
    #[error("the directory's store failed")]
    Store(#[from] StoreError),
}

impl DirectoryError {
    /// How a surface reports it.
    pub const fn error_kind(&self) -> ErrorKind {
        match self {
            Self::Forbidden | Self::Limited => ErrorKind::Forbidden,
            Self::IdTaken | Self::NameTaken | Self::InFile | Self::Stale | Self::Damaged => {
                ErrorKind::Conflict
            }
            Self::NotFound => ErrorKind::NotFound,
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::Entropy => ErrorKind::Unavailable,
            Self::Store(error) => error.error_kind(),
        }
    }
}

/// The service behind every way of changing the directory. Changes are visible in this process before
/// the call returns.
#[derive(Clone, Debug)]
pub struct DirectoryAdmin {
    store: Arc<dyn DirectoryStore>,
    directory: Arc<Directory>,
    ring: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl DirectoryAdmin {
    /// Changes the directory of this store. `directory` must read the same store.
    pub const fn new(
        store: Arc<dyn DirectoryStore>,
        directory: Arc<Directory>,
        ring: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            store,
            directory,
            ring,
            clock,
            entropy,
        }
    }

    /// What is in memory.
    pub const fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// Whether this may be defined now by this principal: what is found out before anything else is done for it.
    /// Somebody else may define it in between.
    pub async fn may_begin(
        &self,
        kind: EntryKind,
        id: &str,
        by: &Principal,
    ) -> Result<(), DirectoryError> {
        may_define(by)?;
        speakable(id)?;
        match self.standing(kind, id).await {
            Ok(_) => Err(DirectoryError::IdTaken),
            Err(DirectoryError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Defines a new entry, under an id of its own where none is given. The id of one that was deleted
    /// can be used again, and who named that one names this one.
    pub async fn define<T: Serialize>(
        &self,
        kind: EntryKind,
        id: Option<String>,
        name: Option<String>,
        body: T,
        by: &Principal,
    ) -> Result<Shown<T>, DirectoryError> {
        may_define(by)?;
        let id = match id {
            Some(id) => id,
            None => self.new_id()?,
        };
        for text in [Some(&id), name.as_ref()].into_iter().flatten() {
            speakable(text)?;
        }
        self.not_of_file(kind, &id, name.as_deref())?;
        let before = self.store.get(kind, &id).await;
        let version = match before {
            Ok(None) => 0,
            Ok(Some(record)) if record.deleted => record.version,
            Ok(Some(_)) => return Err(DirectoryError::IdTaken),
            Err(error) => return Err(error.into()),
        };
        let entered = self.enter(kind, id, name, version, Some(&body), by).await;
        match entered {
            Ok(record) => Ok(shown(record, body)),
            Err(DirectoryError::Stale) => Err(DirectoryError::IdTaken),
            Err(error) => Err(error),
        }
    }

    /// Changes an entry: what `seen` names, or what is there now where nobody says what they saw.
    /// `change` gives the name that it is to have.
    pub async fn change<T: Serialize + DeserializeOwned + Clone>(
        &self,
        kind: EntryKind,
        id: &str,
        seen: Option<u64>,
        by: &Principal,
        change: impl FnOnce(&mut T, &mut Option<String>) -> Result<(), DirectoryError>,
    ) -> Result<Changed<T>, DirectoryError> {
        may_define(by)?;
        self.not_of_file(kind, id, None)?;
        let record = self.sound(kind, id).await?;
        if seen.is_some_and(|seen| seen != record.version) {
            return Err(DirectoryError::Stale);
        }
        let mut body: T =
            serde_json::from_str(&record.body).map_err(|_| DirectoryError::Damaged)?;
        let before = shown(record.clone(), body.clone());
        let mut name = record.name.clone();
        change(&mut body, &mut name)?;
        if let Some(name) = &name {
            speakable(name)?;
        }
        self.not_of_file(kind, id, name.as_deref())?;
        let id = record.id;
        let entered = self.enter(kind, id, name, record.version, Some(&body), by);
        let after = shown(entered.await?, body);
        Ok(Changed { before, after })
    }

    /// Deletes an entry, damaged ones too: whoever names it is refused from then on. The version that it had.
    pub async fn delete(
        &self,
        kind: EntryKind,
        id: &str,
        seen: Option<u64>,
        by: &Principal,
    ) -> Result<u64, DirectoryError> {
        let version = self.is_there(kind, id, seen, by).await?;
        let entered = self.enter::<()>(kind, id.to_owned(), None, version, None, by);
        entered.await.map(|_| version)
    }

    /// Which version stands under this id, for those who may change or delete it; `seen` is the one that they saw.
    pub async fn is_there(
        &self,
        kind: EntryKind,
        id: &str,
        seen: Option<u64>,
        by: &Principal,
    ) -> Result<u64, DirectoryError> {
        may_define(by)?;
        let version = self.standing(kind, id).await?;
        if seen.is_some_and(|seen| seen != version) {
            return Err(DirectoryError::Stale);
        }
        Ok(version)
    }

    /// The version that stands in the store under an id that is not the file's.
    async fn standing(&self, kind: EntryKind, id: &str) -> Result<u64, DirectoryError> {
        self.not_of_file(kind, id, None)?;
        let record = self.store.get(kind, id).await?;
        let record = record.filter(|record| !record.deleted);
        Ok(record.ok_or(DirectoryError::NotFound)?.version)
    }

    /// One entry, for those who may read everything and for those whom it is about.
    pub async fn info<T: DeserializeOwned>(
        &self,
        kind: EntryKind,
        id: &str,
        by: &Principal,
    ) -> Result<Shown<T>, DirectoryError> {
        if by.role < Role::Viewer && !is_about(kind, id, by) {
            return Err(DirectoryError::Forbidden);
        }
        let record = self.sound(kind, id).await?;
        let body = serde_json::from_str(&record.body).map_err(|_| DirectoryError::Damaged)?;
        Ok(shown(record, body))
    }

    /// All entries of a kind, for those who may read everything.
    pub async fn list<T: DeserializeOwned>(
        &self,
        kind: EntryKind,
        page: &PageRequest,
        by: &Principal,
    ) -> Result<Page<Listed<T>>, DirectoryError> {
        if by.role < Role::Viewer {
            return Err(DirectoryError::Forbidden);
        }
        let page = self.store.list(kind, page).await?;
        let listed = page.items.into_iter().map(|read| match read {
            Ok(record) if is_genuine(&self.ring, &record) => {
                match serde_json::from_str(&record.body) {
                    Ok(body) => Listed::Sound(shown(record, body)),
                    Err(_) => Listed::Damaged(record.id),
                }
            }
            Ok(record) => Listed::Damaged(record.id),
            Err(unreadable) => Listed::Damaged(unreadable.id),
        });
        Ok(Page {
            items: listed.collect(),
            next: page.next,
        })
    }

    async fn sound(&self, kind: EntryKind, id: &str) -> Result<EntryRecord, DirectoryError> {
        let record = self.store.get(kind, id).await?;
        let record = record.filter(|record| !record.deleted);
        let record = record.ok_or(DirectoryError::NotFound)?;
        if is_genuine(&self.ring, &record) {
            Ok(record)
        } else {
            Err(DirectoryError::Damaged)
        }
    }

    async fn enter<T: Serialize>(
        &self,
        kind: EntryKind,
        id: String,
        name: Option<String>,
        before: u64,
        body: Option<&T>,
        by: &Principal,
    ) -> Result<EntryRecord, DirectoryError> {
        let text = body.map(serde_json::to_string).transpose();
        let text = text.map_err(|error| DirectoryError::Invalid(error.to_string()))?;
        let mut record = EntryRecord {
            kind,
            id,
            name,
            version: before.saturating_add(1),
            deleted: text.is_none(),
            body: text.unwrap_or_default(),
            changed_at: self.clock.now(),
            changed_by: by.id.as_str().to_owned(),
            seal: [0; 32],
        };
        record.seal = entry_seal(&self.ring, &record);
        match self.store.enter(&record).await? {
            Entered::Stored => {
                self.directory.learn_own(&record).await?;
                Ok(record)
            }
            Entered::Stale => Err(DirectoryError::Stale),
            Entered::NameTaken => Err(DirectoryError::NameTaken),
        }
    }

    /// What the file defines is changed there: two places that say different things help nobody.
    fn not_of_file(
        &self,
        kind: EntryKind,
        id: &str,
        name: Option<&str>,
    ) -> Result<(), DirectoryError> {
        let file = self.directory.file();
        let named = name.is_some_and(|name| file.toolsets.contains_key(name));
        if file.levels.contains_key(&(kind, id.to_owned())) || named {
            return Err(DirectoryError::InFile);
        }
        Ok(())
    }

    /// An id that nothing has.
    pub fn new_id(&self) -> Result<String, DirectoryError> {
        let mut bytes = [0_u8; 16];
        let filled = self.entropy.fill(&mut bytes);
        filled.map_err(|_| DirectoryError::Entropy)?;
        Ok(hex(&bytes))
    }
}

fn shown<T>(record: EntryRecord, body: T) -> Shown<T> {
    Shown {
        id: record.id,
        name: record.name,
        version: record.version,
        body,
        changed_at: record.changed_at,
        changed_by: record.changed_by,
    }
}

/// Whether an entry is the caller's own team, organization or person.
fn is_about(kind: EntryKind, id: &str, by: &Principal) -> bool {
    let own = match kind {
        EntryKind::Team => &by.team,
        EntryKind::Organization => &by.org,
        EntryKind::User => &by.user_id,
        EntryKind::EndUser | EntryKind::Toolset => return false,
    };
    own.as_deref() == Some(id)
}

/// A team's list is what its keys see that have none: whoever sees less than everything could give
/// themselves more.
fn may_define(by: &Principal) -> Result<(), DirectoryError> {
    if by.role < Role::Admin {
        return Err(DirectoryError::Forbidden);
    }
    if is_unlimited(by) {
        Ok(())
    } else {
        Err(DirectoryError::Limited)
    }
}

/// Whether nothing that somebody gives away could be more than they have.
pub fn is_unlimited(by: &Principal) -> bool {
    let lets_all = |level: &Arc<Level>| {
        let grants = &level.grants;
        grants.tools.is_empty() && (!grants.is_list() || (grants.all && !grants.none))
    };
    by.grants.all && !by.grants.none && by.grants.tools.is_empty() && by.levels.iter().all(lets_all)
}

fn speakable(text: &str) -> Result<(), DirectoryError> {
    let plain = !text.trim().is_empty() && !text.chars().any(char::is_control);
    if plain && text.len() <= LONGEST {
        return Ok(());
    }
    let detail = format!("an id or a name is 1 to {LONGEST} bytes without control characters");
    Err(DirectoryError::Invalid(detail))
}
