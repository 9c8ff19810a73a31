//! A request in, from `POST /v1/chat/completions`.

use serde_json::value::RawValue;

use super::read_message::read_messages;
use crate::anthropic_thinking::read_thinking;
use crate::error::LlmError;
use crate::format::Format;
use crate::hub::{
    ChatRequest, Effort, FunctionTool, Logprobs, OutputFormat, Reasoning, Sampling, Tool,
    ToolChoice,
};
use crate::json::{Json, Reader, string_of};
use crate::path::Path;

/// Reads the body.
pub(crate) fn read_request(text: &str) -> Result<ChatRequest, LlmError> {
    let root = Path::Root;
    let mut body = Reader::of_text(text, &root)?;
    let mut request = ChatRequest::new(Format::ChatCompletions, body.required_string("model")?);
    refuse_legacy(&body)?;
    one_choice(&mut body)?;

    let Some(messages) = body.array("messages")? else {
        return Err(body.at("messages").invalid("an array, which is required"));
    };
    request.messages = read_messages(&messages, &body.at("messages"))?;
    if let Some(tools) = body.array("tools")? {
        request.tools = read_tools(&tools, &body.at("tools"))?;
    }
    request.tool_choice = match body.take("tool_choice") {
        Some(raw) => Some(read_tool_choice(raw, &body.at("tool_choice"))?),
        None => None,
    };
    request.parallel_tool_calls = body.boolean("parallel_tool_calls")?;
    let newer = body.whole_number("max_completion_tokens")?;
    let older = body.whole_number("max_tokens")?;
    request.max_output_tokens = newer.or(older);
    request.sampling = Sampling {
        temperature: body.number("temperature")?,
        top_p: body.number("top_p")?,
        top_k: body.number("top_k")?,
        seed: body.number("seed")?,
        presence_penalty: body.number("presence_penalty")?,
        frequency_penalty: body.number("frequency_penalty")?,
    };
    request.stop = body.strings("stop")?;
    request.output = match body.take("response_format") {
        Some(raw) => read_output(raw, &body.at("response_format"))?,
        None => None,
    };
    request.reasoning = read_reasoning(&mut body)?;
    let top = body.whole_number("top_logprobs")?;
    let wanted = body.boolean("logprobs")?.unwrap_or(false);
    request.logprobs = wanted.then_some(Logprobs { top });
    request.user = body.string("user")?;
    request.stream = body.boolean("stream")?.unwrap_or(false);
    if let Some(raw) = body.take("stream_options") {
        let path = body.at("stream_options");
        let mut options = Reader::new(raw, &path)?;
        request.wants_usage = options.boolean("include_usage")?.unwrap_or(false);
        request.extras = options.rest();
    }
    request.extras.extend(body.rest());
    Ok(request)
}

fn refuse_legacy(body: &Reader<'_, '_>) -> Result<(), LlmError> {
    for (name, instead) in [
        ("functions", "use `tools`"),
        ("function_call", "use `tool_choice`"),
    ] {
        if body.peek(name).is_some() {
            return Err(body.at(name).unsupported(instead));
        }
    }
    Ok(())
}

/// Several answers at once cannot be had from other formats, and are never made up.
fn one_choice(body: &mut Reader<'_, '_>) -> Result<(), LlmError> {
    match body.whole_number("n")? {
        None | Some(1) => Ok(()),
        Some(_) => Err(body.at("n").unsupported(
            "this model gives one answer to a request; send `n: 1`, or several requests",
        )),
    }
}

fn read_tools(tools: &[&RawValue], path: &Path<'_>) -> Result<Vec<Tool>, LlmError> {
    let read = |(index, raw): (usize, &&RawValue)| read_tool(raw, &path.index(index));
    tools.iter().enumerate().map(read).collect()
}

