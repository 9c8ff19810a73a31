//! A whole answer out.

use super::usage::write_usage;
use super::write_message::{put_call, show_thoughts};
use crate::answer::{Answer, AnswerHead};
use crate::arguments;
use crate::format::Format;
use crate::hub::{ChatResponse, Content, Losses, Part, Stop};
use crate::json::{ArrayText, ObjectText, quoted};

/// Writes the body.
pub(crate) fn write_response(response: &ChatResponse, head: &AnswerHead) -> Answer {
    let mut losses = Losses::default();
    losses.drop_extras(&response.extras);
    let message = write_message(&response.parts, &mut losses);
    let mut choice = ObjectText::new();
    choice.number("index", 0).raw("message", &message);
    match &response.logprobs {
        Some(logprobs) => {
            let mut object = ObjectText::new();
            object.json("content", logprobs);
            choice.raw("logprobs", &object.finish());
        }
        None => {
            choice.raw("logprobs", "null");
        }
    }
    finish_reason(&response.stop, &mut choice);
    let mut choices = ArrayText::new();
    choices.push(&choice.finish());
    let mut body = ObjectText::new();
    body.string("id", &head.id)
        .string("object", "chat.completion")
        .raw("created", &head.created_secs.to_string())
        .string("model", &head.model)
        .raw("choices", &choices.finish());
    if let Some(usage) = &response.usage {
        body.raw("usage", &write_usage(usage));
    }
    Answer {
        body: body.finish(),
        dropped: losses.into_vec(),
    }
}

fn write_message(parts: &[Part], losses: &mut Losses) -> String {
    let (mut text, mut refusal) = (None::<String>, None::<String>);
    let (mut thoughts, mut calls) = (Vec::new(), ArrayText::new());
    for part in parts {
        match &part.content {
            Content::Text(words) => text.get_or_insert_default().push_str(words),
            Content::Refusal(words) => refusal.get_or_insert_default().push_str(words),
            Content::Thinking(thinking) => thoughts.push(thinking),
            Content::ToolCall(call) => {
                let mut object = ObjectText::new();
                put_call(&mut object, call, arguments::text_of(&call.arguments));
                calls.push(&object.finish());
            }
            Content::Opaque {
                format: Format::ChatCompletions,
                json,
            } => calls.push(json.as_str()),
            _ => losses.note(part.path.as_str(), "the caller's format has no such part"),
        }
        losses.drop_extras(&part.extras);
    }
    let nullable =
        |text: Option<String>| text.map_or_else(|| "null".to_owned(), |text| quoted(&text));
    let mut message = ObjectText::new();
    message
        .string("role", "assistant")
        .raw("content", &nullable(text))
        .raw("refusal", &nullable(refusal));
    show_thoughts(&thoughts, &mut message);
    if !calls.is_empty() {
        message.raw("tool_calls", &calls.finish());
    }
    message.finish()
}

/// The closed word that clients know, and the provider's own beside it, as OpenRouter does.
pub(super) fn finish_reason(stop: &Stop, choice: &mut ObjectText) {
    choice
        .string("finish_reason", stop.reason.as_chat_completions())
        .optional_string("native_finish_reason", stop.native.as_deref());
}
