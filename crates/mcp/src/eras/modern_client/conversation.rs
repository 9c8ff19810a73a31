//! One call of a stateless client in a session: what the server says, as the client is to hear it.

use serde_json::value::RawValue;

use super::answer;
use super::introduction::Introduction;
use super::level::LogLevel;
use super::question::{Given, Question, requests, take_answered};
use crate::capabilities::{ClientCapabilities, Need, PushPolicy, is_presentable};
use crate::error::{RpcError, code};
use crate::json::{Edits, Members};
use crate::message::{Envelope, Kind};
use crate::method::Method;

/// Most questions that wait at once, bytes of them together, and questions of one call in all.
const MOST_OPEN: usize = 16;
const MOST_BYTES: usize = 1024 * 1024;
const MOST_ASKED: u32 = 128;

/// What one request of the client says; its retry may say other things.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Its id, as JSON text.
    pub id: String,
    /// Its progress token, as JSON text.
    pub progress_token: Option<String>,
    /// The least serious log messages that it wants; without it there are none.
    pub level: Option<LogLevel>,
    /// What it can answer, whatever the operator says.
    pub declared: ClientCapabilities,
    /// What the operator lets this server ask for.
    pub push: PushPolicy,
}

/// What a message of the server comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing that the client should know.
    Nothing,
    /// A notification for the client.
    Tell(String),
    /// The client's answer, and the code if it is an error.
    Answer(String, Option<i64>),
    /// A question waits, or waits no longer: see [`Conversation::waits`].
    Asked,
    /// The server is told this at once.
    Respond(String),
    /// The server asked for what the client did not declare: it is told this, and the client is
    /// answered with an error that names what was missing (2026-07-28 `-32021`).
    Unable {
        /// For the server, if it waits for an answer.
        respond: Option<String>,
        /// For the client.
        error: RpcError,
    },
    /// The server asked for what may not be put to the client, and waits for nothing.
    Forbidden(String),
    /// It did nothing because the client's user has to open addresses first; these wait.
    OpenFirst,
    /// An answer that is none.
    Unreadable,
}

/// The call.
#[derive(Debug)]
pub struct Conversation {
    method: Method,
    /// What is asked for, as the server spells it.
    subject: String,
    server: Introduction,
    terms: Terms,
    open: Vec<Question>,
    asked: u32,
}

impl Conversation {
    /// A call that is about to be made.
    pub const fn new(method: Method, subject: String, server: Introduction, terms: Terms) -> Self {
        Self {
            method,
            subject,
            server,
            terms,
            open: Vec::new(),
            asked: 0,
        }
    }

    /// Whether a question waits for the client.
    pub const fn waits(&self) -> bool {
        !self.open.is_empty()
    }

    /// What the present request says.
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The `inputRequests` of what waits, as JSON text.
    pub fn requests(&self) -> String {
        requests(&self.open)
    }

    /// The retry speaks for the client from now on.
    pub fn goes_on(&mut self, terms: Terms) {
        self.terms = terms;
    }

    /// Takes the client's answers; what is left open is to be asked again. An error changes nothing.
    pub fn answered(&mut self, responses: Option<&RawValue>) -> Result<Vec<Given>, RpcError> {
        take_answered(&mut self.open, responses)
    }

    /// What the server is told about everything that waits when nobody will answer any more.
    pub fn given_up(&mut self) -> Vec<String> {
        let open = std::mem::take(&mut self.open);
        open.iter().filter_map(Question::refusal).collect()
    }

    /// Takes a message of the server that is about this call, ids and tokens of its first request put
    /// back.
    pub fn hears(&mut self, text: &str) -> Heard {
        let Ok(envelope) = Envelope::parse(text.as_bytes()) else {
            return Heard::Nothing;
        };
        match envelope.kind {
            Kind::Response { id, is_error } => self.answer(&envelope, id.raw(), is_error),
            Kind::Notification { method } => self.notification(&envelope, method),
            Kind::Request { id, method } => self.question(&envelope, id.as_json(), method),
        }
    }

    fn answer(&mut self, envelope: &Envelope<'_>, id: &RawValue, is_error: bool) -> Heard {
        if !is_error {
            let result = answer::result(self.method, envelope, id, &self.terms.id, &self.server);
            return result.map_or(Heard::Unreadable, |text| Heard::Answer(text, None));
        }
        if let Some(heard) = self.open_first(envelope) {
            return heard;
        }
        let error = answer::error(
            envelope,
            id,
            &self.terms.id,
            &self.subject,
            &self.terms.declared,
        );
        error.map_or(Heard::Unreadable, |(text, code)| {
            Heard::Answer(text, Some(code))
        })
    }

