//! Opening a database: permissions, pragmas, migrations.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis_store::Stores;
use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::database::{Database, Pool};
use crate::migrations;

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A file, made where there is none. Its folder must exist.
    File(PathBuf),
    /// Gone with the last handle; one connection serves everybody.
    InMemory,
}

/// What a commit survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, also by `SIGKILL` (`synchronous=NORMAL`). A power cut may lose the
    /// last commits, never the file's consistency.
    #[default]
    ProcessCrash,
    /// A power cut too (`synchronous=FULL`): for audit obligations, at an `fsync` a commit.
    PowerLoss,
}

/// How the database is used.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What a commit survives.
    pub durability: Durability,
    /// How long to wait for another process's write lock, or for a free connection.
    pub busy_timeout: Duration,
    /// Connections that read.
    pub readers: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            durability: Durability::default(),
            busy_timeout: Duration::from_secs(5),
            readers: 4,
        }
    }
}

/// A database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system refused the file.
    #[error("cannot {operation} database `{}`", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Its answer.
        #[source]
        source: std::io::Error,
    },
    /// A newer program has migrated it.
    #[error(
        "the database has migration {found}, this program knows up to {known}: \
         run the newer program, or restore a backup from before the upgrade"
    )]
    Newer {
        /// A migration that is unknown here.
        found: i64,
        /// The newest one that is known here.
        known: i64,
    },
    /// An older program has migrated it, or none; only an operator's word changes a shared database.
    #[error(
        "the database has migrations up to {found}, this program needs {known}: \
         run `portcullis migrate` with the same configuration, then start again"
    )]
    Behind {
        /// The last migration that it has, 0 if it has none.
        found: i64,
        /// The newest one that is known here.
        known: i64,
    },
    /// A migration failed, or what was applied is not what this program would have applied.
    #[error("the database cannot be migrated")]
    Migration(#[source] MigrateError),
    /// Not a database, damaged, or locked for too long.
    #[error("the database cannot be opened")]
    Unusable(#[source] sqlx::Error),
}

impl OpenError {
    /// Without its database the gateway does not start.
    pub const fn error_kind(&self) -> portcullis_core::ErrorKind {
        portcullis_core::ErrorKind::Unavailable
    }
}

impl From<MigrateError> for OpenError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(found) => Self::Newer {
                found,
                known: migrations::newest(),
            },
            MigrateError::Execute(error) => Self::Unusable(error),
            other => Self::Migration(other),
        }
    }
}

/// An open SQLite database.
#[derive(Clone, Debug)]
pub struct SqliteStores {
    database: Database,
}

impl SqliteStores {
    /// Opens the database, creates and migrates it as needed.
    pub async fn open(location: &Location, settings: &Settings) -> Result<Self, OpenError> {
        let database = match location {
            Location::File(path) => open_file(path, settings).await?,
            Location::InMemory => open_memory(settings).await?,
        };
        Ok(Self { database })
    }

    /// Every store trait over this database.
    pub fn stores(&self) -> Stores {
        self.database.stores()
    }

    /// Waits for what is running, then closes every connection.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

async fn open_file(path: &Path, settings: &Settings) -> Result<Database, OpenError> {
    make_private(path)?;
    let writing = options(settings)
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        // Hot pages of the audit trail are rewritten by every batch: copy them back more rarely than
        // the default of 1,000 pages does.
        .pragma("wal_autocheckpoint", "4000");
    let writer = pool(1, settings)
        .connect_with(writing)
        .await
        .map_err(OpenError::Unusable)?;
    migrations::run(&writer).await?;
    // The journal mode is a property of the file. `query_only` turns a write that strayed into the
    // reading pool into an error.
    let reading = options(settings)
        .filename(path)
        .create_if_missing(false)
        .pragma("query_only", "ON");
    let reader = pool(settings.readers.max(1), settings).connect_lazy_with(reading);
    Ok(Database {
        writer: Pool::Sqlite(writer),
        reader: Pool::Sqlite(reader),
    })
}

async fn open_memory(settings: &Settings) -> Result<Database, OpenError> {
    let only = pool(1, settings)
        // The database lives as long as its one connection.
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options(settings).in_memory(true))
        .await
        .map_err(OpenError::Unusable)?;
    migrations::run(&only).await?;
    Ok(Database {
        writer: Pool::Sqlite(only.clone()),
        reader: Pool::Sqlite(only),
    })
}

fn options(settings: &Settings) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .foreign_keys(true)
        // A statement of many rows keeps what it would undo: in memory, not in a file that is opened
        // and written for each.
        .pragma("temp_store", "MEMORY")
        .busy_timeout(settings.busy_timeout)
        .synchronous(match settings.durability {
            Durability::ProcessCrash => SqliteSynchronous::Normal,
            Durability::PowerLoss => SqliteSynchronous::Full,
        })
}

fn pool(size: u32, settings: &Settings) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(size)
        // A writer that waits in line waits behind one that waits for the lock.
        .acquire_timeout(settings.busy_timeout.saturating_mul(2))
        .test_before_acquire(false)
}

/// Makes the file with mode 0600, or takes others' access away. SQLite gives the mode of the file to
/// the `-wal` and `-shm` that it makes; those that a crash left behind are closed to others here.
///
/// An existing file is never opened here, and a new one never closed: closing a second descriptor would
/// drop the locks that SQLite holds on the same file in this process (POSIX advisory locks belong to the
/// process), and another replica in it may have opened the new file already.
fn make_private(path: &Path) -> Result<(), OpenError> {
    for companion in ["-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(companion);
        let companion = PathBuf::from(name);
        match close_to_others(&companion) {
            Err((_, source)) if source.kind() == ErrorKind::NotFound => {}
            closed => closed.map_err(refused(&companion))?,
        }
    }
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match created {
        Ok(file) => {
            // One descriptor for each database that this process made.
            std::mem::forget(file);
            Ok(())
        }
        Err(source) if source.kind() == ErrorKind::AlreadyExists => {
            close_to_others(path).map_err(refused(path))
        }
        Err(source) => Err(refused(path)(("create", source))),
    }
}

/// What was tried, and the operating system's answer.
type Refusal = (&'static str, std::io::Error);

fn refused(path: &Path) -> impl FnOnce(Refusal) -> OpenError {
    move |(operation, source)| OpenError::File {
        operation,
        path: path.to_owned(),
        source,
    }
}

fn close_to_others(path: &Path) -> Result<(), Refusal> {
    let metadata = fs::metadata(path).map_err(|source| ("inspect", source))?;
    let mut permissions = metadata.permissions();
    if permissions.mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "the database was open to others; closing it to them");
        permissions.set_mode(0o600);
        fs::set_permissions(path, permissions).map_err(|source| ("make private", source))?;
    }
    Ok(())
}
