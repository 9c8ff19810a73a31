//! The audit chain.

use async_trait::async_trait;
use portcullis_core::Timestamp;
use portcullis_store::{
    AuditCursor, AuditFilter, AuditHead, AuditPruning, AuditRow, AuditStore, NO_SUCH_ROW, Page,
    PageRequest, StoreError, follows_head,
};
use sqlx::{Postgres, QueryBuilder, Sqlite};

use crate::columns::{Columns, saturated};
use crate::database::{Alone, Database, Operation, Row, Transaction, failed};
use crate::statement::query;

#[derive(Debug)]
pub(crate) struct SqlAudit {
    database: Database,
}

impl SqlAudit {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

const APPEND: Operation = "audit.append";

// Bounds instead of optional conditions, so that the index by time is used; and a text of its own
// where one request is asked for, so that the index by request is. The request comes last: the
// other texts have no such parameter.
const FORWARD: &str = "SELECT writer, seq, at, request_id, event, mac FROM audit_rows \
     WHERE at >= $1 AND at <= $2 AND (at, writer, seq) > ($3, $4, $5) \
     AND ($6 IS NULL OR writer = $6) \
     ORDER BY at, writer, seq LIMIT $7";
const FORWARD_OF_REQUEST: &str = "SELECT writer, seq, at, request_id, event, mac FROM audit_rows \
     WHERE request_id = $8 AND +at >= $1 AND +at <= $2 AND (+at, writer, seq) > ($3, $4, $5) \
     AND ($6 IS NULL OR writer = $6) \
     ORDER BY at, writer, seq LIMIT $7";
const BACKWARD: &str = "SELECT writer, seq, at, request_id, event, mac FROM audit_rows \
     WHERE at >= $1 AND at <= $2 AND ($3 IS NULL OR writer = $3) \
     ORDER BY at DESC, writer DESC, seq DESC LIMIT $4";
const BACKWARD_OF_REQUEST: &str = "SELECT writer, seq, at, request_id, event, mac FROM audit_rows \
     WHERE request_id = $5 AND +at >= $1 AND +at <= $2 AND ($3 IS NULL OR writer = $3) \
     ORDER BY at DESC, writer DESC, seq DESC LIMIT $4";

#[async_trait]
impl AuditStore for SqlAudit {
    async fn append(&self, rows: &[AuditRow], head: &AuditHead) -> Result<(), StoreError> {
        let alone = Alone::About("audit_heads", &head.writer);
        let mut transaction = self.database.begin(alone, APPEND).await?;
        let stored = query("SELECT seq FROM audit_heads WHERE writer = $1")
            .bind(&head.writer)
            .fetch_optional(&mut transaction)
            .await
            .map_err(failed(APPEND))?
            .map_or(Ok(0), |row| Columns::of(&row, APPEND).number("seq"))?;
        follows_head(rows, head, stored).map_err(|reason| StoreError::corrupt(APPEND, reason))?;
        let mut rest = rows;
        for size in STATEMENT_ROWS {
            while let Some((chunk, after)) = rest.split_at_checked(size) {
                insert(&mut transaction, chunk).await?;
                rest = after;
            }
        }
        query(
            "INSERT INTO audit_heads (writer, seq, mac, anchor) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (writer) DO UPDATE \
             SET seq = excluded.seq, mac = excluded.mac, anchor = excluded.anchor",
        )
        .bind(&head.writer)
        .bind(position(head.seq)?)
        .bind(head.mac.as_slice())
        .bind(head.anchor.as_slice())
        .execute(&mut transaction)
        .await
        .map_err(failed(APPEND))?;
        transaction.commit().await.map_err(failed(APPEND))
    }

