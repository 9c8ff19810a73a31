//! What arrives: held against the schema, sorted, and answered where it is a question.

use std::{
    collections::HashMap,
    sync::{Mutex, OnceLock, PoisonError},
};

use anyhow::bail;
use serde_json::{Value, json};
use tokio::sync::{mpsc::UnboundedSender, oneshot, watch};

use crate::{feature::Feature, revision::Revision, schema::Judge, server::CHOICE};

/// What the client's model thinks.
pub(crate) const THOUGHT: &str = "a thought";

#[derive(Debug)]
pub(super) struct Inbox {
    revision: Revision,
    judge: Judge,
    waiting: Mutex<Waiting>,
    heard: watch::Sender<Vec<Value>>,
    complaints: Mutex<Vec<String>>,
    answers: OnceLock<UnboundedSender<Value>>,
}

#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    asked: HashMap<u64, (String, oneshot::Sender<Value>)>,
}

impl Inbox {
    pub(super) fn new(revision: Revision, judge: Judge) -> Self {
        Self {
            revision,
            judge,
            waiting: Mutex::default(),
            heard: watch::Sender::default(),
            complaints: Mutex::default(),
            answers: OnceLock::new(),
        }
    }

    /// Answers to questions go out here.
    pub(super) fn answers_by(&self, line: UnboundedSender<Value>) {
        let _ = self.answers.set(line);
    }

    /// An id for a request, and its answer when it comes.
    pub(super) fn expect(&self, method: &str) -> (Value, oneshot::Receiver<Value>) {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.last += 1;
        let id = waiting.last;
        waiting.asked.insert(id, (method.to_owned(), sender));
        (json!(id), receiver)
    }

    pub(super) fn heard(&self) -> watch::Receiver<Vec<Value>> {
        self.heard.subscribe()
    }

    pub(super) fn complain(&self, complaint: String) {
        let mut complaints = self
            .complaints
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        complaints.push(complaint);
    }

    pub(super) fn complaints(&self) -> Vec<String> {
        self.complaints
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn judge(&self, message: &Value, asked: Option<&str>) {
        for complaint in self.judge.message(message, asked) {
            self.complain(complaint);
        }
    }

    /// What this client can do.
    pub(super) fn capabilities(&self) -> Value {
        let mut capabilities = json!({"sampling": {}, "roots": {}});
        if Feature::ElicitationUrl.is_in(self.revision) {
            capabilities["elicitation"] = json!({"form": {}, "url": {}});
        } else if Feature::ElicitationForm.is_in(self.revision) {
            capabilities["elicitation"] = json!({});
        }
        capabilities
    }

    /// Takes a message that arrived.
    pub(super) fn take(&self, message: Value) {
        if message.get("method").is_none() {
            let asked = message.get("id").and_then(Value::as_u64).and_then(|id| {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.asked.remove(&id)
            });
            self.judge(&message, asked.as_ref().map(|(method, _)| method.as_str()));
            if let Some((_, waiting)) = asked {
                let _ = waiting.send(message);
            }
            return;
        }
        self.judge(&message, None);
        let Some(id) = message.get("id").cloned() else {
            self.heard.send_modify(|heard| heard.push(message));
            return;
        };
        if self.revision.is_modern() {
            self.complain(format!(
                "a server may not ask in {}: {message}",
                self.revision
            ));
        }
        let answer = match Self::reply(&message) {
            Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Err(error) => json!({"jsonrpc": "2.0", "id": id,
                "error": {"code": -32601, "message": error.to_string()}}),
        };
        if let Some(line) = self.answers.get() {
            let _ = line.send(answer);
        }
    }

    /// What this client answers to a question.
    pub(super) fn reply(question: &Value) -> anyhow::Result<Value> {
        let method = question
            .get("method")
            .and_then(Value::as_str)
            .unwrap_or_default();
        Ok(match method {
            "ping" => json!({}),
            "roots/list" => json!({"roots": []}),
            "sampling/createMessage" => json!({"role": "assistant", "model": "none",
                "content": {"type": "text", "text": THOUGHT}}),
            "elicitation/create" if question.pointer("/params/mode") == Some(&json!("url")) => {
                json!({"action": "accept"})
            }
            "elicitation/create" => json!({"action": "accept", "content": {"drink": CHOICE}}),
            other => bail!("nobody answers {other}"),
        })
    }
}
