//! What a command line says of limits.

use clap::Args;
use serde_json::{Map, Value};

/// How much a key, a team, a person or an organization may do.
#[derive(Clone, Debug, Default, Args)]
pub struct LimitOptions {
    /// Requests a minute
    #[arg(long, value_name = "N")]
    pub rpm_limit: Option<u32>,
    /// Calls at the same time
    #[arg(long, value_name = "N")]
    pub max_parallel_requests: Option<u32>,
    /// US dollars that may be spent
    #[arg(long, value_name = "USD")]
    pub max_budget: Option<f64>,
    /// After which the budget begins anew: 24h, 7d, 1w or 1mo
    #[arg(long, value_name = "SPAN")]
    pub budget_duration: Option<String>,
}

impl LimitOptions {
    /// The members of a body that say so.
    pub fn say(&self, body: &mut Map<String, Value>) {
        let members = [
            ("rpm_limit", self.rpm_limit.map(Value::from)),
            (
                "max_parallel_requests",
                self.max_parallel_requests.map(Value::from),
            ),
            ("max_budget", self.max_budget.map(Value::from)),
            (
                "budget_duration",
                self.budget_duration.as_deref().map(Value::from),
            ),
        ];
        for (name, value) in members {
            if let Some(value) = value {
                body.insert(name.to_owned(), value);
            }
        }
    }
}
