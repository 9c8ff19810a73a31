//! A whole answer in.

use super::read_part::{Found, read_parts};
use super::usage::read_usage;
use crate::error::LlmError;
use crate::hub::{ChatResponse, Content, Stop, StopReason};
use crate::json::{Members, Reader};
use crate::path::Path;
use crate::tool_names::ToolNames;

/// Reads the body.
pub(crate) fn read_response(text: &str, names: &ToolNames) -> Result<ChatResponse, LlmError> {
    let root = Path::Root;
    let mut body = Reader::of_text(text, &root)?;
    body.take("type");
    body.take("role");
    let Some(blocks) = body.array("content")? else {
        return Err(body.at("content").invalid("an array, which is required"));
    };
    let mut parts = read_parts(&blocks, &body.at("content"), Found::Answer)?;
    for part in &mut parts {
        if let Content::ToolCall(call) = &mut part.content {
            call.name = names.inward(&call.name).to_owned();
        }
    }
    let word = body.string("stop_reason")?.unwrap_or_default();
    let stop = Stop {
        sequence: body.string("stop_sequence")?,
        ..Stop::native(StopReason::of_messages(&word), &word)
    };
    let usage = body
        .take("usage")
        .and_then(|raw| Members::parse(raw.get()).ok())
        .map(|usage| read_usage(&usage));
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
