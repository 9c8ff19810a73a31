//! 2026-07-28: every request says all that is needed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use tokio::sync::{
    broadcast::error::RecvError,
    mpsc::{UnboundedSender, unbounded_channel},
};
use tokio_util::sync::CancellationToken;

use super::{
    behaviour,
    core::{Change, Core},
    http::events,
    turn::{Stop, Turn, weight},
};

const META: &str = "io.modelcontextprotocol/";
const LISTEN: &str = "subscriptions/listen";
/// Results that say how long they are good.
const CACHED: [&str; 6] = [
    "server/discover",
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
];

pub(super) fn router(core: Arc<Core>) -> Router {
    // Any other method of HTTP is answered 405.
    Router::new().route("/mcp", post(take)).with_state(core)
}

async fn take(State(core): State<Arc<Core>>, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    if let Some(refused) = refusal(&core, &message, Some(&headers)) {
        let unknown = refused.pointer("/error/code") == Some(&json!(-32601));
        let status = if unknown {
            StatusCode::NOT_FOUND
        } else {
            StatusCode::BAD_REQUEST
        };
        return (status, Json(refused)).into_response();
    }
    if message.get("id").is_none() {
        core.judge(&message, None);
        return StatusCode::ACCEPTED.into_response();
    }
    let (sender, receiver) = unbounded_channel();
    receive(&core, message, sender, CancellationToken::new());
    events(receiver)
}

fn error(message: &Value, code: i32, words: &str, data: Option<Value>) -> Value {
    let id = message.get("id").cloned().unwrap_or_default();
    let mut error = json!({"code": code, "message": words});
    if let Some(data) = data {
        error["data"] = data;
    }
    json!({"jsonrpc": "2.0", "id": id, "error": error})
}

fn said<'m>(message: &'m Value, name: &str) -> Option<&'m Value> {
    message
        .pointer("/params/_meta")?
        .get(format!("{META}{name}"))
}

/// The error with which a message of another era, or one whose headers say something else, is answered.
pub(super) fn refusal(core: &Core, message: &Value, headers: Option<&HeaderMap>) -> Option<Value> {
    let revision = said(message, "protocolVersion");
    if message.get("id").is_some() && revision != Some(&json!(core.revision.as_str())) {
        let asked = revision.or_else(|| message.pointer("/params/protocolVersion"));
        let data = json!({"supported": [core.revision.as_str()], "requested": asked});
        return Some(error(
            message,
            -32022,
            "Unsupported protocol version",
            Some(data),
        ));
    }
    let method = message
        .get("method")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if crate::methods::request(method).is_none() && message.get("id").is_some() {
        return Some(error(message, -32601, "Method not found", None));
    }
    let headers = headers?;
    let name = match method {
        "tools/call" | "prompts/get" => message.pointer("/params/name"),
        "resources/read" => message.pointer("/params/uri"),
        _ => None,
    };
    for (header, wanted) in [
        ("mcp-protocol-version", Some(core.revision.as_str())),
        ("mcp-method", message.get("id").map(|_| method)),
        ("mcp-name", name.and_then(Value::as_str)),
    ] {
        let given = headers.get(header).and_then(|value| value.to_str().ok());
        if wanted.is_some() && given != wanted {
            core.complain(format!("{header} of {method} is {given:?}, not {wanted:?}"));
            return Some(error(message, -32020, "Header mismatch", None));
        }
    }
    if headers.contains_key("mcp-session-id") {
        core.complain("Mcp-Session-Id does not belong here".to_owned());
    }
    None
}

