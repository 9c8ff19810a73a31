//! `/team/member_add`, `/team/member_delete`, `/team/block` and `/team/unblock`.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use portcullis_core::ErrorKind;
use portcullis_engine::audit::Target;
use portcullis_identity::{Defined, DirectoryError, EntryKind};
use serde::Deserialize;
use utoipa::ToSchema;

use super::admit;
use super::body::read;
use super::level_bodies::{Member, named};
use super::levels::{TEAM, failed};
use super::limits::failed as limits_failed;
use super::preconditions::seen;
use super::problem::{done, problem, refuse_body};
use crate::openapi::Problem;
use crate::state::ServerState;

/// LiteLLM takes one member or several.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OneOrMoreMembers)]
#[serde(untagged)]
enum OneOrMore {
    One(Member),
    More(Vec<Member>),
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AddMembers)]
#[serde(deny_unknown_fields)]
struct Add {
    team_id: String,
    version: Option<u64>,
    member: OneOrMore,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RemoveMember)]
#[serde(deny_unknown_fields)]
struct Remove {
    team_id: String,
    version: Option<u64>,
    user_id: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = WhichTeam)]
#[serde(deny_unknown_fields)]
struct Which {
    team_id: String,
    version: Option<u64>,
}

/// Add members. From the first one on, a key that names the team and a person is refused unless that person is one.
#[utoipa::path(
    post, path = "/team/member_add", tag = "teams", request_body = Add,
    responses(
        (status = 200, description = "The team as it is now.", body = Object),
        (status = 404, description = "There is no such team or member.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It was changed meanwhile, or is the configuration file's.", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It is not as `If-Match` says.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn add(State(state): State<ServerState>, request: Request) -> Response<Body> {
    change(&state, request, "team/member_add", |wish: Add| {
        let members = match wish.member {
            OneOrMore::One(member) => vec![member],
            OneOrMore::More(members) => members,
        };
        let apply = move |team: &mut Defined| {
            let known = team.members.get_or_insert_default();
            known.extend(named(members)?);
            Ok(())
        };
        (wish.team_id, wish.version, apply)
    })
    .await
}

/// Remove a member.
#[utoipa::path(
    post, path = "/team/member_delete", tag = "teams", request_body = Remove,
    responses(
        (status = 200, description = "The team as it is now.", body = Object),
        (status = 404, description = "There is no such team or member.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It was changed meanwhile, or is the configuration file's.", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It is not as `If-Match` says.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn remove(State(state): State<ServerState>, request: Request) -> Response<Body> {
    change(&state, request, "team/member_delete", |wish: Remove| {
        let user = wish.user_id;
        let apply = move |team: &mut Defined| {
            let known = team.members.as_mut();
            let removed = known.and_then(|known| known.remove(&user));
            removed.map(drop).ok_or(DirectoryError::NotFound)
        };
        (wish.team_id, wish.version, apply)
    })
    .await
}

/// Refuse whoever comes with the team.
#[utoipa::path(
    post, path = "/team/block", tag = "teams", request_body = Which,
    responses(
        (status = 200, description = "The team as it is now.", body = Object),
        (status = 404, description = "There is no such team or member.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It was changed meanwhile, or is the configuration file's.", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It is not as `If-Match` says.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn block(State(state): State<ServerState>, request: Request) -> Response<Body> {
    blocked(&state, request, "team/block", true).await
}

/// Admit whoever comes with the team again.
#[utoipa::path(
    post, path = "/team/unblock", tag = "teams", request_body = Which,
    responses(
        (status = 200, description = "The team as it is now.", body = Object),
        (status = 404, description = "There is no such team or member.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It was changed meanwhile, or is the configuration file's.", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It is not as `If-Match` says.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn unblock(State(state): State<ServerState>, request: Request) -> Response<Body> {
    blocked(&state, request, "team/unblock", false).await
}

async fn blocked(
    state: &ServerState,
    request: Request,
    method: &'static str,
    blocked: bool,
) -> Response<Body> {
    change(state, request, method, |wish: Which| {
        let apply = move |team: &mut Defined| {
            team.blocked = blocked;
            Ok(())
        };
        (wish.team_id, wish.version, apply)
    })
    .await
}

/// Changes the team that a body names.
async fn change<W, F>(
    state: &ServerState,
    request: Request,
    method: &'static str,
    meant: impl FnOnce(W) -> (String, Option<u64>, F),
) -> Response<Body>
where
    W: for<'de> Deserialize<'de>,
    F: FnOnce(&mut Defined) -> Result<(), DirectoryError>,
{
    let (parts, body) = request.into_parts();
    let mut call = match admit(state, &parts, method).await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let wish: W = match read(state, &mut call, &parts, body).await {
        Ok(wish) => wish,
        Err(refused) => return refuse_body(state, call, &parts, &refused).await,
    };
    let (id, version, apply) = meant(wish);
    call.audit.target(Target::entry("team", &id));
    let seen = match seen(&parts.headers, version) {
        Ok(seen) => seen,
        Err(detail) => return problem(call, ErrorKind::Invalid, detail).await,
    };
    let applied = |team: &mut Defined, _: &mut Option<String>| apply(team);
    let by = &call.principal;
    let changed = state
        .defining
        .change(EntryKind::Team, &id, seen.version, by, applied)
        .await;
    match changed {
        Ok(changed) => {
            TEAM.record(&mut call, &changed);
            match TEAM.limited(state, &changed.after).await {
                Ok(shown) => done(call, &shown).await,
                Err(error) => limits_failed(call, &error).await,
            }
        }
        Err(error) => failed(call, seen.by_header, &error).await,
    }
}
