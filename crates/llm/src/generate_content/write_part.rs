//! Parts out, to a provider of this format.

use std::collections::HashMap;

use crate::arguments::object_of;
use crate::error::LlmError;
use crate::format::Format;
use crate::hub::{ChatRequest, Content, Field, Losses, Part, Seal, Source, ToolCall, ToolResult};
use crate::json::{ArrayText, ObjectText, is_object};
use crate::tool_names::ToolNames;

/// What Gemini takes in place of a signature that a call does not have, because another model made
/// it (Google's documentation of thought signatures).
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// Writes parts of one request.
pub(super) struct PartWriter<'r> {
    /// The caller's format, in whose words losses are told.
    pub(super) caller: Format,
    pub(super) same_format: bool,
    pub(super) names: &'r mut ToolNames,
    pub(super) losses: &'r mut Losses,
    /// Which tool each call was of: results say it here.
    pub(super) called: HashMap<&'r str, &'r str>,
    /// Whether the provider takes ids of calls.
    pub(super) ids: bool,
    /// Whether the model wants signatures (Gemini 3).
    pub(super) signs: bool,
}

/// Which tool each call of the conversation was of.
pub(super) fn called(request: &ChatRequest) -> HashMap<&str, &str> {
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    parts
        .filter_map(|part| match &part.content {
            Content::ToolCall(call) => Some((call.id.as_str(), call.name.as_str())),
            _ => None,
        })
        .collect()
}

