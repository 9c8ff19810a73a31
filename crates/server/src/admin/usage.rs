//! `GET /v1/usage`: what was called and spent, by key, user, team and server.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use portcullis_core::{ErrorKind, Timestamp};
use portcullis_engine::{LimitUsage, usd};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};
use utoipa::{IntoParams, ToSchema};

use super::admit;
use super::limits::failed;
use super::problem::{done, problem};
use crate::query::query;
use crate::state::ServerState;

/// How far back an answer goes whose question does not say it.
const LATELY: Duration = Duration::from_hours(24 * 30);

/// `since` and `until` are RFC 3339 moments; whole hours are counted. `by` names what is kept apart, with
/// commas between; absent, all of it.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsageQuery {
    since: Option<String>,
    until: Option<String>,
    by: Option<String>,
}

/// What may be kept apart.
const PARTS: [&str; 4] = ["key", "user", "team", "server"];

struct Question {
    since: Timestamp,
    until: Option<Timestamp>,
    by: Vec<&'static str>,
}

impl UsageQuery {
    fn question(self, now: Timestamp) -> Result<Question, String> {
        let moment = |name: &str, text: Option<String>| {
            text.map(|text| text.parse::<Timestamp>())
                .transpose()
                .map_err(|error| format!("{name}: {error}"))
        };
        let by = match self.by {
            None => PARTS.to_vec(),
            Some(text) => text
                .split(',')
                .map(|part| {
                    let known = PARTS.into_iter().find(|known| *known == part.trim());
                    known.ok_or_else(|| format!("by: use {}", PARTS.join(", ")))
                })
                .collect::<Result<_, _>>()?,
        };
        Ok(Question {
            since: moment("since", self.since)?.unwrap_or_else(|| now.before(LATELY)),
            until: moment("until", self.until)?,
            by,
        })
    }
}

/// What was used in a time.
#[derive(Serialize, ToSchema)]
struct UsagePage {
    since: String,
    until: Option<String>,
    /// `key_id`, `user_id`, `team_id` and `server` as far as they are kept apart, and the figures of each.
    #[schema(value_type = Vec<Object>)]
    usage: Vec<Value>,
    total: UsageFigures,
    /// There are more keys, users, teams and servers than fit: the figures are too small. Ask about less time.
    truncated: bool,
}

/// Calls, and what they cost.
#[derive(Serialize, ToSchema)]
struct UsageFigures {
    /// Calls that were let through.
    calls: u64,
    /// Calls that a limit or a budget refused.
    limited: u64,
    /// US dollars.
    #[schema(value_type = f64)]
    spend: Number,
}

/// What was called and spent: by everybody, for those who may read everything; else by the own key.
#[utoipa::path(
    get, path = "/v1/usage", tag = "limits", params(UsageQuery),
    responses((status = 200, description = "Sums of whole hours.", body = UsagePage)),
)]
pub(crate) async fn list(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let call = match admit(&state, &parts, "v1/usage").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let asked: Result<UsageQuery, String> = query(&parts.uri);
    let question = asked.and_then(|asked| asked.question(state.clock.now()));
    let Question { since, until, by } = match question {
        Ok(question) => question,
        Err(detail) => return problem(call, ErrorKind::Invalid, &detail).await,
    };
    // What this replica did in the last second belongs to it.
    state.gateway.limits().write_usage().await;
    match state.limits.usage(since, until, &call.principal).await {
        Ok((rows, truncated)) => {
            let (usage, total) = kept_apart(&rows, &by);
            let page = UsagePage {
                since: since.to_string(),
                until: until.map(|until| until.to_string()),
                usage,
                total,
                truncated,
            };
            done(call, &page).await
        }
        Err(error) => failed(call, &error).await,
    }
}

/// Calls, refused calls, money.
type Sum = [u64; 3];

fn kept_apart(rows: &[LimitUsage], by: &[&'static str]) -> (Vec<Value>, UsageFigures) {
    let mut sums: BTreeMap<Vec<&str>, Sum> = BTreeMap::new();
    let mut total = Sum::default();
    for row in rows {
        let parts = by.iter().map(|part| match *part {
            "key" => row.key_id.as_str(),
            "user" => row.user_id.as_str(),
            "team" => row.team.as_str(),
            _ => row.server.as_str(),
        });
        let used = [row.calls, row.limited, row.spent_nano_usd];
        let sum = sums.entry(parts.collect()).or_default();
        for (sums, used) in [(sum, used), (&mut total, used)] {
            for (sum, used) in sums.iter_mut().zip(used) {
                *sum = sum.saturating_add(used);
            }
        }
    }
    let rows = sums.into_iter().map(|(parts, sum)| {
        let figures = figures(sum);
        let mut shown = Map::new();
        shown.insert("calls".to_owned(), figures.calls.into());
        shown.insert("limited".to_owned(), figures.limited.into());
        shown.insert("spend".to_owned(), Value::Number(figures.spend));
        for (name, value) in by.iter().zip(parts) {
            let name = match *name {
                "key" => "key_id",
                "user" => "user_id",
                "team" => "team_id",
                other => other,
            };
            // Nothing that is not known is a name.
            let value = Some(value).filter(|value| !value.is_empty());
            shown.insert(name.to_owned(), value.into());
        }
        Value::Object(shown)
    });
    (rows.collect(), figures(total))
}

fn figures([calls, limited, spent]: Sum) -> UsageFigures {
    UsageFigures {
        calls,
        limited,
        spend: usd(spent),
    }
}
