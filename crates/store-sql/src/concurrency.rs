//! Places that are held for a while.

use async_trait::async_trait;
use portcullis_core::Timestamp;
use portcullis_store::{ConcurrencyStore, Seated, Slot, StoreError};

use crate::columns::Columns;
use crate::database::{Alone, Database, failed};
use crate::statement::{Changed, query};

#[derive(Debug)]
pub(crate) struct SqlConcurrency {
    database: Database,
}

impl SqlConcurrency {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl ConcurrencyStore for SqlConcurrency {
    async fn acquire(
        &self,
        holder: &str,
        slots: &[Slot],
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Seated, StoreError> {
        const OPERATION: &str = "concurrency.acquire";
        // In one order for everybody: nobody waits for somebody who waits for them.
        let mut in_order: Vec<(usize, &Slot)> = slots.iter().enumerate().collect();
        in_order.sort_by(|(_, one), (_, other)| one.scope.cmp(&other.scope));
        let mut transaction = self.database.begin(Alone::ByItsRows, OPERATION).await?;
        for (which, slot) in in_order {
            // Who counts the places of a scope keeps out whoever would take one.
            let alone = query(
                "SELECT 1 FROM pg_advisory_xact_lock(hashtext('concurrency_slots'), hashtext($1))",
            );
            let taken = transaction.take_rows(alone.bind(&slot.scope)).await;
            taken.map_err(failed(OPERATION))?;
            let seated = query(
                "INSERT INTO concurrency_slots (scope, holder, until) SELECT $1, $2, $3 \
                 WHERE (SELECT COUNT(*) FROM concurrency_slots WHERE scope = $1 AND until > $4) < $5 \
                 ON CONFLICT (scope, holder) DO UPDATE SET until = $3",
            )
            .bind(&slot.scope)
            .bind(holder)
            .bind(until.as_millis())
            .bind(now.as_millis())
            .bind(i64::from(slot.most))
            .execute(&mut transaction)
            .await
            .map_err(failed(OPERATION))?;
            if seated.rows_affected() == 0 {
                transaction.rollback().await.map_err(failed(OPERATION))?;
                return Ok(Seated::Full { which });
            }
        }
        transaction.commit().await.map_err(failed(OPERATION))?;
        Ok(Seated::Held)
    }

    async fn renew(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        query("UPDATE concurrency_slots SET until = $3 WHERE holder = $1 AND until > $2")
            .bind(holder)
            .bind(now.as_millis())
            .bind(until.as_millis())
            .execute(&self.database.writer)
            .await
            .map(|renewed| renewed.rows_affected() > 0)
            .map_err(failed("concurrency.renew"))
    }

    async fn release(&self, holder: &str) -> Result<(), StoreError> {
        query("DELETE FROM concurrency_slots WHERE holder = $1")
            .bind(holder)
            .execute(&self.database.writer)
            .await
            .map(drop)
            .map_err(failed("concurrency.release"))
    }

    async fn held(&self, scope: &str, now: Timestamp) -> Result<u64, StoreError> {
        const OPERATION: &str = "concurrency.held";
        let row =
            query("SELECT COUNT(*) AS held FROM concurrency_slots WHERE scope = $1 AND until > $2")
                .bind(scope)
                .bind(now.as_millis())
                .fetch_one(&self.database.reader)
                .await
                .map_err(failed(OPERATION))?;
        Columns::of(&row, OPERATION).number("held")
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        query("DELETE FROM concurrency_slots WHERE until < $1")
            .bind(now.as_millis())
            .execute(&self.database.writer)
            .await
            .map(Changed::rows_affected)
            .map_err(failed("concurrency.purge"))
    }
}
