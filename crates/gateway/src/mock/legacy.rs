//! Streamable HTTP with `initialize` and a session: 2025-03-26 to 2025-11-25 (and clients that
//! still ask for 2024-11-05).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use portcullis_core::hex;
use serde_json::{Value, json};

use super::bearer::{self, Caller};
use super::endpoint::{PROTOCOL_VERSION, SESSION_ID, text};
use super::envelope::{Incoming, Parsed, RpcError, code, parse, result};
use super::{Mock, tools};

/// Oldest first.
pub(super) const REVISIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
const LATEST: &str = "2025-11-25";
/// The one revision with JSON-RPC batches over Streamable HTTP.
const BATCHING: &str = "2025-03-26";
/// Beyond this, `initialize` is refused: a mock that runs for weeks must not grow.
const MOST_SESSIONS: usize = 10_000;

#[derive(Debug)]
struct Session {
    client: String,
    revision: &'static str,
}

/// The sessions that were begun and not ended.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Session>>);

impl Sessions {
    fn begin(&self, id: String, session: Session) -> bool {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= MOST_SESSIONS {
            return false;
        }
        open.insert(id, session);
        true
    }

    /// The revision of a session that this client began.
    fn revision(&self, id: &str, client: &str) -> Option<&'static str> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(id)
            .filter(|session| session.client == client)
            .map(|session| session.revision)
    }

    pub(super) fn end(&self, id: &str, client: &str) -> bool {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let owned = open.get(id).is_some_and(|session| session.client == client);
        owned && open.remove(id).is_some()
    }
}

pub(super) fn answer(
    mock: &Mock,
    caller: &Caller,
    headers: &HeaderMap,
    message: Parsed,
) -> Response {
    match message {
        Parsed::Call(Incoming {
            id: Some(id),
            method,
            params,
        }) if method == "initialize" => {
            initialize(mock, caller, &id, params.get("protocolVersion"))
        }
        message => {
            if let Err(refusal) = session(mock, caller, headers) {
                return *refusal;
            }
            match reply(mock, caller, headers, message) {
                Ok(Some(envelope)) => Json(envelope).into_response(),
                Ok(None) => StatusCode::ACCEPTED.into_response(),
                Err(refusal) => *refusal,
            }
        }
    }
}

pub(super) fn batch(
    mock: &Mock,
    caller: &Caller,
    headers: &HeaderMap,
    messages: Value,
) -> Response {
    let refused = || {
        RpcError::new(code::INVALID_REQUEST, "batches are not understood here")
            .respond(StatusCode::BAD_REQUEST, None)
    };
    let Value::Array(messages) = messages else {
        return refused();
    };
    match session(mock, caller, headers) {
        Ok(BATCHING) if !messages.is_empty() => {}
        Ok(_) => return refused(),
        Err(refusal) => return *refusal,
    }
    let mut answers = Vec::new();
    for message in messages {
        match parse(message) {
            Err(error) => answers.push(error.into_envelope(None)),
            Ok(message) => match reply(mock, caller, headers, message) {
                Ok(Some(envelope)) => answers.push(envelope),
                Ok(None) => {}
                Err(refusal) => return *refusal,
            },
        }
    }
    if answers.is_empty() {
        StatusCode::ACCEPTED.into_response()
    } else {
        Json(answers).into_response()
    }
}

/// The revision of the session that the request belongs to.
fn session(
    mock: &Mock,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<&'static str, Box<Response>> {
    if headers.contains_key(PROTOCOL_VERSION)
        && !text(headers, PROTOCOL_VERSION).is_some_and(|version| REVISIONS.contains(&version))
    {
        let error = RpcError::new(code::INVALID_REQUEST, "unsupported MCP-Protocol-Version");
        return Err(Box::new(error.respond(StatusCode::BAD_REQUEST, None)));
    }
    let Some(id) = text(headers, SESSION_ID) else {
        let error = RpcError::new(code::INVALID_REQUEST, "Mcp-Session-Id is missing");
        return Err(Box::new(error.respond(StatusCode::BAD_REQUEST, None)));
    };
    mock.sessions.revision(id, &caller.client).ok_or_else(|| {
        let error = RpcError::new(code::INVALID_REQUEST, "no such session");
        Box::new(error.respond(StatusCode::NOT_FOUND, None))
    })
}

fn initialize(mock: &Mock, caller: &Caller, id: &Value, wanted: Option<&Value>) -> Response {
    let Some(wanted) = wanted.and_then(Value::as_str) else {
        return RpcError::new(code::INVALID_PARAMS, "protocolVersion is missing")
            .respond(StatusCode::OK, Some(id));
    };
    let revision = REVISIONS
        .into_iter()
        .find(|known| *known == wanted)
        .unwrap_or(LATEST);
    let mut random = [0_u8; 16];
    let begun = mock.settings.entropy.fill(&mut random).is_ok()
        && mock.sessions.begin(
            hex(&random),
            Session {
                client: caller.client.clone(),
                revision,
            },
        );
    if !begun {
        return RpcError::new(code::INTERNAL, "no session can be begun now")
            .respond(StatusCode::SERVICE_UNAVAILABLE, Some(id));
    }
    mock.counters.initialize.count();
    let answer = json!({
        "protocolVersion": revision,
        "capabilities": { "tools": { "listChanged": false } },
        "serverInfo": tools::server_info(),
        "instructions": tools::INSTRUCTIONS,
    });
    let fields = [(SESSION_ID, hex(&random))];
    (fields, Json(result(id, &answer))).into_response()
}

/// `None` for what needs no answer; `Err` for what is answered by HTTP alone.
fn reply(
    mock: &Mock,
    caller: &Caller,
    headers: &HeaderMap,
    message: Parsed,
) -> Result<Option<Value>, Box<Response>> {
    let Parsed::Call(Incoming {
        id: Some(id),
        method,
        params,
    }) = message
    else {
        return Ok(None);
    };
    let outcome = match method.as_str() {
        "ping" => Ok(json!({})),
        "tools/list" => {
            mock.counters.lists.count();
            tools::list(&params)
        }
        "tools/call" => match tools::call(mock, &params, |scope| caller.holds(scope)) {
            Ok(done) => Ok(done),
            Err(tools::CallError::Scope(scope)) => {
                return Err(Box::new(bearer::insufficient_scope(mock, headers, scope)));
            }
            Err(tools::CallError::Rpc(error)) => Err(error),
        },
        _ => Err(RpcError::new(code::METHOD_NOT_FOUND, "method not found")),
    };
    Ok(Some(match outcome {
        Ok(value) => result(&id, &value),
        Err(error) => error.into_envelope(Some(&id)),
    }))
}
