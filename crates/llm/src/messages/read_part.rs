//! Content blocks in, of requests and of answers.

use serde_json::value::RawValue;

use crate::error::LlmError;
use crate::format::Format;
use crate::hub::{Content, Document, Media, Part, Seal, Source, Thinking, ToolCall, ToolResult};
use crate::json::{Json, Reader, elements, string_of};
use crate::path::Path;
use crate::tool_call_id;

/// Where a block stands: in a result there are no calls and no further results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Request,
    Result,
    Answer,
}

/// A text or an array of blocks.
pub(super) fn read_content(
    raw: &RawValue,
    path: &Path<'_>,
    found: Found,
) -> Result<Vec<Part>, LlmError> {
    if let Some(text) = string_of(raw) {
        return Ok(vec![Part::at(Content::Text(text.into_owned()), path)]);
    }
    match elements(raw) {
        Some(blocks) => read_parts(&blocks, path, found),
        None => Err(path.invalid("a string or an array of blocks")),
    }
}

pub(super) fn read_parts(
    blocks: &[&RawValue],
    path: &Path<'_>,
    found: Found,
) -> Result<Vec<Part>, LlmError> {
    let read = |(index, raw): (usize, &&RawValue)| read_part(raw, &path.index(index), found);
    blocks.iter().enumerate().map(read).collect()
}

fn read_part(raw: &RawValue, path: &Path<'_>, found: Found) -> Result<Part, LlmError> {
    let mut block = Reader::new(raw, path)?;
    let kind = block.required_string("type")?;
    let content = match kind.as_str() {
        "text" => Content::Text(block.required_string("text")?),
        "image" => Content::Image(Media {
            source: read_source(&mut block)?,
            detail: None,
        }),
        "document" => Content::Document(Document {
            source: read_source(&mut block)?,
            name: block.string("title")?,
        }),
        "thinking" => Content::Thinking(Thinking {
            maker: Format::Messages,
            text: block.string("thinking")?.unwrap_or_default(),
            seal: block
                .string("signature")?
                .filter(|signature| !signature.is_empty())
                .map_or(Seal::None, Seal::Signature),
        }),
        "redacted_thinking" => Content::Thinking(Thinking {
            maker: Format::Messages,
            text: String::new(),
            seal: Seal::Redacted(block.required_string("data")?),
        }),
        "tool_use" if found != Found::Result => Content::ToolCall(read_call(&mut block)?),
        "tool_result" if found == Found::Request => Content::ToolResult(read_result(&mut block)?),
        _ => {
            return Ok(Part::at(
                Content::Opaque {
                    format: Format::Messages,
                    json: Json::of(raw),
                },
                path,
            ));
        }
    };
    Ok(Part {
        content: foreign_thought(content),
        cache: block.take_json("cache_control"),
        extras: block.rest(),
        path: path.to_string(),
    })
}

/// A thought of another format that a client of this one gives back.
fn foreign_thought(content: Content) -> Content {
    match content {
        Content::Thinking(thinking) => Content::Thinking(crate::seal::unwrap(thinking)),
        other => other,
    }
}

fn read_source(block: &mut Reader<'_, '_>) -> Result<Source, LlmError> {
    let Some(raw) = block.take("source") else {
        return Err(block.at("source").invalid("an object, which is required"));
    };
    let path = block.at("source");
    let mut source = Reader::new(raw, &path)?;
    match source.string("type")?.as_deref() {
        Some("base64") => Ok(Source::Base64 {
            media_type: source.required_string("media_type")?,
            data: source.required_string("data")?,
        }),
        Some("url") => Ok(Source::Url(source.required_string("url")?)),
        Some("file") => Ok(Source::FileId(source.required_string("file_id")?)),
        Some("text") => Ok(Source::Text(source.required_string("data")?)),
        _ => Err(path.invalid("of type `base64`, `url`, `file` or `text`")),
    }
}

fn read_call(block: &mut Reader<'_, '_>) -> Result<ToolCall, LlmError> {
    let (id, signature) = tool_call_id::split(block.required_string("id")?);
    Ok(ToolCall {
        id,
        name: block.required_string("name")?,
        arguments: block
            .take("input")
            .map_or_else(|| "{}".to_owned(), |input| input.get().to_owned()),
        signature,
    })
}

fn read_result(block: &mut Reader<'_, '_>) -> Result<ToolResult, LlmError> {
    let (call_id, _) = tool_call_id::split(block.required_string("tool_use_id")?);
    let parts = match block.take("content") {
        Some(raw) => read_content(raw, &block.at("content"), Found::Result)?,
        None => Vec::new(),
    };
    Ok(ToolResult {
        call_id,
        name: None,
        parts,
        is_error: block.boolean("is_error")?.unwrap_or(false),
    })
}
