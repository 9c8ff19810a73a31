//! What a stateless server asks before it answers, as requests to a client with a session.

use serde_json::value::RawValue;

use super::NotLegible;
use super::object::{Object, cleaned};
use crate::capabilities::{ClientCapabilities, Need, is_presentable};
use crate::json::{Members, quote, string_of};
use crate::message::Envelope;
use crate::revision::Revision;

/// Most questions of one round.
pub const MOST_QUESTIONS: usize = 32;

/// One `input_required` result.
#[derive(Debug)]
pub struct Asked {
    /// What the client is to answer, in the server's order; none: the server wants to be asked again.
    pub questions: Vec<Question>,
    /// `requestState` as JSON text: it goes back byte for byte, and not at all if it was not there.
    state: Option<Box<str>>,
}

/// One question.
#[derive(Debug)]
pub struct Question {
    key: Box<str>,
    what: What,
    params: Option<Box<str>>,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    Sampling { with_tools: bool },
    Roots,
    Form,
    Url(Box<str>),
}

/// Why a client cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unaskable {
    /// It did not say that it can answer this.
    #[error("The server asked for {0}, which this client did not say it can answer.")]
    Undeclared(&'static str),
    /// It cannot send its user to an address, which a person can still open.
    #[error("The server asks to open this address in a browser, and then to try again: {0}")]
    Url(Box<str>),
    /// What a person would be shown is no address that anybody should open.
    #[error("The server asked to open an address that is not https.")]
    NotPresentable,
}

/// What another attempt says of the questions of the last one.
#[derive(Clone, Debug, Default)]
pub struct Retry {
    responses: Option<String>,
    state: Option<Box<str>>,
}

impl Asked {
    pub(super) fn read(result: &Members<'_>) -> Result<Self, NotLegible> {
        let inputs = result
            .object("inputRequests")
            .map_err(|_| NotLegible("inputRequests is no object"))?;
        let state = match result.get("requestState") {
            None => None,
            Some(raw) if string_of(raw).is_some() => Some(raw.get().into()),
            Some(_) => return Err(NotLegible("requestState is no string")),
        };
        let mut questions = Vec::new();
        for (key, input) in inputs.iter().flat_map(Members::iter) {
            if questions.len() >= MOST_QUESTIONS {
                return Err(NotLegible("too many inputRequests"));
            }
            questions.push(Question::read(key, input)?);
        }
        if inputs.is_none() && state.is_none() {
            return Err(NotLegible("neither inputRequests nor requestState"));
        }
        Ok(Self { questions, state })
    }

    /// The next attempt, with the client's answers in the order of the questions.
    pub fn retry(self, answers: &[String]) -> Retry {
        let mut responses = Object::new();
        for (question, answer) in self.questions.iter().zip(answers) {
            responses.member(&question.key, answer);
        }
        Retry {
            responses: (!responses.is_empty()).then(|| responses.finish()),
            state: self.state,
        }
    }
}

impl Retry {
    pub(super) fn put(&self, params: &mut Object) {
        if let Some(responses) = &self.responses {
            params.member("inputResponses", responses);
        }
        if let Some(state) = &self.state {
            params.member("requestState", state);
        }
    }
}

impl Question {
    fn read(key: &str, input: &RawValue) -> Result<Self, NotLegible> {
        let input = Members::of(input).map_err(|_| NotLegible("an input request is no object"))?;
        let params = input
            .object("params")
            .map_err(|_| NotLegible("the params of an input request are no object"))?;
        let method = input.string("method").unwrap_or_default();
        if !matches!(
            &*method,
            "sampling/createMessage" | "roots/list" | "elicitation/create"
        ) {
            return Err(NotLegible("an input request of an unknown method"));
        }
        let what = match Need::of(&method, input.get("params")) {
            Some(Need::Sampling) => What::Sampling { with_tools: false },
            Some(Need::SamplingWithTools) => What::Sampling { with_tools: true },
            Some(Need::Roots) => What::Roots,
            Some(Need::Form) => What::Form,
            Some(Need::Url) => {
                let url = params.as_ref().and_then(|params| params.string("url"));
                What::Url(url.unwrap_or_default().into())
            }
            None => return Err(NotLegible("an input request of an unknown mode")),
        };
        Ok(Self {
            key: key.into(),
            what,
            params: input.get("params").map(|raw| raw.get().into()),
        })
    }

    /// The method by which the client is asked.
    pub const fn method(&self) -> &'static str {
        match self.what {
            What::Sampling { .. } => "sampling/createMessage",
            What::Roots => "roots/list",
            What::Form | What::Url(_) => "elicitation/create",
        }
    }

    /// Whether a client that declared this, in this form, can be asked.
    pub fn askable(
        &self,
        declared: &ClientCapabilities,
        revision: Revision,
    ) -> Result<(), Unaskable> {
        let params = self.params.as_deref();
        let params = params.and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
        if !is_presentable(self.method(), params) {
            return Err(Unaskable::NotPresentable);
        }
        let undeclared = match &self.what {
            What::Url(url) => {
                if revision >= Revision::V2025_11_25 && declared.opens_urls() {
                    None
                } else {
                    return Err(Unaskable::Url(url.clone()));
                }
            }
            What::Form => (!declared.shows_forms()).then_some("elicitation"),
            What::Sampling { with_tools: true } => {
                (!declared.samples_with_tools()).then_some("sampling with tools")
            }
            What::Sampling { .. } => (!declared.answers(self.method())).then_some("sampling"),
            What::Roots => (!declared.answers(self.method())).then_some("roots"),
        };
        undeclared.map_or(Ok(()), |what| Err(Unaskable::Undeclared(what)))
    }

    /// The request to the client, under this id of ours (JSON text); `elicitation` names an address
    /// that its user is sent to, which 2025-11-25 asks for.
    pub fn request(&self, id: &str, revision: Revision, elicitation: &str) -> String {
        let mut request = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"{}""#,
            self.method()
        );
        if let Some(params) = &self.params {
            request.push_str(r#","params":"#);
            request.push_str(&self.params_for(params, revision, elicitation));
        }
        request.push('}');
        request
    }

    fn params_for(&self, params: &str, revision: Revision, elicitation: &str) -> String {
        let Ok(members) = Members::parse(params) else {
            return params.to_owned();
        };
        match self.what {
            What::Url(_) => {
                let text = cleaned(&members, &["elicitationId"]);
                let id = quote(elicitation);
                let rest = text.get(1..).unwrap_or_default();
                format!(r#"{{"elicitationId":{id},{rest}"#)
            }
            // Before there were two modes, none had a name.
            What::Form if revision < Revision::V2025_11_25 => cleaned(&members, &["mode"]),
            _ => cleaned(&members, &[]),
        }
    }

    /// What the client's response says to the server, as JSON text; an error is the text for whoever
    /// made the call that cannot go on.
    pub fn answer(&self, response: &Envelope<'_>) -> Result<String, String> {
        if let Some(result) = response.result() {
            return match Members::of(result) {
                Ok(_) => Ok(result.get().to_owned()),
                Err(_) => Err(format!(
                    "The client answered the server's {} with something that is no object.",
                    self.method()
                )),
            };
        }
        match self.what {
            // Nobody decided: what a person who closes the question says too.
            What::Form | What::Url(_) => Ok(r#"{"action":"cancel"}"#.to_owned()),
            What::Sampling { .. } | What::Roots => Err(format!(
                "The client refused the server's {}.",
                self.method()
            )),
        }
    }
}
