//! Limits that administrators decided.

use async_trait::async_trait;
use portcullis_store::{LimitRecord, LimitScope, LimitStore, StoreError};

use crate::columns::{Columns, saturated};
use crate::database::{Alone, Database, Operation, Row, failed, next_change};
use crate::statement::query;

#[derive(Debug)]
pub(crate) struct SqlLimits {
    database: Database,
}

impl SqlLimits {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl LimitStore for SqlLimits {
    async fn put(&self, record: &LimitRecord, follows: Option<u64>) -> Result<bool, StoreError> {
        const OPERATION: Operation = "limits.put";
        let mut transaction = self.database.begin(Alone::ByItsRows, OPERATION).await?;
        let change = next_change(&mut transaction, "limits", OPERATION).await?;
        let statement = match follows {
            None => query(
                "INSERT INTO limits (scope_kind, scope_id, limits, version, updated_at, \
                 updated_by, seal, change) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
                 ON CONFLICT (scope_kind, scope_id) DO NOTHING",
            ),
            Some(_) => query(
                "UPDATE limits SET limits = $3, version = $4, updated_at = $5, updated_by = $6, \
                 seal = $7, change = $8 WHERE scope_kind = $1 AND scope_id = $2 \
                 AND (version = $9 OR (version < 0 AND $9 = 0))",
            ),
        };
        let statement = statement
            .bind(&record.scope.kind)
            .bind(&record.scope.id)
            .bind(&record.limits)
            .bind(saturated(record.version))
            .bind(record.updated_at.as_millis())
            .bind(&record.updated_by)
            .bind(record.seal.as_slice())
            .bind(change);
        let statement = match follows {
            None => statement,
            Some(version) => statement.bind(saturated(version)),
        };
        let written = statement
            .execute(&mut transaction)
            .await
            .map_err(failed(OPERATION))?;
        if written.rows_affected() == 0 {
            // The change number goes back with the rest.
            transaction.rollback().await.map_err(failed(OPERATION))?;
            return Ok(false);
        }
        transaction.commit().await.map_err(failed(OPERATION))?;
        Ok(true)
    }

    async fn get(&self, scope: &LimitScope) -> Result<Option<LimitRecord>, StoreError> {
        const OPERATION: Operation = "limits.get";
        query(
            "SELECT scope_kind, scope_id, limits, version, updated_at, updated_by, seal \
             FROM limits WHERE scope_kind = $1 AND scope_id = $2",
        )
        .bind(&scope.kind)
        .bind(&scope.id)
        .fetch_optional(&self.database.reader)
        .await
        .map_err(failed(OPERATION))?
        .map(|row| read(&row, OPERATION))
        .transpose()
    }

    async fn changed_since(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, LimitRecord)>, StoreError> {
        const OPERATION: Operation = "limits.changed_since";
        query(
            "SELECT scope_kind, scope_id, limits, version, updated_at, updated_by, seal, change \
             FROM limits WHERE change > $1 ORDER BY change LIMIT $2",
        )
        .bind(saturated(after))
        .bind(saturated(limit))
        .fetch_all(&self.database.reader)
        .await
        .map_err(failed(OPERATION))?
        .iter()
        .map(|row| {
            let change = Columns::of(row, OPERATION).number("change")?;
            Ok((change, read(row, OPERATION)?))
        })
        .collect()
    }
}

/// A version that is none is read as that of a row before the first, under a seal that does not hold: one
/// damaged row must not keep the others from being read, and can be written anew.
fn read(row: &Row, operation: Operation) -> Result<LimitRecord, StoreError> {
    let columns = Columns::of(row, operation);
    let version = columns.get::<i64>("version").map(u64::try_from)?;
    let seal = match version {
        Ok(_) => columns.seal("seal")?,
        Err(_) => [0; 32],
    };
    Ok(LimitRecord {
        scope: LimitScope {
            kind: columns.get("scope_kind")?,
            id: columns.get("scope_id")?,
        },
        limits: columns.get("limits")?,
        version: version.unwrap_or_default(),
        updated_at: columns.timestamp("updated_at")?,
        updated_by: columns.get("updated_by")?,
        seal,
    })
}
