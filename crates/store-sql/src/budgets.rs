//! Budgets: reserved before, settled after.

use async_trait::async_trait;
use portcullis_core::Timestamp;
use portcullis_store::{
    BudgetScope, BudgetStore, MOST_NANO_USD, Reservation, Reserved, StoreError,
};

use crate::columns::{Columns, saturated};
use crate::database::{Alone, Database, failed};
use crate::statement::{Changed, query};

#[derive(Debug)]
pub(crate) struct SqlBudgets {
    database: Database,
}

impl SqlBudgets {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl BudgetStore for SqlBudgets {
    async fn reserve(
        &self,
        reservation: &Reservation,
        budgets: &[BudgetScope],
    ) -> Result<Reserved, StoreError> {
        const OPERATION: &str = "budgets.reserve";
        let amount = reservation.amount_nano_usd.min(MOST_NANO_USD);
        let exhausted = |which: usize, budget: &BudgetScope| Reserved::Exhausted {
            which,
            resets_at: budget.period.ends_at,
        };
        // In one order for everybody: nobody waits for somebody who waits for them.
        let mut in_order: Vec<(usize, &BudgetScope)> = budgets.iter().enumerate().collect();
        in_order.sort_by(|(_, one), (_, other)| one.scope.cmp(&other.scope));
        let mut transaction = self.database.begin(Alone::ByItsRows, OPERATION).await?;
        for (which, budget) in in_order {
            // A period that nobody spent in yet has no row to be compared with.
            let spent = if amount > budget.most_nano_usd {
                0
            } else {
                query(
                    "INSERT INTO budget_spending (scope, began_at, ends_at, spent) \
                     VALUES ($1, $2, $3, $4) ON CONFLICT (scope, began_at) \
                     DO UPDATE SET spent = budget_spending.spent + $4, ends_at = $3 \
                     WHERE budget_spending.spent + $4 <= $5",
                )
                .bind(&budget.scope)
                .bind(budget.period.began_at.as_millis())
                .bind(budget.period.ends_at.map(Timestamp::as_millis))
                .bind(saturated(amount))
                .bind(saturated(budget.most_nano_usd))
                .execute(&mut transaction)
                .await
                .map_err(failed(OPERATION))?
                .rows_affected()
            };
            if spent == 0 {
                transaction.rollback().await.map_err(failed(OPERATION))?;
                return Ok(exhausted(which, budget));
            }
            query(
                "INSERT INTO budget_reservations (id, scope, began_at, amount, expires_at) \
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(&reservation.id)
            .bind(&budget.scope)
            .bind(budget.period.began_at.as_millis())
            .bind(saturated(amount))
            .bind(reservation.expires_at.as_millis())
            .execute(&mut transaction)
            .await
            .map_err(failed(OPERATION))?;
        }
        transaction.commit().await.map_err(failed(OPERATION))?;
        Ok(Reserved::Reserved)
    }

    async fn settle(&self, id: &str, actual_nano_usd: u64) -> Result<bool, StoreError> {
        const OPERATION: &str = "budgets.settle";
        let actual = saturated(actual_nano_usd.min(MOST_NANO_USD));
        let mut transaction = self.database.begin(Alone::ByItsRows, OPERATION).await?;
        // Of several who settle one reservation, one gets its rows.
        let rows = query(
            "DELETE FROM budget_reservations WHERE id = $1 RETURNING scope, began_at, amount",
        )
        .bind(id)
        .fetch_all(&mut transaction)
        .await
        .map_err(failed(OPERATION))?;
        let mut places = Vec::with_capacity(rows.len());
        for row in &rows {
            let columns = Columns::of(row, OPERATION);
            let scope: String = columns.get("scope")?;
            places.push((
                scope,
                columns.get::<i64>("began_at")?,
                columns.get::<i64>("amount")?,
            ));
        }
        places.sort();
        for (scope, began_at, amount) in &places {
            query(
                "UPDATE budget_spending SET spent = spent + $3 WHERE scope = $1 AND began_at = $2",
            )
            .bind(scope)
            .bind(*began_at)
            .bind(actual.saturating_sub(*amount))
            .execute(&mut transaction)
            .await
            .map_err(failed(OPERATION))?;
        }
        transaction.commit().await.map_err(failed(OPERATION))?;
        Ok(!places.is_empty())
    }

    async fn spent(&self, scope: &str, began_at: Timestamp) -> Result<u64, StoreError> {
        const OPERATION: &str = "budgets.spent";
        let row = query("SELECT spent FROM budget_spending WHERE scope = $1 AND began_at = $2")
            .bind(scope)
            .bind(began_at.as_millis())
            .fetch_optional(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?;
        row.map_or(Ok(0), |row| Columns::of(&row, OPERATION).number("spent"))
    }

    async fn purge(&self, now: Timestamp, ended: Timestamp) -> Result<u64, StoreError> {
        const OPERATION: &str = "budgets.purge";
        let reservations = query("DELETE FROM budget_reservations WHERE expires_at < $1")
            .bind(now.as_millis())
            .execute(&self.database.writer)
            .await
            .map(Changed::rows_affected)
            .map_err(failed(OPERATION))?;
        let periods = query("DELETE FROM budget_spending WHERE ends_at < $1")
            .bind(ended.as_millis())
            .execute(&self.database.writer)
            .await
            .map(Changed::rows_affected)
            .map_err(failed(OPERATION))?;
        Ok(reservations + periods)
    }
}
