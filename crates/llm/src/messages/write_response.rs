//! A whole answer out.

use super::usage::write_usage;
use crate::answer::{Answer, AnswerHead};
use crate::arguments::object_of;
use crate::format::Format;
use crate::hub::{ChatResponse, Content, Losses, Part, Seal, Stop, StopReason, Thinking, ToolCall};
use crate::json::{ArrayText, ObjectText};
use crate::{seal, tool_call_id};

/// Writes the body.
pub(crate) fn write_response(response: &ChatResponse, head: &AnswerHead) -> Answer {
    let mut losses = Losses::default();
    losses.drop_extras(&response.extras);
    if response.logprobs.is_some() {
        losses.note("logprobs", "the caller's format does not say probabilities");
    }
    let mut content = ArrayText::new();
    for part in &response.parts {
        if let Some(block) = write_block(part, &mut losses) {
            content.push(&block);
        }
    }
    let mut body = ObjectText::new();
    body.string("id", &head.id)
        .string("type", "message")
        .string("role", "assistant")
        .string("model", &head.model)
        .raw("content", &content.finish());
    put_stop(&response.stop, &mut body);
    body.raw("usage", &write_usage(&response.usage.unwrap_or_default()));
    Answer {
        body: body.finish(),
        dropped: losses.into_vec(),
    }
}

/// A block as this format's clients know it.
pub(super) fn write_block(part: &Part, losses: &mut Losses) -> Option<String> {
    losses.drop_extras(&part.extras);
    match &part.content {
        Content::Text(text) | Content::Refusal(text) => {
            let mut block = ObjectText::typed("text");
            block.string("text", text);
            Some(block.finish())
        }
        Content::Thinking(thinking) => Some(write_thinking(thinking)),
        Content::ToolCall(call) => {
            if matches!(object_of(&call.arguments), std::borrow::Cow::Owned(_)) {
                losses.note(
                    part.path.as_str(),
                    "arguments that are no JSON object are given as text, in a member of one",
                );
            }
            let mut block = call_block(call);
            block.raw("input", &object_of(&call.arguments));
            Some(block.finish())
        }
        Content::Opaque {
            format: Format::Messages,
            json,
        } => Some(json.as_str().to_owned()),
        _ => {
            losses.note(part.path.as_str(), "the caller's format has no such part");
            None
        }
    }
}

/// A thought, with a signature under which it comes back.
fn write_thinking(thinking: &Thinking) -> String {
    if let Seal::Redacted(data) = &thinking.seal {
        let mut block = ObjectText::typed("redacted_thinking");
        block.string("data", data);
        return block.finish();
    }
    let mut block = ObjectText::typed("thinking");
    block.string("thinking", &thinking.text).string(
        "signature",
        &seal::signature_of(thinking).unwrap_or_default(),
    );
    block.finish()
}

/// A call without its arguments.
pub(super) fn call_block(call: &ToolCall) -> ObjectText {
    let mut block = ObjectText::typed("tool_use");
    block
        .string(
            "id",
            &tool_call_id::with_signature(&call.id, call.signature.as_deref()),
        )
        .string("name", &call.name);
    block
}

/// `stop_reason` and `stop_sequence`. The text that ended the answer is known only where the
/// provider says it; without it, this format's word for it would be a lie.
pub(super) fn put_stop(stop: &Stop, object: &mut ObjectText) {
    let reason = match (stop.reason, &stop.sequence) {
        (StopReason::StopSequence, None) => StopReason::EndTurn,
        (reason, _) => reason,
    };
    object.string("stop_reason", reason.as_messages());
    match &stop.sequence {
        Some(sequence) => object.string("stop_sequence", sequence),
        None => object.raw("stop_sequence", "null"),
    };
}