fn read_tool(raw: &RawValue, path: &Path<'_>) -> Result<Tool, LlmError> {
    let mut tool = Reader::new(raw, path)?;
    if tool.string("type")?.as_deref() != Some("function") {
        return Ok(Tool::Opaque {
            format: Format::ChatCompletions,
            json: Json::of(raw),
            path: path.to_string(),
        });
    }
    let Some(raw) = tool.take("function") else {
        return Err(tool.at("function").invalid("an object, which is required"));
    };
    let cache = tool.take_json("cache_control");
    let within = tool.at("function");
    let mut function = Reader::new(raw, &within)?;
    let read = FunctionTool {
        name: function.required_string("name")?,
        description: function.string("description")?,
        parameters: function.take_json("parameters"),
        strict: function.boolean("strict")?,
        cache: function.take_json("cache_control").or(cache),
        extras: function.rest(),
        path: path.to_string(),
    };
    Ok(Tool::Function(read))
}

fn read_tool_choice(raw: &RawValue, path: &Path<'_>) -> Result<ToolChoice, LlmError> {
    const EXPECTED: &str =
        "`auto`, `none`, `required`, a function, or `allowed_tools` with functions";
    if let Some(word) = string_of(raw) {
        return match word.as_ref() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" => Ok(ToolChoice::Required),
            _ => Err(path.invalid(EXPECTED)),
        };
    }
    let mut choice = Reader::new(raw, path)?;
    match choice.string("type")?.as_deref() {
        Some("function") => match choice.take("function") {
            Some(raw) => {
                let within = choice.at("function");
                let name = Reader::new(raw, &within)?.required_string("name")?;
                Ok(ToolChoice::Function(name))
            }
            None => Err(choice
                .at("function")
                .invalid("an object, which is required")),
        },
        Some("allowed_tools") => match choice.take("allowed_tools") {
            Some(raw) => {
                let within = choice.at("allowed_tools");
                let mut allowed = Reader::new(raw, &within)?;
                let required = allowed.string("mode")?.as_deref() == Some("required");
                let tools = allowed.array("tools")?.unwrap_or_default();
                let names = allowed_names(&tools, &allowed.at("tools"))?;
                Ok(ToolChoice::Allowed { required, names })
            }
            None => Err(choice
                .at("allowed_tools")
                .invalid("an object, which is required")),
        },
        _ => Err(path.invalid(EXPECTED)),
    }
}

fn allowed_names(tools: &[&RawValue], path: &Path<'_>) -> Result<Vec<String>, LlmError> {
    let mut names = Vec::new();
    for (index, raw) in tools.iter().enumerate() {
        let path = path.index(index);
        let mut tool = Reader::new(raw, &path)?;
        match tool.take("function") {
            Some(raw) => {
                let within = tool.at("function");
                names.push(Reader::new(raw, &within)?.required_string("name")?);
            }
            None => return Err(tool.at("function").invalid("an object, which is required")),
        }
    }
    Ok(names)
}

fn read_output(raw: &RawValue, path: &Path<'_>) -> Result<Option<OutputFormat>, LlmError> {
    let mut format = Reader::new(raw, path)?;
    match format.string("type")?.as_deref() {
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some(OutputFormat::JsonObject)),
        Some("json_schema") => {
            let Some(raw) = format.take("json_schema") else {
                return Err(format
                    .at("json_schema")
                    .invalid("an object, which is required"));
            };
            let within = format.at("json_schema");
            let mut schema = Reader::new(raw, &within)?;
            Ok(Some(OutputFormat::JsonSchema {
                name: schema.string("name")?,
                description: schema.string("description")?,
                strict: schema.boolean("strict")?,
                schema: match schema.take_json("schema") {
                    Some(schema) => schema,
                    None => return Err(schema.at("schema").invalid("a JSON Schema")),
                },
            }))
        }
        _ => Err(path.invalid("of type `text`, `json_object` or `json_schema`")),
    }
}

/// OpenAI's word, and the object that LiteLLM's callers give for Anthropic's models.
fn read_reasoning(body: &mut Reader<'_, '_>) -> Result<Reasoning, LlmError> {
    let mut reasoning = Reasoning::default();
    if let Some(word) = body.string("reasoning_effort")? {
        reasoning.effort = match Effort::read(&word) {
            Some(effort) => Some(effort),
            None => {
                return Err(body
                    .at("reasoning_effort")
                    .invalid("`none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`"));
            }
        };
    }
    if let Some(raw) = body.take("thinking") {
        let path = body.at("thinking");
        reasoning.thinking = Some(read_thinking(raw, &path)?);
    }
    Ok(reasoning)
}
