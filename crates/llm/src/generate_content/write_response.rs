//! A whole answer out.

use crate::answer::{Answer, AnswerHead};
use crate::arguments::object_of;
use crate::format::Format;
use crate::hub::{ChatResponse, Content, Losses, Part, Seal, Stop, ToolCall, Usage};
use crate::json::{ArrayText, ObjectText};

/// Writes the body.
pub(crate) fn write_response(response: &ChatResponse, head: &AnswerHead) -> Answer {
    let mut losses = Losses::default();
    losses.drop_extras(&response.extras);
    if response.logprobs.is_some() {
        losses.note("logprobs", "the caller's format says them in another way");
    }
    let mut parts = ArrayText::new();
    for part in &response.parts {
        if let Some(written) = write_part(part, &mut losses) {
            parts.push(&written);
        }
    }
    Answer {
        body: response_object(
            head,
            Some(&parts.finish()),
            Some(&response.stop),
            response.usage.as_ref(),
        ),
        dropped: losses.into_vec(),
    }
}

/// One response; in a stream each is one, with the next parts.
pub(super) fn response_object(
    head: &AnswerHead,
    parts: Option<&str>,
    stop: Option<&Stop>,
    usage: Option<&Usage>,
) -> String {
    let mut content = ObjectText::new();
    content
        .string("role", "model")
        .raw("parts", parts.unwrap_or("[]"));
    let mut candidate = ObjectText::new();
    candidate.raw("content", &content.finish());
    if let Some(stop) = stop {
        candidate.string("finishReason", stop.reason.as_generate_content());
    }
    candidate.number("index", 0);
    let mut candidates = ArrayText::new();
    candidates.push(&candidate.finish());
    let mut body = ObjectText::new();
    body.raw("candidates", &candidates.finish());
    if let Some(usage) = usage {
        body.raw("usageMetadata", &write_usage(usage));
    }
    body.string("modelVersion", &head.model)
        .string("responseId", &head.id);
    body.finish()
}

fn write_usage(usage: &Usage) -> String {
    let mut object = ObjectText::new();
    object
        .number("promptTokenCount", usage.input)
        .number(
            "candidatesTokenCount",
            usage.output.saturating_sub(usage.reasoning),
        )
        .number("totalTokenCount", usage.total());
    if usage.cache_read > 0 {
        object.number("cachedContentTokenCount", usage.cache_read);
    }
    if usage.reasoning > 0 {
        object.number("thoughtsTokenCount", usage.reasoning);
    }
    object.finish()
}

/// A part as this format's clients know it.
pub(super) fn write_part(part: &Part, losses: &mut Losses) -> Option<String> {
    losses.drop_extras(&part.extras);
    match &part.content {
        Content::Text(text) | Content::Refusal(text) => {
            let mut object = ObjectText::new();
            object.string("text", text);
            Some(object.finish())
        }
        Content::Thinking(thinking) => {
            if thinking.maker != Format::GenerateContent && thinking.seal != Seal::None {
                losses.note(
                    part.path.as_str(),
                    "another format's seal has no place here",
                );
            }
            Some(thought(thinking.maker, &thinking.text, &thinking.seal))
        }
        Content::ToolCall(call) => Some(call_part(call)),
        Content::Opaque {
            format: Format::GenerateContent,
            json,
        } => Some(json.as_str().to_owned()),
        _ => {
            losses.note(part.path.as_str(), "the caller's format has no such part");
            None
        }
    }
}

/// A thought; another format's seal has no place here, so it comes back as nobody's.
pub(super) fn thought(maker: Format, text: &str, seal: &Seal) -> String {
    let mut object = ObjectText::new();
    object.string("text", text).boolean("thought", true);
    if let (Format::GenerateContent, Seal::Signature(signature)) = (maker, seal) {
        object.string("thoughtSignature", signature);
    }
    object.finish()
}

pub(super) fn call_part(call: &ToolCall) -> String {
    let mut inner = ObjectText::new();
    inner
        .string("id", &call.id)
        .string("name", &call.name)
        .raw("args", &object_of(&call.arguments));
    let mut object = ObjectText::new();
    object
        .raw("functionCall", &inner.finish())
        .optional_string("thoughtSignature", call.signature.as_deref());
    object.finish()
}
