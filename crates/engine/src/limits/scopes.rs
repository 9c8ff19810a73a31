//! What is counted, and under which name.

use std::borrow::Cow;

use portcullis_core::Timestamp;
use portcullis_policy::Budget;
use portcullis_store::{BudgetPeriod, BudgetScope};

/// What kind of thing has a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScopeKind {
    /// An API key.
    Key,
    /// A person or service account.
    User,
    /// A team.
    Team,
    /// An organization.
    Organization,
    /// Somebody for whom a caller says that it asks.
    EndUser,
    /// An MCP server, for all callers together.
    Server,
    /// One of its tools, for all callers together.
    Tool,
}

impl ScopeKind {
    /// The kinds that callers are in.
    pub const OF_CALLERS: [Self; 5] = [
        Self::Key,
        Self::User,
        Self::Team,
        Self::Organization,
        Self::EndUser,
    ];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::User => "user",
            Self::Team => "team",
            Self::Organization => "organization",
            Self::EndUser => "end_user",
            Self::Server => "server",
            Self::Tool => "tool",
        }
    }

    /// What is counted of this one.
    pub(super) fn counted(self, id: &str) -> String {
        format!("{}:{id}", self.as_str())
    }

    /// What is counted of this one at a server. The length tells where its own name ends.
    pub(super) fn counted_at(self, id: &str, at: &str) -> String {
        format!("{}@{}:{id}:{at}", self.as_str(), id.len())
    }
}

/// The period of a budget that is now; a budget without an end has one, which began with time.
pub(super) fn period(budget: Budget, now: Timestamp) -> BudgetPeriod {
    let around = budget.duration.map(|duration| duration.around(now));
    BudgetPeriod {
        began_at: around.map_or(Timestamp::from_millis(0), |(began_at, _)| began_at),
        ends_at: around.map(|(_, ends_at)| ends_at),
    }
}

/// The budget of one scope, as the store counts it at this moment.
pub fn budget_scope(kind: ScopeKind, id: &str, budget: Budget, now: Timestamp) -> BudgetScope {
    // Budgets of another length are counted by themselves.
    let duration = budget.duration.map(|duration| duration.to_string());
    let duration = duration.map_or(Cow::Borrowed("ever"), Cow::Owned);
    BudgetScope {
        scope: kind.counted_at(&duration, id),
        period: period(budget, now),
        most_nano_usd: budget.most_nano_usd,
    }
}
