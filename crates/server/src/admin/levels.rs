//! `/team/*`, `/organization/*`, `/user/*` and `/customer/*`: what stands above credentials. One form for
//! the four of them, each with LiteLLM's paths and names.

use std::collections::HashMap;

use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use axum::http::request::Parts;
use portcullis_core::ErrorKind;
use portcullis_engine::Call;
use portcullis_engine::audit::Target;
use portcullis_identity::{Defined, DirectoryError, EntryKind, Listed, PageRequest, Shown};
use serde_json::{Value, json};

use super::admit;
use super::body::read;
use super::level_bodies::{Wish, record};
use super::preconditions::{seen, stale};
use super::problem::{done, problem, refuse_body, rule};
use crate::query::query;
use crate::state::ServerState;

/// Most entries of one deletion: as many as its audit event can name.
const MOST_DELETED: usize = 16;

/// What LiteLLM calls one of the four.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    pub(super) kind: EntryKind,
    pub(super) id: &'static str,
    ids: &'static str,
    alias: &'static str,
    /// What a query calls the id.
    asked: &'static str,
    /// What the answer to a deletion calls what it deleted.
    deleted: &'static str,
}

pub(super) const TEAM: Words = Words {
    kind: EntryKind::Team,
    id: "team_id",
    ids: "team_ids",
    alias: "team_alias",
    asked: "team_id",
    deleted: "deleted_teams",
};
const ORGANIZATION: Words = Words {
    kind: EntryKind::Organization,
    id: "organization_id",
    ids: "organization_ids",
    alias: "organization_alias",
    asked: "organization_id",
    deleted: "deleted_organizations",
};
const USER: Words = Words {
    kind: EntryKind::User,
    id: "user_id",
    ids: "user_ids",
    alias: "user_alias",
    asked: "user_id",
    deleted: "deleted_users",
};
const CUSTOMER: Words = Words {
    kind: EntryKind::EndUser,
    id: "user_id",
    ids: "user_ids",
    alias: "alias",
    asked: "end_user_id",
    deleted: "deleted_customers",
};

impl Words {
    pub(super) fn shown(&self, entry: &Shown<Defined>) -> Value {
        record(entry, self.id, self.alias)
    }

    fn target(&self, id: &str) -> Target {
        Target::entry(self.kind.as_str(), id)
    }
}

/// The routes of one of the four, each with what the OpenAPI document says of it.
macro_rules! routes {
    ($module:ident, $words:ident, $wish:ident, $tag:tt, $asked:tt, $new:tt, $update:tt, $info:tt, $list:tt, $delete:tt) => {
        pub(crate) mod $module {
            use axum::body::Body;
            use axum::extract::{Request, State};
            use axum::http::Response;

            use crate::admin::level_bodies::$wish;
            use crate::openapi::Problem;
            use crate::state::ServerState;

            /// Define one.
            #[utoipa::path(
                post, path = $new, tag = $tag, request_body = $wish,
                responses(
                    (status = 200, description = "As it is defined.", body = Object),
                    (status = 409, description = "The id is taken, or the configuration file's.", body = Problem, content_type = "application/problem+json"),
                ),
            )]
            pub(crate) async fn new(
                State(state): State<ServerState>,
                request: Request,
            ) -> Response<Body> {
                super::make::<$wish>(super::$words, &state, $new, request).await
            }

            /// Change one. What is left out stays, `null` takes away what is.
            #[utoipa::path(
                post, path = $update, tag = $tag, request_body = $wish,
                responses(
                    (status = 200, description = "As it is now.", body = Object),
                    (status = 404, description = "There is none with this id.", body = Problem, content_type = "application/problem+json"),
                    (status = 409, description = "It was changed meanwhile, or is the configuration file's.", body = Problem, content_type = "application/problem+json"),
                    (status = 412, description = "It is not as `If-Match` says.", body = Problem, content_type = "application/problem+json"),
                ),
            )]
            pub(crate) async fn update(
                State(state): State<ServerState>,
                request: Request,
            ) -> Response<Body> {
                super::change::<$wish>(super::$words, &state, $update, request).await
            }

            /// One; the caller's own, if none is named.
            #[utoipa::path(
                get, path = $info, tag = $tag,
                params(($asked = Option<String>, Query)),
                responses(
                    (status = 200, description = "As it is defined.", body = Object),
                    (status = 404, description = "There is none with this id.", body = Problem, content_type = "application/problem+json"),
                    (status = 409, description = "Its row is damaged.", body = Problem, content_type = "application/problem+json"),
                ),
            )]
            pub(crate) async fn info(
                State(state): State<ServerState>,
                request: Request,
            ) -> Response<Body> {
                super::info(super::$words, &state, $info, request).await
            }

            /// A page of them.
            #[utoipa::path(
                get, path = $list, tag = $tag,
                params(
                    ("after" = Option<String>, Query, description = "The last id of the page before."),
                    ("size" = Option<usize>, Query, description = "100 if left out, 1000 at most."),
                ),
                responses((status = 200, description = "In the order of their ids.")),
            )]
            pub(crate) async fn list(
                State(state): State<ServerState>,
                request: Request,
            ) -> Response<Body> {
                super::list(super::$words, &state, $list, request).await
            }

            /// Delete some, 16 at most. One that does not exist deletes none. Whoever names a team, an
            /// organization or a user that is gone is refused from then on; a customer that is gone narrows
            /// nothing any more: block it instead.
            #[utoipa::path(
                post, path = $delete, tag = $tag, request_body = Object,
                responses(
                    (status = 200, description = "All of them are deleted.", body = Object),
                    (status = 404, description = "There is none with this id.", body = Problem, content_type = "application/problem+json"),
                    (status = 409, description = "It was changed meanwhile, or is the configuration file's.", body = Problem, content_type = "application/problem+json"),
                ),
            )]
            pub(crate) async fn delete(
                State(state): State<ServerState>,
                request: Request,
            ) -> Response<Body> {
                super::delete(super::$words, &state, $delete, request).await
            }
        }
    };
}

