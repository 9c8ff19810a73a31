//! `/team/*`, `/organization/*`, `/user/*` and `/customer/*`: what stands above credentials. One form for
//! the four of them, each with LiteLLM's paths and names.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use axum::http::request::Parts;
use portcullis_core::ErrorKind;
use portcullis_engine::audit::{Change, Target};
use portcullis_engine::{Call, LimitAdminError, LimitChange, ScopeKind};
use portcullis_identity::{
    Changed, Defined, DirectoryError, EntryKind, Listed, PageRequest, Shown,
};
use serde_json::{Value, json};

use super::admit;
use super::body::read;
use super::differing::differing;
use super::level_bodies::{Wish, record};
use super::limit_bodies::{known_servers, members};
use super::limited::{Limiting, NotDone, on_record};
use super::limits::{failed as limits_failed, row_of};
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
    /// Whose limits.
    scope: ScopeKind,
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
    scope: ScopeKind::Team,
    id: "team_id",
    ids: "team_ids",
    alias: "team_alias",
    asked: "team_id",
    deleted: "deleted_teams",
};
const ORGANIZATION: Words = Words {
    kind: EntryKind::Organization,
    scope: ScopeKind::Organization,
    id: "organization_id",
    ids: "organization_ids",
    alias: "organization_alias",
    asked: "organization_id",
    deleted: "deleted_organizations",
};
const USER: Words = Words {
    kind: EntryKind::User,
    scope: ScopeKind::User,
    id: "user_id",
    ids: "user_ids",
    alias: "user_alias",
    asked: "user_id",
    deleted: "deleted_users",
};
const CUSTOMER: Words = Words {
    kind: EntryKind::EndUser,
    scope: ScopeKind::EndUser,
    id: "user_id",
    ids: "user_ids",
    alias: "alias",
    asked: "end_user_id",
    deleted: "deleted_customers",
};

impl Words {
    fn shown(&self, entry: &Shown<Defined>) -> Value {
        record(entry, self.id, self.alias)
    }

    /// The same with what it may do and what it spent.
    pub(super) async fn limited(
        &self,
        state: &ServerState,
        entry: &Shown<Defined>,
    ) -> Result<Value, LimitAdminError> {
        let limits = row_of(state, self.scope, &entry.id).await?;
        let mut shown = self.shown(entry);
        if let (Some(members), Value::Object(limits)) = (shown.as_object_mut(), json!(limits)) {
            members.extend(limits);
        }
        Ok(shown)
    }

