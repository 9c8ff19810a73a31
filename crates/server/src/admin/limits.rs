//! `/v1/limits/{kind}/{id}`: what a key, user, team, organization or end user may do.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use portcullis_core::{ErrorKind, Role};
use portcullis_engine::audit::Target;
use portcullis_engine::{Call, LimitAdminError, ScopeKind};
use serde::Serialize;
use utoipa::ToSchema;

use super::admit;
use super::body::read;
use super::limit_bodies::{Change, LimitsRow, known_servers};
use super::limited::on_record;
use super::problem::{done, problem, refuse_body};
use crate::openapi::Problem;
use crate::state::ServerState;

/// The words of the path, as they came.
type Whose = Result<Path<(String, String)>, PathRejection>;

/// The limits of one of them.
#[derive(Serialize, ToSchema)]
struct ScopeLimits {
    /// `key`, `user`, `team`, `organization` or `end_user`.
    kind: &'static str,
    id: String,
    limits: LimitsRow,
}

/// What a key, user, team, organization or end user may do, and what it spent.
#[utoipa::path(
    get, path = "/v1/limits/{kind}/{id}", tag = "limits",
    params(
        ("kind" = String, Path, description = "`key`, `user`, `team`, `organization` or `end_user`."),
        ("id" = String, Path, description = "Which one."),
    ),
    responses(
        (status = 200, description = "What is in force.", body = ScopeLimits),
        (status = 404, description = "There are no limits of this kind.", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show(
    State(state): State<ServerState>,
    whose: Whose,
    request: Request,
) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let mut call = match admit(&state, &parts, "v1/limits").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let Ok(Path((kind, id))) = whose else {
        return problem(call, ErrorKind::NotFound, NO_KIND).await;
    };
    let own = call.principal.id.as_str().strip_prefix("key:") == Some(id.as_str());
    if call.principal.role < Role::Viewer && !(own && kind == ScopeKind::Key.as_str()) {
        return failed(call, &LimitAdminError::Forbidden).await;
    }
    let Some(scope) = kind_of(&kind) else {
        return problem(call, ErrorKind::NotFound, NO_KIND).await;
    };
    call.audit.target(Target::limits(scope, &id));
    told(&state, call, scope, id).await
}

/// Change what a key, user, team, organization or end user may do.
#[utoipa::path(
    post, path = "/v1/limits/{kind}/{id}", tag = "limits", request_body = Change,
    params(
        ("kind" = String, Path, description = "`key`, `user`, `team`, `organization` or `end_user`."),
        ("id" = String, Path, description = "Which one."),
    ),
    responses(
        (status = 200, description = "What is in force now.", body = ScopeLimits),
        (status = 404, description = "There are no limits of this kind.", body = Problem,
         content_type = "application/problem+json"),
        (status = 409, description = "They were changed at the same time, or the stored ones are damaged.",
         body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn change(
    State(state): State<ServerState>,
    whose: Whose,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut call = match admit(&state, &parts, "v1/limits").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let mut wish: Change = match read(&state, &mut call, &parts, body).await {
        Ok(wish) => wish,
        Err(refused) => return refuse_body(&state, call, &parts, &refused).await,
    };
    let Ok(Path((kind, id))) = whose else {
        return problem(call, ErrorKind::NotFound, NO_KIND).await;
    };
    let Some(scope) = kind_of(&kind) else {
        return problem(call, ErrorKind::NotFound, NO_KIND).await;
    };
    call.audit.target(Target::limits(scope, &id));
    let members = wish.take_limits();
    if let Err(detail) = known_servers(&members, &state.gateway.snapshot()) {
        return problem(call, ErrorKind::Invalid, &detail).await;
    }
    let changed = state.limits.change(scope, &id, &members, &call.principal);
    match changed.await {
        Ok(changed) => {
            call.audit.changed(on_record(&changed));
            told(&state, call, scope, id).await
        }
        Err(error) => failed(call, &error).await,
    }
}

/// What stands, in the answer.
async fn told(state: &ServerState, call: Call, scope: ScopeKind, id: String) -> Response<Body> {
    match row_of(state, scope, &id).await {
        Ok(limits) => {
            let kind = scope.as_str();
            done(call, &ScopeLimits { kind, id, limits }).await
        }
        Err(error) => failed(call, &error).await,
    }
}

/// What stands of a scope. What this replica did in the last second belongs to it.
pub(super) async fn row_of(
    state: &ServerState,
    scope: ScopeKind,
    id: &str,
) -> Result<LimitsRow, LimitAdminError> {
    state.gateway.limits().write_usage().await;
    let standing = state.limits.standing(scope, id).await?;
    Ok(LimitsRow::of(&standing))
}

const NO_KIND: &str = "there are limits of key, user, team, organization and end_user";

fn kind_of(kind: &str) -> Option<ScopeKind> {
    let mut kinds = ScopeKind::OF_CALLERS.into_iter();
    kinds.find(|one| one.as_str() == kind)
}

pub(super) async fn failed(call: Call, error: &LimitAdminError) -> Response<Body> {
    let kind = error.error_kind();
    if matches!(kind, ErrorKind::Unavailable | ErrorKind::Internal) {
        tracing::error!(
            request.id = %call.id,
            error = error as &dyn std::error::Error,
            "limits not managed"
        );
    }
    let detail = error.to_string();
    problem(call, kind, &detail).await
}
