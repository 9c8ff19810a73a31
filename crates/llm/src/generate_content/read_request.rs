//! A request in. The model stands in the address, and so does whether to stream.

use serde_json::value::RawValue;

use crate::data_url;
use crate::error::LlmError;
use crate::format::Format;
use crate::hub::{
    ChatRequest, Content, Effort, Extras, FunctionTool, Logprobs, Media, Message, OutputFormat,
    Part, Role, Source, Thinking, ThinkingMode, Tool, ToolCall, ToolChoice, ToolResult,
};
use crate::json::{Json, Reader};
use crate::path::Path;

/// Reads the body. The model is empty: the caller's address names it.
pub(crate) fn read_request(text: &str) -> Result<ChatRequest, LlmError> {
    let root = Path::Root;
    let mut body = Reader::of_text(text, &root)?;
    let mut request = ChatRequest::new(Format::GenerateContent, String::new());
    request.wants_usage = true;
    for name in ["systemInstruction", "system_instruction"] {
        if let Some(raw) = body.take(name) {
            let path = body.at(name);
            request
                .messages
                .push(read_content(raw, &path, Some(Role::System))?);
        }
    }
    let Some(contents) = body.array("contents")? else {
        return Err(body.at("contents").invalid("an array, which is required"));
    };
    let list = body.at("contents");
    for (index, raw) in contents.iter().enumerate() {
        request
            .messages
            .push(read_content(raw, &list.index(index), None)?);
    }
    if let Some(tools) = body.array("tools")? {
        let list = body.at("tools");
        for (index, raw) in tools.iter().enumerate() {
            read_tools(raw, &list.index(index), &mut request.tools)?;
        }
    }
    if let Some(raw) = body.take("toolConfig") {
        let path = body.at("toolConfig");
        let mut config = Reader::new(raw, &path)?;
        if let Some(raw) = config.take("functionCallingConfig") {
            let path = config.at("functionCallingConfig");
            request.tool_choice = Some(read_tool_choice(raw, &path)?);
        }
        request.extras.extend(config.rest());
    }
    if let Some(raw) = body.take("generationConfig") {
        let path = body.at("generationConfig");
        read_config(raw, &path, &mut request)?;
    }
    request.extras.extend(body.rest());
    Ok(request)
}

fn read_content(raw: &RawValue, path: &Path<'_>, role: Option<Role>) -> Result<Message, LlmError> {
    let mut content = Reader::new(raw, path)?;
    let said = content.string("role")?;
    let role = match (role, said.as_deref()) {
        (Some(role), _) => role,
        (None, Some("user" | "function") | None) => Role::User,
        (None, Some("model")) => Role::Assistant,
        (None, Some(_)) => return Err(content.at("role").invalid("`user` or `model`")),
    };
    let list = content.at("parts");
    let mut parts = Vec::new();
    for (index, raw) in content
        .array("parts")?
        .unwrap_or_default()
        .iter()
        .enumerate()
    {
        parts.push(read_part(raw, &list.index(index))?);
    }
    Ok(Message {
        role,
        name: None,
        parts,
        extras: content.rest(),
        path: path.to_string(),
    })
}

