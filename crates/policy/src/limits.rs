//! How much whoever may do: how often, how much at once, and for how much money.

use std::collections::BTreeMap;

use portcullis_core::{Rate, ServerId};
use serde_json::{Map, Number, Value};

mod duration;
mod money;
mod server;

pub use duration::{BudgetDuration, InvalidDuration};
pub use money::{InvalidAmount, nano_usd, usd};
pub use server::{ServerLimits, ToolCosts, ToolLimits};

/// What one scope may. What is absent is not limited by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests a minute (`rpm_limit`).
    pub requests_per_minute: Option<u32>,
    /// Calls at the same time (`max_parallel_requests`).
    pub concurrent: Option<u32>,
    /// What may be spent (`max_budget`, `budget_duration`).
    pub budget: Option<Budget>,
    /// Requests a minute to single servers (`mcp_rpm_limit`), by their ids.
    pub per_server: BTreeMap<ServerId, u32>,
}

/// So much money for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// In billionths of a US dollar.
    pub most_nano_usd: u64,
    /// After which it begins anew; `None`: never.
    pub duration: Option<BudgetDuration>,
}

/// So many a minute, all of which may come at once after a quiet minute.
pub fn requests(per_minute: u32) -> Rate {
    Rate::of_requests(per_minute, per_minute)
}

/// What a member of a limits object is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLimits {
    /// No whole number from 0 to 4294967295.
    #[error("{0} must be a whole number from 0 to 4294967295")]
    Number(&'static str),
    /// No amount of money.
    #[error("{0} must be a number of US dollars from 0 to 1000000000")]
    Amount(&'static str),
    /// No span of time.
    #[error("budget_duration: {0}")]
    Duration(#[from] InvalidDuration),
    /// A span of time for no budget.
    #[error("budget_duration says how long max_budget lasts: say max_budget too")]
    DurationAlone,
    /// No object of numbers by server.
    #[error("mcp_rpm_limit must be an object of requests a minute by server")]
    PerServer,
    /// A limit that is not kept here.
    #[error("{name} is not available: {why}")]
    Unavailable {
        /// The member.
        name: String,
        /// What it would take.
        why: &'static str,
    },
    /// No member of this name.
    #[error(
        "`{0}` is no limit: use rpm_limit, max_parallel_requests, max_budget, budget_duration or mcp_rpm_limit"
    )]
    Unknown(String),
}

impl Limits {
    /// The members that say limits, by LiteLLM's names.
    pub const MEMBERS: [&'static str; 5] = [
        "rpm_limit",
        "max_parallel_requests",
        "max_budget",
        "budget_duration",
        "mcp_rpm_limit",
    ];

    /// Whether it limits nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Reads an object of LiteLLM's names; `null` says nothing. A member that is no limit of these is an
    /// error: it would restrict, and would not.
    pub fn read(members: &Map<String, Value>) -> Result<Self, InvalidLimits> {
        let mut limits = Self::default();
        let (mut most, mut duration) = (None, None);
        for (name, value) in members {
            if value.is_null() {
                continue;
            }
            match name.as_str() {
                "rpm_limit" => {
                    limits.requests_per_minute = Some(number(value, "rpm_limit")?);
                }
                "max_parallel_requests" => {
                    limits.concurrent = Some(number(value, "max_parallel_requests")?);
                }
                "max_budget" => {
                    let amount = value.as_f64().map(nano_usd);
                    let Some(Ok(amount)) = amount else {
                        return Err(InvalidLimits::Amount("max_budget"));
                    };
                    most = Some(amount);
                }
                "budget_duration" => {
                    let text = value.as_str().ok_or(InvalidDuration)?;
                    duration = Some(text.parse()?);
                }
                "mcp_rpm_limit" => limits.per_server = per_server(value)?,
                "soft_budget" => {
                    return Err(InvalidLimits::Unavailable {
                        name: name.clone(),
                        why: "nobody is told when it is reached: set max_budget, or watch /v1/usage",
                    });
                }
                "tpm_limit" | "model_rpm_limit" | "model_tpm_limit" | "model_max_budget" => {
                    return Err(InvalidLimits::Unavailable {
                        name: name.clone(),
                        why: "it counts what models use, and no model is called through this gateway yet",
                    });
                }
                _ => return Err(InvalidLimits::Unknown(name.chars().take(64).collect())),
            }
        }
        limits.budget = match (most, duration) {
            (None, Some(_)) => return Err(InvalidLimits::DurationAlone),
            (None, None) => None,
            (Some(most_nano_usd), duration) => Some(Budget {
                most_nano_usd,
                duration,
            }),
        };
        Ok(limits)
    }

