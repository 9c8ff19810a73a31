//! A request out, to a provider of this format.

use super::write_message::MessageWriter;
use crate::error::LlmError;
use crate::format::Format;
use crate::hub::{
    ChatRequest, Effort, Extra, Field, Losses, OutputFormat, ThinkingMode, Tool, ToolChoice,
};
use crate::json::{ArrayText, Json, ObjectText};
use crate::target::{ProviderRequest, Target};
use crate::tool_names::ToolNames;

/// Writes the body.
pub(crate) fn write_request(
    request: &ChatRequest,
    target: &Target,
) -> Result<ProviderRequest, LlmError> {
    let same_format = request.format == Format::ChatCompletions;
    let (mut names, mut losses) = (ToolNames::default(), Losses::default());
    let mut body = ObjectText::new();
    body.string("model", &target.model);
    let mut messages = MessageWriter {
        same_format,
        quirks: &target.quirks,
        names: &mut names,
        losses: &mut losses,
    };
    let messages = messages.messages(request)?;
    body.raw("messages", &messages);

    let mut parameters = Parameters {
        request,
        target,
        same_format,
        names: &mut names,
        losses: &mut losses,
        body: &mut body,
    };
    parameters.tools()?;
    parameters.numbers();
    parameters.form();
    parameters.thinking();
    parameters.rest();
    Ok(ProviderRequest {
        body: body.finish(),
        dropped: losses.into_vec(),
        names,
    })
}

struct Parameters<'r> {
    request: &'r ChatRequest,
    target: &'r Target,
    same_format: bool,
    names: &'r mut ToolNames,
    losses: &'r mut Losses,
    body: &'r mut ObjectText,
}

