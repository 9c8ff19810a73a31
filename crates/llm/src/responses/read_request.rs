//! A request in, from `POST /v1/responses`.

use serde_json::value::RawValue;

use super::read_item::read_items;
use crate::error::LlmError;
use crate::format::Format;
use crate::hub::{
    ChatRequest, Content, Effort, Extras, FunctionTool, Logprobs, Message, OutputFormat, Part,
    Role, Sampling, Tool, ToolChoice,
};
use crate::json::{Json, Reader, string_of};
use crate::path::Path;

/// What only whoever keeps responses can serve.
const STATEFUL: [&str; 3] = ["previous_response_id", "conversation", "prompt"];

/// Reads the body.
pub(crate) fn read_request(text: &str) -> Result<ChatRequest, LlmError> {
    let root = Path::Root;
    let mut body = Reader::of_text(text, &root)?;
    let mut request = ChatRequest::new(Format::Responses, body.required_string("model")?);
    for name in STATEFUL {
        if body.take(name).is_some() {
            return Err(body.at(name).unsupported(
                "nothing is kept for this model; send the whole conversation in `input`",
            ));
        }
    }
    if body.boolean("background")? == Some(true) {
        return Err(body
            .at("background")
            .unsupported("nothing is kept for this model"));
    }
    if let Some(text) = body.string("instructions")? {
        let path = body.at("instructions");
        request.messages.push(Message {
            role: Role::Developer,
            name: None,
            parts: vec![Part::at(Content::Text(text), path)],
            extras: Extras::new(),
            path: path.to_string(),
        });
    }
    let Some(input) = body.take("input") else {
        return Err(body.at("input").invalid("a string or an array of items"));
    };
    request
        .messages
        .extend(read_input(input, &body.at("input"))?);
    if let Some(tools) = body.array("tools")? {
        let list = body.at("tools");
        for (index, raw) in tools.iter().enumerate() {
            request.tools.push(read_tool(raw, &list.index(index))?);
        }
    }
    if let Some(raw) = body.take("tool_choice") {
        request.tool_choice = Some(read_tool_choice(raw, &body.at("tool_choice"))?);
    }
    request.parallel_tool_calls = body.boolean("parallel_tool_calls")?;
    request.max_output_tokens = body.whole_number("max_output_tokens")?;
    request.sampling = Sampling {
        temperature: body.number("temperature")?,
        top_p: body.number("top_p")?,
        ..Sampling::default()
    };
    let top = body.whole_number("top_logprobs")?;
    request.logprobs = top
        .filter(|top| *top > 0)
        .map(|top| Logprobs { top: Some(top) });
    if let Some(raw) = body.take("text") {
        let path = body.at("text");
        let mut text = Reader::new(raw, &path)?;
        if let Some(raw) = text.take("format") {
            request.output = read_output(raw, &text.at("format"))?;
        }
        request.extras.extend(text.rest());
    }
    if let Some(raw) = body.take("reasoning") {
        let path = body.at("reasoning");
        read_reasoning_settings(raw, &path, &mut request)?;
    }
    request.stream = body.boolean("stream")?.unwrap_or(false);
    request.wants_usage = true;
    request.user = body.string("user")?;
    // That nothing is kept is what `store: false` asks for, and `include` asks for what is always
    // given here.
    if body.peek("store").is_some_and(|raw| raw.get() == "false") {
        body.take("store");
    }
    let asks_for_seals = |raw: &RawValue| raw.get().contains("reasoning.encrypted_content");
    if body.peek("include").is_some_and(asks_for_seals) {
        body.take("include");
    }
    request.extras.extend(body.rest());
    Ok(request)
}

fn read_input(raw: &RawValue, path: &Path<'_>) -> Result<Vec<Message>, LlmError> {
    if let Some(text) = string_of(raw) {
        return Ok(vec![Message {
            role: Role::User,
            name: None,
            parts: vec![Part::at(Content::Text(text.into_owned()), path)],
            extras: Extras::new(),
            path: path.to_string(),
        }]);
    }
    match crate::json::elements(raw) {
        Some(items) => read_items(&items, path),
        None => Err(path.invalid("a string or an array of items")),
    }
}

fn read_tool(raw: &RawValue, path: &Path<'_>) -> Result<Tool, LlmError> {
    let mut tool = Reader::new(raw, path)?;
    if tool.string("type")?.as_deref() != Some("function") {
        return Ok(Tool::Opaque {
            format: Format::Responses,
            json: Json::of(raw),
            path: path.to_string(),
        });
    }
    Ok(Tool::Function(FunctionTool {
        name: tool.required_string("name")?,
        description: tool.string("description")?,
        parameters: tool.take_json("parameters"),
        strict: tool.boolean("strict")?,
        cache: None,
        extras: tool.rest(),
        path: path.to_string(),
    }))
}

fn read_tool_choice(raw: &RawValue, path: &Path<'_>) -> Result<ToolChoice, LlmError> {
    const EXPECTED: &str =
        "`auto`, `none`, `required`, a function, or `allowed_tools` with functions";
    match string_of(raw).as_deref() {
        Some("auto") => return Ok(ToolChoice::Auto),
        Some("none") => return Ok(ToolChoice::None),
        Some("required") => return Ok(ToolChoice::Required),
        Some(_) => return Err(path.invalid(EXPECTED)),
        None => {}
    }
    let mut choice = Reader::new(raw, path)?;
    match choice.string("type")?.as_deref() {
        Some("function") => Ok(ToolChoice::Function(choice.required_string("name")?)),
        Some("allowed_tools") => {
            let required = choice.string("mode")?.as_deref() == Some("required");
            let tools = choice.array("tools")?.unwrap_or_default();
            let list = choice.at("tools");
            let mut names = Vec::new();
            for (index, raw) in tools.iter().enumerate() {
                let path = list.index(index);
                names.push(Reader::new(raw, &path)?.required_string("name")?);
            }
            Ok(ToolChoice::Allowed { required, names })
        }
        _ => Err(path.invalid(EXPECTED)),
    }
}

fn read_output(raw: &RawValue, path: &Path<'_>) -> Result<Option<OutputFormat>, LlmError> {
    let mut format = Reader::new(raw, path)?;
    match format.string("type")?.as_deref() {
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some(OutputFormat::JsonObject)),
        Some("json_schema") => Ok(Some(OutputFormat::JsonSchema {
            name: format.string("name")?,
            description: format.string("description")?,
            strict: format.boolean("strict")?,
            schema: match format.take_json("schema") {
                Some(schema) => schema,
                None => return Err(format.at("schema").invalid("a JSON Schema")),
            },
        })),
        _ => Err(path.invalid("of type `text`, `json_object` or `json_schema`")),
    }
}

fn read_reasoning_settings(
    raw: &RawValue,
    path: &Path<'_>,
    request: &mut ChatRequest,
) -> Result<(), LlmError> {
    let mut settings = Reader::new(raw, path)?;
    if let Some(word) = settings.string("effort")? {
        let Some(effort) = Effort::read(&word) else {
            return Err(settings
                .at("effort")
                .invalid("`none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`"));
        };
        request.reasoning.effort = Some(effort);
    }
    request.reasoning.summary = settings.string("summary")?;
    request.extras.extend(settings.rest());
    Ok(())
}
