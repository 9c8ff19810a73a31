//! Counts by the generic cell rate algorithm.

use std::time::Duration;

use async_trait::async_trait;
use portcullis_core::{Timestamp, gcra};
use portcullis_store::{Charge, CounterStore, StoreError, Taken};

use crate::columns::{Columns, saturated};
use crate::database::{Alone, Database, failed};
use crate::statement::{Changed, Statement, query};

#[derive(Debug)]
pub(crate) struct SqlCounters {
    database: Database,
}

impl SqlCounters {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }

    /// What each scope says now, of those that must be waited for; the count of one that is not believed
    /// is put right.
    async fn refusal(&self, charges: &[Charge], now: Duration) -> Result<Taken, StoreError> {
        const OPERATION: &str = "counters.take";
        let mut longest = (0, Duration::from_millis(1));
        for (which, charge) in charges.iter().enumerate() {
            let row = query("SELECT due FROM rate_counts WHERE scope = $1")
                .bind(&charge.scope)
                .fetch_optional(&self.database.writer)
                .await
                .map_err(failed(OPERATION))?;
            let due = row
                .map(|row| Columns::of(&row, OPERATION).number("due"))
                .transpose()?
                .map(Duration::from_micros);
            let believed = due.map(|due| charge.believed(due, now));
            if believed != due
                && let (Some(due), Some(believed)) = (due, believed)
            {
                query("UPDATE rate_counts SET due = $2 WHERE scope = $1 AND due = $3")
                    .bind(&charge.scope)
                    .bind(saturated(believed.as_micros()))
                    .bind(saturated(due.as_micros()))
                    .execute(&self.database.writer)
                    .await
                    .map_err(failed(OPERATION))?;
            }
            if let Err(wait) = gcra(charge.rate, believed, now)
                && wait > longest.1
            {
                longest = (which, wait);
            }
        }
        let (which, retry_after) = longest;
        Ok(Taken::Limited { which, retry_after })
    }
}

/// One more in one scope, if it may: one statement decides.
fn one_more(charge: &Charge, now: Duration) -> Statement<'_> {
    let window = charge.rate.every.saturating_mul(charge.rate.burst);
    query(
        "INSERT INTO rate_counts (scope, due) VALUES ($1, $2 + $3) \
         ON CONFLICT (scope) DO UPDATE SET due = \
         CASE WHEN rate_counts.due > $2 THEN rate_counts.due ELSE $2 END + $3 \
         WHERE rate_counts.due + $3 <= $2 + $4",
    )
    .bind(&charge.scope)
    .bind(saturated(now.as_micros()))
    .bind(saturated(charge.rate.every.as_micros()))
    .bind(saturated(window.as_micros()))
}

#[async_trait]
impl CounterStore for SqlCounters {
    async fn take(&self, charges: &[Charge], now: Timestamp) -> Result<Taken, StoreError> {
        const OPERATION: &str = "counters.take";
        let now = now.since(Timestamp::from_millis(0));
        if charges.iter().any(|charge| charge.rate.burst == 0) {
            return self.refusal(charges, now).await;
        }
        if let [charge] = charges {
            let counted = one_more(charge, now).execute(&self.database.writer).await;
            return match counted.map_err(failed(OPERATION))?.rows_affected() {
                0 => self.refusal(charges, now).await,
                _ => Ok(Taken::Taken),
            };
        }
        // In one order for everybody: nobody waits for somebody who waits for them.
        let mut in_order: Vec<&Charge> = charges.iter().collect();
        in_order.sort_by(|one, other| one.scope.cmp(&other.scope));
        let mut transaction = self.database.begin(Alone::ByItsRows, OPERATION).await?;
        for charge in in_order {
            let counted = one_more(charge, now).execute(&mut transaction).await;
            if counted.map_err(failed(OPERATION))?.rows_affected() == 0 {
                transaction.rollback().await.map_err(failed(OPERATION))?;
                return self.refusal(charges, now).await;
            }
        }
        transaction.commit().await.map_err(failed(OPERATION))?;
        Ok(Taken::Taken)
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        let now = now.since(Timestamp::from_millis(0));
        query("DELETE FROM rate_counts WHERE due < $1")
            .bind(saturated(now.as_micros()))
            .execute(&self.database.writer)
            .await
            .map(Changed::rows_affected)
            .map_err(failed("counters.purge"))
    }
}
