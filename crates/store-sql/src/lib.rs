#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod api_keys;
mod approvals;
mod audit;
mod budgets;
mod clients;
mod columns;
mod concurrency;
mod connections;
mod consents;
mod counters;
mod database;
mod directory;
mod grants;
mod id_tokens;
mod leases;
mod limits;
mod meta;
mod migrations;
mod one_time;
mod open;
mod pins;
mod postgres;
mod replicas;
mod revocations;
mod servers;
mod sessions;
mod signing_keys;
mod statement;
mod stores;
mod usage;

#[cfg(feature = "testing")]
pub mod testing;

pub use migrations::newest as newest_migration;
pub use open::{Durability, Location, OpenError, Settings, SqliteStores};
pub use postgres::{Migrated, PostgresSettings, PostgresStores, PostgresUrl, UrlError};
