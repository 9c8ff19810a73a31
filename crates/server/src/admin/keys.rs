//! `/key/*`: virtual keys, in LiteLLM's shapes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use portcullis_core::{ApiKey, ErrorKind};
use portcullis_engine::audit::{Change, Target};
use portcullis_engine::{Call, Limits, ScopeKind};
use portcullis_identity::{ApiKeyRecord, KeyAdminError, KeySelector, ListedKey, PageRequest};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::admit;
use super::body::read;
use super::differing::differing;
use super::key_bodies::{CreatedKeyRow, Generate, KeyRow, Update, created_row, record, version};
use super::limit_bodies::{LimitsRow, known_servers};
use super::limited::{Limiting, NotDone, on_record};
use super::limits::{failed as limits_failed, row_of};
use super::permission::resolved;
use super::problem::{done, problem, refuse_body, rule};
use crate::openapi::Problem;
use crate::query::query;
use crate::state::ServerState;

/// A new key, and what it may do.
#[derive(Serialize, ToSchema)]
struct MadeKey {
    #[serde(flatten)]
    key: CreatedKeyRow,
    #[serde(flatten)]
    limits: LimitsRow,
}

/// Make a key.
#[utoipa::path(
    post, path = "/key/generate", tag = "keys", request_body = Generate,
    responses(
        (status = 200, description = "The key, shown this once.", body = MadeKey),
        (status = 409, description = "The alias is taken.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn generate(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut call = match admit(&state, &parts, "key/generate").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let mut wish: Generate = match read(&state, &mut call, &parts, body).await {
        Ok(wish) => wish,
        Err(refused) => return refuse_body(&state, call, &parts, &refused).await,
    };
    let mut limits = wish.take_limits();
    // Of a new key there is nothing to take away.
    limits.retain(|_, limit| !limit.is_null());
    let understood = Limits::read(&limits).map_err(|error| error.to_string());
    let understood = understood.and_then(|_| known_servers(&limits, &state.gateway.snapshot()));
    let new = understood
        .and_then(|()| wish.into_new_key())
        .and_then(|mut new| {
            new.grants = resolved(new.grants, &state.gateway.snapshot())?;
            Ok(new)
        });
    let new = match new {
        Ok(new) => new,
        Err(detail) => return problem(call, ErrorKind::Invalid, &detail).await,
    };
    let by = Arc::clone(&call.principal);
    let prepared = match state.keys.prepare(&new, &by) {
        Ok(prepared) => prepared,
        Err(error) => return failed(call, &error).await,
    };
    let id = prepared.id().clone();
    let limiting = Limiting {
        limits: &state.limits,
        scope: ScopeKind::Key,
        id: id.as_str(),
        members: &limits,
        by: &by,
    };
    // No replica takes a key in before the limits that were written before it.
    let (created, limited) = match limiting.around_new(state.keys.insert(prepared)).await {
        Ok(made) => made,
        Err(not_made) => return not_done(call, not_made).await,
    };
    call.audit.target(Target::keys([&id]));
    let nothing: Option<&KeyRow> = None;
    let row = record(&created.record);
    let made = Change::of("key", id.as_str()).now(version(&created.record));
    call.audit.changed(made.fields(differing(nothing, &row)));
    if let Some(limited) = &limited {
        call.audit.changed(on_record(limited));
    }
    // The key is told nowhere else: whatever else cannot be told does not keep it back.
    let limits = row_of(&state, ScopeKind::Key, id.as_str()).await;
    let limits = limits.unwrap_or_else(|error| {
        tracing::warn!(
            request.id = %call.id,
            error = &error as &dyn std::error::Error,
            "what was spent cannot be read: of a new key it is nothing"
        );
        LimitsRow::of(&state.limits.begun(ScopeKind::Key, id.as_str()))
    });
    let key = created_row(&created);
    done(call, &MadeKey { key, limits }).await
}

