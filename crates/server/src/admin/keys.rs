//! `/key/*`: virtual keys, in LiteLLM's shapes.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use axum::http::request::Parts;
use portcullis_core::{ApiKey, ErrorKind, KeyId};
use portcullis_engine::Call;
use portcullis_engine::audit::{CallerText, Surface, Target};
use portcullis_identity::{KeyAdminError, KeySelector, ListedKey, PageRequest};
use serde::Deserialize;
use serde_json::json;

use super::body::read;
use super::key_bodies::{self, Generate, record};
use super::problem::{done, problem, refuse_body, rule};
use crate::query::query;
use crate::state::ServerState;

pub(crate) async fn generate(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut call = match admit(&state, &parts, "key/generate").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let wish: Generate = match read(&state, &mut call, &parts, body).await {
        Ok(wish) => wish,
        Err(refused) => return refuse_body(&state, call, &parts, &refused).await,
    };
    let new = match wish.into_new_key() {
        Ok(new) => new,
        Err(detail) => return problem(call, ErrorKind::Invalid, &detail).await,
    };
    match state.keys.create(new, &call.principal).await {
        Ok(created) => {
            call.audit.target(Target::keys([&created.record.id]));
            done(call, &key_bodies::created(&created)).await
        }
        Err(error) => failed(call, &error).await,
    }
}

/// Query of `/key/list`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ListQuery {
    after: Option<String>,
    size: Option<usize>,
}

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
                    ListedKey::Altered(id) => damaged.push(json!({
                        "key_id": id.as_str(), "what": "its row is not as it was sealed",
                    })),
                    ListedKey::Unreadable(id) => damaged.push(json!({
                        "key_id": id.as_str(), "what": "its row cannot be read",
                    })),
                }
            }
            let listed = json!({"keys": keys, "damaged": damaged, "next": page.next});
            done(call, &listed).await
        }
        Err(error) => failed(call, &error).await,
    }
}

/// Query of `/key/info`: a key's id as `/key/list` shows it, or its alias. Without one, the caller's
/// own, if that is a key of the store.
#[derive(Default, Deserialize)]
#[serde(default)]
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
            done(
                call,
                &json!({"key": found.id.as_str(), "info": record(&found)}),
            )
            .await
        }
        Err(error) => failed(call, &error).await,
    }
}

/// Most keys of one `/key/delete`: as many as its audit event can name.
const MOST_DELETED: usize = 16;

/// Body of `/key/delete`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Delete {
    keys: Vec<String>,
    key_aliases: Vec<String>,
}

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
    let ids: Vec<&str> = doomed.ids().iter().map(KeyId::as_str).collect();
    done(call, &json!({"deleted_keys": ids})).await
}

/// LiteLLM's clients name a key by itself or by its stored name.
fn selector_of(key: String) -> KeySelector {
    if key.starts_with("sk-") {
        KeySelector::Key(ApiKey::new(key))
    } else {
        KeySelector::Id(key.into())
    }
}

async fn admit(
    state: &ServerState,
    parts: &Parts,
    method: &'static str,
) -> Result<Call, Box<Response<Body>>> {
    let mut call = state.admit(parts, Surface::Admin).await?;
    call.audit.method(CallerText::new(method));
    Ok(call)
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
