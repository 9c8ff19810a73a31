//! A request in, from `POST /v1/messages`.

use serde_json::value::RawValue;

use super::read_part::{Found, read_content, read_parts};
use crate::anthropic_thinking::read_thinking;
use crate::error::LlmError;
use crate::format::Format;
use crate::hub::{
    ChatRequest, Effort, Extras, FunctionTool, Message, OutputFormat, Role, Sampling, Tool,
    ToolChoice,
};
use crate::json::{Json, Reader, string_of};
use crate::path::Path;

/// Reads the body.
pub(crate) fn read_request(text: &str) -> Result<ChatRequest, LlmError> {
    let root = Path::Root;
    let mut body = Reader::of_text(text, &root)?;
    let mut request = ChatRequest::new(Format::Messages, body.required_string("model")?);
    request.max_output_tokens = body.whole_number("max_tokens")?;
    if request.max_output_tokens.is_none() {
        return Err(body
            .at("max_tokens")
            .invalid("a whole number, which is required"));
    }
    if let Some(raw) = body.take("system") {
        let path = body.at("system");
        let parts = read_content(raw, &path, Found::Request)?;
        request.messages.push(Message {
            role: Role::System,
            name: None,
            parts,
            extras: Extras::new(),
            path: path.to_string(),
        });
    }
    let Some(messages) = body.array("messages")? else {
        return Err(body.at("messages").invalid("an array, which is required"));
    };
    let list = body.at("messages");
    for (index, raw) in messages.iter().enumerate() {
        request
            .messages
            .push(read_message(raw, &list.index(index))?);
    }
    if let Some(tools) = body.array("tools")? {
        let list = body.at("tools");
        for (index, raw) in tools.iter().enumerate() {
            request.tools.push(read_tool(raw, &list.index(index))?);
        }
    }
    if let Some(raw) = body.take("tool_choice") {
        let path = body.at("tool_choice");
        read_tool_choice(raw, &path, &mut request)?;
    }
    request.sampling = Sampling {
        temperature: body.number("temperature")?,
        top_p: body.number("top_p")?,
        top_k: body.number("top_k")?,
        ..Sampling::default()
    };
    request.stop = body.strings("stop_sequences")?;
    request.stream = body.boolean("stream")?.unwrap_or(false);
    request.wants_usage = true;
    if let Some(raw) = body.take("metadata") {
        let path = body.at("metadata");
        let mut metadata = Reader::new(raw, &path)?;
        request.user = metadata.string("user_id")?;
        request.extras = metadata.rest();
    }
    if let Some(raw) = body.take("thinking") {
        let path = body.at("thinking");
        request.reasoning.thinking = Some(read_thinking(raw, &path)?);
    }
    if let Some(raw) = body.take("output_config") {
        let path = body.at("output_config");
        read_output_config(raw, &path, &mut request)?;
    }
    if let Some(raw) = body.take("output_format") {
        let path = body.at("output_format");
        request.output = Some(read_output(raw, &path)?);
    }
    request.extras.extend(body.rest());
    Ok(request)
}

fn read_message(raw: &RawValue, path: &Path<'_>) -> Result<Message, LlmError> {
    let mut message = Reader::new(raw, path)?;
    let role = match message.required_string("role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => {
            return Err(message
                .at("role")
                .invalid("`user`, `assistant` or `system`"));
        }
    };
    let Some(raw) = message.take("content") else {
        return Err(message
            .at("content")
            .invalid("a string or an array of blocks"));
    };
    let parts = read_parts_or_text(raw, &message.at("content"))?;
    Ok(Message {
        role,
        name: None,
        parts,
        extras: message.rest(),
        path: path.to_string(),
    })
}

fn read_parts_or_text(raw: &RawValue, path: &Path<'_>) -> Result<Vec<crate::hub::Part>, LlmError> {
    if string_of(raw).is_some() {
        return read_content(raw, path, Found::Request);
    }
    let Some(blocks) = crate::json::elements(raw) else {
        return Err(path.invalid("a string or an array of blocks"));
    };
    read_parts(&blocks, path, Found::Request)
}

fn read_tool(raw: &RawValue, path: &Path<'_>) -> Result<Tool, LlmError> {
    let mut tool = Reader::new(raw, path)?;
    let kind = tool.string("type")?;
    if kind.as_deref().is_some_and(|kind| kind != "custom") {
        return Ok(Tool::Opaque {
            format: Format::Messages,
            json: Json::of(raw),
            path: path.to_string(),
        });
    }
    Ok(Tool::Function(FunctionTool {
        name: tool.required_string("name")?,
        description: tool.string("description")?,
        parameters: tool.take_json("input_schema"),
        strict: tool.boolean("strict")?,
        cache: tool.take_json("cache_control"),
        extras: tool.rest(),
        path: path.to_string(),
    }))
}

fn read_tool_choice(
    raw: &RawValue,
    path: &Path<'_>,
    request: &mut ChatRequest,
) -> Result<(), LlmError> {
    let mut choice = Reader::new(raw, path)?;
    request.tool_choice = Some(match choice.string("type")?.as_deref() {
        Some("auto") => ToolChoice::Auto,
        Some("any") => ToolChoice::Required,
        Some("none") => ToolChoice::None,
        Some("tool") => ToolChoice::Function(choice.required_string("name")?),
        _ => return Err(path.invalid("of type `auto`, `any`, `tool` or `none`")),
    });
    let disabled = choice.boolean("disable_parallel_tool_use")?;
    request.parallel_tool_calls = disabled.map(|disabled| !disabled);
    request.extras.extend(choice.rest());
    Ok(())
}

fn read_output_config(
    raw: &RawValue,
    path: &Path<'_>,
    request: &mut ChatRequest,
) -> Result<(), LlmError> {
    let mut config = Reader::new(raw, path)?;
    if let Some(word) = config.string("effort")? {
        let Some(effort) = Effort::read(&word) else {
            return Err(config
                .at("effort")
                .invalid("`low`, `medium`, `high`, `xhigh` or `max`"));
        };
        request.reasoning.effort = Some(effort);
    }
    if let Some(raw) = config.take("format") {
        let path = config.at("format");
        request.output = Some(read_output(raw, &path)?);
    }
    request.extras.extend(config.rest());
    Ok(())
}

fn read_output(raw: &RawValue, path: &Path<'_>) -> Result<OutputFormat, LlmError> {
    let mut format = Reader::new(raw, path)?;
    match (
        format.string("type")?.as_deref(),
        format.take_json("schema"),
    ) {
        (Some("json_schema"), Some(schema)) => Ok(OutputFormat::JsonSchema {
            name: None,
            description: None,
            schema,
            strict: None,
        }),
        _ => Err(path.invalid("of type `json_schema`, with a `schema`")),
    }
}