    async fn heads(&self) -> Result<Vec<AuditHead>, StoreError> {
        const OPERATION: Operation = "audit.heads";
        query("SELECT writer, seq, mac, anchor FROM audit_heads ORDER BY writer")
            .fetch_all(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?
            .iter()
            .map(|row| {
                let columns = Columns::of(row, OPERATION);
                Ok(AuditHead {
                    writer: columns.get("writer")?,
                    seq: columns.number("seq")?,
                    mac: columns.bytes32("mac")?,
                    anchor: columns.bytes32("anchor")?,
                })
            })
            .collect()
    }

    async fn list(
        &self,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditRow>, StoreError> {
        const OPERATION: Operation = "audit.list";
        let after = page.after.as_deref().map(str::parse::<AuditCursor>);
        let after = after.transpose()?;
        let limit = page.effective_limit();
        let since = filter.since.map_or(i64::MIN, Timestamp::as_millis);
        let until = filter
            .until
            .map_or(i64::MAX, |until| until.as_millis().saturating_sub(1));
        let rows = query(match &filter.request_id {
            None => FORWARD,
            Some(_) => FORWARD_OF_REQUEST,
        })
        .bind(since)
        .bind(until)
        .bind(
            after
                .as_ref()
                .map_or(i64::MIN, |cursor| cursor.at.as_millis()),
        )
        .bind(after.as_ref().map_or("", |cursor| cursor.writer.as_str()))
        .bind(
            after
                .as_ref()
                .map_or(i64::MIN, |cursor| saturated(cursor.seq)),
        )
        .bind(&filter.writer)
        .bind(saturated(limit + 1))
        .with(filter.request_id.as_deref())
        .fetch_all(&self.database.reader)
        .await
        .map_err(failed(OPERATION))?;
        let rows = rows
            .iter()
            .map(|row| read(row, OPERATION))
            .collect::<Result<_, _>>()?;
        Ok(Page::from_probe(rows, limit, |row| {
            AuditCursor::of(row).to_string()
        }))
    }

    async fn latest(
        &self,
        filter: &AuditFilter,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreError> {
        const OPERATION: Operation = "audit.latest";
        let since = filter.since.map_or(i64::MIN, Timestamp::as_millis);
        let until = filter
            .until
            .map_or(i64::MAX, |until| until.as_millis().saturating_sub(1));
        let rows = query(match &filter.request_id {
            None => BACKWARD,
            Some(_) => BACKWARD_OF_REQUEST,
        })
        .bind(since)
        .bind(until)
        .bind(&filter.writer)
        .bind(saturated(limit))
        .with(filter.request_id.as_deref())
        .fetch_all(&self.database.reader)
        .await
        .map_err(failed(OPERATION))?;
        rows.iter().map(|row| read(row, OPERATION)).collect()
    }

    async fn chain(
        &self,
        writer: &str,
        from_seq: u64,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreError> {
        const OPERATION: Operation = "audit.chain";
        query(
            "SELECT writer, seq, at, request_id, event, mac FROM audit_rows \
             WHERE writer = $1 AND seq >= $2 ORDER BY seq LIMIT $3",
        )
        .bind(writer)
        .bind(saturated(from_seq))
        .bind(saturated(limit))
        .fetch_all(&self.database.reader)
        .await
        .map_err(failed(OPERATION))?
        .iter()
        .map(|row| read(row, OPERATION))
        .collect()
    }

    async fn prune(&self, pruning: &AuditPruning) -> Result<u64, StoreError> {
        const OPERATION: Operation = "audit.prune";
        let alone = Alone::About("audit_prunings", &pruning.writer);
        let mut transaction = self.database.begin(alone, OPERATION).await?;
        let last = query("SELECT mac FROM audit_rows WHERE writer = $1 AND seq = $2")
            .bind(&pruning.writer)
            .bind(saturated(pruning.seq))
            .fetch_optional(&mut transaction)
            .await
            .map_err(failed(OPERATION))?
            .map(|row| Columns::of(&row, OPERATION).bytes32("mac"))
            .transpose()?;
        if last != Some(pruning.mac) {
            return Err(StoreError::corrupt(OPERATION, NO_SUCH_ROW));
        }
        let removed = query("DELETE FROM audit_rows WHERE writer = $1 AND seq <= $2")
            .bind(&pruning.writer)
            .bind(saturated(pruning.seq))
            .execute(&mut transaction)
            .await
            .map_err(failed(OPERATION))?;
        query(
            "INSERT INTO audit_prunings (writer, seq, mac, seal) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (writer) DO UPDATE \
             SET seq = excluded.seq, mac = excluded.mac, seal = excluded.seal",
        )
        .bind(&pruning.writer)
        .bind(saturated(pruning.seq))
        .bind(pruning.mac.as_slice())
        .bind(pruning.seal.as_slice())
        .execute(&mut transaction)
        .await
        .map_err(failed(OPERATION))?;
        transaction.commit().await.map_err(failed(OPERATION))?;
        Ok(removed.rows_affected())
    }

    async fn prunings(&self) -> Result<Vec<AuditPruning>, StoreError> {
        const OPERATION: Operation = "audit.prunings";
        query("SELECT writer, seq, mac, seal FROM audit_prunings ORDER BY writer")
            .fetch_all(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?
            .iter()
            .map(|row| {
                let columns = Columns::of(row, OPERATION);
                Ok(AuditPruning {
                    writer: columns.get("writer")?,
                    seq: columns.number("seq")?,
                    mac: columns.bytes32("mac")?,
                    seal: columns.bytes32("seal")?,
                })
            })
            .collect()
    }
}

/// Rows of one statement. Each statement is a trip to the driver's own thread and back, so a batch
/// takes few; only these sizes occur, so that each text is prepared once.
const STATEMENT_ROWS: [usize; 3] = [64, 8, 1];

/// The text of so many rows is the driver's to make: its placeholders are not the same everywhere.
macro_rules! statement_of {
    ($database:ty, $rows:expr, $positions:expr) => {{
        let mut statement = QueryBuilder::<$database>::new(
            "INSERT INTO audit_rows (writer, seq, at, request_id, event, mac) ",
        );
        statement.push_values(
            $rows.iter().zip($positions),
            |mut values, (row, position)| {
                values
                    .push_bind(&row.writer)
                    .push_bind(position)
                    .push_bind(row.at.as_millis())
                    .push_bind(&row.request_id)
                    .push_bind(&row.event)
                    .push_bind(row.mac.as_slice());
            },
        );
        statement
    }};
}

async fn insert(transaction: &mut Transaction, rows: &[AuditRow]) -> Result<(), StoreError> {
    let positions = rows
        .iter()
        .map(|row| position(row.seq))
        .collect::<Result<Vec<i64>, StoreError>>()?;
    match transaction {
        Transaction::Sqlite(open) => statement_of!(Sqlite, rows, positions)
            .build()
            .execute(&mut **open)
            .await
            .map(drop),
        Transaction::Postgres(open) => {
            let mut statement = statement_of!(Postgres, rows, positions);
            let (patience, connection) = open.connection().map_err(failed(APPEND))?;
            let running = statement.build().execute(connection);
            let ended = tokio::time::timeout(patience, running).await;
            open.settle(ended).map(drop)
        }
    }
    .map_err(failed(APPEND))
}

/// A position that is stored must be exact.
fn position(seq: u64) -> Result<i64, StoreError> {
    i64::try_from(seq).map_err(|error| StoreError::corrupt(APPEND, error))
}

fn read(row: &Row, operation: Operation) -> Result<AuditRow, StoreError> {
    let columns = Columns::of(row, operation);
    Ok(AuditRow {
        writer: columns.get("writer")?,
        seq: columns.number("seq")?,
        at: columns.timestamp("at")?,
        request_id: columns.get("request_id")?,
        event: columns.get("event")?,
        mac: columns.bytes32("mac")?,
    })
}

#[cfg(test)]
mod tests {
    use sqlx::Row as _;
    use sqlx::sqlite::SqlitePoolOptions;

    use super::*;

    #[tokio::test]
    async fn each_question_is_answered_by_its_index() {
        let pool = SqlitePoolOptions::new().max_connections(1);
        let pool = pool.connect("sqlite::memory:").await.unwrap();
        crate::migrations::run(&pool).await.unwrap();
        for (text, index) in [
            (FORWARD, "audit_rows_by_time"),
            (BACKWARD, "audit_rows_by_time"),
            (FORWARD_OF_REQUEST, "audit_rows_by_request"),
            (BACKWARD_OF_REQUEST, "audit_rows_by_request"),
        ] {
            let mut explained = QueryBuilder::<Sqlite>::new("EXPLAIN QUERY PLAN ");
            explained.push(text);
            let plan = explained.build().fetch_all(&pool).await.unwrap();
            let steps: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
            let used = |step: &String| step.contains("SEARCH") && step.contains(index);
            assert!(steps.iter().any(used), "{text}: {steps:?}");
        }
    }
}
