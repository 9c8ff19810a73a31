//! Forward only, in order, each in this list and in the folders of both dialects under one number.

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{PgConnection, SqlSafeStr, SqlitePool};

/// One step, in either dialect.
struct Step {
    number: i64,
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! step {
    ($number:literal, $name:literal, $file:literal) => {
        Step {
            number: $number,
            name: $name,
            sqlite: include_str!(concat!("../migrations/sqlite/", $file, ".sql")),
            postgres: include_str!(concat!("../migrations/postgres/", $file, ".sql")),
        }
    };
}

/// What every version of this program has added, oldest first.
const STEPS: [Step; 16] = [
    step!(
        1,
        "keys, audit, sessions, meta",
        "0001_keys_audit_sessions_meta"
    ),
    step!(2, "key seals", "0002_key_seals"),
    step!(3, "audit rows in order", "0003_audit_rows_in_order"),
    step!(4, "revocations", "0004_revocations"),
    step!(5, "signing keys", "0005_signing_keys"),
    step!(6, "one-time values and leases", "0006_one_time_and_leases"),
    step!(7, "authorization server", "0007_authorization_server"),
    step!(8, "consents", "0008_consents"),
    step!(9, "connections", "0009_connections"),
    step!(10, "replicas", "0010_replicas"),
    step!(11, "directory", "0011_directory"),
    step!(12, "approvals", "0012_approvals"),
    step!(13, "limits", "0013_limits"),
    step!(14, "servers", "0014_servers"),
    step!(15, "audit prunings", "0015_audit_prunings"),
    step!(16, "pins", "0016_pins"),
];

/// The newest migration that this program knows.
pub fn newest() -> i64 {
    STEPS.iter().map(|step| step.number).max().unwrap_or(0)
}

fn migrations(text: impl Fn(&Step) -> &'static str) -> Vec<Migration> {
    STEPS
        .iter()
        .map(|step| {
            let (kind, text) = (MigrationType::Simple, text(step).into_sql_str());
            Migration::new(step.number, step.name.into(), kind, text, false)
        })
        .collect()
}

/// Brings the database up to date. The outer transaction makes all of it one step, which the
/// migrator by itself does not do for SQLite: of several programs that start at once one migrates.
pub(crate) async fn run(writer: &SqlitePool) -> Result<(), MigrateError> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    Migrator::with_migrations(migrations(|step| step.sqlite))
        .run_direct(None, &mut *transaction, false)
        .await?;
    transaction.commit().await?;
    Ok(())
}

/// Where the migrator notes what it has done.
const APPLIED: &str = "_sqlx_migrations";

/// Of several who migrate at once one does, and the others wait for the end of its transaction; the
/// migrator's own lock would let them go on before that.
pub(crate) async fn alone_on_postgres(open: &mut PgConnection) -> Result<(), MigrateError> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtext('portcullis'), hashtext('migrate'))")
        .execute(open)
        .await?;
    Ok(())
}

/// Brings a PostgreSQL database up to date, in a transaction that is the caller's.
pub(crate) async fn run_postgres(open: &mut PgConnection) -> Result<(), MigrateError> {
    Migrator::with_migrations(migrations(|step| step.postgres))
        .set_locking(false)
        .run_direct(None, open, false)
        .await
}

/// What a PostgreSQL database has, compared with what this program would have applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Current,
    /// It lacks something; this is the last that it has, 0 if it has nothing.
    Behind(i64),
}

/// Looks, and changes nothing.
pub(crate) async fn standing_of_postgres(
    connection: &mut PgConnection,
) -> Result<Standing, MigrateError> {
    let there: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(APPLIED)
        .fetch_one(&mut *connection)
        .await?;
    if !there {
        return Ok(Standing::Behind(0));
    }
    let applied = connection.list_applied_migrations(APPLIED).await?;
    let known = migrations(|step| step.postgres);
    for done in &applied {
        let Some(known) = known.iter().find(|known| known.version == done.version) else {
            return Err(MigrateError::VersionMissing(done.version));
        };
        if known.checksum != done.checksum {
            return Err(MigrateError::VersionMismatch(done.version));
        }
    }
    Ok(if applied.len() == known.len() {
        Standing::Current
    } else {
        Standing::Behind(applied.iter().map(|done| done.version).max().unwrap_or(0))
    })
}