routes!(
    team,
    TEAM,
    TeamWish,
    "teams",
    "team_id",
    "/team/new",
    "/team/update",
    "/team/info",
    "/team/list",
    "/team/delete"
);
routes!(
    organization,
    ORGANIZATION,
    OrganizationWish,
    "organizations",
    "organization_id",
    "/organization/new",
    "/organization/update",
    "/organization/info",
    "/organization/list",
    "/organization/delete"
);
routes!(
    user,
    USER,
    UserWish,
    "users",
    "user_id",
    "/user/new",
    "/user/update",
    "/user/info",
    "/user/list",
    "/user/delete"
);
routes!(
    customer,
    CUSTOMER,
    CustomerWish,
    "customers",
    "end_user_id",
    "/customer/new",
    "/customer/update",
    "/customer/info",
    "/customer/list",
    "/customer/delete"
);

async fn make<W: Wish>(
    words: Words,
    state: &ServerState,
    path: &'static str,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut call = match admit(state, &parts, named(path)).await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let wish: W = match read(state, &mut call, &parts, body).await {
        Ok(wish) => wish,
        Err(refused) => return refuse_body(state, call, &parts, &refused).await,
    };
    let mut changes = wish.into_changes();
    let id = changes.id.take();
    let mut defined = Defined::default();
    if let Err(error) = changes.apply(&mut defined, &state.gateway.snapshot()) {
        return failed(call, false, &error).await;
    }
    if id.is_none() && words.kind == EntryKind::EndUser {
        let detail = "say user_id: callers choose the ids of their end users";
        return problem(call, ErrorKind::Invalid, detail).await;
    }
    if let Some(id) = &id {
        call.audit.target(words.target(id));
    }
    let by = &call.principal;
    match state
        .defining
        .define(words.kind, id, None, defined, by)
        .await
    {
        Ok(entry) => {
            call.audit.target(words.target(&entry.id));
            done(call, &words.shown(&entry)).await
        }
        Err(error) => failed(call, false, &error).await,
    }
}

async fn change<W: Wish>(
    words: Words,
    state: &ServerState,
    path: &'static str,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut call = match admit(state, &parts, named(path)).await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let wish: W = match read(state, &mut call, &parts, body).await {
        Ok(wish) => wish,
        Err(refused) => return refuse_body(state, call, &parts, &refused).await,
    };
    let mut changes = wish.into_changes();
    let Some(id) = changes.id.take() else {
        let detail = format!("say {}", words.id);
        return problem(call, ErrorKind::Invalid, &detail).await;
    };
    call.audit.target(words.target(&id));
    let seen = match seen(&parts.headers, changes.version) {
        Ok(seen) => seen,
        Err(detail) => return problem(call, ErrorKind::Invalid, detail).await,
    };
    let snapshot = state.gateway.snapshot();
    let applied = |defined: &mut Defined, _: &mut Option<String>| changes.apply(defined, &snapshot);
    let by = &call.principal;
    let changed = state
        .defining
        .change(words.kind, &id, seen.version, by, applied)
        .await;
    match changed {
        Ok(entry) => done(call, &words.shown(&entry)).await,
        Err(error) => failed(call, seen.by_header, &error).await,
    }
}