impl PartWriter<'_> {
    /// Writes the parts; of several calls in a row only the first needs a signature.
    pub(super) fn parts(&mut self, parts: &[&Part]) -> Result<ArrayText, LlmError> {
        let mut array = ArrayText::new();
        let mut first_call = true;
        for part in parts {
            if let Some(written) = self.part(part, &mut first_call)? {
                array.push(&written);
            }
        }
        Ok(array)
    }

    fn part(&mut self, part: &Part, first_call: &mut bool) -> Result<Option<String>, LlmError> {
        let mut object = ObjectText::new();
        match &part.content {
            Content::Text(text) | Content::Refusal(text) if text.is_empty() => return Ok(None),
            Content::Text(text) | Content::Refusal(text) => {
                object.string("text", text);
            }
            Content::Image(media) | Content::Audio(media) => {
                if media
                    .detail
                    .as_deref()
                    .is_some_and(|detail| detail != "auto")
                {
                    self.losses.note(
                        format!("{}.{}", part.path, Field::ImageDetail.path_in(self.caller)),
                        "the provider's format has no such member",
                    );
                }
                data(part, &media.source, &mut object)?;
            }
            Content::Document(document) => {
                if document.name.is_some() {
                    self.losses.note(
                        format!("{}.{}", part.path, Field::FileName.path_in(self.caller)),
                        "the provider's format has no such member",
                    );
                }
                data(part, &document.source, &mut object)?;
            }
            Content::Thinking(thinking) => {
                if let (Format::GenerateContent, Seal::Signature(signature)) =
                    (thinking.maker, &thinking.seal)
                {
                    object
                        .string("text", &thinking.text)
                        .boolean("thought", true)
                        .string("thoughtSignature", signature);
                } else {
                    // Summaries of its own thoughts mean nothing to the model without a signature.
                    if thinking.maker != Format::GenerateContent {
                        self.losses.note(
                            part.path.as_str(),
                            "thoughts go back only to a provider of the format that they came from",
                        );
                    }
                    return Ok(None);
                }
            }
            Content::ToolCall(call) => self.call(part, call, first_call, &mut object),
            Content::ToolResult(result) => self.result(part, result, &mut object)?,
            Content::Opaque {
                format: Format::GenerateContent,
                json,
            } => return Ok(Some(json.as_str().to_owned())),
            Content::Opaque { .. } => {
                return Err(refuse(part, "the provider's format has no such part"));
            }
        }
        if part.cache.is_some() {
            self.losses.note(
                format!("{}.cache_control", part.path),
                "the provider caches prompts by itself",
            );
        }
        self.losses
            .extras(self.same_format, &part.extras, &mut object);
        Ok(Some(object.finish()))
    }

    fn call(&mut self, part: &Part, call: &ToolCall, first: &mut bool, object: &mut ObjectText) {
        let arguments = object_of(&call.arguments);
        if matches!(arguments, std::borrow::Cow::Owned(_)) {
            self.losses.note(
                part.path.as_str(),
                "arguments that are no JSON object are sent as text, in a member of one",
            );
        }
        let mut inner = ObjectText::new();
        inner
            .optional_string("id", self.ids.then_some(call.id.as_str()))
            .string("name", &self.names.outward(&call.name))
            .raw("args", &arguments);
        object.raw("functionCall", &inner.finish());
        let signature = call.signature.as_deref();
        let stand_in = (self.signs && *first).then_some(NO_SIGNATURE);
        object.optional_string("thoughtSignature", signature.or(stand_in));
        *first = false;
    }

    /// An object is passed as it is; other text stands in one, under the word for what it is.
    fn result(
        &mut self,
        part: &Part,
        result: &ToolResult,
        object: &mut ObjectText,
    ) -> Result<(), LlmError> {
        let called = self.called.get(result.call_id.as_str()).copied();
        let Some(name) = result.name.as_deref().or(called) else {
            return Err(refuse(
                part,
                "it answers a call that is not in the conversation",
            ));
        };
        let (mut texts, mut media) = (Vec::new(), ArrayText::new());
        for piece in &result.parts {
            match &piece.content {
                Content::Text(text) => texts.push(text.as_str()),
                Content::Image(picture) | Content::Audio(picture) => {
                    let mut inline = ObjectText::new();
                    data(piece, &picture.source, &mut inline)?;
                    media.push(&inline.finish());
                }
                Content::Document(document) => {
                    let mut inline = ObjectText::new();
                    data(piece, &document.source, &mut inline)?;
                    media.push(&inline.finish());
                }
                _ => return Err(refuse(piece, "the provider's format has no such part here")),
            }
            self.losses.drop_extras(&piece.extras);
        }
        let text = texts.join("\n");
        let response = if is_object(&text) && !result.is_error {
            text
        } else {
            let mut object = ObjectText::new();
            object.string(if result.is_error { "error" } else { "output" }, &text);
            object.finish()
        };
        let mut inner = ObjectText::new();
        inner
            .optional_string("id", self.ids.then_some(result.call_id.as_str()))
            .string("name", &self.names.outward(name))
            .raw("response", &response);
        if !media.is_empty() {
            inner.raw("parts", &media.finish());
        }
        object.raw("functionResponse", &inner.finish());
        Ok(())
    }
}

fn data(part: &Part, source: &Source, object: &mut ObjectText) -> Result<(), LlmError> {
    match source {
        Source::Base64 { media_type, data } => {
            let mut inline = ObjectText::new();
            inline.string("mimeType", media_type).string("data", data);
            object.raw("inlineData", &inline.finish());
        }
        Source::Url(url) => {
            let mut file = ObjectText::new();
            file.optional_string("mimeType", media_type_of(url))
                .string("fileUri", url);
            object.raw("fileData", &file.finish());
        }
        Source::Text(text) => {
            object.string("text", text);
        }
        Source::FileId(_) => {
            return Err(refuse(
                part,
                "the file is another provider's; send its bytes in base64",
            ));
        }
    }
    Ok(())
}

/// The media type that an address's ending tells; without one the provider looks for itself.
fn media_type_of(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next()?;
    let (_, ending) = path.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "mp3" => "audio/mp3",
        "wav" => "audio/wav",
        "mp4" => "video/mp4",
        _ => return None,
    })
}

fn refuse(part: &Part, reason: &'static str) -> LlmError {
    LlmError::Unsupported {
        path: part.path.clone(),
        reason,
    }
}
