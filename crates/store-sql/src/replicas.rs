//! Running processes and moved sessions.

use async_trait::async_trait;
use portcullis_core::{ReplicaId, Timestamp};
use portcullis_store::{
    ReplicaRecord, ReplicaStore, SessionHomeRecord, SessionHomeStore, StoreError,
};

use crate::columns::{Columns, saturated};
use crate::database::{Database, failed};
use crate::statement::{Changed, query};

#[derive(Debug)]
pub(crate) struct SqlReplicas {
    database: Database,
}

impl SqlReplicas {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl ReplicaStore for SqlReplicas {
    async fn announce(&self, record: &ReplicaRecord) -> Result<(), StoreError> {
        query(
            "INSERT INTO replicas (id, sealed, expires_at) VALUES ($1, $2, $3) \
             ON CONFLICT (id) DO UPDATE SET sealed = $2, expires_at = $3",
        )
        .bind(record.id.as_str())
        .bind(record.sealed.as_str())
        .bind(record.expires_at.as_millis())
        .execute(&self.database.writer)
        .await
        .map(drop)
        .map_err(failed("replicas.announce"))
    }

    async fn running(&self, now: Timestamp) -> Result<Vec<ReplicaRecord>, StoreError> {
        const OPERATION: &str = "replicas.running";
        query("SELECT id, sealed, expires_at FROM replicas WHERE expires_at > $1 ORDER BY id")
            .bind(now.as_millis())
            .fetch_all(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?
            .iter()
            .map(|row| {
                let columns = Columns::of(row, OPERATION);
                Ok(ReplicaRecord {
                    id: ReplicaId::from(columns.get::<String>("id")?),
                    sealed: columns.get("sealed")?,
                    expires_at: columns.timestamp("expires_at")?,
                })
            })
            .collect()
    }

    async fn leave(&self, id: &ReplicaId) -> Result<(), StoreError> {
        query("DELETE FROM replicas WHERE id = $1")
            .bind(id.as_str())
            .execute(&self.database.writer)
            .await
            .map(drop)
            .map_err(failed("replicas.leave"))
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        query("DELETE FROM replicas WHERE expires_at < $1")
            .bind(now.as_millis())
            .execute(&self.database.writer)
            .await
            .map(Changed::rows_affected)
            .map_err(failed("replicas.purge"))
    }
}

#[derive(Debug)]
pub(crate) struct SqlSessionHomes {
    database: Database,
}

impl SqlSessionHomes {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl SessionHomeStore for SqlSessionHomes {
    async fn get(&self, digest: &[u8; 32]) -> Result<Option<SessionHomeRecord>, StoreError> {
        const OPERATION: &str = "session_homes.get";
        query("SELECT home, sealed, version, expires_at FROM session_homes WHERE digest = $1")
            .bind(digest.as_slice())
            .fetch_optional(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?
            .map(|row| {
                let columns = Columns::of(&row, OPERATION);
                Ok(SessionHomeRecord {
                    digest: *digest,
                    home: ReplicaId::from(columns.get::<String>("home")?),
                    sealed: columns.get("sealed")?,
                    version: columns.number("version")?,
                    expires_at: columns.timestamp("expires_at")?,
                })
            })
            .transpose()
    }

    async fn put(
        &self,
        record: &SessionHomeRecord,
        follows: Option<u64>,
    ) -> Result<bool, StoreError> {
        let statement = match follows {
            None => query(
                "INSERT INTO session_homes (digest, home, sealed, version, expires_at) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT (digest) DO NOTHING",
            ),
            Some(_) => query(
                "UPDATE session_homes SET home = $2, sealed = $3, version = $4, expires_at = $5 \
                 WHERE digest = $1 AND version = $6",
            ),
        };
        let statement = statement
            .bind(record.digest.as_slice())
            .bind(record.home.as_str())
            .bind(record.sealed.as_str())
            .bind(saturated(record.version))
            .bind(record.expires_at.as_millis());
        let statement = match follows {
            None => statement,
            Some(version) => statement.bind(saturated(version)),
        };
        statement
            .execute(&self.database.writer)
            .await
            .map(|changed| changed.rows_affected() == 1)
            .map_err(failed("session_homes.put"))
    }

    async fn remove(&self, digest: &[u8; 32]) -> Result<(), StoreError> {
        query("DELETE FROM session_homes WHERE digest = $1")
            .bind(digest.as_slice())
            .execute(&self.database.writer)
            .await
            .map(drop)
            .map_err(failed("session_homes.remove"))
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        query("DELETE FROM session_homes WHERE expires_at < $1")
            .bind(now.as_millis())
            .execute(&self.database.writer)
            .await
            .map(Changed::rows_affected)
            .map_err(failed("session_homes.purge"))
    }
}
