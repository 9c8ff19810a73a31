//! Messages out.

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
use crate::target::Quirks;
use crate::tool_call_id;
use crate::tool_names::ToolNames;

/// Writes messages of one request.
pub(super) struct MessageWriter<'r> {
    pub(super) same_format: bool,
    pub(super) quirks: &'r Quirks,
    pub(super) names: &'r mut ToolNames,
    pub(super) losses: &'r mut Losses,
}

impl MessageWriter<'_> {
    pub(super) fn messages(&mut self, request: &ChatRequest) -> Result<String, LlmError> {
        let mut messages = ArrayText::new();
        for message in &request.messages {
            self.message(message, &mut messages)?;
        }
        Ok(messages.finish())
    }

    fn message(&mut self, message: &Message, out: &mut ArrayText) -> Result<(), LlmError> {
        if message.role == Role::Assistant {
            return self.assistant(message, out);
        }
        let is_result = |part: &&Part| matches!(part.content, Content::ToolResult(_));
        let mut pictures = Vec::new();
        for part in message.parts.iter().filter(is_result) {
            if let Content::ToolResult(result) = &part.content {
                out.push(&self.tool_result(part, result, &message.extras, &mut pictures)?);
            }
        }
        let mut content: Vec<&Part> = message
            .parts
            .iter()
            .filter(|part| !is_result(part))
            .collect();
        let had_results = content.len() < message.parts.len();
        if had_results && !self.same_format {
            self.losses.drop_extras(&message.extras);
        }
        // Results come straight after the calls; pictures in them can only be a user's.
        pictures.append(&mut content);
        if pictures.is_empty() && had_results {
            return Ok(());
        }
        let role = match message.role {
            Role::Developer if self.quirks.developer_role => "developer",
            Role::System | Role::Developer => "system",
            Role::User | Role::Assistant => "user",
        };
        let mut object = ObjectText::new();
        object.string("role", role);
        let content = self.content(&pictures)?;
        object.raw("content", &content);
        object.optional_string("name", message.name.as_deref());
        if !had_results {
            self.losses
                .extras(self.same_format, &message.extras, &mut object);
        }
        out.push(&object.finish());
        Ok(())
    }

    fn assistant(&mut self, message: &Message, out: &mut ArrayText) -> Result<(), LlmError> {
        let mut object = ObjectText::new();
        object.string("role", "assistant");
        let (mut words, mut calls) = (Vec::new(), ArrayText::new());
        let (mut thoughts, mut refusals) = (Vec::new(), String::new());
        for part in &message.parts {
            match &part.content {
                Content::ToolCall(call) => {
                    let call = self.tool_call(part, call);
                    calls.push(&call);
                }
                Content::Thinking(thinking) => thoughts.push((part, thinking)),
                Content::Refusal(text) => refusals.push_str(text),
                Content::Opaque {
                    format: Format::ChatCompletions,
                    json,
                } if part.path.contains("tool_calls") => calls.push(json.as_str()),
                _ => words.push(part),
            }
        }
        if words.is_empty() {
            object.raw("content", "null");
        } else {
            let content = self.content(&words)?;
            object.raw("content", &content);
        }
        if !refusals.is_empty() {
            object.string("refusal", &refusals);
        }
        self.thoughts(&thoughts, &mut object);
        if !calls.is_empty() {
            object.raw("tool_calls", &calls.finish());
        }
        object.optional_string("name", message.name.as_deref());
        self.losses
            .extras(self.same_format, &message.extras, &mut object);
        out.push(&object.finish());
        Ok(())
    }

    /// A provider of this format gets back what one of this format thought, and nobody else's: seals
    /// are good with their maker alone.
    fn thoughts(&mut self, thoughts: &[(&Part, &Thinking)], object: &mut ObjectText) {
        let mut text = String::new();
        for (part, thinking) in thoughts {
            if thinking.maker == Format::ChatCompletions {
                text.push_str(&thinking.text);
            } else {
                self.losses.note(
                    part.path.as_str(),
                    "thoughts go back only to a provider of the format that they came from",
                );
            }
        }
        if !text.is_empty() {
            object.string("reasoning_content", &text);
        }
    }

    fn tool_call(&mut self, part: &Part, call: &ToolCall) -> String {
        let mut function = ObjectText::new();
        function
            .string("name", &self.names.outward(&call.name))
            .string("arguments", arguments::text_of(&call.arguments));
        let mut object = ObjectText::new();
        object
            .string("id", &call.id)
            .string("type", "function")
            .raw("function", &function.finish());
        match &call.signature {
            Some(signature) if self.quirks.google_signatures => {
                object.raw("extra_content", &extra_content(signature));
            }
            Some(_) => self.losses.note(
                part.path.as_str(),
                "a thought's signature goes back only to a provider of the format that made it",
            ),
            None => {}
        }
        self.cache(part);
        self.losses
            .extras(self.same_format, &part.extras, &mut object);
        object.finish()
    }

    fn tool_result<'m>(
        &mut self,
        part: &'m Part,
        result: &'m ToolResult,
        extras: &[crate::hub::Extra],
        pictures: &mut Vec<&'m Part>,
    ) -> Result<String, LlmError> {
        let mut texts: Vec<&Part> = Vec::new();
        for piece in &result.parts {
            match piece.content {
                Content::Text(_) => texts.push(piece),
                _ => pictures.push(piece),
            }
        }
        let content = match texts.as_slice() {
            [] => quoted(if result.parts.is_empty() {
                ""
            } else {
                "(in the next message)"
            }),
            _ => self.content(&texts)?,
        };
        let mut object = ObjectText::new();
        object
            .string("role", "tool")
            .string("tool_call_id", &result.call_id)
            .raw("content", &content);
        if result.is_error {
            self.losses.note(
                format!("{}.is_error", part.path),
                "the provider's format cannot say that a tool failed; its text does",
            );
        }
        self.cache(part);
        if self.same_format {
            self.losses.extras(true, extras, &mut object);
        }
        self.losses.drop_extras(&part.extras);
        Ok(object.finish())
    }

    /// A single text is written as a string, which every provider takes.
    fn content(&mut self, parts: &[&Part]) -> Result<String, LlmError> {
        if let [part] = parts
            && let Content::Text(text) = &part.content
            && part.extras.is_empty()
            && part.cache.is_none()
        {
            return Ok(quoted(text));
        }
        if self.quirks.text_content_only {
            return self.text_only(parts);
        }
        let mut array = ArrayText::new();
        for part in parts {
            let written = self.part(part)?;
            array.push(&written);
        }
        Ok(array.finish())
    }

    fn text_only(&mut self, parts: &[&Part]) -> Result<String, LlmError> {
        let mut texts = Vec::new();
        for part in parts {
            match &part.content {
                Content::Text(text) => texts.push(text.as_str()),
                _ => return Err(refuse(part, "this provider takes text only")),
            }
            self.cache(part);
            self.losses.drop_extras(&part.extras);
        }
        Ok(quoted(&texts.join("\n")))
    }

    fn part(&mut self, part: &Part) -> Result<String, LlmError> {
        let mut object = match &part.content {
            Content::Text(text) => {
                let mut object = ObjectText::typed("text");
                object.string("text", text);
                object
            }
            Content::Refusal(text) => {
                let mut object = ObjectText::typed("refusal");
                object.string("refusal", text);
                object
            }
            Content::Image(image) => image_part(part, image)?,
            Content::Audio(audio) => audio_part(part, audio)?,
            Content::Document(document) => file_part(part, document)?,
            Content::Opaque {
                format: Format::ChatCompletions,
                json,
            } => return Ok(json.as_str().to_owned()),
            _ => return Err(refuse(part, "the provider's format has no such part here")),
        };
        if self.same_format {
            object.optional("cache_control", part.cache.as_ref());
        } else {
            self.cache(part);
        }
        self.losses
            .extras(self.same_format, &part.extras, &mut object);
        Ok(object.finish())
    }

    fn cache(&mut self, part: &Part) {
        if part.cache.is_some() && !self.same_format {
            self.losses.note(
                format!("{}.cache_control", part.path),
                "the provider caches prompts by itself",
            );
        }
    }
}

