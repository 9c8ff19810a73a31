//! A request out. The model and whether to stream stand in the address, not in the body.

use super::write_part::{PartWriter, called};
use crate::error::LlmError;
use crate::format::Format;
use crate::hub::{
    ChatRequest, Effort, Field, Losses, Message, OutputFormat, Part, Role, ThinkingMode, Tool,
    ToolChoice,
};
use crate::json::{ArrayText, Json, ObjectText};
use crate::target::{ProviderRequest, Target};
use crate::tool_names::ToolNames;

/// Writes the body.
pub(crate) fn write_request(
    request: &ChatRequest,
    target: &Target,
) -> Result<ProviderRequest, LlmError> {
    let same_format = request.format == Format::GenerateContent;
    let (mut names, mut losses) = (ToolNames::default(), Losses::default());
    let mut body = ObjectText::new();
    conversation(request, target, &mut names, &mut losses, &mut body)?;
    let mut writer = Parameters {
        request,
        target,
        names: &mut names,
        losses: &mut losses,
        config: ObjectText::new(),
    };
    writer.tools(&mut body)?;
    writer.numbers();
    writer.form();
    writer.thinking();
    if same_format {
        for extra in &request.extras {
            match extra.path.split_once('.') {
                None => {
                    body.json(&extra.name, &extra.value);
                }
                Some(("generationConfig", name)) if name == extra.name => {
                    writer.config.json(&extra.name, &extra.value);
                }
                Some(_) => writer.losses.drop_extras(std::slice::from_ref(extra)),
            }
        }
    } else {
        writer.losses.drop_extras(&request.extras);
    }
    let config = writer.config;
    if !config.is_empty() {
        body.raw("generationConfig", &config.finish());
    }
    Ok(ProviderRequest {
        body: body.finish(),
        dropped: losses.into_vec(),
        names,
    })
}

/// `systemInstruction`, then `contents`, in which roles alternate.
fn conversation(
    request: &ChatRequest,
    target: &Target,
    names: &mut ToolNames,
    losses: &mut Losses,
    body: &mut ObjectText,
) -> Result<(), LlmError> {
    for message in &request.messages {
        if message.name.is_some() {
            losses.note(
                format!("{}.name", message.path),
                "the provider's format has no such member",
            );
        }
        losses.drop_extras(&message.extras);
    }
    let mut writer = PartWriter {
        caller: request.format,
        same_format: request.format == Format::GenerateContent,
        names,
        losses,
        called: called(request),
        ids: !target.quirks.no_call_ids,
        signs: target.traits.thinks_by_effort,
    };
    let is_instruction =
        |message: &&Message| matches!(message.role, Role::System | Role::Developer);
    let leading = request.messages.iter().take_while(is_instruction).count();
    let (first, turns) = request.messages.split_at(leading);
    let system: Vec<&Part> = first.iter().flat_map(|message| &message.parts).collect();
    let system = writer.parts(&system)?;
    if !system.is_empty() {
        let mut object = ObjectText::new();
        object.raw("parts", &system.finish());
        body.raw("systemInstruction", &object.finish());
    }
    let mut contents = ArrayText::new();
    let mut rest = turns;
    while let Some(next) = rest.first() {
        let role = role_of(next)?;
        let mut same = 0;
        while let Some(message) = rest.get(same) {
            if role_of(message)? != role {
                break;
            }
            same += 1;
        }
        let (turn, after) = rest.split_at(same);
        rest = after;
        let parts: Vec<&Part> = turn.iter().flat_map(|message| &message.parts).collect();
        let parts = writer.parts(&parts)?;
        if parts.is_empty() {
            continue;
        }
        let mut content = ObjectText::new();
        content.string("role", role).raw("parts", &parts.finish());
        contents.push(&content.finish());
    }
    body.raw("contents", &contents.finish());
    Ok(())
}

fn role_of(message: &Message) -> Result<&'static str, LlmError> {
    match message.role {
        Role::User => Ok("user"),
        Role::Assistant => Ok("model"),
        Role::System | Role::Developer => Err(LlmError::Unsupported {
            path: message.path.clone(),
            reason: "this model takes instructions only before the first turn; put it there, or say it as the user",
        }),
    }
}

struct Parameters<'r> {
    request: &'r ChatRequest,
    target: &'r Target,
    names: &'r mut ToolNames,
    losses: &'r mut Losses,
    config: ObjectText,
}

