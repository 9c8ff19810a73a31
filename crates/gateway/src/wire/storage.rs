//! Which database there is, opened; and prepared, where that is asked for.

use std::path::{Path, PathBuf};

use anyhow::Context;
use portcullis_config::{CommandLine, Config};
use portcullis_core::SecretValue;
use portcullis_store::Stores;
use portcullis_store_sql::{
    Durability, Location, Migrated, OpenError, PostgresSettings, PostgresStores, PostgresUrl,
    Settings, SqliteStores,
};

use super::files;
use super::rooms::{Storage, refusal, ring_path};
use crate::cli::exit::CommandError;

/// A PostgreSQL database as the configuration names it.
#[derive(Clone, Debug)]
pub(super) struct PostgresStorage {
    url: SecretValue,
    allow_unverified: bool,
    settings: PostgresSettings,
    /// The key ring's file.
    pub(super) ring: PathBuf,
}

impl PostgresStorage {
    pub(super) fn of(config: &Config, durability: Durability) -> Option<Self> {
        let postgres = config.store.postgres.as_ref()?;
        Some(Self {
            url: postgres.url.value.clone(),
            allow_unverified: postgres.allow_unverified,
            settings: PostgresSettings {
                durability,
                connections: postgres.connections,
                acquire_timeout: postgres.acquire_timeout,
                statement_timeout: postgres.statement_timeout,
            },
            ring: ring_path(&config.store.path),
        })
    }

    /// The URL, judged. Bad configuration is not a failure of the process.
    fn url(&self) -> anyhow::Result<PostgresUrl> {
        PostgresUrl::read(&self.url, self.allow_unverified).map_err(|error| {
            anyhow::Error::new(CommandError::Configuration(format!(
                "store.database_url: {error}"
            )))
        })
    }
}

/// Opens the stores; those of SQLite are made and migrated as needed.
pub(super) async fn open(storage: &Storage) -> anyhow::Result<Stores> {
    let mut settings = Settings::default();
    let location = match storage {
        Storage::Postgres(postgres) => {
            let url = postgres.url()?;
            let opened = Box::pin(PostgresStores::open(&url, &postgres.settings)).await;
            return Ok(opened.with_context(|| place(&url))?.stores());
        }
        Storage::Disk { path, durability } => {
            settings.durability = *durability;
            Location::File(path.clone())
        }
        Storage::Memory => Location::InMemory,
    };
    let opened = Box::pin(SqliteStores::open(&location, &settings)).await;
    Ok(opened.context("the store (store.path)")?.stores())
}

fn place(url: &PostgresUrl) -> String {
    format!("the store (store.database_url, {url})")
}

/// What `migrate` did, and where.
#[derive(Debug)]
pub struct MigratedStore {
    /// The database, as it may be told.
    pub database: String,
    /// The last migration before; `None` where that is the database's own business.
    pub from: Option<i64>,
    /// The last migration now.
    pub to: i64,
}

/// Brings the database of a configuration up to date.
pub async fn migrate(config: Option<&Path>) -> Result<MigratedStore, CommandError> {
    let file = files::path_of(config);
    let config = files::load(&file, CommandLine::default())?.config;
    match Storage::of(&config) {
        Storage::Postgres(postgres) => {
            let url = postgres.url().map_err(refusal)?;
            let migrated: Result<Migrated, OpenError> =
                PostgresStores::migrate(&url, &postgres.settings).await;
            let Migrated { from, to } = migrated.with_context(|| place(&url))?;
            Ok(MigratedStore {
                database: url.to_string(),
                from: Some(from),
                to,
            })
        }
        storage @ (Storage::Disk { .. } | Storage::Memory) => {
            open(&storage).await?;
            Ok(MigratedStore {
                database: config.store.path.display().to_string(),
                from: None,
                to: portcullis_store_sql::newest_migration(),
            })
        }
    }
}
