//! `/v1/approvals`: calls that wait for somebody's approval. For approvers, viewers and administrators;
//! viewers decide nothing.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use portcullis_core::{ApprovalId, ErrorKind};
use portcullis_engine::audit::{Change, Target};
use portcullis_engine::{ApprovalError, ApprovalState, Call, PageRequest, ShownApproval, Verdict};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::admit;
use super::body::read;
use super::problem::{done, problem, refuse_body, rule};
use crate::openapi::Problem;
use crate::query::query;
use crate::state::ServerState;

/// Most approvals of one answer.
const MOST: usize = 1000;

/// Query of `GET /v1/approvals`: `after` is `next` of the page before.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// `pending`, `granted`, `denied`, `redeemed` or `expired`; left out: all.
    status: Option<String>,
    after: Option<String>,
    /// 100 if left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// What waits for an approval, or waited, the latest first.
#[utoipa::path(
    get, path = "/v1/approvals", tag = "approvals", params(ListQuery),
    responses((status = 200, description = "A page of them.", body = ApprovalPage)),
)]
pub(crate) async fn list(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let call = match admit(&state, &parts, "v1/approvals").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let wish: ListQuery = match query(&parts.uri) {
        Ok(wish) => wish,
        Err(detail) => return problem(call, ErrorKind::Invalid, &detail).await,
    };
    let status = match wish
        .status
        .as_deref()
        .map(|name| (name, ApprovalState::named(name)))
    {
        Some((name, None)) => {
            let known: Vec<&str> = ApprovalState::ALL.map(ApprovalState::as_str).into();
            let detail = format!("status `{name}` does not exist: use {}", known.join(", "));
            return problem(call, ErrorKind::Invalid, &detail).await;
        }
        Some((_, status)) => status,
        None => None,
    };
    let limit = wish.limit.unwrap_or(100);
    if !(1..=MOST).contains(&limit) {
        let detail = format!("limit is from 1 to {MOST}");
        return problem(call, ErrorKind::Invalid, &detail).await;
    }
    let page = PageRequest {
        after: wish.after,
        limit,
    };
    let listed = state.gateway.list_approvals(&call.principal, status, &page);
    match listed.await {
        Ok(page) => {
            let approvals = page.items.iter().map(whole).collect();
            let next = page.next;
            done(call, &ApprovalPage { approvals, next }).await
        }
        Err(error) => failed(call, &error).await,
    }
}

