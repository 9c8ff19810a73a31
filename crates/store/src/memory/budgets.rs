//! Budgets in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use portcullis_core::Timestamp;

use super::lock;
use crate::{
    BudgetPeriod, BudgetScope, BudgetStore, MOST_NANO_USD, Reservation, Reserved, StoreError,
};

#[derive(Debug, Default)]
pub(super) struct MemoryBudgets {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By scope and begin of the period: what was spent, and the end of the period.
    spent: HashMap<(String, Timestamp), (u64, Option<Timestamp>)>,
    reservations: HashMap<String, Kept>,
}

#[derive(Debug)]
struct Kept {
    places: Vec<(String, BudgetPeriod)>,
    amount: u64,
    expires_at: Timestamp,
}

#[async_trait]
impl BudgetStore for MemoryBudgets {
    async fn reserve(
        &self,
        reservation: &Reservation,
        budgets: &[BudgetScope],
    ) -> Result<Reserved, StoreError> {
        let mut state = lock(&self.state, "budgets.reserve")?;
        let amount = reservation.amount_nano_usd.min(MOST_NANO_USD);
        for (which, budget) in budgets.iter().enumerate() {
            let place = (budget.scope.clone(), budget.period.began_at);
            let spent = state.spent.get(&place).map_or(0, |(spent, _)| *spent);
            if spent.saturating_add(amount) > budget.most_nano_usd {
                let resets_at = budget.period.ends_at;
                return Ok(Reserved::Exhausted { which, resets_at });
            }
        }
        for budget in budgets {
            let place = (budget.scope.clone(), budget.period.began_at);
            let row = state.spent.entry(place).or_insert((0, None));
            *row = (row.0.saturating_add(amount), budget.period.ends_at);
        }
        let places = budgets
            .iter()
            .map(|budget| (budget.scope.clone(), budget.period));
        let kept = Kept {
            places: places.collect(),
            amount,
            expires_at: reservation.expires_at,
        };
        state.reservations.insert(reservation.id.clone(), kept);
        Ok(Reserved::Reserved)
    }

    async fn settle(&self, id: &str, actual_nano_usd: u64) -> Result<bool, StoreError> {
        let mut state = lock(&self.state, "budgets.settle")?;
        let Some(kept) = state.reservations.remove(id) else {
            return Ok(false);
        };
        let actual = actual_nano_usd.min(MOST_NANO_USD);
        for (scope, period) in kept.places {
            let place = (scope, period.began_at);
            let row = state.spent.entry(place).or_insert((0, period.ends_at));
            row.0 = row.0.saturating_sub(kept.amount).saturating_add(actual);
        }
        Ok(true)
    }

    async fn spent(&self, scope: &str, began_at: Timestamp) -> Result<u64, StoreError> {
        let state = lock(&self.state, "budgets.spent")?;
        let place = (scope.to_owned(), began_at);
        Ok(state.spent.get(&place).map_or(0, |(spent, _)| *spent))
    }

    async fn purge(&self, now: Timestamp, ended: Timestamp) -> Result<u64, StoreError> {
        let mut state = lock(&self.state, "budgets.purge")?;
        let before = state.reservations.len() + state.spent.len();
        state.reservations.retain(|_, kept| kept.expires_at >= now);
        state
            .spent
            .retain(|_, (_, end)| end.is_none_or(|end| end >= ended));
        Ok((before - state.reservations.len() - state.spent.len()) as u64)
    }
}
