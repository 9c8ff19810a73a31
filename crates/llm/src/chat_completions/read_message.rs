//! Messages in, and the parts that they have in common with answers.

use serde_json::value::RawValue;

use crate::data_url;
use crate::error::LlmError;
use crate::format::Format;
use crate::hub::{
    Content, Document, Media, Message, Part, Role, Seal, Source, Thinking, ToolCall, ToolResult,
};
use crate::json::{Json, Reader, string_of};
use crate::path::Path;
use crate::tool_call_id;

pub(super) fn read_messages(
    messages: &[&RawValue],
    path: &Path<'_>,
) -> Result<Vec<Message>, LlmError> {
    let read = |(index, raw): (usize, &&RawValue)| read_message(raw, &path.index(index));
    messages.iter().enumerate().map(read).collect()
}

fn read_message(raw: &RawValue, path: &Path<'_>) -> Result<Message, LlmError> {
    let mut message = Reader::new(raw, path)?;
    let role = message.required_string("role")?;
    let (role, parts) = match role.as_str() {
        "system" => (Role::System, read_content(&mut message)?),
        "developer" => (Role::Developer, read_content(&mut message)?),
        "user" => (Role::User, read_content(&mut message)?),
        "assistant" => (Role::Assistant, read_assistant(&mut message)?),
        "tool" => (Role::User, vec![read_tool_result(&mut message, path)?]),
        "function" => return Err(message.at("role").unsupported("use `tool`")),
        _ => {
            return Err(message
                .at("role")
                .invalid("`system`, `developer`, `user`, `assistant` or `tool`"));
        }
    };
    Ok(Message {
        role,
        name: message.string("name")?,
        parts,
        extras: message.rest(),
        path: path.to_string(),
    })
}

/// What an assistant says: thoughts first, then words, then calls, which is the order in which every
/// format wants them back.
pub(super) fn read_assistant(message: &mut Reader<'_, '_>) -> Result<Vec<Part>, LlmError> {
    let mut parts = read_thoughts(message)?;
    parts.extend(read_content(message)?);
    if let Some(refusal) = message.string("refusal")? {
        parts.push(Part::at(Content::Refusal(refusal), message.at("refusal")));
    }
    if message.peek("function_call").is_some() {
        return Err(message.at("function_call").unsupported("use `tool_calls`"));
    }
    let calls = message.array("tool_calls")?.unwrap_or_default();
    for (index, raw) in calls.iter().enumerate() {
        parts.push(read_tool_call(raw, &message.at("tool_calls").index(index))?);
    }
    Ok(parts)
}

/// `thinking_blocks` as LiteLLM has them, `reasoning_items` of Responses, or bare `reasoning_content`.
fn read_thoughts(message: &mut Reader<'_, '_>) -> Result<Vec<Part>, LlmError> {
    let blocks = message.array("thinking_blocks")?.unwrap_or_default();
    let items = message.array("reasoning_items")?.unwrap_or_default();
    let words = message.string("reasoning_content")?;
    let mut parts = Vec::new();
    for (index, raw) in blocks.iter().enumerate() {
        let list = message.at("thinking_blocks");
        let path = list.index(index);
        let mut block = Reader::new(raw, &path)?;
        let thinking = match block.string("type")?.as_deref() {
            Some("thinking") => Thinking {
                maker: Format::Messages,
                text: block.string("thinking")?.unwrap_or_default(),
                seal: block
                    .string("signature")?
                    .map_or(Seal::None, Seal::Signature),
            },
            Some("redacted_thinking") => Thinking {
                maker: Format::Messages,
                text: String::new(),
                seal: Seal::Redacted(block.required_string("data")?),
            },
            _ => return Err(path.invalid("of type `thinking` or `redacted_thinking`")),
        };
        parts.push(Part::at(Content::Thinking(thinking), path));
    }
    for (index, raw) in items.iter().enumerate() {
        let list = message.at("reasoning_items");
        let path = list.index(index);
        let thinking = crate::responses::read_reasoning(Reader::new(raw, &path)?)?;
        parts.push(Part::at(Content::Thinking(thinking), path));
    }
    if let (true, Some(text)) = (parts.is_empty(), words) {
        let thinking = Thinking {
            maker: Format::ChatCompletions,
            text,
            seal: Seal::None,
        };
        parts.push(Part::at(
            Content::Thinking(thinking),
            message.at("reasoning_content"),
        ));
    }
    Ok(parts)
}

/// `content`: a text or an array of parts.
pub(super) fn read_content(message: &mut Reader<'_, '_>) -> Result<Vec<Part>, LlmError> {
    let Some(raw) = message.take("content") else {
        return Ok(Vec::new());
    };
    let path = message.at("content");
    if let Some(text) = string_of(raw) {
        return Ok(vec![Part::at(Content::Text(text.into_owned()), path)]);
    }
    let Some(parts) = crate::json::elements(raw) else {
        return Err(path.invalid("a string or an array of parts"));
    };
    let read = |(index, raw): (usize, &&RawValue)| read_part(raw, &path.index(index));
    parts.iter().enumerate().map(read).collect()
}

