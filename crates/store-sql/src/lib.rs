#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod api_keys;
mod audit;
mod clients;
mod columns;
mod connections;
mod consents;
mod database;
mod grants;
mod id_tokens;
mod leases;
mod meta;
mod migrations;
mod one_time;
mod open;
mod postgres;
mod replicas;
mod revocations;
mod sessions;
mod signing_keys;
mod statement;
mod stores;

#[cfg(feature = "testing")]
pub mod testing;

pub use migrations::newest as newest_migration;
pub use open::{Durability, Location, OpenError, Settings, SqliteStores};
pub use postgres::{Migrated, PostgresSettings, PostgresStores, PostgresUrl, UrlError};