    /// `-32042` of 2025-11-25, where the method has such a question.
    fn open_first(&mut self, envelope: &Envelope<'_>) -> Option<Heard> {
        const METHOD: &str = "elicitation/create";
        let error = Members::of(envelope.error()?).ok()?;
        let wanted = code::URL_ELICITATION_REQUIRED.to_string();
        if !may_ask(self.method) || error.get("code")?.get() != wanted {
            return None;
        }
        let data = error.object("data").ok()??;
        let wanted: Vec<&RawValue> = serde_json::from_str(data.get("elicitations")?.get()).ok()?;
        if wanted.is_empty() || wanted.len() > MOST_OPEN {
            return None;
        }
        if !self.terms.push.admits(METHOD) || !wanted.iter().all(|one| is_address(one)) {
            return Some(Heard::Forbidden(METHOD.to_owned()));
        }
        if !self.terms.declared.opens_urls() {
            let error = missing(Need::Url);
            return Some(Heard::Unable {
                respond: None,
                error,
            });
        }
        self.open.clear();
        for one in wanted {
            let params = Question::cleaned(one)?;
            self.open(None, METHOD, Some(params));
        }
        Some(Heard::OpenFirst)
    }

    fn notification(&mut self, envelope: &Envelope<'_>, method: &str) -> Heard {
        match method {
            "notifications/progress" => {
                let token = envelope
                    .params()
                    .and_then(|params| params.get("progressToken"));
                let (Some(token), Some(theirs)) = (token, &self.terms.progress_token) else {
                    return Heard::Nothing;
                };
                let mut edits = Edits::of(envelope.text);
                edits.replace(token, theirs.as_str());
                Heard::Tell(edits.finish())
            }
            "notifications/message" => {
                let level = envelope
                    .params()
                    .and_then(|params| params.string("level"))
                    .and_then(|level| LogLevel::parse(&level));
                match (level, self.terms.level) {
                    (Some(level), Some(least)) if level >= least => {
                        Heard::Tell(envelope.text.to_owned())
                    }
                    _ => Heard::Nothing,
                }
            }
            "notifications/cancelled" => {
                let id = envelope.params().and_then(|params| params.get("requestId"));
                let Some(id) = id else {
                    return Heard::Nothing;
                };
                let before = self.open.len();
                self.open
                    .retain(|question| question.id.as_deref() != Some(id.get()));
                if self.open.len() < before {
                    Heard::Asked
                } else {
                    Heard::Nothing
                }
            }
            // Nothing else belongs to one request in 2026-07-28.
            _ => Heard::Nothing,
        }
    }

    fn question(&mut self, envelope: &Envelope<'_>, id: &str, method: &str) -> Heard {
        if method == "ping" {
            return Heard::Respond(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
        }
        let refuse = |code: i64, why: &str| RpcError::new(code, why).response(Some(id));
        let not_allowed = || {
            Heard::Respond(refuse(
                code::METHOD_NOT_FOUND,
                "Method not allowed by the gateway",
            ))
        };
        if !self.terms.push.admits(method)
            || !may_ask(self.method)
            || !is_presentable(method, envelope.raw_params())
        {
            return not_allowed();
        }
        let Some(need) = Need::of(method, envelope.raw_params()) else {
            let why = "params says in no way that is known what is asked for";
            return Heard::Respond(refuse(code::INVALID_PARAMS, why));
        };
        if !self.terms.declared.meets(need) {
            return Heard::Unable {
                respond: Some(refuse(code::METHOD_NOT_FOUND, need.undeclared())),
                error: missing(need),
            };
        }
        let params = match envelope.raw_params() {
            Some(raw) => Question::cleaned(raw),
            None => None,
        };
        if params.is_none() && method != "roots/list" {
            return Heard::Respond(refuse(code::INVALID_PARAMS, "params is missing"));
        }
        let repeated = self
            .open
            .iter()
            .any(|question| question.id.as_deref() == Some(id));
        let bytes: usize = self.open.iter().map(Question::bytes).sum();
        let more = params.as_ref().map_or(0, String::len);
        if repeated
            || self.open.len() >= MOST_OPEN
            || self.asked >= MOST_ASKED
            || bytes.saturating_add(more).saturating_add(id.len()) > MOST_BYTES
        {
            return Heard::Respond(refuse(
                code::INTERNAL_ERROR,
                "too many questions wait for an answer",
            ));
        }
        self.open(Some(id.to_owned()), method, params);
        Heard::Asked
    }

    fn open(&mut self, id: Option<String>, method: &str, params: Option<String>) {
        self.asked = self.asked.saturating_add(1);
        self.open.push(Question {
            key: format!("question-{}", self.asked),
            id,
            method: method.to_owned(),
            params,
        });
    }
}

/// The three requests that may be answered with a question (2026-07-28 schema).
const fn may_ask(method: Method) -> bool {
    matches!(
        method,
        Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead
    )
}

fn is_address(elicitation: &RawValue) -> bool {
    let mode = Members::of(elicitation)
        .ok()
        .and_then(|members| members.string("mode"));
    mode.is_some_and(|mode| mode == "url")
        && is_presentable("elicitation/create", Some(elicitation))
}

/// `-32021`, with what the client would have had to declare.
fn missing(need: Need) -> RpcError {
    RpcError::new(
        code::MISSING_CAPABILITY,
        "the server needs something that the client did not declare",
    )
    .with_data(&serde_json::json!({"requiredCapabilities": need.declaration()}))
}
