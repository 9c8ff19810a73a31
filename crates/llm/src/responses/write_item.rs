//! Items out, to providers.

use crate::arguments;
use crate::data_url;
use crate::error::LlmError;
use crate::format::Format;
use crate::hub::{
    ChatRequest, Content, Document, Losses, Media, Message, Part, Role, Seal, Source, Thinking,
    ToolCall, ToolResult,
};
use crate::json::{ArrayText, ObjectText, quoted};
use crate::reasoning_item;
use crate::tool_names::ToolNames;

/// Writes items of one request.
pub(super) struct ItemWriter<'r> {
    pub(super) same_format: bool,
    pub(super) names: &'r mut ToolNames,
    pub(super) losses: &'r mut Losses,
    pub(super) items: ArrayText,
}

impl ItemWriter<'_> {
    pub(super) fn messages(mut self, request: &ChatRequest) -> Result<String, LlmError> {
        for message in &request.messages {
            self.message(message)?;
        }
        Ok(self.items.finish())
    }

    /// What is neither a call, a result nor a thought stays together in messages, in order.
    fn message(&mut self, message: &Message) -> Result<(), LlmError> {
        if message.name.is_some() {
            self.losses.note(
                format!("{}.name", message.path),
                "the provider's format has no such member",
            );
        }
        let mut words = Vec::new();
        let mut extras = Some(message.extras.as_slice());
        for part in &message.parts {
            let item = match &part.content {
                Content::ToolCall(call) => Some(self.call(part, call)),
                Content::ToolResult(result) => Some(self.result(part, result)?),
                Content::Thinking(thinking) => match self.thinking(part, thinking) {
                    Some(item) => Some(item),
                    None => continue,
                },
                Content::Opaque {
                    format: Format::Responses,
                    json,
                } if !part.path.contains("content[") => Some(json.as_str().to_owned()),
                _ => None,
            };
            match item {
                Some(item) => {
                    self.words(message, &std::mem::take(&mut words), &mut extras)?;
                    self.items.push(&item);
                }
                None => words.push(part),
            }
        }
        self.words(message, &words, &mut extras)?;
        if let Some(extras) = extras {
            self.losses.drop_extras(extras);
        }
        Ok(())
    }

    fn words(
        &mut self,
        message: &Message,
        parts: &[&Part],
        extras: &mut Option<&[crate::hub::Extra]>,
    ) -> Result<(), LlmError> {
        if parts.is_empty() {
            return Ok(());
        }
        let role = match message.role {
            Role::System => "system",
            Role::Developer => "developer",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        let content = self.content(parts, message.role == Role::Assistant)?;
        let mut item = ObjectText::typed("message");
        item.string("role", role).raw("content", &content);
        if self.same_format {
            self.losses
                .extras(true, extras.take().unwrap_or_default(), &mut item);
        }
        self.items.push(&item.finish());
        Ok(())
    }

    fn content(&mut self, parts: &[&Part], of_assistant: bool) -> Result<String, LlmError> {
        let mut content = ArrayText::new();
        for part in parts {
            let written = self.part(part, of_assistant)?;
            content.push(&written);
        }
        Ok(content.finish())
    }

    fn part(&mut self, part: &Part, of_assistant: bool) -> Result<String, LlmError> {
        let mut object = match &part.content {
            Content::Text(text) => {
                let kind = if of_assistant {
                    "output_text"
                } else {
                    "input_text"
                };
                let mut object = ObjectText::typed(kind);
                object.string("text", text);
                object
            }
            Content::Refusal(text) => {
                let mut object = ObjectText::typed("refusal");
                object.string("refusal", text);
                object
            }
            Content::Image(image) => image_part(part, image)?,
            Content::Document(document) => file_part(document),
            Content::Opaque {
                format: Format::Responses,
                json,
            } => return Ok(json.as_str().to_owned()),
            _ => return Err(refuse(part, "the provider's format has no such part here")),
        };
        self.cache(part);
        self.losses
            .extras(self.same_format, &part.extras, &mut object);
        Ok(object.finish())
    }

    fn call(&mut self, part: &Part, call: &ToolCall) -> String {
        if call.signature.is_some() {
            self.losses.note(
                part.path.as_str(),
                "a thought's signature goes back only to a provider of the format that made it",
            );
        }
        let mut item = ObjectText::typed("function_call");
        item.string("call_id", &call.id)
            .string("name", &self.names.outward(&call.name))
            .string("arguments", arguments::text_of(&call.arguments));
        self.cache(part);
        self.losses
            .extras(self.same_format, &part.extras, &mut item);
        item.finish()
    }

    fn result(&mut self, part: &Part, result: &ToolResult) -> Result<String, LlmError> {
        let output = match result.parts.as_slice() {
            [] => quoted(""),
            [only] if matches!(only.content, Content::Text(_)) && only.extras.is_empty() => {
                match &only.content {
                    Content::Text(text) => quoted(text),
                    _ => quoted(""),
                }
            }
            parts => self.content(&parts.iter().collect::<Vec<_>>(), false)?,
        };
        if result.is_error {
            self.losses.note(
                format!("{}.is_error", part.path),
                "the provider's format cannot say that a tool failed; its text does",
            );
        }
        let mut item = ObjectText::typed("function_call_output");
        item.string("call_id", &result.call_id)
            .raw("output", &output);
        self.cache(part);
        self.losses
            .extras(self.same_format, &part.extras, &mut item);
        Ok(item.finish())
    }

    fn thinking(&mut self, part: &Part, thinking: &Thinking) -> Option<String> {
        match &thinking.seal {
            Seal::Item { id, encrypted } if thinking.maker == Format::Responses => Some(
                reasoning_item::write(id.as_deref(), encrypted.as_deref(), &thinking.text),
            ),
            _ => {
                self.losses.note(
                    part.path.as_str(),
                    "thoughts go back only to a provider of the format that they came from",
                );
                None
            }
        }
    }

    fn cache(&mut self, part: &Part) {
        if part.cache.is_some() {
            self.losses.note(
                format!("{}.cache_control", part.path),
                "the provider caches prompts by itself",
            );
        }
    }
}

fn image_part(part: &Part, image: &Media) -> Result<ObjectText, LlmError> {
    let mut object = ObjectText::typed("input_image");
    match &image.source {
        Source::Base64 { media_type, data } => {
            object.string("image_url", &data_url::write(media_type, data));
        }
        Source::Url(url) => {
            object.string("image_url", url);
        }
        Source::FileId(id) => {
            object.string("file_id", id);
        }
        Source::Text(_) => return Err(refuse(part, "a picture is not text")),
    }
    object.optional_string("detail", image.detail.as_deref());
    Ok(object)
}

fn file_part(document: &Document) -> ObjectText {
    let mut object = ObjectText::typed("input_file");
    match &document.source {
        Source::Base64 { media_type, data } => {
            object.string("file_data", &data_url::write(media_type, data));
        }
        Source::Url(url) => {
            object.string("file_url", url);
        }
        Source::FileId(id) => {
            object.string("file_id", id);
        }
        Source::Text(text) => {
            let mut object = ObjectText::typed("input_text");
            object.string("text", text);
            return object;
        }
    }
    object.optional_string("filename", document.name.as_deref());
    object
}

fn refuse(part: &Part, reason: &'static str) -> LlmError {
    LlmError::Unsupported {
        path: part.path.clone(),
        reason,
    }
}
