//! A whole answer in.

use serde_json::value::RawValue;

use super::read_item::{read_call, read_part, read_reasoning};
use super::usage::read_usage;
use crate::error::LlmError;
use crate::format::Format;
use crate::hub::{ChatResponse, Content, Part, Stop, StopReason};
use crate::json::{Json, Members, Reader};
use crate::path::Path;
use crate::tool_names::ToolNames;

/// Members that repeat the request or say what the hub says elsewhere.
const ECHO: &[&str] = &[
    "object",
    "created_at",
    "completed_at",
    "background",
    "error",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "output_text",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];

/// Reads the body.
pub(crate) fn read_response(text: &str, names: &ToolNames) -> Result<ChatResponse, LlmError> {
    let root = Path::Root;
    let mut body = Reader::of_text(text, &root)?;
    let Some(items) = body.array("output")? else {
        return Err(body.at("output").invalid("an array, which is required"));
    };
    let list = body.at("output");
    let mut parts = Vec::new();
    for (index, raw) in items.iter().enumerate() {
        read_output_item(raw, &list.index(index), names, &mut parts)?;
    }
    let stop = {
        let status = body.string("status")?.unwrap_or_default();
        let reason = body
            .take("incomplete_details")
            .and_then(|raw| Members::parse(raw.get()).ok())
            .and_then(|details| details.string("reason").map(std::borrow::Cow::into_owned));
        stop_of(&status, reason.as_deref(), calls_tools(&parts))
    };
    if body.peek("error").is_some() {
        return Err(body.at("error").invalid("null in an answer"));
    }
    let usage = body
        .take("usage")
        .and_then(|raw| Members::parse(raw.get()).ok())
        .map(|usage| read_usage(&usage));
    for name in ECHO {
        body.take(name);
    }
    Ok(ChatResponse {
        id: body.string("id")?,
        model: body.string("model")?,
        parts,
        stop,
        usage,
        logprobs: None,
        extras: body.rest(),
    })
}

fn read_output_item(
    raw: &RawValue,
    path: &Path<'_>,
    names: &ToolNames,
    parts: &mut Vec<Part>,
) -> Result<(), LlmError> {
    let mut item = Reader::new(raw, path)?;
    match item.string("type")?.as_deref() {
        Some("message") => {
            let pieces = item.array("content")?.unwrap_or_default();
            let list = item.at("content");
            for (index, raw) in pieces.iter().enumerate() {
                parts.push(read_part(raw, &list.index(index))?);
            }
        }
        Some("function_call") => {
            let mut part = read_call(item, path)?;
            if let Content::ToolCall(call) = &mut part.content {
                call.name = names.inward(&call.name).to_owned();
            }
            parts.push(part);
        }
        Some("reasoning") => parts.push(Part::at(Content::Thinking(read_reasoning(item)?), path)),
        _ => parts.push(Part::at(
            Content::Opaque {
                format: Format::Responses,
                json: Json::of(raw),
            },
            path,
        )),
    }
    Ok(())
}

fn calls_tools(parts: &[Part]) -> bool {
    parts
        .iter()
        .any(|part| matches!(part.content, Content::ToolCall(_)))
}

/// Why a response ended: its `status`, and `incomplete_details.reason`.
pub(super) fn stop_of(status: &str, reason: Option<&str>, calls_tools: bool) -> Stop {
    let (ours, native) = match (status, reason) {
        ("incomplete", Some("content_filter")) => (StopReason::ContentFilter, "content_filter"),
        ("incomplete", reason) => (StopReason::MaxTokens, reason.unwrap_or("incomplete")),
        _ if calls_tools => (StopReason::ToolCalls, status),
        _ => (StopReason::EndTurn, status),
    };
    Stop::native(ours, native)
}
