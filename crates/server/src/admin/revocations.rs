//! `/v1/revocations`: credentials that are refused although they would verify. For administrators.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use axum::http::request::Parts;
use portcullis_core::{ErrorKind, RevocationId};
use portcullis_engine::Call;
use portcullis_engine::audit::{Change, Target};
use portcullis_identity::{Altered, PageRequest, RevocationError};
use serde::Deserialize;
use utoipa::IntoParams;

use super::admit;
use super::body::read;
use super::problem::{done, problem, refuse_body, rule};
use super::revocation_bodies::{RevocationPage, RevocationRow, Wish, described, row, rows, wished};
use crate::openapi::Problem;
use crate::query::query;
use crate::state::ServerState;

/// Refuse a credential that would verify.
#[utoipa::path(
    post, path = "/v1/revocations", tag = "revocations", request_body = Wish,
    responses(
        (status = 200, description = "The entry.", body = RevocationRow),
        (status = 404, description = "There is no such key or issuer.", body = Problem,
         content_type = "application/problem+json"),
        (status = 409, description = "It cannot be revoked so.", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn add(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut call = match begun(&state, &parts).await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let wish: Wish = match read(&state, &mut call, &parts, body).await {
        Ok(wish) => wish,
        Err(refusal) => return refuse_body(&state, call, &parts, &refusal).await,
    };
    let new = match wish.into_new() {
        Ok(new) => new,
        Err(detail) => return problem(call, ErrorKind::Invalid, &detail).await,
    };
    // Whatever becomes of it, and of whoever waits for the answer.
    call.audit
        .target(Target::revocation_wish(&wished(&new.what)));
    let authentication = state.authentication.load_full();
    let known = |what: &portcullis_identity::Revoke| authentication.knows(what);
    match state.revocations.add(new, known, &call.principal).await {
        Ok(record) => {
            call.audit
                .target(Target::revocation(&record.id, &described(&record.target)));
            let made = Change::of("revocation", record.id.as_str()).now("in force");
            call.audit.changed(made);
            done(call, &row(&record)).await
        }
        Err(error) => failed(call, &error).await,
    }
}

/// Query of `GET /v1/revocations`: `after` is `next` of the page before.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    after: Option<String>,
    /// 100 if left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Most entries of one answer.
const MOST: usize = 1000;

/// What is refused.
#[utoipa::path(
    get, path = "/v1/revocations", tag = "revocations", params(ListQuery),
    responses((status = 200, description = "What is in force.", body = RevocationPage)),
)]
pub(crate) async fn list(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let call = match begun(&state, &parts).await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let wish: ListQuery = match query(&parts.uri) {
        Ok(wish) => wish,
        Err(detail) => return problem(call, ErrorKind::Invalid, &detail).await,
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
    match state.revocations.list(&page, &call.principal).await {
        Ok(page) => done(call, &rows(&page)).await,
        Err(error) => failed(call, &error).await,
    }
}

/// Query of `DELETE /v1/revocations/{id}`: `altered=true` lifts a row that is not as it was sealed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LiftQuery {
    altered: bool,
}

/// Lift an entry.
#[utoipa::path(
    delete, path = "/v1/revocations/{id}", tag = "revocations",
    params(("id" = String, Path, description = "The entry's id."), LiftQuery),
    responses(
        (status = 200, description = "The entry, with `lifted_at` and `lifted_by`.", body = RevocationRow),
        (status = 404, description = "There is no such entry in force.", body = Problem,
         content_type = "application/problem+json"),
        (status = 409, description = "Its row is not as it was sealed.", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn lift(
    State(state): State<ServerState>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let mut call = match begun(&state, &parts).await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    // What is not UTF-8 is no id, and neither is the empty text; who asks comes before that.
    let id = RevocationId::from(id.map(|Path(id)| id).unwrap_or_default());
    call.audit.target(Target::revocation_wish(id.as_str()));
    let wish: LiftQuery = match query(&parts.uri) {
        Ok(wish) => wish,
        Err(detail) => return problem(call, ErrorKind::Invalid, &detail).await,
    };
    let altered = if wish.altered {
        Altered::Lift
    } else {
        Altered::Refuse
    };
    match state.revocations.lift(&id, altered, &call.principal).await {
        Ok(record) => {
            call.audit
                .target(Target::revocation(&record.id, &described(&record.target)));
            let lifted = Change::of("revocation", record.id.as_str()).was("in force");
            call.audit.changed(lifted.now("lifted"));
            done(call, &row(&record)).await
        }
        Err(error) => failed(call, &error).await,
    }
}

async fn begun(state: &ServerState, parts: &Parts) -> Result<Call, Box<Response<Body>>> {
    let method = match parts.method {
        axum::http::Method::POST => "v1/revocations:add",
        axum::http::Method::DELETE => "v1/revocations:lift",
        _ => "v1/revocations",
    };
    admit(state, parts, method).await
}

async fn failed(mut call: Call, error: &RevocationError) -> Response<Body> {
    let kind = error.error_kind();
    if matches!(kind, ErrorKind::Unavailable | ErrorKind::Internal) {
        tracing::error!(request.id = %call.id, error = %error, "revocations not managed");
        // Whoever asked was allowed to: it may have been done, and the answer is what is missing.
        call.audit.allowed(rule(call.principal.role));
    }
    problem(call, kind, &error.to_string()).await
}