/// Change a key. What is left out stays, `null` takes away what is.
#[utoipa::path(
    post, path = "/key/update", tag = "keys", request_body = Update,
    responses(
        (status = 200, description = "The key as it is now.", body = LimitedKey),
        (status = 404, description = "There is no such key.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It was changed or revoked meanwhile, or the alias is taken.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn update(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut call = match admit(&state, &parts, "key/update").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let mut wish: Update = match read(&state, &mut call, &parts, body).await {
        Ok(wish) => wish,
        Err(refused) => return refuse_body(&state, call, &parts, &refused).await,
    };
    let selector = match (wish.key.take(), wish.key_id.take()) {
        (Some(key), None) => selector_of(key),
        (None, Some(id)) => KeySelector::Id(id.into()),
        _ => return problem(call, ErrorKind::Invalid, "say key_id, or key").await,
    };
    let seen = wish.version.take();
    let limits = wish.take_limits();
    let snapshot = state.gateway.snapshot();
    let known = known_servers(&limits, &snapshot);
    let change = match known.and_then(|()| wish.into_change(&snapshot)) {
        Ok(change) => change,
        Err(detail) => return problem(call, ErrorKind::Invalid, &detail).await,
    };
    let as_seen = move |record: &ApiKeyRecord| {
        let version = version(record);
        seen.as_ref().is_none_or(|seen| *seen == version)
    };
    let by = Arc::clone(&call.principal);
    let found = match state.keys.info(&selector, &by).await {
        Ok(found) => found,
        Err(error) => return failed(call, &error).await,
    };
    let id = found.id.clone();
    call.audit.target(Target::keys([&id]));
    if found.revoked_at.is_some() || !as_seen(&found) {
        return failed(call, &KeyAdminError::Stale).await;
    }
    let (keys, limiting) = (state.keys.clone(), state.limits.clone());
    let work = async move {
        let limiting = Limiting {
            limits: &limiting,
            scope: ScopeKind::Key,
            id: found.id.as_str(),
            members: &limits,
            by: &by,
        };
        let changing = keys.change(&selector, as_seen, change, &by);
        limiting.around(changing).await
    };
    // Whoever asked may be gone between the limits and the key.
    let (changed, limited) = match state.gateway.see_through(work).await {
        Ok(Ok(changed)) => changed,
        Ok(Err(not_changed)) => return not_done(call, not_changed).await,
        Err(_) => return problem(call, ErrorKind::Unavailable, "the gateway is stopping").await,
    };
    let (before, row) = (record(&changed.before), record(&changed.after));
    let told = Change::of("key", id.as_str()).was(version(&changed.before));
    let told = told.now(version(&changed.after));
    call.audit
        .changed(told.fields(differing(Some(&before), &row)));
    if let Some(limited) = &limited {
        call.audit.changed(on_record(limited));
    }
    match row_of(&state, ScopeKind::Key, id.as_str()).await {
        Ok(limits) => done(call, &LimitedKey { row, limits }).await,
        Err(error) => limits_failed(call, &error).await,
    }
}

async fn not_done(mut call: Call, not_done: NotDone<KeyAdminError>) -> Response<Body> {
    match not_done {
        NotDone::Limits(error) => limits_failed(call, &error).await,
        NotDone::Rest { error, left } => {
            if let Some(left) = &left {
                call.audit.changed(on_record(left));
            }
            failed(call, &error).await
        }
    }
}

/// Query of `/key/list`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// `next` of the page before.
    after: Option<String>,
    /// 100 if left out.
    size: Option<usize>,
}

/// A page of keys.
#[derive(Serialize, ToSchema)]
struct KeyPage {
    keys: Vec<KeyRow>,
    /// Rows that are not as they were sealed, or cannot be read.
    damaged: Vec<DamagedKey>,
    /// `after` of the next page.
    next: Option<String>,
}