impl Parameters<'_> {
    /// Whether the provider takes a member; otherwise it is noted that it was left out.
    fn takes(&mut self, name: &str, field: Field) -> bool {
        let refused = self
            .target
            .quirks
            .refused
            .iter()
            .any(|refused| refused == name);
        if refused {
            self.losses
                .note(self.request.path_of(field), "the provider refuses it");
        }
        !refused
    }

    fn tools(&mut self) -> Result<(), LlmError> {
        let mut tools = ArrayText::new();
        for tool in &self.request.tools {
            let written = match tool {
                Tool::Function(function) => {
                    let mut inner = ObjectText::new();
                    inner
                        .string("name", &self.names.outward(&function.name))
                        .optional_string("description", function.description.as_deref())
                        .optional("parameters", function.parameters.as_ref());
                    if let Some(strict) = function.strict {
                        inner.boolean("strict", strict);
                    }
                    self.losses
                        .extras(self.same_format, &function.extras, &mut inner);
                    let mut object = ObjectText::typed("function");
                    object.raw("function", &inner.finish());
                    if self.same_format {
                        object.optional("cache_control", function.cache.as_ref());
                    } else if function.cache.is_some() {
                        self.losses.note(
                            format!("{}.cache_control", function.path),
                            "the provider caches prompts by itself",
                        );
                    }
                    object.finish()
                }
                Tool::Opaque {
                    format: Format::ChatCompletions,
                    json,
                    ..
                } => json.as_str().to_owned(),
                Tool::Opaque { path, .. } => {
                    return Err(LlmError::Unsupported {
                        path: path.clone(),
                        reason: "the provider has no such tool; remove it, or ask a model whose provider has",
                    });
                }
            };
            tools.push(&written);
        }
        if !tools.is_empty() {
            self.body.raw("tools", &tools.finish());
        }
        if let Some(choice) = &self.request.tool_choice {
            let written = self.tool_choice(choice);
            self.body.raw("tool_choice", &written);
        }
        if let Some(parallel) = self.request.parallel_tool_calls
            && !self.request.tools.is_empty()
            && self.takes("parallel_tool_calls", Field::ParallelToolCalls)
        {
            self.body.boolean("parallel_tool_calls", parallel);
        }
        Ok(())
    }

    fn tool_choice(&mut self, choice: &ToolChoice) -> String {
        let function = |name: &str| {
            let mut inner = ObjectText::new();
            inner.string("name", name);
            let mut object = ObjectText::typed("function");
            object.raw("function", &inner.finish());
            object.finish()
        };
        match choice {
            ToolChoice::Auto => "\"auto\"".to_owned(),
            ToolChoice::None => "\"none\"".to_owned(),
            ToolChoice::Required => "\"required\"".to_owned(),
            ToolChoice::Function(name) => function(&self.names.outward(name)),
            ToolChoice::Allowed { required, names } => {
                let mut tools = ArrayText::new();
                for name in names {
                    tools.push(&function(&self.names.outward(name)));
                }
                let mut inner = ObjectText::new();
                inner
                    .string("mode", if *required { "required" } else { "auto" })
                    .raw("tools", &tools.finish());
                let mut object = ObjectText::typed("allowed_tools");
                object.raw("allowed_tools", &inner.finish());
                object.finish()
            }
        }
    }

    fn numbers(&mut self) {
        if let Some(tokens) = self.request.max_output_tokens {
            let name = if self.target.quirks.max_tokens {
                "max_tokens"
            } else {
                "max_completion_tokens"
            };
            self.body.number(name, tokens);
        }
        let sampling = &self.request.sampling;
        let numbers: [(&str, Option<&Json>, Field, bool); 6] = [
            (
                "temperature",
                sampling.temperature.as_ref(),
                Field::Temperature,
                true,
            ),
            ("top_p", sampling.top_p.as_ref(), Field::TopP, true),
            ("top_k", sampling.top_k.as_ref(), Field::TopK, true),
            ("seed", sampling.seed.as_ref(), Field::Seed, false),
            (
                "presence_penalty",
                sampling.presence_penalty.as_ref(),
                Field::PresencePenalty,
                false,
            ),
            (
                "frequency_penalty",
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
            } else if name == "top_k" && !self.same_format {
                self.losses.note(
                    self.request.path_of(field),
                    "the provider's format has no such member",
                );
            } else if self.takes(name, field) {
                self.body.json(name, value);
            }
        }
        if !self.request.stop.is_empty() && self.takes("stop", Field::Stop) {
            let mut stop = ArrayText::new();
            for text in &self.request.stop {
                stop.push_text(text);
            }
            self.body.raw("stop", &stop.finish());
        }
        if let Some(logprobs) = self.request.logprobs
            && self.takes("logprobs", Field::Logprobs)
        {
            self.body
                .boolean("logprobs", true)
                .optional_number("top_logprobs", logprobs.top);
        }
    }

    fn form(&mut self) {
        let Some(output) = &self.request.output else {
            return;
        };
        if !self.takes("response_format", Field::Output) {
            return;
        }
        let written = match output {
            OutputFormat::JsonObject => ObjectText::typed("json_object").finish(),
            OutputFormat::JsonSchema {
                name,
                description,
                schema,
                strict,
            } => {
                let mut inner = ObjectText::new();
                inner
                    .string("name", name.as_deref().unwrap_or("answer"))
                    .optional_string("description", description.as_deref())
                    .json("schema", schema);
                if let Some(strict) = strict {
                    inner.boolean("strict", *strict);
                }
                let mut object = ObjectText::typed("json_schema");
                object.raw("json_schema", &inner.finish());
                object.finish()
            }
        };
        self.body.raw("response_format", &written);
    }

    fn thinking(&mut self) {
        let reasoning = &self.request.reasoning;
        let thought_of = reasoning.as_effort();
        if let Some(effort) = thought_of
            && self.takes("reasoning_effort", Field::Reasoning)
        {
            // OpenAI's scale ends before Anthropic's.
            if effort > Effort::ExtraHigh {
                self.losses.note(
                    self.request.path_of(Field::Reasoning),
                    "sent as `xhigh`, the most there is",
                );
            }
            let effort = effort.min(Effort::ExtraHigh);
            self.body.string("reasoning_effort", effort.as_str());
        }
        if reasoning.summary.is_some() {
            self.losses.note(
                self.request.path_of(Field::Summary),
                "the provider shows its thoughts, or does not, by itself",
            );
        }
        if reasoning.thinking == Some(ThinkingMode::Adaptive) && thought_of.is_none() {
            self.losses.note(
                self.request.path_of(Field::Reasoning),
                "the model decides by itself how much to think",
            );
        }
    }

    fn rest(&mut self) {
        if let Some(user) = &self.request.user
            && self.takes("user", Field::User)
        {
            self.body.string("user", user);
        }
        if self.request.stream {
            self.body.boolean("stream", true);
            if !self.target.quirks.no_stream_options {
                // Always, because what is used is paid for.
                let mut options = ObjectText::new();
                options.boolean("include_usage", true);
                for extra in self.request.extras.iter().filter(|extra| is_option(extra)) {
                    options.json(&extra.name, &extra.value);
                }
                self.body.raw("stream_options", &options.finish());
            }
        }
        if self.same_format {
            let refused = &self.target.quirks.refused;
            let (kept, lost): (Vec<_>, Vec<_>) = self
                .request
                .extras
                .iter()
                .filter(|extra| !is_option(extra))
                .cloned()
                .partition(|extra| !refused.contains(&extra.name));
            self.losses.extras(true, &kept, self.body);
            for extra in &lost {
                self.losses
                    .note(extra.path.as_str(), "the provider refuses it");
            }
        } else {
            self.losses.drop_extras(&self.request.extras);
        }
    }
}

/// Whether it stood in `stream_options` of a request in this format.
fn is_option(extra: &Extra) -> bool {
    extra.path.starts_with("stream_options.")
}
