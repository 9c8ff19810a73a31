//! HTTP+SSE: one stream of everything to the client, posts from it.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{core::Core, session::Session};
use crate::sse::event;

type Known = (Arc<Session>, UnboundedSender<Value>);

struct Door {
    core: Arc<Core>,
    sessions: Mutex<(u64, HashMap<String, Known>)>,
}

pub(super) fn router(core: Arc<Core>) -> Router {
    let door = Arc::new(Door {
        core,
        sessions: Mutex::default(),
    });
    Router::new()
        .route("/sse", get(open))
        .route("/messages", post(take))
        .with_state(door)
}

/// The stream of a session, which ends with it.
struct Stream {
    door: Arc<Door>,
    id: String,
    receiver: UnboundedReceiver<Value>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut sessions = self
            .door
            .sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        sessions.1.remove(&self.id);
    }
}

async fn open(State(door): State<Arc<Door>>) -> Response {
    let (sender, receiver) = unbounded_channel();
    let session = Session::open(&door.core, sender.clone());
    let id = {
        let mut sessions = door.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.0 += 1;
        let id = sessions.0.to_string();
        sessions.1.insert(id.clone(), (session, sender));
        id
    };
    let endpoint = format!("event: endpoint\ndata: /messages?session={id}\n\n");
    let stream = Stream { door, id, receiver };
    let said = stream::unfold(stream, |mut stream| async move {
        let message = stream.receiver.recv().await?;
        Some((Ok::<_, Infallible>(event(&message)), stream))
    });
    let body = Body::from_stream(stream::once(async { Ok(endpoint) }).chain(said));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

async fn take(
    State(door): State<Arc<Door>>,
    Query(query): Query<HashMap<String, String>>,
    body: Bytes,
) -> StatusCode {
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let known = {
        let sessions = door.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        query
            .get("session")
            .and_then(|id| sessions.1.get(id))
            .cloned()
    };
    let Some((session, sender)) = known else {
        return StatusCode::NOT_FOUND;
    };
    session.receive(message, sender);
    StatusCode::ACCEPTED
}
