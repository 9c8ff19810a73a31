//! Limits in bodies, by LiteLLM's names.

use portcullis_engine::{LimitStanding, Snapshot, usd};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Number, Value};
use utoipa::ToSchema;

/// What a scope may do, and what it spent; a limit that nobody set is `null`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LimitsRow {
    /// Requests a minute.
    rpm_limit: Option<u32>,
    /// Calls at the same time.
    max_parallel_requests: Option<u32>,
    /// US dollars.
    #[schema(value_type = Option<f64>)]
    max_budget: Option<Number>,
    /// After which the budget begins anew; `null`: never.
    budget_duration: Option<String>,
    /// Requests a minute by server.
    #[schema(value_type = Option<Object>)]
    mcp_rpm_limit: Option<Value>,
    /// US dollars: in the present period of the budget, or in all where there is none.
    #[schema(value_type = f64)]
    spend: Number,
    /// RFC 3339.
    budget_reset_at: Option<String>,
}

impl LimitsRow {
    pub(super) fn of(standing: &LimitStanding) -> Self {
        let limits = &standing.limits;
        let duration = limits.budget.and_then(|budget| budget.duration);
        Self {
            rpm_limit: limits.requests_per_minute,
            max_parallel_requests: limits.concurrent,
            max_budget: limits.budget.map(|budget| usd(budget.most_nano_usd)),
            budget_duration: duration.map(|duration| duration.to_string()),
            mcp_rpm_limit: limits.write().remove("mcp_rpm_limit"),
            spend: usd(standing.spent_nano_usd),
            budget_reset_at: standing.resets_at.map(|resets_at| resets_at.to_string()),
        }
    }
}

/// Limits that are changed: members that are not named stay, `null` takes one away.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = ChangeLimits)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Change {
    /// Requests a minute.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    rpm_limit: Option<Value>,
    /// Calls at the same time.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    max_parallel_requests: Option<Value>,
    /// US dollars.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<f64>)]
    max_budget: Option<Value>,
    /// `24h`, `7d`, `1w` or `1mo`.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    budget_duration: Option<Value>,
    /// Requests a minute by server.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<Object>)]
    mcp_rpm_limit: Option<Value>,
    /// Not available: refused with the reason.
    #[schema(value_type = Option<u32>)]
    tpm_limit: Option<Value>,
}

/// What is there, also where that is `null`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Change {
    /// The members that are there.
    pub(super) fn members(self) -> Map<String, Value> {
        let members = [
            ("rpm_limit", self.rpm_limit),
            ("max_parallel_requests", self.max_parallel_requests),
            ("max_budget", self.max_budget),
            ("budget_duration", self.budget_duration),
            ("mcp_rpm_limit", self.mcp_rpm_limit),
            ("tpm_limit", self.tpm_limit),
        ];
        members
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    }
}

/// A limit for a server that there is not would limit nothing; `Err` says which.
pub(super) fn known_servers(
    members: &Map<String, Value>,
    snapshot: &Snapshot,
) -> Result<(), String> {
    let servers = members.get("mcp_rpm_limit").and_then(Value::as_object);
    let unknown = servers
        .into_iter()
        .flat_map(Map::keys)
        .find(|name| snapshot.named(name).is_none());
    match unknown {
        None => Ok(()),
        Some(name) => {
            let name: String = name.chars().take(64).collect();
            Err(format!("mcp_rpm_limit: no server is called `{name}`"))
        }
    }
}
