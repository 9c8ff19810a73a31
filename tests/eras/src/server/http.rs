//! Streamable HTTP with sessions (2025-03-26 to 2025-11-25).

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::{core::Core, session::Session};
use crate::sse::event;

const SESSION: &str = "mcp-session-id";

/// A session, and what waits for its listening stream.
struct Opened {
    session: Arc<Session>,
    general: Arc<tokio::sync::Mutex<UnboundedReceiver<Value>>>,
}

struct Door {
    core: Arc<Core>,
    sessions: Mutex<(u64, HashMap<String, Opened>)>,
}

pub(super) fn router(core: Arc<Core>) -> Router {
    let door = Arc::new(Door {
        core,
        sessions: Mutex::default(),
    });
    Router::new()
        .route("/mcp", post(take).get(listen).delete(end))
        .with_state(door)
}

impl Door {
    fn sessions(&self) -> MutexGuard<'_, (u64, HashMap<String, Opened>)> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> (String, Arc<Session>) {
        let (sender, receiver) = unbounded_channel();
        let session = Session::open(&self.core, sender);
        let mut sessions = self.sessions();
        sessions.0 += 1;
        let id = format!("session-{}", sessions.0);
        let opened = Opened {
            session: Arc::clone(&session),
            general: Arc::new(tokio::sync::Mutex::new(receiver)),
        };
        sessions.1.insert(id.clone(), opened);
        (id, session)
    }

    /// The id that a request names, when it may be used so.
    fn id_of(&self, headers: &HeaderMap) -> Result<String, StatusCode> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let revision = text("mcp-protocol-version");
        if self.core.revision.has_header() && revision != Some(self.core.revision.as_str()) {
            self.core
                .complain(format!("MCP-Protocol-Version is {revision:?}"));
            return Err(StatusCode::BAD_REQUEST);
        }
        if text("mcp-method").is_some() {
            self.core
                .complain("Mcp-Method does not belong into a session".to_owned());
        }
        let id = text(SESSION).ok_or(StatusCode::BAD_REQUEST)?;
        if self.sessions().1.contains_key(id) {
            Ok(id.to_owned())
        } else {
            Err(StatusCode::NOT_FOUND)
        }
    }
}

fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains(kind))
}

async fn take(State(door): State<Arc<Door>>, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    if !accepts(&headers, "application/json") || !accepts(&headers, "text/event-stream") {
        door.core
            .complain("Accept of a POST lacks a type".to_owned());
        return StatusCode::NOT_ACCEPTABLE.into_response();
    }
    let first = message.get("method") == Some(&json!("initialize"));
    if message
        .pointer("/params/_meta/io.modelcontextprotocol~1protocolVersion")
        .is_some()
    {
        let error = json!({"code": -32000, "message": "Bad Request: no valid session ID"});
        let id = message.get("id").unwrap_or(&Value::Null);
        let answer = json!({"jsonrpc": "2.0", "id": id, "error": error});
        return (StatusCode::BAD_REQUEST, Json(answer)).into_response();
    }
    let (id, session) = if first {
        door.open()
    } else {
        match door.id_of(&headers) {
            Ok(id) => match door.sessions().1.get(&id) {
                Some(opened) => (id.clone(), Arc::clone(&opened.session)),
                None => return StatusCode::NOT_FOUND.into_response(),
            },
            Err(status) => return status.into_response(),
        }
    };
    let answered = message.get("method").is_some() && message.get("id").is_some();
    let (sender, receiver) = unbounded_channel();
    session.receive(message, sender);
    if !answered {
        return StatusCode::ACCEPTED.into_response();
    }
    let mut response = events(receiver);
    if let (true, Ok(id)) = (first, id.parse()) {
        response.headers_mut().insert(SESSION, id);
    }
    response
}

/// A stream of what comes until nobody is left who could say more.
pub(super) fn events(receiver: UnboundedReceiver<Value>) -> Response {
    let said = stream::unfold(receiver, |mut receiver| async move {
        let message = receiver.recv().await?;
        Some((Ok::<_, Infallible>(event(&message)), receiver))
    });
    (
        [(header::CONTENT_TYPE, "text/event-stream")],
        Body::from_stream(said),
    )
        .into_response()
}

async fn listen(State(door): State<Arc<Door>>, headers: HeaderMap) -> Response {
    let id = match door.id_of(&headers) {
        Ok(id) => id,
        Err(status) => return status.into_response(),
    };
    let general = door
        .sessions()
        .1
        .get(&id)
        .map(|opened| Arc::clone(&opened.general));
    let Some(Ok(general)) = general.map(tokio::sync::Mutex::try_lock_owned) else {
        return StatusCode::CONFLICT.into_response();
    };
    let said = stream::unfold(general, |mut general| async move {
        let message = general.recv().await?;
        Some((Ok::<_, Infallible>(event(&message)), general))
    });
    // The head goes out with the first bytes.
    let begun = stream::once(async { Ok(": open\n\n".to_owned()) });
    let body = Body::from_stream(futures_util::StreamExt::chain(begun, said));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

async fn end(State(door): State<Arc<Door>>, headers: HeaderMap) -> StatusCode {
    match door.id_of(&headers) {
        Ok(id) => {
            door.sessions().1.remove(&id);
            StatusCode::OK
        }
        Err(status) => status,
    }
}