fn read_part(raw: &RawValue, path: &Path<'_>) -> Result<Part, LlmError> {
    let mut part = Reader::new(raw, path)?;
    let kind = part.required_string("type")?;
    let content = match kind.as_str() {
        "text" => Content::Text(part.required_string("text")?),
        "refusal" => Content::Refusal(part.required_string("refusal")?),
        "image_url" => read_image(&mut part)?,
        "input_audio" => read_audio(&mut part)?,
        "file" => read_file(&mut part)?,
        _ => {
            return Ok(Part::at(
                Content::Opaque {
                    format: Format::ChatCompletions,
                    json: Json::of(raw),
                },
                path,
            ));
        }
    };
    Ok(Part {
        content,
        cache: part.take_json("cache_control"),
        extras: part.rest(),
        path: path.to_string(),
    })
}

fn read_image(part: &mut Reader<'_, '_>) -> Result<Content, LlmError> {
    let Some(raw) = part.take("image_url") else {
        return Err(part.at("image_url").invalid("an object, which is required"));
    };
    let path = part.at("image_url");
    // Some clients send the address alone.
    if let Some(url) = string_of(raw) {
        return Ok(Content::Image(Media {
            source: data_url::read(&url),
            detail: None,
        }));
    }
    let mut image = Reader::new(raw, &path)?;
    Ok(Content::Image(Media {
        source: data_url::read(&image.required_string("url")?),
        detail: image.string("detail")?,
    }))
}

fn read_audio(part: &mut Reader<'_, '_>) -> Result<Content, LlmError> {
    let Some(raw) = part.take("input_audio") else {
        return Err(part
            .at("input_audio")
            .invalid("an object, which is required"));
    };
    let path = part.at("input_audio");
    let mut audio = Reader::new(raw, &path)?;
    Ok(Content::Audio(Media {
        source: Source::Base64 {
            media_type: format!("audio/{}", audio.required_string("format")?),
            data: audio.required_string("data")?,
        },
        detail: None,
    }))
}

fn read_file(part: &mut Reader<'_, '_>) -> Result<Content, LlmError> {
    let Some(raw) = part.take("file") else {
        return Err(part.at("file").invalid("an object, which is required"));
    };
    let path = part.at("file");
    let mut file = Reader::new(raw, &path)?;
    let name = file.string("filename")?;
    let source = match (file.string("file_data")?, file.string("file_id")?) {
        (Some(data), _) => data_url::read_file(data),
        (None, Some(id)) => Source::FileId(id),
        (None, None) => return Err(path.invalid("with `file_data` or `file_id`")),
    };
    Ok(Content::Document(Document { source, name }))
}

fn read_tool_call(raw: &RawValue, path: &Path<'_>) -> Result<Part, LlmError> {
    let mut call = Reader::new(raw, path)?;
    let kind = call.string("type")?;
    if kind.as_deref().is_some_and(|kind| kind != "function") {
        return Ok(Part::at(
            Content::Opaque {
                format: Format::ChatCompletions,
                json: Json::of(raw),
            },
            path,
        ));
    }
    let (id, carried) = tool_call_id::split(call.required_string("id")?);
    let Some(raw) = call.take("function") else {
        return Err(call.at("function").invalid("an object, which is required"));
    };
    let within = call.at("function");
    let mut function = Reader::new(raw, &within)?;
    let name = function.required_string("name")?;
    let arguments = function.string("arguments")?.unwrap_or_default();
    let signature = google_signature(&mut call)?.or(carried);
    Ok(Part {
        content: Content::ToolCall(ToolCall {
            id,
            name,
            arguments,
            signature,
        }),
        cache: call.take_json("cache_control"),
        extras: Reader::rest(call),
        path: path.to_string(),
    })
}

/// `extra_content.google.thought_signature`, as Google's own imitation of this format has it.
fn google_signature(call: &mut Reader<'_, '_>) -> Result<Option<String>, LlmError> {
    let is_google = |raw: &RawValue| {
        crate::json::Members::parse(raw.get())
            .is_ok_and(|members| members.iter().all(|(name, _)| name == "google"))
    };
    let Some(raw) = call.peek("extra_content").filter(|raw| is_google(raw)) else {
        return Ok(None);
    };
    call.take("extra_content");
    let path = call.at("extra_content");
    let mut extra = Reader::new(raw, &path)?;
    let Some(raw) = extra.take("google") else {
        return Ok(None);
    };
    let path = extra.at("google");
    Reader::new(raw, &path)?.string("thought_signature")
}

fn read_tool_result(message: &mut Reader<'_, '_>, path: &Path<'_>) -> Result<Part, LlmError> {
    let (call_id, _) = tool_call_id::split(message.required_string("tool_call_id")?);
    let parts = read_content(message)?;
    let cache = message.take_json("cache_control");
    Ok(Part {
        cache,
        ..Part::at(
            Content::ToolResult(ToolResult {
                call_id,
                name: None,
                parts,
                is_error: false,
            }),
            path,
        )
    })
}