/// A key whose row is not what it was.
#[derive(Serialize, ToSchema)]
struct DamagedKey {
    key_id: String,
    what: &'static str,
}

/// All keys.
#[utoipa::path(
    get, path = "/key/list", tag = "keys", params(ListQuery),
    responses((status = 200, description = "Keys in the order of their ids.", body = KeyPage)),
)]
pub(crate) async fn list(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let call = match admit(&state, &parts, "key/list").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let wish: ListQuery = match query(&parts.uri) {
        Ok(wish) => wish,
        Err(detail) => return problem(call, ErrorKind::Invalid, &detail).await,
    };
    let page = PageRequest {
        after: wish.after,
        limit: wish.size.unwrap_or(100),
    };
    match state.keys.list(&page, &call.principal).await {
        Ok(page) => {
            let (mut keys, mut damaged) = (Vec::new(), Vec::new());
            for key in &page.items {
                match key {
                    ListedKey::Sound(key) => keys.push(record(key)),
                    ListedKey::Altered(id) => damaged.push(DamagedKey {
                        key_id: id.to_string(),
                        what: "its row is not as it was sealed",
                    }),
                    ListedKey::Unreadable(id) => damaged.push(DamagedKey {
                        key_id: id.to_string(),
                        what: "its row cannot be read",
                    }),
                }
            }
            let next = page.next;
            let listed = KeyPage {
                keys,
                damaged,
                next,
            };
            done(call, &listed).await
        }
        Err(error) => failed(call, &error).await,
    }
}

/// Query of `/key/info`: a key's id as `/key/list` shows it, or its alias. Without one, the caller's
/// own, if that is a key of the store.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct InfoQuery {
    /// LiteLLM's name of `key_id`, where its clients send the key itself: that is refused, because
    /// URLs end up in logs on the way (RFC 6750 §5.3).
    key: Option<String>,
    key_id: Option<String>,
    key_alias: Option<String>,
}

impl InfoQuery {
    /// The key that is meant; `None`: the caller's own.
    fn selector(self) -> Result<Option<KeySelector>, &'static str> {
        let id = match (self.key_id, self.key) {
            (Some(_), Some(_)) => return Err("say key_id or key, not both"),
            (id, None) | (None, id) => id,
        };
        match (id, self.key_alias) {
            (Some(_), Some(_)) => Err("say key_id or key_alias, not both"),
            (Some(id), None) if id.starts_with("sk-") => Err(
                "a key does not belong into a URL: say key_id, the id that /key/list shows, and consider this key known to others",
            ),
            (Some(id), None) => Ok(Some(KeySelector::Id(id.into()))),
            (None, Some(alias)) => Ok(Some(KeySelector::Alias(alias))),
            (None, None) => Ok(None),
        }
    }
}

/// A key, what it may do, and what it spent.
#[derive(Serialize, ToSchema)]
struct LimitedKey {
    #[serde(flatten)]
    row: KeyRow,
    #[serde(flatten)]
    limits: LimitsRow,
}

/// One key.
#[derive(Serialize, ToSchema)]
struct KeyInfo {
    /// Its id.
    key: String,
    info: LimitedKey,
}

