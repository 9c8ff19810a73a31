//! Items in, of requests and of answers.

use serde_json::value::RawValue;

use crate::data_url;
use crate::error::LlmError;
use crate::format::Format;
use crate::hub::{
    Content, Document, Extras, Media, Message, Part, Role, Seal, Source, Thinking, ToolCall,
    ToolResult,
};
use crate::json::{Json, Reader, elements, string_of};
use crate::path::Path;
use crate::{seal, tool_call_id};

/// Reads items as messages. What the model thought, said and called in a row is one message of its.
pub(super) fn read_items(items: &[&RawValue], path: &Path<'_>) -> Result<Vec<Message>, LlmError> {
    let mut messages: Vec<Message> = Vec::new();
    for (index, raw) in items.iter().enumerate() {
        let message = read_item(raw, &path.index(index))?;
        match messages.last_mut() {
            Some(last) if last.role == Role::Assistant && message.role == Role::Assistant => {
                last.parts.extend(message.parts);
                last.extras.extend(message.extras);
            }
            _ => messages.push(message),
        }
    }
    Ok(messages)
}

fn read_item(raw: &RawValue, path: &Path<'_>) -> Result<Message, LlmError> {
    let mut item = Reader::new(raw, path)?;
    let kind = item.string("type")?;
    let of = |role: Role, parts: Vec<Part>, extras: Extras| Message {
        role,
        name: None,
        parts,
        extras,
        path: path.to_string(),
    };
    match kind.as_deref() {
        Some("message") | None => {
            let role = match item.required_string("role")?.as_str() {
                "system" => Role::System,
                "developer" => Role::Developer,
                "user" => Role::User,
                "assistant" => Role::Assistant,
                _ => {
                    return Err(item
                        .at("role")
                        .invalid("`system`, `developer`, `user` or `assistant`"));
                }
            };
            // Their own ids and states mean nothing to whoever reads the conversation.
            item.take("id");
            item.take("status");
            let parts = match item.take("content") {
                Some(raw) => read_content(raw, &item.at("content"))?,
                None => Vec::new(),
            };
            Ok(of(role, parts, item.rest()))
        }
        Some("function_call") => {
            let part = read_call(item, path)?;
            Ok(of(Role::Assistant, vec![part], Extras::new()))
        }
        Some("function_call_output") => {
            let part = read_result(item, path)?;
            Ok(of(Role::User, vec![part], Extras::new()))
        }
        Some("reasoning") => {
            let part = Part::at(Content::Thinking(read_reasoning(item)?), path);
            Ok(of(Role::Assistant, vec![part], Extras::new()))
        }
        Some("item_reference") => {
            Err(path.unsupported("this model keeps no items; send the item itself"))
        }
        Some(_) => {
            let content = Content::Opaque {
                format: Format::Responses,
                json: Json::of(raw),
            };
            Ok(of(
                Role::Assistant,
                vec![Part::at(content, path)],
                Extras::new(),
            ))
        }
    }
}

fn read_content(raw: &RawValue, path: &Path<'_>) -> Result<Vec<Part>, LlmError> {
    if let Some(text) = string_of(raw) {
        return Ok(vec![Part::at(Content::Text(text.into_owned()), path)]);
    }
    let Some(parts) = elements(raw) else {
        return Err(path.invalid("a string or an array of parts"));
    };
    let read = |(index, raw): (usize, &&RawValue)| read_part(raw, &path.index(index));
    parts.iter().enumerate().map(read).collect()
}

/// Reads a part of a message.
pub(super) fn read_part(raw: &RawValue, path: &Path<'_>) -> Result<Part, LlmError> {
    let mut part = Reader::new(raw, path)?;
    let content = match part.required_string("type")?.as_str() {
        "input_text" | "output_text" | "text" => Content::Text(part.required_string("text")?),
        "refusal" => Content::Refusal(part.required_string("refusal")?),
        "input_image" => Content::Image(Media {
            source: match (part.string("image_url")?, part.string("file_id")?) {
                (Some(url), _) => data_url::read(&url),
                (None, Some(id)) => Source::FileId(id),
                (None, None) => return Err(path.invalid("with `image_url` or `file_id`")),
            },
            detail: part.string("detail")?,
        }),
        "input_file" => {
            let name = part.string("filename")?;
            let (data, url) = (part.string("file_data")?, part.string("file_url")?);
            let source = match (data, url, part.string("file_id")?) {
                (Some(data), _, _) => data_url::read_file(data),
                (None, Some(url), _) => Source::Url(url),
                (None, None, Some(id)) => Source::FileId(id),
                (None, None, None) => {
                    return Err(path.invalid("with `file_data`, `file_url` or `file_id`"));
                }
            };
            Content::Document(Document { source, name })
        }
        _ => {
            let content = Content::Opaque {
                format: Format::Responses,
                json: Json::of(raw),
            };
            return Ok(Part::at(content, path));
        }
    };
    // What an answer's text always carries, mostly empty.
    for empty in ["annotations", "logprobs"] {
        if part.peek(empty).is_some_and(|raw| raw.get() == "[]") {
            part.take(empty);
        }
    }
    Ok(Part {
        content,
        cache: None,
        extras: part.rest(),
        path: path.to_string(),
    })
}

/// Reads a `function_call`.
pub(super) fn read_call(mut item: Reader<'_, '_>, path: &Path<'_>) -> Result<Part, LlmError> {
    let (id, signature) = tool_call_id::split(item.required_string("call_id")?);
    item.take("id");
    item.take("status");
    let call = ToolCall {
        id,
        name: item.required_string("name")?,
        arguments: item.string("arguments")?.unwrap_or_default(),
        signature,
    };
    Ok(Part {
        extras: item.rest(),
        ..Part::at(Content::ToolCall(call), path)
    })
}

fn read_result(mut item: Reader<'_, '_>, path: &Path<'_>) -> Result<Part, LlmError> {
    let (call_id, _) = tool_call_id::split(item.required_string("call_id")?);
    item.take("id");
    item.take("status");
    let parts = match item.take("output") {
        Some(raw) => read_content(raw, &item.at("output"))?,
        None => Vec::new(),
    };
    let result = ToolResult {
        call_id,
        name: None,
        parts,
        is_error: false,
    };
    Ok(Part {
        extras: item.rest(),
        ..Part::at(Content::ToolResult(result), path)
    })
}

/// Reads a `reasoning` item: its summaries, or the thoughts themselves where a model shows them.
pub(crate) fn read_reasoning(mut item: Reader<'_, '_>) -> Result<Thinking, LlmError> {
    let mut texts = Vec::new();
    for list in ["summary", "content"] {
        let pieces = item.array(list)?.unwrap_or_default();
        for (index, raw) in pieces.iter().enumerate() {
            let place = item.at(list);
            let path = place.index(index);
            texts.push(Reader::new(raw, &path)?.required_string("text")?);
        }
    }
    Ok(seal::unwrap(Thinking {
        maker: Format::Responses,
        text: texts.join("\n\n"),
        seal: Seal::Item {
            id: item.string("id")?,
            encrypted: item.string("encrypted_content")?,
        },
    }))
}
