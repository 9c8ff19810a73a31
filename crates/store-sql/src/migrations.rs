//! Forward only, in order, each in this list and in the folder of its dialect.

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{SqlSafeStr, SqlitePool};

/// What every version of this program has added, oldest first.
const SQLITE: [(i64, &str, &str); 10] = [
    (
        1,
        "keys, audit, sessions, meta",
        include_str!("../migrations/sqlite/0001_keys_audit_sessions_meta.sql"),
    ),
    (
        2,
        "key seals",
        include_str!("../migrations/sqlite/0002_key_seals.sql"),
    ),
    (
        3,
        "audit rows in order",
        include_str!("../migrations/sqlite/0003_audit_rows_in_order.sql"),
    ),
    (
        4,
        "revocations",
        include_str!("../migrations/sqlite/0004_revocations.sql"),
    ),
    (
        5,
        "signing keys",
        include_str!("../migrations/sqlite/0005_signing_keys.sql"),
    ),
    (
        6,
        "one-time values and leases",
        include_str!("../migrations/sqlite/0006_one_time_and_leases.sql"),
    ),
    (
        7,
        "authorization server",
        include_str!("../migrations/sqlite/0007_authorization_server.sql"),
    ),
    (
        8,
        "consents",
        include_str!("../migrations/sqlite/0008_consents.sql"),
    ),
    (
        9,
        "connections",
        include_str!("../migrations/sqlite/0009_connections.sql"),
    ),
    (
        10,
        "replicas",
        include_str!("../migrations/sqlite/0010_replicas.sql"),
    ),
];

/// The newest migration that this program knows.
pub(crate) fn newest() -> i64 {
    SQLITE
        .iter()
        .map(|(version, _, _)| *version)
        .max()
        .unwrap_or(0)
}

/// Brings the database up to date. The outer transaction makes all of it one step, which the
/// migrator by itself does not do for SQLite: of several programs that start at once one migrates.
pub(crate) async fn run(writer: &SqlitePool) -> Result<(), sqlx::migrate::MigrateError> {
    let migrations = SQLITE
        .iter()
        .map(|&(version, name, text)| {
            let kind = MigrationType::Simple;
            Migration::new(version, name.into(), kind, text.into_sql_str(), false)
        })
        .collect();
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    Migrator::with_migrations(migrations)
        .run_direct(None, &mut *transaction, false)
        .await?;
    transaction.commit().await?;
    Ok(())
}
