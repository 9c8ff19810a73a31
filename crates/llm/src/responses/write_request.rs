//! A request out, to a provider of this format. It is told to keep nothing.

use super::write_item::ItemWriter;
use crate::error::LlmError;
use crate::format::Format;
use crate::hub::{ChatRequest, Effort, Field, Losses, OutputFormat, Tool, ToolChoice};
use crate::json::{ArrayText, Json, ObjectText};
use crate::target::{ProviderRequest, Target};
use crate::tool_names::ToolNames;

/// Writes the body.
pub(crate) fn write_request(
    request: &ChatRequest,
    target: &Target,
) -> Result<ProviderRequest, LlmError> {
    let same_format = request.format == Format::Responses;
    let (mut names, mut losses) = (ToolNames::default(), Losses::default());
    let items = ItemWriter {
        same_format,
        names: &mut names,
        losses: &mut losses,
        items: ArrayText::new(),
    };
    let input = items.messages(request)?;
    let mut body = ObjectText::new();
    body.string("model", &target.model)
        .raw("input", &input)
        .boolean("store", false);
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
    fn tools(&mut self) -> Result<(), LlmError> {
        let mut tools = ArrayText::new();
        for tool in &self.request.tools {
            match tool {
                Tool::Function(function) => {
                    let mut object = ObjectText::typed("function");
                    object
                        .string("name", &self.names.outward(&function.name))
                        .optional_string("description", function.description.as_deref());
                    match &function.parameters {
                        Some(parameters) => object.json("parameters", parameters),
                        None => object.raw("parameters", "null"),
                    };
                    // The format's own default is strict; a schema not made for it is refused then.
                    object.boolean("strict", function.strict.unwrap_or(false));
                    if function.cache.is_some() {
                        self.losses.note(
                            format!("{}.cache_control", function.path),
                            "the provider caches prompts by itself",
                        );
                    }
                    self.losses
                        .extras(self.same_format, &function.extras, &mut object);
                    tools.push(&object.finish());
                }
                Tool::Opaque {
                    format: Format::Responses,
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
        if !tools.is_empty() {
            self.body.raw("tools", &tools.finish());
        }
        if let Some(choice) = &self.request.tool_choice {
            let written = self.tool_choice(choice);
            self.body.raw("tool_choice", &written);
        }
        if let (Some(parallel), false) = (
            self.request.parallel_tool_calls,
            self.request.tools.is_empty(),
        ) {
            self.body.boolean("parallel_tool_calls", parallel);
        }
        Ok(())
    }

    fn tool_choice(&mut self, choice: &ToolChoice) -> String {
        let function = |name: &str| {
            let mut object = ObjectText::typed("function");
            object.string("name", name);
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
                let mut object = ObjectText::typed("allowed_tools");
                object
                    .string("mode", if *required { "required" } else { "auto" })
                    .raw("tools", &tools.finish());
                object.finish()
            }
        }
    }

    fn numbers(&mut self) {
        self.body
            .optional_number("max_output_tokens", self.request.max_output_tokens);
        let sampling = &self.request.sampling;
        let said: [(&str, Option<&Json>, Field); 2] = [
            (
                "temperature",
                sampling.temperature.as_ref(),
                Field::Temperature,
            ),
            ("top_p", sampling.top_p.as_ref(), Field::TopP),
        ];
        for (name, value, field) in said {
            let Some(value) = value else { continue };
            if self.target.traits.no_sampling {
                self.losses
                    .note(self.request.path_of(field), "the model refuses it");
            } else {
                self.body.json(name, value);
            }
        }
        let unsaid = [
            (sampling.top_k.is_some(), Field::TopK),
            (sampling.seed.is_some(), Field::Seed),
            (sampling.presence_penalty.is_some(), Field::PresencePenalty),
            (
                sampling.frequency_penalty.is_some(),
                Field::FrequencyPenalty,
            ),
            (!self.request.stop.is_empty(), Field::Stop),
        ];
        for (_, field) in unsaid.into_iter().filter(|(is_said, _)| *is_said) {
            self.losses.note(
                self.request.path_of(field),
                "the provider's format has no such member",
            );
        }
        if let Some(logprobs) = self.request.logprobs {
            self.body.number("top_logprobs", logprobs.top.unwrap_or(0));
        }
    }

    /// `text`: the form of the answer, with what the caller of this same format said beside it.
    fn form(&mut self) {
        let mut text = ObjectText::new();
        match &self.request.output {
            None => {}
            Some(OutputFormat::JsonObject) => {
                text.raw("format", &ObjectText::typed("json_object").finish());
            }
            Some(OutputFormat::JsonSchema {
                name,
                description,
                schema,
                strict,
            }) => {
                let mut format = ObjectText::typed("json_schema");
                format
                    .string("name", name.as_deref().unwrap_or("answer"))
                    .optional_string("description", description.as_deref())
                    .json("schema", schema);
                if let Some(strict) = strict {
                    format.boolean("strict", *strict);
                }
                text.raw("format", &format.finish());
            }
        }
        self.inner_extras("text.", &mut text);
        if !text.is_empty() {
            self.body.raw("text", &text.finish());
        }
    }

    fn thinking(&mut self) {
        let reasoning = &self.request.reasoning;
        let mut object = ObjectText::new();
        if let Some(effort) = reasoning.as_effort() {
            if effort > Effort::ExtraHigh {
                self.losses.note(
                    self.request.path_of(Field::Reasoning),
                    "sent as `xhigh`, the most there is",
                );
            }
            object.string("effort", effort.min(Effort::ExtraHigh).as_str());
        }
        object.optional_string("summary", reasoning.summary.as_deref());
        self.inner_extras("reasoning.", &mut object);
        if !object.is_empty() {
            self.body.raw("reasoning", &object.finish());
        }
        // Thoughts come sealed, so that they can be given back though nothing is kept; with
        // probabilities where they were asked for.
        let mut include = ArrayText::new();
        include.push_text("reasoning.encrypted_content");
        if self.request.logprobs.is_some() {
            include.push_text("message.output_text.logprobs");
        }
        self.body.raw("include", &include.finish());
    }

    fn inner_extras(&mut self, prefix: &str, object: &mut ObjectText) {
        if !self.same_format {
            return;
        }
        for extra in &self.request.extras {
            if extra.path.starts_with(prefix) {
                object.json(&extra.name, &extra.value);
            }
        }
    }

    fn rest(&mut self) {
        self.body
            .optional_string("user", self.request.user.as_deref());
        if self.request.stream {
            self.body.boolean("stream", true);
        }
        if !self.same_format {
            self.losses.drop_extras(&self.request.extras);
            return;
        }
        for extra in &self.request.extras {
            if matches!(extra.name.as_str(), "store" | "include") {
                self.losses.note(
                    extra.path.as_str(),
                    "nothing is kept for a translated request",
                );
            } else if !extra.path.contains('.') {
                self.body.json(&extra.name, &extra.value);
            }
        }
    }
}