async fn info(
    words: Words,
    state: &ServerState,
    path: &'static str,
    request: Request,
) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let mut call = match admit(state, &parts, named(path)).await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let mut asked: HashMap<String, String> = match query(&parts.uri) {
        Ok(asked) => asked,
        Err(detail) => return problem(call, ErrorKind::Invalid, &detail).await,
    };
    let own = match words.kind {
        EntryKind::Team => call.principal.team.clone(),
        EntryKind::Organization => call.principal.org.clone(),
        EntryKind::User => call.principal.user_id.clone(),
        EntryKind::EndUser | EntryKind::Toolset => None,
    };
    let asked = asked.remove(words.asked);
    let Some(id) = asked.or_else(|| own.map(|id| id.to_string())) else {
        let detail = format!("say {}", words.asked);
        return problem(call, ErrorKind::Invalid, &detail).await;
    };
    call.audit.target(words.target(&id));
    let by = &call.principal;
    match state.defining.info::<Defined>(words.kind, &id, by).await {
        Ok(entry) => {
            let shown = words.shown(&entry);
            let document = match words.kind {
                EntryKind::Team => json!({"team_id": entry.id, "team_info": shown}),
                EntryKind::User => json!({"user_id": entry.id, "user_info": shown}),
                _ => shown,
            };
            done(call, &document).await
        }
        Err(error) => failed(call, false, &error).await,
    }
}

async fn list(
    words: Words,
    state: &ServerState,
    path: &'static str,
    request: Request,
) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let call = match admit(state, &parts, named(path)).await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let page = match page(&parts) {
        Ok(page) => page,
        Err(detail) => return problem(call, ErrorKind::Invalid, &detail).await,
    };
    let by = &call.principal;
    match state.defining.list::<Defined>(words.kind, &page, by).await {
        Ok(page) => {
            let rows = page.items.iter().map(|listed| match listed {
                Listed::Sound(entry) => words.shown(entry),
                Listed::Damaged(id) => json!({(words.id): id, "damaged": true}),
            });
            let rows: Vec<Value> = rows.collect();
            // LiteLLM's shapes: people in an object, everything else as a list.
            let document = match words.kind {
                EntryKind::User => json!({"users": rows, "next": page.next}),
                _ => Value::Array(rows),
            };
            done(call, &document).await
        }
        Err(error) => failed(call, false, &error).await,
    }
}

async fn delete(
    words: Words,
    state: &ServerState,
    path: &'static str,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut call = match admit(state, &parts, named(path)).await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let wish: HashMap<String, Vec<String>> = match read(state, &mut call, &parts, body).await {
        Ok(wish) => wish,
        Err(refused) => return refuse_body(state, call, &parts, &refused).await,
    };
    let ids = match (wish.get(words.ids), wish.len()) {
        (Some(ids), 1) if (1..=MOST_DELETED).contains(&ids.len()) => ids,
        _ => {
            let detail = format!(
                "say {} with 1 to {MOST_DELETED} ids, and nothing else",
                words.ids
            );
            return problem(call, ErrorKind::Invalid, &detail).await;
        }
    };
    call.audit.target(words.target(&ids.join(",")));
    // A list with one mistake in it deletes nothing.
    for id in ids {
        let there = state
            .defining
            .is_there(words.kind, id, &call.principal)
            .await;
        if let Err(error) = there {
            return failed(call, false, &error).await;
        }
    }
    call.audit.allowed(rule(call.principal.role));
    for id in ids {
        let by = &call.principal;
        if let Err(error) = state.defining.delete(words.kind, id, None, by).await {
            return failed(call, false, &error).await;
        }
    }
    let document = json!({(words.deleted): ids});
    done(call, &document).await
}

/// `after` is the last id of the page before, `size` how many there are on one.
fn page(parts: &Parts) -> Result<PageRequest, String> {
    let mut asked: HashMap<String, String> = query(&parts.uri)?;
    let size = asked.remove("size").map(|size| size.parse::<usize>());
    let size = size.transpose().map_err(|_| "size is not a number")?;
    Ok(PageRequest {
        after: asked.remove("after"),
        limit: size.unwrap_or(100),
    })
}

/// What the record calls a path.
fn named(path: &'static str) -> &'static str {
    path.trim_start_matches('/')
}

/// `by_header`: the version that was seen stood in `If-Match`.
pub(super) async fn failed(call: Call, by_header: bool, error: &DirectoryError) -> Response<Body> {
    let kind = error.error_kind();
    if matches!(kind, ErrorKind::Unavailable | ErrorKind::Internal) {
        tracing::error!(request.id = %call.id, error = %error, "directory not managed");
    }
    if matches!(error, DirectoryError::Stale) {
        return stale(call, by_header).await;
    }
    problem(call, kind, &error.to_string()).await
}
