//! `GET /v1/audit`: events as they were recorded, oldest first unless `order=desc`.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use portcullis_core::{ErrorKind, Timestamp};
use portcullis_engine::audit::{Decision, Outcome, Surface, TrailQuestion};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::admit;
use super::problem::{done, problem};
use crate::query::query;
use crate::state::ServerState;

/// How long to wait for events that are on their way into the store.
const FLUSH: Duration = Duration::from_secs(1);

/// Most events of one answer.
const MOST: usize = 1000;

/// `after` is `next` of the page before; `since` and `until` are RFC 3339 moments. A filter that would be
/// ignored is refused: its answer would be read as if it had been heeded.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    after: Option<String>,
    /// 100 if left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// `asc` (pages from the beginning) or `desc` (only the newest).
    order: Option<String>,
    since: Option<String>,
    until: Option<String>,
    request_id: Option<String>,
    principal: Option<String>,
    key_id: Option<String>,
    surface: Option<String>,
    method: Option<String>,
    server: Option<String>,
    tool: Option<String>,
    decision: Option<String>,
    rule: Option<String>,
    outcome: Option<String>,
}

impl AuditQuery {
    /// What is asked for, or what is wrong with it.
    fn question(self) -> Result<TrailQuestion, String> {
        Ok(TrailQuestion {
            since: moment("since", self.since.as_deref())?,
            until: moment("until", self.until.as_deref())?,
            request_id: self.request_id,
            principal: self.principal,
            key_id: self.key_id,
            surface: one_of("surface", self.surface, &Surface::ALL, Surface::as_str)?,
            method: self.method,
            server: self.server,
            tool: self.tool,
            decision: one_of("decision", self.decision, &Decision::ALL, Decision::as_str)?,
            rule: self.rule,
            outcome: one_of("outcome", self.outcome, &Outcome::ALL, Outcome::as_str)?,
        })
    }
}

fn moment(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, String> {
    text.map(str::parse)
        .transpose()
        .map_err(|error| format!("{name}: {error}"))
}

fn one_of<T: Copy>(
    name: &str,
    text: Option<String>,
    all: &[T],
    name_of: impl Fn(T) -> &'static str,
) -> Result<Option<T>, String> {
    let Some(text) = text else {
        return Ok(None);
    };
    let found = all.iter().copied().find(|known| name_of(*known) == text);
    found.map(Some).ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|known| name_of(*known)).collect();
        format!("{name} is one of {}", known.join(", "))
    })
}

/// Events.
#[derive(ToSchema, Serialize)]
pub(crate) struct AuditPage {
    /// As they were recorded (docs/development/logging.md).
    // Character by character: what is exported can be held against the chain.
    #[schema(value_type = Vec<serde_json::Value>)]
    events: Vec<Box<RawValue>>,
    /// `after` of the next page; absent or null: this was the last, or the order is `desc`.
    next: Option<String>,
    /// With `order=desc`: nothing before this was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    searched_since: Option<String>,
}

/// The audit trail.
#[utoipa::path(
    get, path = "/v1/audit", tag = "audit", params(AuditQuery),
    responses((status = 200, description = "Events as they were recorded.", body = AuditPage)),
)]
pub(crate) async fn list(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let call = match admit(&state, &parts, "v1/audit").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let query: AuditQuery = match query(&parts.uri) {
        Ok(query) => query,
        Err(detail) => return problem(call, ErrorKind::Invalid, &detail).await,
    };
    let limit = query.limit.unwrap_or(100);
    if !(1..=MOST).contains(&limit) {
        let detail = format!("limit is from 1 to {MOST}");
        return problem(call, ErrorKind::Invalid, &detail).await;
    }
    let (order, after) = (query.order.clone(), query.after.clone());
    let question = match query.question() {
        Ok(question) => question,
        Err(detail) => return problem(call, ErrorKind::Invalid, &detail).await,
    };
    // Whoever looks right after a call shall find it; a store that is down is told below.
    let _ = tokio::time::timeout(FLUSH, state.gateway.audit().flush()).await;
    let found = match order.as_deref() {
        Some("desc") if after.is_some() => {
            let detail = "after goes with order=asc; order=desc gives the newest only";
            return problem(call, ErrorKind::Invalid, detail).await;
        }
        None | Some("asc") => {
            let page = state.trail.page(&question, after, limit).await;
            page.map(|page| AuditPage {
                events: read(&page.events),
                next: page.next,
                searched_since: None,
            })
        }
        Some("desc") => {
            let latest = state.trail.latest(&question, limit).await;
            latest.map(|latest| {
                let since = latest.searched_since.map(|moment| moment.to_string());
                AuditPage {
                    events: read(&latest.events),
                    next: None,
                    searched_since: since,
                }
            })
        }
        Some(_) => return problem(call, ErrorKind::Invalid, "order is asc or desc").await,
    };
    match found {
        Ok(answer) => done(call, &answer).await,
        Err(error) if error.error_kind() == ErrorKind::Invalid => {
            problem(call, ErrorKind::Invalid, "after is not `next` of a page").await
        }
        Err(error) => {
            tracing::error!(request.id = %call.id, error = %error, "audit trail not read");
            problem(
                call,
                ErrorKind::Unavailable,
                "the audit trail cannot be read",
            )
            .await
        }
    }
}

fn read(events: &[String]) -> Vec<Box<RawValue>> {
    events
        .iter()
        .map(|event| RawValue::from_string(event.clone()).unwrap_or_default())
        .collect()
}