/// One approval, with the arguments of its call.
#[utoipa::path(
    get, path = "/v1/approvals/{id}", tag = "approvals", params(("id" = String, Path)),
    responses(
        (status = 200, description = "How it stands.", body = ApprovalRow),
        (status = 404, description = "There is none of this id.", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show(
    State(state): State<ServerState>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let mut call = match admit(&state, &parts, "v1/approvals:show").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let id = noted(&mut call, id);
    let shown = state.gateway.approval(&call.principal, &id).await;
    match shown {
        Ok(shown) => {
            call.audit.target(Target::approval(&shown.line()));
            done(call, &whole(&shown)).await
        }
        Err(error) => failed(call, &error).await,
    }
}

/// Body of a decision.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ApprovalDecision {
    /// Why, for the caller to read; at most 500 characters.
    reason: Option<String>,
}

/// Let the call be made, once.
#[utoipa::path(
    post, path = "/v1/approvals/{id}/approve", tag = "approvals", params(("id" = String, Path)),
    request_body = ApprovalDecision,
    responses(
        (status = 200, description = "It is decided.", body = ApprovalRow),
        (status = 404, description = "There is none of this id.", body = Problem,
         content_type = "application/problem+json"),
        (status = 409, description = "It is decided already, or its time is over.", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn approve(
    State(state): State<ServerState>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response<Body> {
    decide(&state, id, request, true).await
}

/// Refuse the call.
#[utoipa::path(
    post, path = "/v1/approvals/{id}/deny", tag = "approvals", params(("id" = String, Path)),
    request_body = ApprovalDecision,
    responses(
        (status = 200, description = "It is decided.", body = ApprovalRow),
        (status = 404, description = "There is none of this id.", body = Problem,
         content_type = "application/problem+json"),
        (status = 409, description = "It is decided already, or its time is over.", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn deny(
    State(state): State<ServerState>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response<Body> {
    decide(&state, id, request, false).await
}

async fn decide(
    state: &ServerState,
    id: Result<Path<String>, PathRejection>,
    request: Request,
    granted: bool,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let method = if granted {
        "v1/approvals:approve"
    } else {
        "v1/approvals:deny"
    };
    let mut call = match admit(state, &parts, method).await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let id = noted(&mut call, id);
    let wish: ApprovalDecision = match read(state, &mut call, &parts, body).await {
        Ok(wish) => wish,
        Err(refusal) => return refuse_body(state, call, &parts, &refusal).await,
    };
    let verdict = Verdict {
        granted,
        reason: wish.reason,
    };
    let decided = state
        .gateway
        .decide_approval(&call.principal, &id, &verdict)
        .await;
    match decided {
        Ok(shown) => {
            call.audit.target(Target::approval(&shown.line()));
            let decided = Change::of("approval", shown.id.as_str()).was("pending");
            call.audit.changed(decided.now(shown.state.as_str()));
            done(call, &whole(&shown)).await
        }
        Err(error) => failed(call, &error).await,
    }
}

/// The id of a path, on record whatever becomes of it. What is not UTF-8 is no id.
fn noted(call: &mut Call, id: Result<Path<String>, PathRejection>) -> ApprovalId {
    let id = ApprovalId::from(id.map(|Path(id)| id).unwrap_or_default());
    call.audit.target(Target::approval(id.as_str()));
    call.audit
        .approval(id.as_str().get(..64).unwrap_or(id.as_str()));
    id
}

async fn failed(mut call: Call, error: &ApprovalError) -> Response<Body> {
    let kind = error.kind();
    if matches!(kind, ErrorKind::Unavailable | ErrorKind::Internal) {
        tracing::error!(
            request.id = %call.id,
            error = error as &dyn std::error::Error,
            "approvals not managed"
        );
        // Whoever asked was allowed to: it may have been done, and the answer is what is missing.
        call.audit.allowed(rule(call.principal.role));
    }
    problem(call, kind, &error.to_string()).await
}

/// An approval, as those see it who may see all of them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApprovalRow {
    id: String,
    /// `pending`, `granted`, `denied`, `redeemed` or `expired`.
    status: &'static str,
    /// RFC 3339.
    asked_at: String,
    /// Until when it stands so.
    expires_at: String,
    /// Whose call waits.
    principal: Option<String>,
    /// What people call them.
    name: Option<String>,
    server: Option<String>,
    tool: Option<String>,
    /// The text that the caller wrote, not what a parser made of it; empty when there are none.
    arguments: Option<String>,
    /// By which rule an approval is needed.
    rule: Option<String>,
    decision: Option<DecisionRow>,
    /// Its row is not as it was sealed, so that nothing can be decided by it.
    damaged: bool,
}

/// A decision.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DecisionRow {
    granted: bool,
    by: String,
    name: String,
    reason: Option<String>,
    /// RFC 3339.
    at: String,
}

/// A page of approvals.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApprovalPage {
    approvals: Vec<ApprovalRow>,
    /// `after` of the next page; `null` on the last.
    next: Option<String>,
}

fn whole(shown: &ShownApproval) -> ApprovalRow {
    let what = shown.what.as_ref();
    ApprovalRow {
        id: shown.id.to_string(),
        status: shown.state.as_str(),
        asked_at: shown.asked_at.to_string(),
        expires_at: shown.expires_at.to_string(),
        principal: what.map(|what| what.principal.clone()),
        name: what.map(|what| what.name.clone()),
        server: what.map(|what| what.server.clone()),
        tool: what.map(|what| what.tool.clone()),
        arguments: what.map(|what| what.arguments.clone()),
        rule: what.map(|what| what.rule.clone()),
        decision: shown.decision.as_ref().map(|decision| DecisionRow {
            granted: decision.granted,
            by: decision.by.clone(),
            name: decision.name.clone(),
            reason: decision.reason.clone(),
            at: decision.at.to_string(),
        }),
        damaged: what.is_none(),
    }
}