/// Answers a request; everything about it goes to `out`.
pub(super) fn receive(
    core: &Arc<Core>,
    message: Value,
    out: UnboundedSender<Value>,
    given_up: CancellationToken,
) {
    core.judge(&message, None);
    let method = message
        .get("method")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let params = message.get("params").cloned().unwrap_or_else(|| json!({}));
    let id = message.get("id").cloned().unwrap_or_default();
    let turn = Turn {
        core: Arc::clone(core),
        out: out.clone(),
        progress_token: params.pointer("/_meta/progressToken").cloned(),
        log_level: said(&message, "logLevel")
            .and_then(Value::as_str)
            .and_then(weight),
        capabilities: said(&message, "clientCapabilities")
            .cloned()
            .unwrap_or_default(),
        session: None,
        brought: params.get("inputResponses").cloned().unwrap_or_default(),
        given_up: given_up.clone(),
        id: id.clone(),
    };
    let leaving = (out.clone(), given_up.clone());
    core.tasks.spawn(async move {
        // A stream that nobody reads any more is a cancellation.
        let ended = leaving.1.clone();
        ended
            .run_until_cancelled(async {
                leaving.0.closed().await;
                leaving.1.cancel();
            })
            .await;
    });
    core.tasks.spawn(async move {
        let answer = match answer(&turn, &method, &params).await {
            Ok(result) => {
                let result = complete(&method, result);
                json!({"jsonrpc": "2.0", "id": id, "result": result})
            }
            Err(Stop::Needs { key, question }) => {
                let result = json!({"resultType": "input_required", "inputRequests": {key: question},
                    "requestState": "asked-once"});
                json!({"jsonrpc": "2.0", "id": id, "result": result})
            }
            Err(Stop::Error { code, message, data }) => error(&json!({"id": id}), code, &message, data),
            Err(Stop::GivenUp) => return,
        };
        let _ = turn.out.send(answer);
        // The watcher lets go of the stream.
        given_up.cancel();
    });
}

async fn answer(turn: &Turn, method: &str, params: &Value) -> Result<Value, Stop> {
    match method {
        "server/discover" => Ok(json!({"supportedVersions": [turn.core.revision.as_str()],
            "capabilities": turn.core.capabilities(), "instructions": "A reference server."})),
        LISTEN => listen(turn, params).await,
        _ => {
            let retried = params.get("inputResponses").is_some();
            if retried && params.get("requestState") != Some(&json!("asked-once")) {
                turn.core
                    .complain("requestState did not come back as it was".to_owned());
            }
            behaviour::answer(turn, method, params).await
        }
    }
}

/// What every result says in this revision.
fn complete(method: &str, mut result: Value) -> Value {
    result["resultType"] = json!("complete");
    let mut meta = json!({});
    meta[format!("{META}serverInfo")] = Core::server_info();
    result["_meta"] = meta;
    if CACHED.contains(&method) {
        result["ttlMs"] = json!(0);
        result["cacheScope"] = json!("private");
    }
    result
}

async fn listen(turn: &Turn, params: &Value) -> Result<Value, Stop> {
    let wanted = params.get("notifications").cloned().unwrap_or_default();
    let mut changes = turn.core.changes.subscribe();
    let mut meta = json!({});
    meta[format!("{META}subscriptionId")] = turn.id.clone();
    turn.notify(
        "notifications/subscriptions/acknowledged",
        json!({"_meta": meta, "notifications": wanted}),
    );
    loop {
        let change = tokio::select! {
            () = turn.given_up.cancelled() => return Err(Stop::GivenUp),
            change = changes.recv() => change,
        };
        match change {
            Ok(Change::Tools) if wanted.get("toolsListChanged") == Some(&json!(true)) => {
                turn.notify("notifications/tools/list_changed", json!({"_meta": meta}));
            }
            Ok(Change::Resource(uri)) => {
                let all = wanted
                    .get("resourceSubscriptions")
                    .and_then(Value::as_array);
                if all.is_some_and(|all| all.iter().any(|one| *one == uri)) {
                    let params = json!({"_meta": meta, "uri": uri});
                    turn.notify("notifications/resources/updated", params);
                }
            }
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return Err(Stop::GivenUp),
        }
    }
}

/// Requests under way on a channel that they share.
#[derive(Debug, Default)]
pub(super) struct UnderWay(Mutex<HashMap<String, CancellationToken>>);

impl UnderWay {
    /// Begins a request.
    pub(super) fn begin(&self, id: &Value) -> CancellationToken {
        let given_up = CancellationToken::new();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(id.to_string(), given_up.clone());
        given_up
    }

    /// Gives one up.
    pub(super) fn give_up(&self, id: &Value) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(given_up) = all.remove(&id.to_string()) {
            given_up.cancel();
        }
    }
}
