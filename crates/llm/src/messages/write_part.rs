//! Content blocks out, to providers and to callers.

use std::borrow::Cow;

use crate::arguments::object_of;
use crate::error::LlmError;
use crate::format::Format;
use crate::hub::{
    Content, Document, Field, Losses, Media, Part, Seal, Source, Thinking, ToolCall, ToolResult,
};
use crate::json::{ArrayText, ObjectText, quoted};
use crate::tool_names::ToolNames;

/// Writes blocks of one request.
pub(super) struct BlockWriter<'r> {
    /// The caller's format, in whose words losses are told.
    pub(super) caller: Format,
    pub(super) same_format: bool,
    pub(super) names: &'r mut ToolNames,
    pub(super) losses: &'r mut Losses,
}

impl BlockWriter<'_> {
    /// A block, or nothing where the format has no empty ones.
    pub(super) fn block(&mut self, part: &Part) -> Result<Option<String>, LlmError> {
        let mut object = match &part.content {
            // Blank text is refused; it says nothing.
            Content::Text(text) | Content::Refusal(text) if text.trim().is_empty() => {
                return Ok(None);
            }
            Content::Text(text) | Content::Refusal(text) => {
                let mut object = ObjectText::typed("text");
                object.string("text", text);
                object
            }
            Content::Image(image) => self.image(part, image)?,
            Content::Document(document) => document_block(document),
            Content::Audio(_) => return Err(refuse(part, "the provider takes no sound")),
            Content::Thinking(thinking) => match self.thinking(part, thinking) {
                Some(object) => object,
                None => return Ok(None),
            },
            Content::ToolCall(call) => self.call(part, call),
            Content::ToolResult(result) => self.result(result)?,
            Content::Opaque {
                format: Format::Messages,
                json,
            } => return Ok(Some(json.as_str().to_owned())),
            Content::Opaque { .. } => {
                return Err(refuse(part, "the provider's format has no such part"));
            }
        };
        object.optional("cache_control", part.cache.as_ref());
        self.losses
            .extras(self.same_format, &part.extras, &mut object);
        Ok(Some(object.finish()))
    }

    fn image(&mut self, part: &Part, image: &Media) -> Result<ObjectText, LlmError> {
        if image
            .detail
            .as_deref()
            .is_some_and(|detail| detail != "auto")
        {
            self.losses.note(
                format!("{}.{}", part.path, Field::ImageDetail.path_in(self.caller)),
                "the provider's format has no such member",
            );
        }
        if matches!(image.source, Source::Text(_)) {
            return Err(refuse(part, "a picture is not text"));
        }
        let mut object = ObjectText::typed("image");
        object.raw("source", &source(&image.source));
        Ok(object)
    }

    /// Thoughts go back to the format that made them and to no other, and not without their seal.
    fn thinking(&mut self, part: &Part, thinking: &Thinking) -> Option<ObjectText> {
        match &thinking.seal {
            Seal::Signature(signature) if thinking.maker == Format::Messages => {
                let mut object = ObjectText::typed("thinking");
                object
                    .string("thinking", &thinking.text)
                    .string("signature", signature);
                Some(object)
            }
            Seal::Redacted(data) if thinking.maker == Format::Messages => {
                let mut object = ObjectText::typed("redacted_thinking");
                object.string("data", data);
                Some(object)
            }
            _ => {
                self.losses.note(
                    part.path.as_str(),
                    "thoughts go back only to a provider of the format that they came from",
                );
                None
            }
        }
    }

    fn call(&mut self, part: &Part, call: &ToolCall) -> ObjectText {
        if call.signature.is_some() {
            self.losses.note(
                part.path.as_str(),
                "a thought's signature goes back only to a provider of the format that made it",
            );
        }
        let input = object_of(&call.arguments);
        if matches!(input, Cow::Owned(_)) {
            self.losses.note(
                part.path.as_str(),
                "arguments that are no JSON object are sent as text, in a member of one",
            );
        }
        let mut object = ObjectText::typed("tool_use");
        object
            .string("id", &plain_id(&call.id))
            .string("name", &self.names.outward(&call.name))
            .raw("input", &input);
        object
    }

    fn result(&mut self, result: &ToolResult) -> Result<ObjectText, LlmError> {
        let mut object = ObjectText::typed("tool_result");
        object.string("tool_use_id", &plain_id(&result.call_id));
        if let [part] = result.parts.as_slice()
            && let Content::Text(text) = &part.content
            && part.extras.is_empty()
            && part.cache.is_none()
        {
            object.raw("content", &quoted(text));
        } else {
            let mut content = ArrayText::new();
            for part in &result.parts {
                if let Some(block) = self.block(part)? {
                    content.push(&block);
                }
            }
            if !content.is_empty() {
                object.raw("content", &content.finish());
            }
        }
        if result.is_error {
            object.boolean("is_error", true);
        }
        Ok(object)
    }
}

/// Ids here are letters, digits, `_` and `-`; a call and its result are changed alike.
fn plain_id(id: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if id.chars().all(is_plain) {
        Cow::Borrowed(id)
    } else {
        Cow::Owned(
            id.chars()
                .map(|c| if is_plain(c) { c } else { '_' })
                .collect(),
        )
    }
}

fn document_block(document: &Document) -> ObjectText {
    let mut object = ObjectText::typed("document");
    object
        .raw("source", &source(&document.source))
        .optional_string("title", document.name.as_deref());
    object
}

fn source(source: &Source) -> String {
    let mut object;
    match source {
        Source::Base64 { media_type, data } => {
            object = ObjectText::typed("base64");
            object.string("media_type", media_type).string("data", data);
        }
        Source::Text(text) => {
            object = ObjectText::typed("text");
            object
                .string("media_type", "text/plain")
                .string("data", text);
        }
        Source::Url(url) => {
            object = ObjectText::typed("url");
            object.string("url", url);
        }
        Source::FileId(id) => {
            object = ObjectText::typed("file");
            object.string("file_id", id);
        }
    }
    object.finish()
}

pub(super) fn refuse(part: &Part, reason: &'static str) -> LlmError {
    LlmError::Unsupported {
        path: part.path.clone(),
        reason,
    }
}
