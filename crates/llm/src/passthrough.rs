//! The lane of messages that a provider takes in the caller's own format: the bytes stay what they
//! are, but for the model's name, and for the usage that a stream is made to say.

mod relay;

pub use relay::{Relay, usage_of};

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::error::LlmError;
use crate::format::Format;
use crate::json::{Members, elements, quoted, string_of, text_of};
use crate::path::Path;
use crate::{seal, tool_call_id};

/// A request that was looked at from above: members stand once each, and those that the gateway
/// acts on are what they should be. Nothing below is read.
#[derive(Debug)]
pub struct Passthrough<'a> {
    format: Format,
    text: &'a str,
    model: Option<(Cow<'a, str>, &'a RawValue)>,
    stream: bool,
    stream_options: Option<&'a RawValue>,
    includes_usage: bool,
    max_output_tokens: Option<u64>,
    choices: u64,
    keeps: bool,
    messages: usize,
}

impl<'a> Passthrough<'a> {
    /// Looks at a body.
    pub fn parse(format: Format, body: &'a [u8]) -> Result<Self, LlmError> {
        let text = text_of(body).map_err(LlmError::Json)?;
        let members = Members::parse(text).map_err(LlmError::Json)?;
        let root = Path::Root;
        let model = match members.get("model") {
            Some(raw) => match string_of(raw) {
                Some(name) if !name.is_empty() => Some((name, raw)),
                _ => return Err(root.member("model").invalid("a string with a model's name")),
            },
            None if format == Format::GenerateContent => None,
            None => {
                return Err(root
                    .member("model")
                    .invalid("a string with a model's name, which is required"));
            }
        };
        let is = |name: &str, text: &str| members.get(name).is_some_and(|raw| raw.get() == text);
        let present = |name: &str| members.get(name).filter(|raw| raw.get() != "null");
        let stream = match present("stream").map(RawValue::get) {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(root.member("stream").invalid("true or false")),
        };
        let stream_options = present("stream_options");
        let includes_usage = match stream_options.map(|raw| Members::parse(raw.get())) {
            None => false,
            Some(Ok(options)) => options.is_true("include_usage"),
            Some(Err(_)) => {
                return Err(root
                    .member("stream_options")
                    .invalid("an object whose members stand once each"));
            }
        };
        let bound = ["max_completion_tokens", "max_output_tokens", "max_tokens"]
            .into_iter()
            .find_map(|name| Some((name, present(name)?)));
        let max_output_tokens = match bound {
            Some((name, raw)) => match raw.get().parse() {
                Ok(tokens) => Some(tokens),
                Err(_) => {
                    return Err(root.member(name).invalid("a whole number, not negative"));
                }
            },
            None => None,
        };
        let choices = match present("n") {
            None => 1,
            Some(raw) => match raw.get().parse() {
                Ok(choices) if choices > 0 => choices,
                _ => return Err(root.member("n").invalid("a whole number from 1 on")),
            },
        };
        let turns = ["messages", "input", "contents"]
            .into_iter()
            .find_map(present);
        let keeps = format == Format::Responses
            && (!is("store", "false")
                || ["previous_response_id", "conversation"]
                    .into_iter()
                    .any(|name| present(name).is_some()));
        Ok(Self {
            format,
            text,
            model,
            stream,
            stream_options,
            includes_usage,
            max_output_tokens,
            choices,
            keeps,
            messages: turns.and_then(elements).map_or(1, |all| all.len()),
        })
    }

    /// The model as the caller calls it; `None` where the format says it in the address.
    pub fn model(&self) -> Option<&str> {
        self.model.as_ref().map(|(name, _)| name.as_ref())
    }

    /// Whether the answer is to be streamed, in formats whose bodies say so.
    pub const fn stream(&self) -> bool {
        self.stream
    }

    /// The most tokens of an answer, if the caller bounds them.
    pub const fn max_output_tokens(&self) -> Option<u64> {
        self.max_output_tokens
    }

