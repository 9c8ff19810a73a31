//! A whole answer out.

use super::usage::write_usage;
use crate::answer::{Answer, AnswerHead};
use crate::format::Format;
use crate::hub::{
    ChatResponse, Content, Losses, Seal, Stop, StopReason, Thinking, ToolCall, Usage,
};
use crate::json::{ArrayText, ObjectText};
use crate::{arguments, reasoning_item, seal, tool_call_id};

/// Writes the body.
pub(crate) fn write_response(response: &ChatResponse, head: &AnswerHead) -> Answer {
    let mut losses = Losses::default();
    losses.drop_extras(&response.extras);
    let mut items = Vec::new();
    let mut words = Vec::new();
    for part in &response.parts {
        losses.drop_extras(&part.extras);
        match &part.content {
            Content::Text(text) => words.push(text_part(text, response.logprobs.as_ref())),
            Content::Refusal(text) => words.push(refusal_part(text)),
            other => {
                flush(&mut words, &mut items, head);
                match item(other, items.len(), head) {
                    Some(item) => items.push(item),
                    None => losses.note(part.path.as_str(), "the caller's format has no such part"),
                }
            }
        }
    }
    flush(&mut words, &mut items, head);
    Answer {
        body: response_object(
            head,
            &items,
            &State::Stopped(&response.stop),
            response.usage.as_ref(),
        ),
        dropped: losses.into_vec(),
    }
}

fn flush(words: &mut Vec<String>, items: &mut Vec<String>, head: &AnswerHead) {
    if !words.is_empty() {
        let id = item_id("msg", head, items.len());
        items.push(message_item(&id, "completed", words));
        words.clear();
    }
}

fn item(content: &Content, index: usize, head: &AnswerHead) -> Option<String> {
    match content {
        Content::ToolCall(call) => Some(call_item(
            call,
            &item_id("fc", head, index),
            "completed",
            arguments::text_of(&call.arguments),
        )),
        Content::Thinking(thinking) => Some(thought_item(thinking, &item_id("rs", head, index))),
        Content::Opaque {
            format: Format::Responses,
            json,
        } => Some(json.as_str().to_owned()),
        _ => None,
    }
}

/// An id of an item: of the answer, and which.
pub(super) fn item_id(prefix: &str, head: &AnswerHead, index: usize) -> String {
    let bare = head.id.strip_prefix("resp_").unwrap_or(&head.id);
    format!("{prefix}_{bare}_{index}")
}

pub(super) fn text_part(text: &str, logprobs: Option<&crate::json::Json>) -> String {
    let mut part = ObjectText::typed("output_text");
    part.string("text", text).raw("annotations", "[]");
    if let Some(logprobs) = logprobs {
        part.json("logprobs", logprobs);
    }
    part.finish()
}

pub(super) fn refusal_part(text: &str) -> String {
    let mut part = ObjectText::typed("refusal");
    part.string("refusal", text);
    part.finish()
}

pub(super) fn message_item(id: &str, status: &str, parts: &[String]) -> String {
    let mut content = ArrayText::new();
    for part in parts {
        content.push(part);
    }
    let mut item = ObjectText::typed("message");
    item.string("id", id)
        .string("status", status)
        .string("role", "assistant")
        .raw("content", &content.finish());
    item.finish()
}

pub(super) fn call_item(call: &ToolCall, id: &str, status: &str, arguments: &str) -> String {
    let call_id = tool_call_id::with_signature(&call.id, call.signature.as_deref());
    let mut item = ObjectText::typed("function_call");
    item.string("id", id)
        .string("status", status)
        .string("call_id", &call_id)
        .string("name", &call.name)
        .string("arguments", arguments);
    item.finish()
}

/// A thought, with its proof in whatever form comes back; under our id where it has none.
pub(super) fn thought_item(thinking: &Thinking, ours: &str) -> String {
    let id = match &thinking.seal {
        Seal::Item { id: Some(id), .. } => id,
        _ => ours,
    };
    let encrypted = seal::encrypted_content_of(thinking);
    reasoning_item::write(Some(id), encrypted.as_deref(), &thinking.text)
}

/// How far a response is.
#[derive(Debug)]
pub(super) enum State<'a> {
    UnderWay,
    Stopped(&'a Stop),
    /// With the error's object.
    Failed(&'a str),
}

impl State<'_> {
    /// `incomplete_details.reason`.
    const fn unfinished(&self) -> Option<&'static str> {
        let Self::Stopped(stop) = self else {
            return None;
        };
        match stop.reason {
            StopReason::MaxTokens | StopReason::Paused => Some("max_output_tokens"),
            StopReason::ContentFilter => Some("content_filter"),
            StopReason::EndTurn
            | StopReason::StopSequence
            | StopReason::ToolCalls
            | StopReason::Malformed => None,
        }
    }
}

/// The response object.
pub(super) fn response_object(
    head: &AnswerHead,
    items: &[String],
    state: &State<'_>,
    usage: Option<&Usage>,
) -> String {
    let mut output = ArrayText::new();
    for item in items {
        output.push(item);
    }
    let unfinished = state.unfinished();
    let (status, error) = match state {
        State::UnderWay => ("in_progress", "null"),
        State::Failed(error) => ("failed", *error),
        State::Stopped(_) if unfinished.is_some() => ("incomplete", "null"),
        State::Stopped(_) => ("completed", "null"),
    };
    let mut body = ObjectText::new();
    body.string("id", &head.id)
        .string("object", "response")
        .raw("created_at", &head.created_secs.to_string())
        .string("status", status)
        .raw("error", error);
    match unfinished {
        Some(reason) => {
            let mut details = ObjectText::new();
            details.string("reason", reason);
            body.raw("incomplete_details", &details.finish());
        }
        None => {
            body.raw("incomplete_details", "null");
        }
    }
    body.string("model", &head.model)
        .raw("output", &output.finish())
        // What official clients require of every response.
        .raw("parallel_tool_calls", "true")
        .raw("tool_choice", "\"auto\"")
        .raw("tools", "[]")
        .boolean("store", false);
    match usage {
        Some(usage) => body.raw("usage", &write_usage(usage)),
        None => body.raw("usage", "null"),
    };
    body.finish()
}