fn read_part(raw: &RawValue, path: &Path<'_>) -> Result<Part, LlmError> {
    let mut part = Reader::new(raw, path)?;
    let content = if let Some(raw) = part.take("functionCall") {
        let signature = part.string("thoughtSignature")?;
        let within = part.at("functionCall");
        let mut call = Reader::new(raw, &within)?;
        let name = call.required_string("name")?;
        Content::ToolCall(ToolCall {
            // Without ids a call and its result find each other by the tool's name.
            id: call.string("id")?.unwrap_or_else(|| name.clone()),
            name,
            arguments: call
                .take("args")
                .map_or_else(String::new, |raw| raw.get().to_owned()),
            signature,
        })
    } else if let Some(raw) = part.take("functionResponse") {
        let within = part.at("functionResponse");
        Content::ToolResult(read_result(raw, &within)?)
    } else if let Some(raw) = part.take("inlineData") {
        let within = part.at("inlineData");
        let mut data = Reader::new(raw, &within)?;
        media(Source::Base64 {
            media_type: data.required_string("mimeType")?,
            data: data.required_string("data")?,
        })
    } else if let Some(raw) = part.take("fileData") {
        let within = part.at("fileData");
        let mut file = Reader::new(raw, &within)?;
        let kind = file.string("mimeType")?.unwrap_or_default();
        let source = data_url::read(&file.required_string("fileUri")?);
        if kind.is_empty() || kind.starts_with("image/") {
            Content::Image(Media {
                source,
                detail: None,
            })
        } else {
            Content::Document(crate::hub::Document { source, name: None })
        }
    } else if part.peek("text").is_some() {
        let text = part.string("text")?.unwrap_or_default();
        if part.boolean("thought")? == Some(true) {
            Content::Thinking(Thinking {
                maker: Format::GenerateContent,
                text,
                seal: part
                    .string("thoughtSignature")?
                    .map_or(crate::hub::Seal::None, crate::hub::Seal::Signature),
            })
        } else {
            Content::Text(text)
        }
    } else {
        let content = Content::Opaque {
            format: Format::GenerateContent,
            json: Json::of(raw),
        };
        return Ok(Part::at(content, path));
    };
    Ok(Part {
        extras: part.rest(),
        ..Part::at(content, path)
    })
}

fn media(source: Source) -> Content {
    let kind = match &source {
        Source::Base64 { media_type, .. } => media_type.as_str(),
        _ => "",
    };
    if kind.starts_with("image/") {
        Content::Image(Media {
            source,
            detail: None,
        })
    } else if kind.starts_with("audio/") {
        Content::Audio(Media {
            source,
            detail: None,
        })
    } else {
        Content::Document(crate::hub::Document { source, name: None })
    }
}

fn read_result(raw: &RawValue, path: &Path<'_>) -> Result<ToolResult, LlmError> {
    let mut result = Reader::new(raw, path)?;
    let name = result.required_string("name")?;
    let response = result.take("response").map_or("{}", RawValue::get);
    let text = Part::at(Content::Text(response.to_owned()), result.at("response"));
    Ok(ToolResult {
        call_id: result.string("id")?.unwrap_or_else(|| name.clone()),
        name: Some(name),
        parts: vec![text],
        is_error: false,
    })
}

fn read_tools(raw: &RawValue, path: &Path<'_>, tools: &mut Vec<Tool>) -> Result<(), LlmError> {
    let mut tool = Reader::new(raw, path)?;
    let Some(functions) = tool.array("functionDeclarations")? else {
        tools.push(Tool::Opaque {
            format: Format::GenerateContent,
            json: Json::of(raw),
            path: path.to_string(),
        });
        return Ok(());
    };
    let list = tool.at("functionDeclarations");
    for (index, raw) in functions.iter().enumerate() {
        let path = list.index(index);
        let mut function = Reader::new(raw, &path)?;
        if function.peek("parameters").is_some() {
            return Err(function
                .at("parameters")
                .unsupported("other providers take JSON Schema; send `parametersJsonSchema`"));
        }
        tools.push(Tool::Function(FunctionTool {
            name: function.required_string("name")?,
            description: function.string("description")?,
            parameters: function.take_json("parametersJsonSchema"),
            strict: None,
            cache: None,
            extras: function.rest(),
            path: path.to_string(),
        }));
    }
    Ok(())
}