pub(super) fn extra_content(signature: &str) -> String {
    let mut google = ObjectText::new();
    google.string("thought_signature", signature);
    let mut extra = ObjectText::new();
    extra.raw("google", &google.finish());
    extra.finish()
}

/// Thoughts as a client of this format is shown them, and gives them back.
pub(super) fn show_thoughts(thoughts: &[&Thinking], object: &mut ObjectText) {
    let mut text = String::new();
    let (mut blocks, mut items) = (ArrayText::new(), ArrayText::new());
    for thinking in thoughts {
        text.push_str(&thinking.text);
        if let Some(block) = thinking_block(thinking) {
            blocks.push(&block);
        } else if let Seal::Item { id, encrypted } = &thinking.seal {
            items.push(&reasoning_item::write(
                id.as_deref(),
                encrypted.as_deref(),
                &thinking.text,
            ));
        }
    }
    if !text.is_empty() {
        object.string("reasoning_content", &text);
    }
    if !blocks.is_empty() {
        object.raw("thinking_blocks", &blocks.finish());
    }
    if !items.is_empty() {
        object.raw("reasoning_items", &items.finish());
    }
}

/// Anthropic's block, as LiteLLM's clients know it.
pub(super) fn thinking_block(thinking: &Thinking) -> Option<String> {
    let mut block = match &thinking.seal {
        Seal::Redacted(data) => {
            let mut block = ObjectText::typed("redacted_thinking");
            block.string("data", data);
            return Some(block.finish());
        }
        Seal::Signature(_) | Seal::None if thinking.maker == Format::Messages => {
            let mut block = ObjectText::typed("thinking");
            block.string("thinking", &thinking.text);
            block
        }
        _ => return None,
    };
    if let Seal::Signature(signature) = &thinking.seal {
        block.string("signature", signature);
    }
    Some(block.finish())
}