    /// The same as an object; what is not limited is absent.
    pub fn write(&self) -> Map<String, Value> {
        let mut out = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                out.insert(name.to_owned(), value);
            }
        };
        put("rpm_limit", self.requests_per_minute.map(Value::from));
        put("max_parallel_requests", self.concurrent.map(Value::from));
        let amount = self.budget.map(|budget| usd(budget.most_nano_usd));
        put("max_budget", amount.map(Value::Number));
        let duration = self.budget.and_then(|budget| budget.duration);
        put(
            "budget_duration",
            duration.map(|duration| Value::from(duration.to_string())),
        );
        let servers = self.per_server.iter();
        let servers: Map<String, Value> = servers
            .map(|(server, rpm)| (server.to_string(), Value::Number(Number::from(*rpm))))
            .collect();
        put(
            "mcp_rpm_limit",
            (!servers.is_empty()).then_some(Value::Object(servers)),
        );
        out
    }

    /// These, and where they say nothing, what `default` says.
    #[must_use]
    pub fn or(mut self, default: &Self) -> Self {
        self.requests_per_minute = self.requests_per_minute.or(default.requests_per_minute);
        self.concurrent = self.concurrent.or(default.concurrent);
        self.budget = self.budget.or(default.budget);
        for (server, rpm) in &default.per_server {
            self.per_server.entry(server.clone()).or_insert(*rpm);
        }
        self
    }
}

fn number(value: &Value, name: &'static str) -> Result<u32, InvalidLimits> {
    value
        .as_u64()
        .and_then(|number| u32::try_from(number).ok())
        .ok_or(InvalidLimits::Number(name))
}

fn per_server(value: &Value) -> Result<BTreeMap<ServerId, u32>, InvalidLimits> {
    let servers = value.as_object().ok_or(InvalidLimits::PerServer)?;
    servers
        .iter()
        .map(|(server, rpm)| {
            let rpm = number(rpm, "mcp_rpm_limit").map_err(|_| InvalidLimits::PerServer)?;
            Ok((ServerId::from(server.as_str()), rpm))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<Limits, InvalidLimits> {
        let Value::Object(members) = value else {
            panic!("an object")
        };
        Limits::read(&members)
    }

    #[test]
    fn limits_are_read_by_litellms_names_and_written_as_they_were_read() {
        let all = json!({
            "rpm_limit": 60, "max_parallel_requests": 3, "max_budget": 2.5,
            "budget_duration": "30d", "mcp_rpm_limit": {"github": 10, "jira": 0},
        });
        let limits = read(all.clone()).unwrap();
        assert_eq!(limits.requests_per_minute, Some(60));
        assert_eq!(limits.budget.unwrap().most_nano_usd, 2_500_000_000);
        assert_eq!(Value::Object(limits.write()), all);
        let nothing = read(json!({"rpm_limit": null, "max_budget": null})).unwrap();
        assert!(nothing.is_empty());
        assert_eq!(nothing.write(), Map::new());
    }

    #[test]
    fn what_cannot_be_kept_is_refused_and_not_ignored() {
        for (value, said) in [
            (json!({"rpm_limit": -1}), "rpm_limit must be a whole number"),
            (
                json!({"rpm_limit": 1.5}),
                "rpm_limit must be a whole number",
            ),
            (
                json!({"rpm_limit": "9"}),
                "rpm_limit must be a whole number",
            ),
            (
                json!({"max_parallel_requests": 5_000_000_000_u64}),
                "max_parallel_requests must",
            ),
            (
                json!({"max_budget": -0.5}),
                "max_budget must be a number of US dollars",
            ),
            (
                json!({"max_budget": "5"}),
                "max_budget must be a number of US dollars",
            ),
            (
                json!({"max_budget": 1, "budget_duration": 30}),
                "budget_duration: ",
            ),
            (
                json!({"max_budget": 1, "budget_duration": "30 d"}),
                "budget_duration: ",
            ),
            (json!({"budget_duration": "30d"}), "say max_budget too"),
            (
                json!({"mcp_rpm_limit": 5}),
                "mcp_rpm_limit must be an object",
            ),
            (
                json!({"mcp_rpm_limit": {"github": "5"}}),
                "mcp_rpm_limit must be an object",
            ),
            (json!({"tpm_limit": 5}), "tpm_limit is not available"),
            (json!({"soft_budget": 5}), "set max_budget"),
            (json!({"blocked": true}), "`blocked` is no limit"),
        ] {
            let error = read(value.clone()).unwrap_err().to_string();
            assert!(error.contains(said), "{value}: {error}");
        }
    }

    #[test]
    fn a_default_says_only_what_was_left_open() {
        let own = read(json!({"rpm_limit": 5, "mcp_rpm_limit": {"a": 1}})).unwrap();
        let default = json!({"rpm_limit": 9, "max_budget": 1, "mcp_rpm_limit": {"a": 7, "b": 7}});
        let both = own.or(&read(default).unwrap());
        let expected = json!({"rpm_limit": 5, "max_budget": 1, "mcp_rpm_limit": {"a": 1, "b": 7}});
        assert_eq!(both, read(expected).unwrap());
    }
}
