//! The session of a revision that has them: messages in, messages out, whatever carries them.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};
use tokio::sync::{broadcast::error::RecvError, mpsc::UnboundedSender, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    behaviour,
    core::{Change, Core},
    turn::{Stop, Turn, weight},
};
use crate::revision::Revision;

/// Where 2026-07-28 says its revision.
const ENVELOPE: &str = "/params/_meta/io.modelcontextprotocol~1protocolVersion";

#[derive(Debug)]
pub(crate) struct Session {
    core: Arc<Core>,
    /// Where what belongs to no request goes.
    general: UnboundedSender<Value>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    log_level: usize,
    subscribed: HashSet<String>,
    capabilities: Value,
    asked: HashMap<u64, (String, oneshot::Sender<Value>)>,
    questions: u64,
    running: HashMap<String, CancellationToken>,
}

impl Session {
    pub(crate) fn open(core: &Arc<Core>, general: UnboundedSender<Value>) -> Arc<Self> {
        let session = Arc::new(Self {
            core: Arc::clone(core),
            general,
            state: Mutex::default(),
        });
        let (mut changes, listener) = (core.changes.subscribe(), Arc::downgrade(&session));
        core.tasks.spawn(async move {
            loop {
                let change = match changes.recv().await {
                    Ok(change) => change,
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return,
                };
                let Some(session) = listener.upgrade() else {
                    return;
                };
                session.tell(&change);
            }
        });
        session
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, change: &Change) {
        let message = match change {
            Change::Tools => {
                json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
            }
            Change::Resource(uri) if self.state().subscribed.contains(uri) => {
                json!({"jsonrpc": "2.0", "method": "notifications/resources/updated",
                    "params": {"uri": uri}})
            }
            Change::Resource(_) => return,
        };
        let _ = self.general.send(message);
    }

    /// Takes one message; what it leads to goes to `out`, which is let go of at the end.
    pub(crate) fn receive(self: &Arc<Self>, message: Value, out: UnboundedSender<Value>) {
        if message.get("method").is_none() {
            self.take_answer(&message);
            return;
        }
        if message.pointer(ENVELOPE).is_some() {
            // Somebody asks of what era this is.
            let error = json!({"code": -32600, "message": "not initialized"});
            let answer = json!({"jsonrpc": "2.0", "id": message.get("id"), "error": error});
            let _ = out.send(answer);
            return;
        }
        self.core.judge(&message, None);
        let method = message
            .get("method")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let params = message.get("params").cloned().unwrap_or_else(|| json!({}));
        let Some(id) = message.get("id").cloned() else {
            if method == "notifications/cancelled"
                && let Some(id) = params.get("requestId")
                && let Some(running) = self.state().running.get(&id.to_string())
            {
                running.cancel();
            }
            return;
        };
        let given_up = CancellationToken::new();
        let turn = {
            let mut state = self.state();
            state.running.insert(id.to_string(), given_up.clone());
            Turn {
                core: Arc::clone(&self.core),
                out: out.clone(),
                progress_token: params.pointer("/_meta/progressToken").cloned(),
                log_level: Some(state.log_level),
                capabilities: state.capabilities.clone(),
                session: Some(Arc::clone(self)),
                brought: Value::Null,
                given_up,
                id: id.clone(),
            }
        };
        let session = Arc::clone(self);
        self.core.tasks.spawn(async move {
            let result = session.answer(&turn, &method, &params).await;
            session.state().running.remove(&id.to_string());
            let answer = match result {
                Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
                Err(Stop::Error {
                    code,
                    message,
                    data,
                }) => {
                    let mut error = json!({"code": code, "message": message});
                    if let Some(data) = data {
                        error["data"] = data;
                    }
                    json!({"jsonrpc": "2.0", "id": id, "error": error})
                }
                Err(Stop::Needs { .. } | Stop::GivenUp) => return,
            };
            let _ = out.send(answer);
        });
    }

    async fn answer(&self, turn: &Turn, method: &str, params: &Value) -> Result<Value, Stop> {
        let uri = || {
            params
                .get("uri")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        match method {
            "initialize" => {
                self.state().capabilities = params.get("capabilities").cloned().unwrap_or_default();
                Ok(json!({"protocolVersion": self.core.revision.as_str(),
                    "serverInfo": Core::server_info(), "capabilities": self.core.capabilities(),
                    "instructions": "A reference server."}))
            }
            "ping" => Ok(json!({})),
            "logging/setLevel" => {
                let level = params
                    .get("level")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                self.state().log_level =
                    weight(level).ok_or_else(|| Stop::invalid("no such level"))?;
                Ok(json!({}))
            }
            "resources/subscribe" => {
                self.state().subscribed.insert(uri());
                Ok(json!({}))
            }
            "resources/unsubscribe" => {
                self.state().subscribed.remove(&uri());
                Ok(json!({}))
            }
            _ => behaviour::answer(turn, method, params).await,
        }
    }

    fn take_answer(&self, message: &Value) {
        let id = message.get("id").and_then(Value::as_u64);
        let asked = id.and_then(|id| self.state().asked.remove(&id));
        self.core
            .judge(message, asked.as_ref().map(|(method, _)| method.as_str()));
        if let Some((_, waiting)) = asked {
            let _ = waiting.send(message.clone());
        }
    }

    /// Pushes a question and waits for its answer.
    pub(crate) async fn ask(
        &self,
        question: &Value,
        out: &UnboundedSender<Value>,
        given_up: &CancellationToken,
    ) -> Result<Value, Stop> {
        let method = question
            .get("method")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let (waiting, answered) = oneshot::channel();
        let id = {
            let mut state = self.state();
            state.questions += 1;
            let id = state.questions;
            state.asked.insert(id, (method.to_owned(), waiting));
            id
        };
        let mut params = question.get("params").cloned().unwrap_or_default();
        // The one mode of its time has no name yet.
        if self.core.revision < Revision::V2025_11_25
            && let Some(params) = params.as_object_mut()
        {
            params.remove("mode");
        }
        let _ = out.send(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        let answer = tokio::select! {
            answer = answered => answer.map_err(|_| Stop::GivenUp)?,
            () = given_up.cancelled() => return Err(Stop::GivenUp),
        };
        match answer.get("result") {
            Some(result) => Ok(result.clone()),
            None => Err(Stop::Error {
                code: -32603,
                message: format!(
                    "the client answered {}",
                    answer.get("error").unwrap_or(&Value::Null)
                ),
                data: None,
            }),
        }
    }
}
