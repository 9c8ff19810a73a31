//! The doors of the formats: whole messages both ways.

use crate::answer::{Answer, AnswerHead};
use crate::error::LlmError;
use crate::format::Format;
use crate::hub::{ChatRequest, ChatResponse};
use crate::json::text_of;
use crate::target::{ProviderRequest, Target};
use crate::tool_names::ToolNames;
use crate::{chat_completions, generate_content, messages, responses};

/// Reads a caller's request.
pub fn decode_request(format: Format, body: &[u8]) -> Result<ChatRequest, LlmError> {
    let text = text_of(body).map_err(LlmError::Json)?;
    match format {
        Format::ChatCompletions => chat_completions::read_request(text),
        Format::Responses => responses::read_request(text),
        Format::Messages => messages::read_request(text),
        Format::GenerateContent => generate_content::read_request(text),
    }
}

/// Writes a request for a provider, with what its format cannot say beside it.
pub fn encode_request(request: &ChatRequest, target: &Target) -> Result<ProviderRequest, LlmError> {
    match target.format {
        Format::ChatCompletions => chat_completions::write_request(request, target),
        Format::Responses => responses::write_request(request, target),
        Format::Messages => messages::write_request(request, target),
        Format::GenerateContent => generate_content::write_request(request, target),
    }
}

/// Reads a provider's whole answer; `names` are those of the request that it answers.
pub fn decode_response(
    format: Format,
    body: &[u8],
    names: &ToolNames,
) -> Result<ChatResponse, LlmError> {
    let text = text_of(body).map_err(|error| LlmError::Json(error).in_answer())?;
    let read = match format {
        Format::ChatCompletions => chat_completions::read_response(text, names),
        Format::Responses => responses::read_response(text, names),
        Format::Messages => messages::read_response(text, names),
        Format::GenerateContent => generate_content::read_response(text, names),
    };
    read.map_err(LlmError::in_answer)
}

/// Writes a whole answer for a caller.
pub fn encode_response(format: Format, response: &ChatResponse, head: &AnswerHead) -> Answer {
    match format {
        Format::ChatCompletions => chat_completions::write_response(response, head),
        Format::Responses => responses::write_response(response, head),
        Format::Messages => messages::write_response(response, head),
        Format::GenerateContent => generate_content::write_response(response, head),
    }
}
