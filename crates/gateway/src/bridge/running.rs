//! Requests of the client that are under way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_mcp::{Envelope, Method};
use tokio_util::sync::CancellationToken;

use super::modern::is_modern;

/// By id, as JSON text.
#[derive(Debug, Default)]
pub(super) struct Running(Arc<Mutex<HashMap<String, Request>>>);

#[derive(Debug)]
struct Request {
    let_go: CancellationToken,
    /// Ending its exchange is how it is cancelled.
    modern: bool,
    /// It has no end of its own.
    listens: bool,
}

/// The place of one request, until it is done.
#[derive(Debug)]
pub(super) struct Place {
    running: Arc<Mutex<HashMap<String, Request>>>,
    id: String,
    /// Nobody waits for it any more.
    pub(super) let_go: CancellationToken,
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.running).remove(&self.id);
    }
}

fn lock(running: &Mutex<HashMap<String, Request>>) -> MutexGuard<'_, HashMap<String, Request>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Running {
    /// Takes a request in; `None`: its id is taken, or there are too many.
    pub(super) fn add(&self, envelope: &Envelope<'_>, most: usize) -> Option<Place> {
        let id = envelope.kind.id()?.to_owned();
        let mut running = lock(&self.0);
        if running.len() >= most || running.contains_key(&id) {
            return None;
        }
        let let_go = CancellationToken::new();
        let request = Request {
            let_go: let_go.clone(),
            modern: is_modern(envelope),
            listens: envelope.kind.method() == Some(Method::Listen.as_str()),
        };
        running.insert(id.clone(), request);
        Some(Place {
            running: Arc::clone(&self.0),
            id,
            let_go,
        })
    }

    /// Lets the request go that a `notifications/cancelled` is about, where that is how the revision
    /// cancels over HTTP; whether it was.
    pub(super) fn cancel_modern(&self, envelope: &Envelope<'_>) -> bool {
        let id = envelope.params().and_then(|params| params.get("requestId"));
        let running = lock(&self.0);
        let request = id.and_then(|id| running.get(id.get()));
        match request {
            Some(request) if request.modern => {
                request.let_go.cancel();
                true
            }
            _ => false,
        }
    }

    /// Lets those go that would listen for ever.
    pub(super) fn end_listening(&self) {
        for request in lock(&self.0).values().filter(|request| request.listens) {
            request.let_go.cancel();
        }
    }

    /// Lets everything go.
    pub(super) fn cancel_all(&self) {
        for request in lock(&self.0).values() {
            request.let_go.cancel();
        }
    }
}
