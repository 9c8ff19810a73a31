//! Limits in bodies, by LiteLLM's names.

use portcullis_engine::{LimitStanding, Limits, Snapshot, usd};
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
    /// US dollars: in the present period of the budget, or in all where there is none; `null`: without a budget
    /// no account is kept of organizations and end users.
    #[schema(value_type = Option<f64>)]
    spend: Option<Number>,
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
            spend: standing.spent_nano_usd.map(usd),
            budget_reset_at: standing.resets_at.map(|resets_at| resets_at.to_string()),
        }
    }
}

/// The limits of a row in a list, which does not tell what was spent of them.
pub(super) fn members(limits: &Limits) -> Map<String, Value> {
    let mut said = limits.write();
    let names = Limits::MEMBERS.into_iter();
    names
        .map(|name| (name.to_owned(), said.remove(name).unwrap_or_default()))
        .collect()
}

/// Gives a body the members that say limits, by LiteLLM's names. Members that are not named stay, `null` takes one
/// away.
macro_rules! with_limits {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($fields:tt)* }) => {
        $(#[$meta])*
        $vis struct $name {
            $($fields)*
            /// Requests a minute.
            #[serde(deserialize_with = "crate::admin::limit_bodies::present")]
            #[schema(value_type = Option<u32>)]
            rpm_limit: Option<serde_json::Value>,
            /// Calls at the same time.
            #[serde(deserialize_with = "crate::admin::limit_bodies::present")]
            #[schema(value_type = Option<u32>)]
            max_parallel_requests: Option<serde_json::Value>,
            /// US dollars.
            #[serde(deserialize_with = "crate::admin::limit_bodies::present")]
            #[schema(value_type = Option<f64>)]
            max_budget: Option<serde_json::Value>,
            /// `24h`, `7d`, `1w` or `1mo`.
            #[serde(deserialize_with = "crate::admin::limit_bodies::present")]
            #[schema(value_type = Option<String>)]
            budget_duration: Option<serde_json::Value>,
            /// Requests a minute by server.
            #[serde(deserialize_with = "crate::admin::limit_bodies::present")]
            #[schema(value_type = Option<Object>)]
            mcp_rpm_limit: Option<serde_json::Value>,
            /// Not available: refused with the reason.
            #[schema(value_type = Option<u32>)]
            tpm_limit: Option<serde_json::Value>,
            /// Not available: refused with the reason.
            #[schema(value_type = Option<f64>)]
            soft_budget: Option<serde_json::Value>,
            /// Not available: refused with the reason.
            #[schema(value_type = Option<Object>)]
            model_rpm_limit: Option<serde_json::Value>,
            /// Not available: refused with the reason.
            #[schema(value_type = Option<Object>)]
            model_tpm_limit: Option<serde_json::Value>,
            /// Not available: refused with the reason.
            #[schema(value_type = Option<Object>)]
            model_max_budget: Option<serde_json::Value>,
        }

        impl $name {
            /// Takes the limits out that are there.
            pub(in crate::admin) fn take_limits(
                &mut self,
            ) -> serde_json::Map<String, serde_json::Value> {
                let members = [
                    ("rpm_limit", self.rpm_limit.take()),
                    ("max_parallel_requests", self.max_parallel_requests.take()),
                    ("max_budget", self.max_budget.take()),
                    ("budget_duration", self.budget_duration.take()),
                    ("mcp_rpm_limit", self.mcp_rpm_limit.take()),
                    ("tpm_limit", self.tpm_limit.take()),
                    ("soft_budget", self.soft_budget.take()),
                    ("model_rpm_limit", self.model_rpm_limit.take()),
                    ("model_tpm_limit", self.model_tpm_limit.take()),
                    ("model_max_budget", self.model_max_budget.take()),
                ];
                let members = members.into_iter();
                members
                    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                    .collect()
            }
        }
    };
}
pub(super) use with_limits;

with_limits! {
    /// Limits that are changed: members that are not named stay, `null` takes one away.
    #[derive(Debug, Default, Deserialize, ToSchema)]
    #[schema(as = ChangeLimits)]
    #[serde(default, deny_unknown_fields)]
    pub(super) struct Change {}
}

/// What is there, also where that is `null`.
pub(super) fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
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
