//! What was spent of each budget: reserved before, settled after.

use async_trait::async_trait;
use portcullis_core::Timestamp;

use crate::StoreError;

/// No amount is greater: a billion US dollars. What is said to be more is taken as this.
pub const MOST_NANO_USD: u64 = 1_000_000_000_000_000_000;

/// For how long a budget is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BudgetPeriod {
    /// Its begin, which names it: what was spent in another period does not count in this one.
    pub began_at: Timestamp,
    /// When the next one begins; `None`: never.
    pub ends_at: Option<Timestamp>,
}

/// A budget that something is to be paid from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetScope {
    /// Whose it is, a name of the caller's choice.
    pub scope: String,
    /// The period that is now.
    pub period: BudgetPeriod,
    /// How much may be spent in it, in billionths of a US dollar.
    pub most_nano_usd: u64,
}

/// What is set aside before it is known what something costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// A name that nobody used before.
    pub id: String,
    /// How much, in billionths of a US dollar.
    pub amount_nano_usd: u64,
    /// Not settled by then, all of it was spent.
    pub expires_at: Timestamp,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// It is set aside in every budget.
    Reserved,
    /// In none, because one has not so much left.
    Exhausted {
        /// Its place in the list.
        which: usize,
        /// When it has something again; `None`: never by itself.
        resets_at: Option<Timestamp>,
    },
}

/// Budgets by scope. What is reserved counts as spent until it is settled, so that however many spend at
/// once, none spends what another has set aside; and what is never settled stays spent.
#[async_trait]
pub trait BudgetStore: Send + Sync + std::fmt::Debug {
    /// Sets the amount aside in each budget, or in none.
    async fn reserve(
        &self,
        reservation: &Reservation,
        budgets: &[BudgetScope],
    ) -> Result<Reserved, StoreError>;

    /// Puts what it really cost in place of what was set aside, in the periods it was set aside in, even
    /// where that is more than the budget. `false`: it was settled before or forgotten, and nothing was
    /// changed.
    async fn settle(&self, id: &str, actual_nano_usd: u64) -> Result<bool, StoreError>;

    /// What was spent of a budget in the period that began then, in billionths of a US dollar.
    async fn spent(&self, scope: &str, began_at: Timestamp) -> Result<u64, StoreError>;

    /// Forgets reservations that were over before `now` (what they set aside stays spent), and periods
    /// that ended before `ended`; returns how many of both.
    async fn purge(&self, now: Timestamp, ended: Timestamp) -> Result<u64, StoreError>;
}