    /// How many answers are asked for at once; each costs.
    pub const fn choices(&self) -> u64 {
        self.choices
    }

    /// How many messages or items the conversation has.
    pub const fn messages(&self) -> usize {
        self.messages
    }

    /// Whether the provider is asked to keep the response, or to go on from one that it keeps
    /// (Responses). What one deployment keeps, another does not have.
    pub const fn keeps(&self) -> bool {
        self.keeps
    }

    /// Whether the conversation holds what this room put into answers of another format: signatures
    /// in ids of calls, proofs of thoughts. The provider would refuse them, and they are not its own,
    /// so such a request goes through the hub, which takes them out.
    pub fn holds_marks(&self) -> bool {
        let holds =
            |mark: &str| memchr::memmem::find(self.text.as_bytes(), mark.as_bytes()).is_some();
        let of_format: &[&str] = match self.format {
            Format::ChatCompletions => &["\"thinking_blocks\"", "\"reasoning_items\""],
            Format::Messages | Format::Responses => &[seal::MARK],
            Format::GenerateContent => return false,
        };
        holds(tool_call_id::MARK) || of_format.iter().copied().any(holds)
    }

    /// Whether the caller does not ask for the usage that [`Passthrough::body`] makes a stream say:
    /// it is taken out again on the way back.
    pub const fn hides_usage(&self) -> bool {
        matches!(self.format, Format::ChatCompletions) && self.stream && !self.includes_usage
    }

    /// The body for a provider that calls the model so. Every byte but those of the name is the
    /// caller's; with `meter`, a stream of Chat Completions is made to say its usage.
    pub fn body(&self, model: &str, meter: bool) -> Cow<'a, str> {
        let mut edits: Vec<(usize, usize, String)> = Vec::new();
        if let Some((name, raw)) = &self.model
            && name != model
            && let Some(at) = self.place(raw)
        {
            edits.push((at, at + raw.get().len(), quoted(model)));
        }
        if meter && self.hides_usage() {
            self.ask_for_usage(&mut edits);
        }
        if edits.is_empty() {
            return Cow::Borrowed(self.text);
        }
        edits.sort_by_key(|(start, _, _)| *start);
        let mut out = String::with_capacity(self.text.len() + 64);
        let mut copied = 0;
        for (start, end, new) in &edits {
            out.push_str(self.text.get(copied..*start).unwrap_or_default());
            out.push_str(new);
            copied = *end;
        }
        out.push_str(self.text.get(copied..).unwrap_or_default());
        Cow::Owned(out)
    }

    fn ask_for_usage(&self, edits: &mut Vec<(usize, usize, String)>) {
        const ASK: &str = r#""include_usage":true"#;
        let Some(options) = self.stream_options else {
            // `null`, if it stands there, is replaced; else the member is added in front.
            let null = Members::parse(self.text).ok();
            let null = null.and_then(|members| members.get("stream_options"));
            if let Some(at) = null.and_then(|raw| self.place(raw)) {
                edits.push((at, at + "null".len(), format!("{{{ASK}}}")));
            } else if let Some(open) = self.text.find('{') {
                let new = format!(r#""stream_options":{{{ASK}}},"#);
                edits.push((open + 1, open + 1, new));
            }
            return;
        };
        let Some(at) = self.place(options) else {
            return;
        };
        let Ok(members) = Members::parse(options.get()) else {
            return;
        };
        if let Some(said) = members.get("include_usage") {
            if let Some(at) = self.place(said) {
                edits.push((at, at + said.get().len(), "true".to_owned()));
            }
        } else {
            let comma = if members.iter().next().is_some() {
                ","
            } else {
                ""
            };
            edits.push((at + 1, at + 1, format!("{ASK}{comma}")));
        }
    }

    /// Where a value that was found in this text begins.
    fn place(&self, raw: &RawValue) -> Option<usize> {
        let start = (raw.get().as_ptr() as usize).checked_sub(self.text.as_ptr() as usize)?;
        (start + raw.get().len() <= self.text.len()).then_some(start)
    }
}