impl Parameters<'_> {
    fn tools(&mut self, body: &mut ObjectText) -> Result<(), LlmError> {
        let (mut functions, mut tools) = (ArrayText::new(), ArrayText::new());
        for tool in &self.request.tools {
            match tool {
                Tool::Function(function) => {
                    let mut object = ObjectText::new();
                    object
                        .string("name", &self.names.outward(&function.name))
                        .optional_string("description", function.description.as_deref())
                        // JSON Schema as it is: the older member is a dialect of its own.
                        .optional("parametersJsonSchema", function.parameters.as_ref());
                    if function.strict == Some(true) {
                        self.losses.note(
                            format!("{}.strict", function.path),
                            "the provider's format has no such member",
                        );
                    }
                    if function.cache.is_some() {
                        self.losses.note(
                            format!("{}.cache_control", function.path),
                            "the provider caches prompts by itself",
                        );
                    }
                    self.losses.drop_extras(&function.extras);
                    functions.push(&object.finish());
                }
                Tool::Opaque {
                    format: Format::GenerateContent,
                    json,
                    ..
                } => tools.push(json.as_str()),
                Tool::Opaque { path, .. } => {
                    return Err(LlmError::Unsupported {
                        path: path.clone(),
                        reason: "the provider has no such tool; remove it, or ask a model whose provider has",
                    });
                }
            }
        }
        if !functions.is_empty() {
            let mut object = ObjectText::new();
            object.raw("functionDeclarations", &functions.finish());
            tools.push(&object.finish());
        }
        if !tools.is_empty() {
            body.raw("tools", &tools.finish());
        }
        if let Some(choice) = &self.request.tool_choice {
            let written = self.tool_choice(choice);
            body.raw("toolConfig", &written);
        }
        if self.request.parallel_tool_calls == Some(false) && !self.request.tools.is_empty() {
            self.losses.note(
                self.request.path_of(Field::ParallelToolCalls),
                "the provider decides by itself how many tools it asks for",
            );
        }
        Ok(())
    }

    fn tool_choice(&mut self, choice: &ToolChoice) -> String {
        let (mode, names): (&str, &[String]) = match choice {
            ToolChoice::Auto => ("AUTO", &[]),
            ToolChoice::None => ("NONE", &[]),
            ToolChoice::Required => ("ANY", &[]),
            ToolChoice::Function(name) => ("ANY", std::slice::from_ref(name)),
            ToolChoice::Allowed {
                required: true,
                names,
            } => ("ANY", names),
            ToolChoice::Allowed {
                required: false,
                names,
            } => ("VALIDATED", names),
        };
        let mut calling = ObjectText::new();
        calling.string("mode", mode);
        if !names.is_empty() {
            let mut allowed = ArrayText::new();
            for name in names {
                allowed.push_text(&self.names.outward(name));
            }
            calling.raw("allowedFunctionNames", &allowed.finish());
        }
        let mut object = ObjectText::new();
        object.raw("functionCallingConfig", &calling.finish());
        object.finish()
    }

    fn numbers(&mut self) {
        self.config
            .optional_number("maxOutputTokens", self.request.max_output_tokens);
        let sampling = &self.request.sampling;
        let numbers: [(&str, Option<&Json>, Field, bool); 6] = [
            (
                "temperature",
                sampling.temperature.as_ref(),
                Field::Temperature,
                true,
            ),
            ("topP", sampling.top_p.as_ref(), Field::TopP, true),
            ("topK", sampling.top_k.as_ref(), Field::TopK, true),
            ("seed", sampling.seed.as_ref(), Field::Seed, false),
            (
                "presencePenalty",
                sampling.presence_penalty.as_ref(),
                Field::PresencePenalty,
                false,
            ),
            (
                "frequencyPenalty",
                sampling.frequency_penalty.as_ref(),
                Field::FrequencyPenalty,
                false,
            ),
        ];
        for (name, value, field, is_sampling) in numbers {
            let Some(value) = value else { continue };
            if is_sampling && self.target.traits.no_sampling {
                self.losses
                    .note(self.request.path_of(field), "the model refuses it");
            } else {
                self.config.json(name, value);
            }
        }
        if !self.request.stop.is_empty() {
            let mut stop = ArrayText::new();
            for text in &self.request.stop {
                stop.push_text(text);
            }
            self.config.raw("stopSequences", &stop.finish());
        }
        if let Some(logprobs) = self.request.logprobs {
            self.config
                .boolean("responseLogprobs", true)
                .optional_number("logprobs", logprobs.top);
        }
        if self.request.user.is_some() {
            self.losses.note(
                self.request.path_of(Field::User),
                "the provider's format has no such member",
            );
        }
    }

    fn form(&mut self) {
        let Some(output) = &self.request.output else {
            return;
        };
        self.config.string("responseMimeType", "application/json");
        if let OutputFormat::JsonSchema { schema, .. } = output {
            self.config.json("responseJsonSchema", schema);
        }
    }

    fn thinking(&mut self) {
        let reasoning = &self.request.reasoning;
        if reasoning.is_empty() {
            return;
        }
        let mut thinking = ObjectText::new();
        if self.target.traits.thinks_by_effort {
            if let Some(effort) = reasoning.as_effort() {
                // Its scale has two to four steps; none of them is none.
                let level = match effort {
                    Effort::None | Effort::Minimal | Effort::Low => "low",
                    Effort::Medium => "medium",
                    Effort::High | Effort::ExtraHigh | Effort::Max => "high",
                };
                if matches!(effort, Effort::None | Effort::ExtraHigh | Effort::Max) {
                    self.losses.note(
                        self.request.path_of(Field::Reasoning),
                        "the model's scale is from `low` to `high`",
                    );
                }
                thinking.string("thinkingLevel", level);
            }
        } else if reasoning.thinking == Some(ThinkingMode::Adaptive) && reasoning.effort.is_none() {
            thinking.raw("thinkingBudget", "-1");
        } else if let Some(tokens) = reasoning.as_budget() {
            thinking.number("thinkingBudget", tokens);
        }
        if reasoning.as_effort() != Some(Effort::None) {
            thinking.boolean("includeThoughts", true);
        }
        self.config.raw("thinkingConfig", &thinking.finish());
    }
}