    /// Puts on record what became of an entry.
    pub(super) fn record(&self, call: &mut Call, changed: &Changed<Defined>) {
        let (before, after) = (&changed.before, &changed.after);
        let names = differing(Some(&self.shown(before)), &self.shown(after));
        let told = Change::of(self.kind.as_str(), &after.id).was(before.version);
        call.audit.changed(told.now(after.version).fields(names));
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
    let mut limits = std::mem::take(&mut changes.limits);
    // Of what is new there is nothing to take away.
    limits.retain(|_, limit| !limit.is_null());
    let snapshot = state.gateway.snapshot();
    if let Err(detail) = known_servers(&limits, &snapshot) {
        return problem(call, ErrorKind::Invalid, &detail).await;
    }
    let id = changes.id.take();
    let mut defined = Defined::default();
    if let Err(error) = changes.apply(&mut defined, &snapshot) {
        return failed(call, false, &error).await;
    }
    let id = match id {
        Some(id) => Ok(id),
        None if words.kind == EntryKind::EndUser => {
            let detail = "say user_id: callers choose the ids of their end users";
            return problem(call, ErrorKind::Invalid, detail).await;
        }
        None => state.defining.new_id(),
    };
    let id = match id {
        Ok(id) => id,
        Err(error) => return failed(call, false, &error).await,
    };
    call.audit.target(words.target(&id));
    let by = Arc::clone(&call.principal);
    if let Err(error) = state.defining.may_begin(words.kind, &id, &by).await {
        return failed(call, false, &error).await;
    }
    let (defining, limiting) = (state.defining.clone(), state.limits.clone());
    let work = async move {
        let limiting = Limiting {
            limits: &limiting,
            scope: words.scope,
            id: &id,
            members: &limits,
            by: &by,
        };
        let defined = defining.define(words.kind, Some(id.clone()), None, defined, &by);
        limiting.around(defined).await
    };
    match state.gateway.see_through(work).await {
        Ok(Ok((entry, limited))) => {
            let nothing: Option<&Value> = None;
            let names = differing(nothing, &words.shown(&entry));
            let made = Change::of(words.kind.as_str(), &entry.id).now(entry.version);
            call.audit.changed(made.fields(names));
            told(words, state, call, &entry, limited.as_ref()).await
        }
        Ok(Err(not_done)) => refused(call, false, not_done).await,
        Err(_) => problem(call, ErrorKind::Unavailable, STOPPING).await,
    }
}

const STOPPING: &str = "the gateway is stopping";

/// What stands now, in the answer.
async fn told(
    words: Words,
    state: &ServerState,
    mut call: Call,
    entry: &Shown<Defined>,
    limited: Option<&LimitChange>,
) -> Response<Body> {
    if let Some(limited) = limited {
        call.audit.changed(on_record(limited));
    }
    match words.limited(state, entry).await {
        Ok(shown) => done(call, &shown).await,
        Err(error) => limits_failed(call, &error).await,
    }
}

async fn refused(
    mut call: Call,
    by_header: bool,
    not_done: NotDone<DirectoryError>,
) -> Response<Body> {
    match not_done {
        NotDone::Limits(error) => limits_failed(call, &error).await,
        NotDone::Rest { error, left } => {
            if let Some(left) = &left {
                call.audit.changed(on_record(left));
            }
            failed(call, by_header, &error).await
        }
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
    let limits = std::mem::take(&mut changes.limits);
    let snapshot = state.gateway.snapshot();
    if let Err(detail) = known_servers(&limits, &snapshot) {
        return problem(call, ErrorKind::Invalid, &detail).await;
    }
    let by = Arc::clone(&call.principal);
    let there = state.defining.is_there(words.kind, &id, seen.version, &by);
    if let Err(error) = there.await {
        return failed(call, seen.by_header, &error).await;
    }
    let (defining, limiting) = (state.defining.clone(), state.limits.clone());
    let work = async move {
        let limiting = Limiting {
            limits: &limiting,
            scope: words.scope,
            id: &id,
            members: &limits,
            by: &by,
        };
        let apply =
            |defined: &mut Defined, _: &mut Option<String>| changes.apply(defined, &snapshot);
        let changing = defining.change(words.kind, &id, seen.version, &by, apply);
        limiting.around(changing).await
    };
    // Whoever asked may be gone between the limits and the rest.
    match state.gateway.see_through(work).await {
        Ok(Ok((changed, limited))) => {
            words.record(&mut call, &changed);
            told(words, state, call, &changed.after, limited.as_ref()).await
        }
        Ok(Err(not_done)) => refused(call, seen.by_header, not_done).await,
        Err(_) => problem(call, ErrorKind::Unavailable, STOPPING).await,
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
            let shown = match words.limited(state, &entry).await {
                Ok(shown) => shown,
                Err(error) => return limits_failed(call, &error).await,
            };
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
                Listed::Sound(entry) => {
                    let mut row = words.shown(entry);
                    let limits = state.limits.in_force(words.scope, &entry.id);
                    if let (Some(row), Ok(limits)) = (row.as_object_mut(), limits) {
                        row.extend(members(&limits));
                    }
                    row
                }
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
    let by = Arc::clone(&call.principal);
    for id in ids {
        if let Err(error) = state.defining.is_there(words.kind, id, None, &by).await {
            return failed(call, false, &error).await;
        }
    }
    call.audit.allowed(rule(by.role));
    for id in ids {
        match state.defining.delete(words.kind, id, None, &by).await {
            Ok(version) => {
                let deleted = Change::of(words.kind.as_str(), id).was(version);
                call.audit.changed(deleted);
            }
            Err(error) => return failed(call, false, &error).await,
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
