//! What was done and spent, by the hour.

use async_trait::async_trait;
use portcullis_core::Timestamp;
use portcullis_store::{StoreError, UsageOf, UsageRow, UsageStore};

use crate::columns::{Columns, saturated};
use crate::database::{Alone, Database, Operation, Row, failed};
use crate::statement::{Changed, query};

#[derive(Debug)]
pub(crate) struct SqlUsage {
    database: Database,
}

impl SqlUsage {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl UsageStore for SqlUsage {
    async fn add(&self, rows: &[UsageRow]) -> Result<(), StoreError> {
        const OPERATION: Operation = "usage.add";
        // In one order for everybody: nobody waits for somebody who waits for them.
        let mut in_order: Vec<&UsageRow> = rows.iter().collect();
        in_order.sort_by(|one, other| place(one).cmp(&place(other)));
        let mut transaction = self.database.begin(Alone::ByItsRows, OPERATION).await?;
        for row in in_order {
            query(
                "INSERT INTO usage_hours (hour, key_id, user_id, team, server, calls, limited, \
                 spent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
                 ON CONFLICT (hour, key_id, user_id, team, server) DO UPDATE SET \
                 calls = usage_hours.calls + $6, limited = usage_hours.limited + $7, \
                 spent = usage_hours.spent + $8",
            )
            .bind(row.hour_millis)
            .bind(&row.key_id)
            .bind(&row.user_id)
            .bind(&row.team)
            .bind(&row.server)
            .bind(saturated(row.calls))
            .bind(saturated(row.limited))
            .bind(saturated(row.spent_nano_usd))
            .execute(&mut transaction)
            .await
            .map_err(failed(OPERATION))?;
        }
        transaction.commit().await.map_err(failed(OPERATION))
    }

    async fn sums(
        &self,
        from: Timestamp,
        until: Timestamp,
        key_id: Option<&str>,
        limit: usize,
    ) -> Result<Vec<UsageRow>, StoreError> {
        const OPERATION: Operation = "usage.sums";
        // Sums of whole numbers are wider than these in PostgreSQL.
        let statement = match key_id {
            None => query(
                "SELECT MIN(hour) AS hour, key_id, user_id, team, server, \
                 CAST(SUM(calls) AS BIGINT) AS calls, CAST(SUM(limited) AS BIGINT) AS limited, \
                 CAST(SUM(spent) AS BIGINT) AS spent FROM usage_hours \
                 WHERE hour >= $1 AND hour < $2 GROUP BY key_id, user_id, team, server \
                 ORDER BY key_id, user_id, team, server LIMIT $3",
            ),
            Some(_) => query(
                "SELECT MIN(hour) AS hour, key_id, user_id, team, server, \
                 CAST(SUM(calls) AS BIGINT) AS calls, CAST(SUM(limited) AS BIGINT) AS limited, \
                 CAST(SUM(spent) AS BIGINT) AS spent FROM usage_hours \
                 WHERE hour >= $1 AND hour < $2 AND key_id = $4 \
                 GROUP BY key_id, user_id, team, server \
                 ORDER BY key_id, user_id, team, server LIMIT $3",
            ),
        };
        statement
            .bind(from.as_millis())
            .bind(until.as_millis())
            .bind(saturated(limit))
            .with(key_id)
            .fetch_all(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?
            .iter()
            .map(|row| read(row, OPERATION))
            .collect()
    }

    async fn spent(&self, of: UsageOf<'_>) -> Result<u64, StoreError> {
        const OPERATION: Operation = "usage.spent";
        let (statement, id) = match of {
            UsageOf::Key(id) => (
                query(
                    "SELECT CAST(COALESCE(SUM(spent), 0) AS BIGINT) AS spent FROM usage_hours \
                     WHERE key_id = $1",
                ),
                id,
            ),
            UsageOf::User(id) => (
                query(
                    "SELECT CAST(COALESCE(SUM(spent), 0) AS BIGINT) AS spent FROM usage_hours \
                     WHERE user_id = $1",
                ),
                id,
            ),
            UsageOf::Team(id) => (
                query(
                    "SELECT CAST(COALESCE(SUM(spent), 0) AS BIGINT) AS spent FROM usage_hours \
                     WHERE team = $1",
                ),
                id,
            ),
        };
        let rows = statement.bind(id).fetch_all(&self.database.reader).await;
        match rows.map_err(failed(OPERATION))?.first() {
            Some(row) => Columns::of(row, OPERATION).number("spent"),
            None => Ok(0),
        }
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        query("DELETE FROM usage_hours WHERE hour < $1")
            .bind(before.as_millis())
            .execute(&self.database.writer)
            .await
            .map(Changed::rows_affected)
            .map_err(failed("usage.purge"))
    }
}

fn place(row: &UsageRow) -> (i64, &str, &str, &str, &str) {
    (
        row.hour_millis,
        &row.key_id,
        &row.user_id,
        &row.team,
        &row.server,
    )
}

fn read(row: &Row, operation: Operation) -> Result<UsageRow, StoreError> {
    let columns = Columns::of(row, operation);
    Ok(UsageRow {
        hour_millis: columns.get("hour")?,
        key_id: columns.get("key_id")?,
        user_id: columns.get("user_id")?,
        team: columns.get("team")?,
        server: columns.get("server")?,
        calls: columns.number("calls")?,
        limited: columns.number("limited")?,
        spent_nano_usd: columns.number("spent")?,
    })
}
