//! Opening a PostgreSQL database: what it must have, and how long anything may take.

use std::time::Duration;

use portcullis_store::Stores;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};

use super::PostgresPool;
use super::lending::{Lending, silent};
use super::url::PostgresUrl;
use crate::database::{Database, Pool};
use crate::migrations::{self, Standing};
use crate::open::{Durability, OpenError};

/// How a PostgreSQL database is used.
#[derive(Clone, Copy, Debug)]
pub struct PostgresSettings {
    /// What a commit survives.
    pub durability: Durability,
    /// Connections at most, those that read and those that write together.
    pub connections: u32,
    /// How long to wait for a connection, for one that is free as for one that is made.
    pub acquire_timeout: Duration,
    /// How long one statement may run; half of it is how long it may wait for others.
    pub statement_timeout: Duration,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        Self {
            durability: Durability::default(),
            connections: 10,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
        }
    }
}

/// What [`PostgresStores::migrate`] found and did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The last migration that was there; 0 in an empty database.
    pub from: i64,
    /// The last that is there now.
    pub to: i64,
}

/// How much longer than the server's own limit an answer is waited for.
const GRACE: Duration = Duration::from_secs(2);

/// An open PostgreSQL database.
#[derive(Clone, Debug)]
pub struct PostgresStores {
    database: Database,
}

impl PostgresStores {
    /// Opens the database, which must have been migrated as this program would do it.
    pub async fn open(url: &PostgresUrl, settings: &PostgresSettings) -> Result<Self, OpenError> {
        let mut first = connect(&url.options, settings).await?;
        let look = async {
            let standing = migrations::standing_of_postgres(&mut first).await?;
            let waits: bool =
                sqlx::query_scalar("SELECT current_setting('synchronous_commit') <> 'off'")
                    .fetch_one(&mut first)
                    .await
                    .map_err(OpenError::Unusable)?;
            Ok::<_, OpenError>((standing, waits))
        };
        let patience = settings.statement_timeout + GRACE;
        let (standing, waits) = tokio::time::timeout(patience, look)
            .await
            .map_err(|_| OpenError::Unusable(silent()))??;
        // A server that is gone meanwhile has closed it.
        let _ = tokio::time::timeout(GRACE, first.close()).await;
        if let Standing::Behind(found) = standing {
            let known = migrations::newest();
            return Err(OpenError::Behind { found, known });
        }
        let kept = url.options.clone().options(limits(settings));
        let writing = match settings.durability {
            // The server's word, unless it is that commits are lost.
            Durability::PowerLoss if !waits => kept.clone().options([("synchronous_commit", "on")]),
            Durability::PowerLoss | Durability::ProcessCrash => kept.clone(),
        };
        // A write that strayed among the readers is an error.
        let reading = kept.options([("default_transaction_read_only", "on")]);
        let writers = (settings.connections / 2).max(1);
        let readers = settings.connections.saturating_sub(writers).max(1);
        Ok(Self {
            database: Database {
                writer: pool(writing, writers, false, settings),
                reader: pool(reading, readers, true, settings),
            },
        })
    }

    /// Brings the database up to date, from nothing or from what an older program left. Of several who
    /// do so at once one does it, and the others find it done.
    pub async fn migrate(
        url: &PostgresUrl,
        settings: &PostgresSettings,
    ) -> Result<Migrated, OpenError> {
        // A migration takes the time that it takes.
        let unhurried = url.options.clone().options([("statement_timeout", "0")]);
        let mut connection = connect(&unhurried, settings).await?;
        let mut open = connection.begin().await.map_err(OpenError::Unusable)?;
        migrations::alone_on_postgres(&mut open).await?;
        let from = match migrations::standing_of_postgres(&mut open).await? {
            Standing::Current => migrations::newest(),
            Standing::Behind(found) => found,
        };
        migrations::run_postgres(&mut open).await?;
        open.commit().await.map_err(OpenError::Unusable)?;
        let _ = tokio::time::timeout(GRACE, connection.close()).await;
        let to = migrations::newest();
        Ok(Migrated { from, to })
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

/// A connection outside of the pools: its refusal says what the server said.
async fn connect(
    options: &PgConnectOptions,
    settings: &PostgresSettings,
) -> Result<PgConnection, OpenError> {
    tokio::time::timeout(settings.acquire_timeout, options.connect())
        .await
        .map_err(|_| OpenError::Unusable(silent()))?
        .map_err(OpenError::Unusable)
}

/// What the server enforces for us, whatever its own configuration is: a replica that is stuck must
/// not hold up the others, and what is decided on is what was committed.
fn limits(settings: &PostgresSettings) -> [(&'static str, String); 4] {
    let millis = |time: Duration| time.as_millis().max(1).to_string();
    [
        ("statement_timeout", millis(settings.statement_timeout)),
        ("lock_timeout", millis(settings.statement_timeout / 2)),
        (
            "idle_in_transaction_session_timeout",
            millis(settings.statement_timeout),
        ),
        ("default_transaction_isolation", "read committed".to_owned()),
    ]
}

fn pool(
    options: PgConnectOptions,
    size: u32,
    only_reads: bool,
    settings: &PostgresSettings,
) -> Pool {
    let patience = settings.statement_timeout + GRACE;
    Pool::Postgres(PostgresPool {
        lending: Lending::new(options, size, settings.acquire_timeout, patience),
        only_reads,
    })
}