fn image_part(part: &Part, image: &Media) -> Result<ObjectText, LlmError> {
    let url = match &image.source {
        Source::Base64 { media_type, data } => data_url::write(media_type, data),
        Source::Url(url) => url.clone(),
        Source::FileId(_) | Source::Text(_) => {
            return Err(refuse(part, "send the picture as a `data:` address"));
        }
    };
    let mut inner = ObjectText::new();
    inner
        .string("url", &url)
        .optional_string("detail", image.detail.as_deref());
    let mut object = ObjectText::typed("image_url");
    object.raw("image_url", &inner.finish());
    Ok(object)
}

fn audio_part(part: &Part, audio: &Media) -> Result<ObjectText, LlmError> {
    let Source::Base64 { media_type, data } = &audio.source else {
        return Err(refuse(part, "send the sound's bytes in base64"));
    };
    let format = media_type.strip_prefix("audio/").unwrap_or(media_type);
    let mut inner = ObjectText::new();
    inner.string("data", data).string("format", format);
    let mut object = ObjectText::typed("input_audio");
    object.raw("input_audio", &inner.finish());
    Ok(object)
}

fn file_part(part: &Part, document: &Document) -> Result<ObjectText, LlmError> {
    let mut inner = ObjectText::new();
    inner.optional_string("filename", document.name.as_deref());
    match &document.source {
        Source::Base64 { media_type, data } => {
            inner.string("file_data", &data_url::write(media_type, data));
        }
        Source::FileId(id) => {
            inner.string("file_id", id);
        }
        Source::Text(text) => {
            let mut object = ObjectText::typed("text");
            object.string("text", text);
            return Ok(object);
        }
        Source::Url(_) => return Err(refuse(part, "send the file's bytes in base64")),
    }
    let mut object = ObjectText::typed("file");
    object.raw("file", &inner.finish());
    Ok(object)
}

fn refuse(part: &Part, reason: &'static str) -> LlmError {
    LlmError::Unsupported {
        path: part.path.clone(),
        reason,
    }
}

/// A call of an answer; in a stream it begins without arguments.
pub(super) fn put_call(object: &mut ObjectText, call: &ToolCall, arguments: &str) {
    let mut function = ObjectText::new();
    function
        .string("name", &call.name)
        .string("arguments", arguments);
    object
        .string(
            "id",
            &tool_call_id::with_signature(&call.id, call.signature.as_deref()),
        )
        .string("type", "function")
        .raw("function", &function.finish());
    if let Some(signature) = &call.signature {
        object.raw("extra_content", &extra_content(signature));
    }
}
