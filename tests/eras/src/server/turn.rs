//! One request as the behaviour sees it: whom it may ask, what it may say before it answers.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::{core::Core, session::Session};

/// In the order of their weight.
const LEVELS: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];

/// The weight of a level.
pub(crate) fn weight(level: &str) -> Option<usize> {
    LEVELS.iter().position(|known| *known == level)
}

/// Why a request has no result yet, or never.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The client has to come back with an answer to this question.
    Needs { key: String, question: Value },
    Error {
        code: i32,
        message: String,
        data: Option<Value>,
    },
    /// Nobody waits any more.
    GivenUp,
}

impl Stop {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Error {
            code: -32602,
            message: message.into(),
            data: None,
        }
    }
}

/// One request.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) core: Arc<Core>,
    /// Where what belongs to the request goes.
    pub(crate) out: UnboundedSender<Value>,
    pub(crate) id: Value,
    pub(crate) progress_token: Option<Value>,
    /// The least weight that the client wants to hear of.
    pub(crate) log_level: Option<usize>,
    /// What the client says it can do.
    pub(crate) capabilities: Value,
    /// With a session, questions are pushed; without, answers were brought along.
    pub(crate) session: Option<Arc<Session>>,
    pub(crate) brought: Value,
    pub(crate) given_up: CancellationToken,
}

impl Turn {
    pub(crate) fn notify(&self, method: &str, params: Value) {
        // Whoever has left hears nothing.
        let _ = self
            .out
            .send(json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    pub(crate) fn progress(&self, done: u32, total: u32) {
        if let Some(token) = &self.progress_token {
            let params = json!({"progressToken": token, "progress": done, "total": total});
            self.notify("notifications/progress", params);
        }
    }

    pub(crate) fn log(&self, level: &str, words: &str) {
        if self
            .log_level
            .is_some_and(|least| weight(level) >= Some(least))
        {
            let params = json!({"level": level, "logger": "era-server", "data": words});
            self.notify("notifications/message", params);
        }
    }

    /// Asks the client, or takes the answer that it brought along.
    pub(crate) async fn ask(
        &self,
        key: &str,
        capability: &str,
        method: &str,
        params: Value,
    ) -> Result<Value, Stop> {
        if self.capabilities.pointer(capability).is_none() {
            let code = if self.session.is_some() {
                -32603
            } else {
                -32021
            };
            let mut required = json!({});
            for name in capability.split('/').rev().filter(|name| !name.is_empty()) {
                required = json!({name: required});
            }
            return Err(Stop::Error {
                code,
                message: format!("the client does not have {capability}"),
                data: Some(json!({"requiredCapabilities": required})),
            });
        }
        let question = json!({"method": method, "params": params});
        match &self.session {
            Some(session) => session.ask(&question, &self.out, &self.given_up).await,
            None => self.brought.get(key).cloned().ok_or(Stop::Needs {
                key: key.to_owned(),
                question,
            }),
        }
    }
}
