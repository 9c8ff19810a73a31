//! A whole answer in.

use portcullis_core::{hex, sha256};
use serde_json::value::RawValue;

use super::usage::read_usage;
use crate::error::LlmError;
use crate::format::Format;
use crate::hub::{ChatResponse, Content, Part, Seal, Stop, StopReason, Thinking, ToolCall};
use crate::json::{Json, Members, Reader};
use crate::path::Path;
use crate::tool_names::ToolNames;

/// Reads the body.
pub(crate) fn read_response(text: &str, names: &ToolNames) -> Result<ChatResponse, LlmError> {
    let root = Path::Root;
    let mut body = Reader::of_text(text, &root)?;
    let response_id = body.string("responseId")?;
    let candidates = body.array("candidates")?.unwrap_or_default();
    let mut parts = Vec::new();
    let mut extras = Vec::new();
    let stop = match candidates.first() {
        Some(raw) => {
            let list = body.at("candidates");
            let path = list.index(0);
            let mut candidate = Reader::new(raw, &path)?;
            candidate.take("index");
            if let Some(raw) = candidate.take("content") {
                let path = candidate.at("content");
                let mut content = Reader::new(raw, &path)?;
                content.take("role");
                let list = content.at("parts");
                let mut calls = Calls::of(response_id.as_deref(), text);
                for (index, raw) in content
                    .array("parts")?
                    .unwrap_or_default()
                    .iter()
                    .enumerate()
                {
                    parts.push(read_part(raw, &list.index(index), names, &mut calls)?);
                }
            }
            let word = candidate.string("finishReason")?.unwrap_or_default();
            extras = candidate.rest();
            let calls_tools = parts
                .iter()
                .any(|part| matches!(part.content, Content::ToolCall(_)));
            Stop::native(StopReason::of_generate_content(&word, calls_tools), &word)
        }
        None => blocked(body.take("promptFeedback")).ok_or_else(|| {
            body.at("candidates")
                .invalid("an array with at least one candidate")
        })?,
    };
    let usage = body
        .take("usageMetadata")
        .and_then(|raw| Members::parse(raw.get()).ok())
        .map(|usage| read_usage(&usage));
    let model = body.string("modelVersion")?;
    extras.extend(body.rest());
    Ok(ChatResponse {
        id: response_id,
        model,
        parts,
        stop,
        usage,
        logprobs: None,
        extras,
    })
}

/// Where the prompt was withheld from the model, there is no candidate.
pub(super) fn blocked(feedback: Option<&RawValue>) -> Option<Stop> {
    let feedback = Members::parse(feedback?.get()).ok()?;
    let reason = feedback.string("blockReason")?;
    Some(Stop::native(StopReason::ContentFilter, &reason))
}

/// Ids for calls that the provider does not number: no two in a conversation are the same.
#[derive(Debug, Default)]
pub(super) struct Calls {
    scope: String,
    pub(super) count: usize,
}

impl Calls {
    /// Of an answer with this id; without one, of the answer that begins like this.
    pub(super) fn of(response_id: Option<&str>, text: &str) -> Self {
        let digest = hex(&sha256(response_id.unwrap_or(text).as_bytes()));
        Self {
            scope: digest.get(..12).unwrap_or_default().to_owned(),
            count: 0,
        }
    }

    fn next_id(&mut self) -> String {
        let id = format!("call_{}_{}", self.scope, self.count);
        self.count += 1;
        id
    }
}

/// Reads a part. Where the provider numbers its calls not, we do.
pub(super) fn read_part(
    raw: &RawValue,
    path: &Path<'_>,
    names: &ToolNames,
    calls: &mut Calls,
) -> Result<Part, LlmError> {
    let mut part = Reader::new(raw, path)?;
    let thought = part.boolean("thought")?.unwrap_or(false);
    let content = if let Some(text) = part.string("text")? {
        if thought {
            Content::Thinking(Thinking {
                maker: Format::GenerateContent,
                text,
                seal: part
                    .string("thoughtSignature")?
                    .map_or(Seal::None, Seal::Signature),
            })
        } else {
            Content::Text(text)
        }
    } else if let Some(raw) = part.take("functionCall") {
        let signature = part.string("thoughtSignature")?;
        let within = part.at("functionCall");
        let mut call = Reader::new(raw, &within)?;
        let id = call.string("id")?.filter(|id| !id.is_empty());
        let name = call.required_string("name")?;
        let ours = calls.next_id();
        Content::ToolCall(ToolCall {
            id: id.unwrap_or(ours),
            name: names.inward(&name).to_owned(),
            arguments: call
                .take("args")
                .map_or_else(|| "{}".to_owned(), |raw| raw.get().to_owned()),
            signature,
        })
    } else {
        return Ok(Part::at(
            Content::Opaque {
                format: Format::GenerateContent,
                json: Json::of(raw),
            },
            path,
        ));
    };
    Ok(Part {
        extras: part.rest(),
        ..Part::at(content, path)
    })
}