/// One key: the caller's own, if none is named.
#[utoipa::path(
    get, path = "/key/info", tag = "keys", params(InfoQuery),
    responses(
        (status = 200, description = "The key, but for itself.", body = KeyInfo),
        (status = 404, description = "There is no such key.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Its row is not as it was sealed.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn info(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let mut call = match admit(&state, &parts, "key/info").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let wish: InfoQuery = match query(&parts.uri) {
        Ok(wish) => wish,
        Err(detail) => return problem(call, ErrorKind::Invalid, &detail).await,
    };
    let asked = wish.selector();
    let selector = match asked.map(|asked| asked.or_else(|| KeySelector::own(&call.principal))) {
        Ok(Some(selector)) => selector,
        Ok(None) => {
            let detail = "say key_id or key_alias: this credential is not a key of the store";
            return problem(call, ErrorKind::Invalid, detail).await;
        }
        Err(detail) => return problem(call, ErrorKind::Invalid, detail).await,
    };
    match state.keys.info(&selector, &call.principal).await {
        Ok(found) => {
            call.audit.target(Target::keys([&found.id]));
            let limits = match row_of(&state, ScopeKind::Key, found.id.as_str()).await {
                Ok(limits) => limits,
                Err(error) => return limits_failed(call, &error).await,
            };
            let (key, row) = (found.id.to_string(), record(&found));
            let info = LimitedKey { row, limits };
            done(call, &KeyInfo { key, info }).await
        }
        Err(error) => failed(call, &error).await,
    }
}

/// Most keys of one `/key/delete`: as many as its audit event can name.
const MOST_DELETED: usize = 16;

/// Which keys end: 16 at most.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = DeleteKeys)]
#[serde(default, deny_unknown_fields)]
struct Delete {
    /// Their ids, or the keys themselves.
    keys: Vec<String>,
    key_aliases: Vec<String>,
}

/// What has ended.
#[derive(Serialize, ToSchema)]
struct DeletedKeys {
    deleted_keys: Vec<String>,
}

/// End keys. One that does not exist, or may not be ended, ends none.
#[utoipa::path(
    post, path = "/key/delete", tag = "keys", request_body = Delete,
    responses(
        (status = 200, description = "All of them have ended.", body = DeletedKeys),
        (status = 404, description = "There is no such key.", body = Problem, content_type = "application/problem+json"),
    ),
)]

pub(crate) async fn delete(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut call = match admit(&state, &parts, "key/delete").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let wish: Delete = match read(&state, &mut call, &parts, body).await {
        Ok(wish) => wish,
        Err(refused) => return refuse_body(&state, call, &parts, &refused).await,
    };
    let by_key = wish.keys.into_iter().map(selector_of);
    let selectors: Vec<KeySelector> = by_key
        .chain(wish.key_aliases.into_iter().map(KeySelector::Alias))
        .collect();
    if selectors.is_empty() {
        return problem(call, ErrorKind::Invalid, "say keys or key_aliases").await;
    }
    if selectors.len() > MOST_DELETED {
        let detail = format!("at most {MOST_DELETED} keys at a time");
        return problem(call, ErrorKind::Invalid, &detail).await;
    }
    let doomed = match state.keys.revocable(&selectors, &call.principal).await {
        Ok(doomed) => doomed,
        Err(error) => return failed(call, &error).await,
    };
    // Decided and on record before the first one ends: should the store fail half-way, the event
    // says what was allowed, and never that it was denied.
    call.audit.allowed(rule(call.principal.role));
    call.audit.target(Target::keys(doomed.ids()));
    if let Err(error) = state.keys.revoke_all(&doomed).await {
        return failed(call, &error).await;
    }
    for id in doomed.ids() {
        let ended = Change::of("key", id.as_str()).now("revoked");
        call.audit.changed(ended.fields(["revoked_at"]));
    }
    let deleted_keys = doomed.ids().iter().map(ToString::to_string).collect();
    done(call, &DeletedKeys { deleted_keys }).await
}

/// LiteLLM's clients name a key by itself or by its stored name.
fn selector_of(key: String) -> KeySelector {
    if key.starts_with("sk-") {
        KeySelector::Key(ApiKey::new(key))
    } else {
        KeySelector::Id(key.into())
    }
}

async fn failed(call: Call, error: &KeyAdminError) -> Response<Body> {
    if matches!(
        error.error_kind(),
        ErrorKind::Unavailable | ErrorKind::Internal
    ) {
        tracing::error!(request.id = %call.id, error = %error, "key not managed");
    }
    let detail = error.to_string();
    problem(call, error.error_kind(), &detail).await
}
