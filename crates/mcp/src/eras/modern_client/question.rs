//! A server's requests as entries of `inputRequests`, and the client's entries of `inputResponses` as
//! answers to them (SEP-2322).

use serde_json::value::RawValue;

use crate::error::{RpcError, code};
use crate::json::{Members, quote};

/// Members of a question's parameters that mean nothing to a stateless client: whom a later
/// notification is about, and that the server would take a task for an answer.
const FOREIGN: [&str; 3] = ["_meta", "elicitationId", "task"];

/// One question that waits for its answer.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// Its name among `inputRequests`: unique in its call.
    pub(super) key: String,
    /// The server's id of it, as JSON text; `None` when the server asked by an error and waits for
    /// nothing.
    pub(super) id: Option<String>,
    pub(super) method: String,
    pub(super) params: Option<String>,
}

/// What a client said to one question, as the server is to get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The JSON-RPC response; `None` when the server waits for none.
    pub response: Option<String>,
    /// `accept`, `decline` or `cancel`, of an elicitation.
    pub action: Option<String>,
}

impl Question {
    /// The parameters as a stateless client has them.
    pub(super) fn cleaned(params: &RawValue) -> Option<String> {
        Some(
            Members::of(params)
                .ok()?
                .rewrite(|name| !FOREIGN.contains(&name)),
        )
    }

    pub(super) fn bytes(&self) -> usize {
        self.params.as_ref().map_or(0, String::len) + self.id.as_ref().map_or(0, String::len)
    }

    /// The answer that says that there will be none.
    pub(super) fn refusal(&self) -> Option<String> {
        let id = self.id.as_deref()?;
        Some(if self.method == "elicitation/create" {
            format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"action":"cancel"}}}}"#)
        } else {
            RpcError::new(code::INTERNAL_ERROR, "the client did not answer").response(Some(id))
        })
    }

    /// What the client's answer is to the server.
    fn given(&self, raw: &RawValue) -> Result<Given, RpcError> {
        let malformed = || {
            RpcError::new(
                code::INVALID_PARAMS,
                format!(
                    "params.inputResponses[{}] is not an answer to {}",
                    quote(&self.key),
                    self.method
                ),
            )
        };
        let answer = Members::of(raw).map_err(|_| malformed())?;
        let starts = |name: &str, with: char| {
            answer
                .get(name)
                .is_some_and(|raw| raw.get().starts_with(with))
        };
        let action = answer.string("action").map(std::borrow::Cow::into_owned);
        let well_formed = match self.method.as_str() {
            "elicitation/create" => {
                matches!(action.as_deref(), Some("accept" | "decline" | "cancel"))
                    && (answer.get("content").is_none() || starts("content", '{'))
            }
            "sampling/createMessage" => {
                starts("role", '"')
                    && starts("model", '"')
                    && (starts("content", '{') || starts("content", '['))
            }
            _ => starts("roots", '['),
        };
        if !well_formed {
            return Err(malformed());
        }
        let response = self
            .id
            .as_deref()
            .map(|id| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{}}}"#, raw.get()));
        Ok(Given { response, action })
    }
}

/// Takes out the questions that the client answers. An entry that answers none is ignored, a missing
/// one leaves its question open, and one that is no answer spoils the retry but nothing else.
pub(super) fn take_answered(
    open: &mut Vec<Question>,
    responses: Option<&RawValue>,
) -> Result<Vec<Given>, RpcError> {
    let Some(raw) = responses else {
        return Ok(Vec::new());
    };
    let responses = Members::of(raw).map_err(|_| {
        let text = "params.inputResponses must be an object in which no member stands twice";
        RpcError::new(code::INVALID_PARAMS, text)
    })?;
    let mut given = Vec::new();
    for question in open.iter() {
        if let Some(raw) = responses.get(&question.key) {
            given.push(question.given(raw)?);
        }
    }
    open.retain(|question| responses.get(&question.key).is_none());
    Ok(given)
}

/// The `inputRequests` of these questions.
pub(super) fn requests(open: &[Question]) -> String {
    let entries: Vec<String> = open
        .iter()
        .map(|question| {
            let params = question
                .params
                .as_ref()
                .map_or_else(String::new, |params| format!(r#","params":{params}"#));
            format!(
                r#"{}:{{"method":{}{params}}}"#,
                quote(&question.key),
                quote(&question.method)
            )
        })
        .collect();
    format!("{{{}}}", entries.join(","))
}

/// The whole `input_required` answer. `requests` and `client_id` are JSON texts, `state` is text.
pub fn input_required(client_id: &str, requests: &str, state: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{client_id},"result":{{"resultType":"input_required","inputRequests":{requests},"requestState":{}}}}}"#,
        quote(state)
    )
}