fn read_tool_choice(raw: &RawValue, path: &Path<'_>) -> Result<ToolChoice, LlmError> {
    let mut choice = Reader::new(raw, path)?;
    let names = choice.strings("allowedFunctionNames")?;
    match (choice.string("mode")?.as_deref(), names.as_slice()) {
        (Some("NONE"), _) => Ok(ToolChoice::None),
        (Some("ANY"), []) => Ok(ToolChoice::Required),
        (Some("ANY"), [name]) => Ok(ToolChoice::Function(name.clone())),
        (Some("ANY"), _) => Ok(ToolChoice::Allowed {
            required: true,
            names,
        }),
        (Some("AUTO" | "VALIDATED" | "MODE_UNSPECIFIED") | None, []) => Ok(ToolChoice::Auto),
        (Some("AUTO" | "VALIDATED" | "MODE_UNSPECIFIED") | None, _) => Ok(ToolChoice::Allowed {
            required: false,
            names,
        }),
        (Some(_), _) => Err(choice
            .at("mode")
            .invalid("`AUTO`, `ANY`, `VALIDATED` or `NONE`")),
    }
}

fn read_config(raw: &RawValue, path: &Path<'_>, request: &mut ChatRequest) -> Result<(), LlmError> {
    let mut config = Reader::new(raw, path)?;
    if config
        .whole_number("candidateCount")?
        .is_some_and(|count| count > 1)
    {
        return Err(config
            .at("candidateCount")
            .unsupported("this model gives one answer to a request"));
    }
    request.max_output_tokens = config.whole_number("maxOutputTokens")?;
    let sampling = &mut request.sampling;
    sampling.temperature = config.number("temperature")?;
    sampling.top_p = config.number("topP")?;
    sampling.top_k = config.number("topK")?;
    sampling.seed = config.number("seed")?;
    sampling.presence_penalty = config.number("presencePenalty")?;
    sampling.frequency_penalty = config.number("frequencyPenalty")?;
    request.stop = config.strings("stopSequences")?;
    let schema = config
        .take_json("responseJsonSchema")
        .or_else(|| config.take_json("_responseJsonSchema"));
    if config.peek("responseSchema").is_some() {
        return Err(config
            .at("responseSchema")
            .unsupported("other providers take JSON Schema; send `responseJsonSchema`"));
    }
    let kind = config.string("responseMimeType")?;
    request.output = match (schema, kind.as_deref()) {
        (Some(schema), _) => Some(OutputFormat::JsonSchema {
            name: None,
            description: None,
            schema,
            strict: None,
        }),
        (None, Some("application/json")) => Some(OutputFormat::JsonObject),
        (None, Some("text/plain") | None) => None,
        (None, Some(_)) => {
            return Err(config
                .at("responseMimeType")
                .invalid("`text/plain` or `application/json`"));
        }
    };
    let top = config.whole_number("logprobs")?;
    let wanted = config.boolean("responseLogprobs")?.unwrap_or(false);
    request.logprobs = wanted.then_some(Logprobs { top });
    if let Some(raw) = config.take("thinkingConfig") {
        let path = config.at("thinkingConfig");
        let extras = read_thinking(raw, &path, request)?;
        request.extras.extend(extras);
    }
    request.extras.extend(config.rest());
    Ok(())
}

fn read_thinking(
    raw: &RawValue,
    path: &Path<'_>,
    request: &mut ChatRequest,
) -> Result<Extras, LlmError> {
    let mut thinking = Reader::new(raw, path)?;
    let reasoning = &mut request.reasoning;
    if let Some(budget) = thinking.number("thinkingBudget")? {
        reasoning.thinking = Some(match budget.as_str() {
            "0" => ThinkingMode::Disabled,
            text => text
                .parse()
                .map_or(ThinkingMode::Adaptive, ThinkingMode::Budget),
        });
    }
    if let Some(level) = thinking.string("thinkingLevel")? {
        let level = level.to_ascii_lowercase();
        let Some(effort) = Effort::read(&level) else {
            return Err(thinking
                .at("thinkingLevel")
                .invalid("`minimal`, `low`, `medium` or `high`"));
        };
        reasoning.effort = Some(effort);
    }
    if thinking.boolean("includeThoughts")? == Some(true) {
        reasoning.summary = Some("auto".to_owned());
    }
    Ok(thinking.rest())
}
