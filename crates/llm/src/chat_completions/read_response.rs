//! A whole answer in.

use serde_json::value::RawValue;

use super::read_message::read_assistant;
use super::usage::read_usage;
use crate::Format;
use crate::error::LlmError;
use crate::hub::{ChatResponse, Content, Extra, Extras, Part, Seal, Stop, StopReason, Thinking};
use crate::json::{Json, Members, Reader, string_of};
use crate::path::Path;
use crate::tool_names::ToolNames;

/// Reads the body.
pub(crate) fn read_response(text: &str, names: &ToolNames) -> Result<ChatResponse, LlmError> {
    let root = Path::Root;
    let mut body = Reader::of_text(text, &root)?;
    let choices = body.array("choices")?.unwrap_or_default();
    let Some((first, others)) = choices.split_first() else {
        return Err(body
            .at("choices")
            .invalid("an array with at least one choice"));
    };
    let list = body.at("choices");
    let choice = read_choice(first, &list.index(0), names)?;
    let usage = body
        .take("usage")
        .and_then(|raw| Members::parse(raw.get()).ok())
        .map(|usage| read_usage(&usage));
    body.take("object");
    body.take("created");
    let mut extras = choice.extras;
    for (index, raw) in others.iter().enumerate() {
        extras.push(Extra {
            path: body.at("choices").index(index + 1).to_string(),
            name: "choices".to_owned(),
            value: Json::of(raw),
        });
    }
    let (id, model) = (body.string("id")?, body.string("model")?);
    extras.extend(body.rest());
    Ok(ChatResponse {
        id,
        model,
        parts: choice.parts,
        stop: choice.stop,
        usage,
        logprobs: choice.logprobs,
        extras,
    })
}

struct Choice {
    parts: Vec<Part>,
    stop: Stop,
    logprobs: Option<Json>,
    extras: Extras,
}

fn read_choice(raw: &RawValue, path: &Path<'_>, names: &ToolNames) -> Result<Choice, LlmError> {
    let mut choice = Reader::new(raw, path)?;
    choice.take("index");
    let Some(message) = choice.take("message") else {
        return Err(choice.at("message").invalid("an object, which is required"));
    };
    let within = choice.at("message");
    let mut message = Reader::new(message, &within)?;
    message.take("role");
    let bare_words = if message.peek("reasoning_content").is_none() {
        // OpenRouter and Groq call it so.
        message.peek("reasoning").and_then(string_of)
    } else {
        None
    };
    let mut parts = read_assistant(&mut message)?;
    if let Some(text) = bare_words
        && !parts
            .iter()
            .any(|part| matches!(part.content, Content::Thinking(_)))
    {
        message.take("reasoning");
        let thinking = Thinking {
            maker: Format::ChatCompletions,
            text: text.into_owned(),
            seal: Seal::None,
        };
        parts.insert(
            0,
            Part::at(Content::Thinking(thinking), message.at("reasoning")),
        );
    }
    parts.retain(|part| !matches!(&part.content, Content::Text(text) if text.is_empty()));
    let mut calls_tools = false;
    for part in &mut parts {
        if let Content::ToolCall(call) = &mut part.content {
            calls_tools = true;
            call.name = names.inward(&call.name).to_owned();
        }
    }
    let mut extras = message.rest();
    let word = choice.string("finish_reason")?.unwrap_or_default();
    let native = choice.string("native_finish_reason")?;
    let mut reason = StopReason::of_chat_completions(&word);
    if calls_tools && reason == StopReason::EndTurn {
        reason = StopReason::ToolCalls;
    }
    let logprobs = choice
        .take("logprobs")
        .and_then(|raw| Members::parse(raw.get()).ok())
        .and_then(|members| members.get("content").map(Json::of));
    extras.extend(choice.rest());
    Ok(Choice {
        parts,
        stop: Stop::native(reason, native.as_deref().unwrap_or(&word)),
        logprobs,
        extras,
    })
}
