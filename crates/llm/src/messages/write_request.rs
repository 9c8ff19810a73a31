//! A request out, to a provider of this format.

use super::write_part::BlockWriter;
use crate::error::LlmError;
use crate::format::Format;
use crate::hub::{
    ChatRequest, Content, Effort, Field, FunctionTool, Losses, Message, OutputFormat, Part, Role,
    Seal, ThinkingMode, Tool, ToolChoice,
};
use crate::json::{ArrayText, Json, ObjectText};
use crate::target::{ProviderRequest, Target};
use crate::tool_names::ToolNames;

/// Tokens of an answer for models of which no bound is known. The format needs one.
const DEFAULT_MAX_TOKENS: u64 = 4096;
/// The fewest tokens that a model may be given to think with.
const LEAST_BUDGET: u64 = 1024;

/// Writes the body.
pub(crate) fn write_request(
    request: &ChatRequest,
    target: &Target,
) -> Result<ProviderRequest, LlmError> {
    let mut writer = RequestWriter {
        request,
        target,
        same_format: request.format == Format::Messages,
        names: ToolNames::default(),
        losses: Losses::default(),
        body: ObjectText::new(),
    };
    match &target.quirks.anthropic_version {
        Some(version) => writer.body.string("anthropic_version", version),
        None => writer.body.string("model", &target.model),
    };
    let max_tokens = writer.tokens_and_thinking();
    writer.body.number("max_tokens", max_tokens);
    writer.conversation()?;
    writer.tools()?;
    writer.sampling();
    writer.rest();
    Ok(ProviderRequest {
        body: writer.body.finish(),
        dropped: writer.losses.into_vec(),
        names: writer.names,
    })
}

struct RequestWriter<'r> {
    request: &'r ChatRequest,
    target: &'r Target,
    same_format: bool,
    names: ToolNames,
    losses: Losses,
    body: ObjectText,
}

impl RequestWriter<'_> {
    fn blocks(&mut self, parts: &[&Part]) -> Result<ArrayText, LlmError> {
        let mut writer = BlockWriter {
            caller: self.request.format,
            same_format: self.same_format,
            names: &mut self.names,
            losses: &mut self.losses,
        };
        let mut array = ArrayText::new();
        for part in parts {
            if let Some(block) = writer.block(part)? {
                array.push(&block);
            }
        }
        Ok(array)
    }

    /// Instructions first, then turns. Neighbours of one role are one turn, and in a turn results
    /// come first: whoever called waits for all of them.
    fn conversation(&mut self) -> Result<(), LlmError> {
        let leading = self
            .request
            .messages
            .iter()
            .take_while(|message| is_instruction(message))
            .count();
        let (first, turns) = self.request.messages.split_at(leading);
        let system: Vec<&Part> = first.iter().flat_map(|message| &message.parts).collect();
        for message in first {
            self.unsaid(message);
        }
        let system = self.blocks(&system)?;
        if !system.is_empty() {
            self.body.raw("system", &system.finish());
        }

        let mut written = ArrayText::new();
        let mut rest = turns;
        while let Some(next) = rest.first() {
            let role = self.role_of(next)?;
            let mut same = 0;
            while let Some(message) = rest.get(same) {
                if self.role_of(message)? != role {
                    break;
                }
                same += 1;
            }
            let (turn, after) = rest.split_at(same);
            rest = after;
            for message in turn {
                self.unsaid(message);
            }
            let is_result = |part: &&Part| matches!(part.content, Content::ToolResult(_));
            let parts = turn.iter().flat_map(|message| &message.parts);
            let (mut ordered, others): (Vec<&Part>, Vec<&Part>) = parts.partition(is_result);
            ordered.extend(others);
            let content = self.blocks(&ordered)?;
            if content.is_empty() {
                continue;
            }
            let mut message = ObjectText::new();
            message
                .string("role", role)
                .raw("content", &content.finish());
            if let (true, [only]) = (self.same_format, turn) {
                self.losses.extras(true, &only.extras, &mut message);
            }
            written.push(&message.finish());
        }
        self.body.raw("messages", &written.finish());
        Ok(())
    }

    /// Moving an instruction to the front would change what it is about.
    fn role_of(&self, message: &Message) -> Result<&'static str, LlmError> {
        match message.role {
            Role::User => Ok("user"),
            Role::Assistant => Ok("assistant"),
            Role::System | Role::Developer if self.target.traits.system_in_between => Ok("system"),
            Role::System | Role::Developer => Err(LlmError::Unsupported {
                path: message.path.clone(),
                reason: "this model takes instructions only before the first turn; put it there, or say it as the user",
            }),
        }
    }

    fn unsaid(&mut self, message: &Message) {
        if message.name.is_some() {
            self.losses.note(
                format!("{}.name", message.path),
                "the provider's format has no such member",
            );
        }
        if !self.same_format {
            self.losses.drop_extras(&message.extras);
        }
    }

    fn tools(&mut self) -> Result<(), LlmError> {
        // Only what is allowed is listed: this format has no list of its own for that.
        let allowed = match &self.request.tool_choice {
            Some(ToolChoice::Allowed { names, .. }) => Some(names),
            _ => None,
        };
        let mut tools = ArrayText::new();
        for tool in &self.request.tools {
            match tool {
                Tool::Function(function)
                    if allowed.is_none_or(|names| names.contains(&function.name)) =>
                {
                    let written = self.tool(function);
                    tools.push(&written);
                }
                Tool::Function(_) => {}
                Tool::Opaque {
                    format: Format::Messages,
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
        if tools.is_empty() {
            return Ok(());
        }
        self.body.raw("tools", &tools.finish());
        self.tool_choice();
        Ok(())
    }

    fn tool(&mut self, function: &FunctionTool) -> String {
        let empty = Json::written(r#"{"type":"object","properties":{}}"#.to_owned());
        let mut object = ObjectText::new();
        object
            .string("name", &self.names.outward(&function.name))
            .optional_string("description", function.description.as_deref())
            .json(
                "input_schema",
                function.parameters.as_ref().unwrap_or(&empty),
            );
        if let Some(strict) = function.strict
            && (strict || self.same_format)
        {
            object.boolean("strict", strict);
        }
        object.optional("cache_control", function.cache.as_ref());
        self.losses
            .extras(self.same_format, &function.extras, &mut object);
        object.finish()
    }

    fn tool_choice(&mut self) {
        let mut choice = match &self.request.tool_choice {
            None if self.request.parallel_tool_calls == Some(false) => ObjectText::typed("auto"),
            None => return,
            Some(
                ToolChoice::Auto
                | ToolChoice::Allowed {
                    required: false, ..
                },
            ) => ObjectText::typed("auto"),
            Some(ToolChoice::None) => {
                self.body
                    .raw("tool_choice", &ObjectText::typed("none").finish());
                return;
            }
            Some(_) if self.forced_while_thinking() => {
                self.losses.note(
                    self.request.path_of(Field::ToolChoice),
                    "this model cannot be made to call a tool while it thinks; it was told `auto`",
                );
                ObjectText::typed("auto")
            }
            Some(ToolChoice::Required | ToolChoice::Allowed { .. }) => ObjectText::typed("any"),
            Some(ToolChoice::Function(name)) => {
                let mut choice = ObjectText::typed("tool");
                choice.string("name", &self.names.outward(name));
                choice
            }
        };
        if let Some(parallel) = self.request.parallel_tool_calls {
            choice.boolean("disable_parallel_tool_use", !parallel);
        }
        self.body.raw("tool_choice", &choice.finish());
    }

    fn forced_while_thinking(&self) -> bool {
        self.target.traits.no_forced_tools || (self.thinks() && !self.same_format)
    }

    /// Whether the last turn calls tools without the thoughts behind it, because its client did not
    /// give them back. Such a turn cannot be gone on with while thinking by a budget.
    fn lacks_thoughts(&self) -> bool {
        let mut said = self.request.messages.iter().rev();
        let Some(last) = said.find(|message| message.role == Role::Assistant) else {
            return false;
        };
        let calls = |part: &Part| matches!(part.content, Content::ToolCall(_));
        let thoughts = |part: &Part| match &part.content {
            Content::Thinking(thinking) => {
                thinking.maker == Format::Messages && thinking.seal != Seal::None
            }
            _ => false,
        };
        last.parts.iter().any(calls) && !last.parts.iter().any(thoughts)
    }

    fn thinks(&self) -> bool {
        let by_budget = !self.same_format && !self.target.traits.thinks_by_effort;
        if by_budget && self.lacks_thoughts() {
            return false;
        }
        let reasoning = &self.request.reasoning;
        match reasoning.thinking {
            Some(ThinkingMode::Disabled) => false,
            Some(ThinkingMode::Adaptive | ThinkingMode::Budget(_)) => true,
            None => {
                !self.same_format
                    && !self.target.traits.thinks_by_effort
                    && reasoning
                        .effort
                        .is_some_and(|effort| effort != Effort::None)
            }
        }
    }

    /// Writes `thinking` and `output_config`, and says how many tokens the whole answer may have:
    /// what is thought counts, so there must be room for an answer beside it.
    fn tokens_and_thinking(&mut self) -> u64 {
        let reasoning = &self.request.reasoning;
        let asked = self.request.max_output_tokens;
        let mut max_tokens = asked
            .or(self.target.traits.max_output_tokens)
            .unwrap_or(DEFAULT_MAX_TOKENS);
        let mut config = ObjectText::new();
        if self.target.traits.thinks_by_effort || self.same_format {
            if reasoning.thinking == Some(ThinkingMode::Disabled)
                || reasoning.effort == Some(Effort::None)
            {
                self.body
                    .raw("thinking", &ObjectText::typed("disabled").finish());
            } else if let (true, Some(ThinkingMode::Budget(tokens))) = (
                self.same_format && !self.target.traits.thinks_by_effort,
                reasoning.thinking,
            ) {
                self.budget(tokens);
            } else if reasoning.thinking.is_some() || (!self.same_format && !reasoning.is_empty()) {
                self.body
                    .raw("thinking", &ObjectText::typed("adaptive").finish());
            }
            let effort = if self.same_format && !self.target.traits.thinks_by_effort {
                reasoning.effort
            } else {
                reasoning.as_effort()
            };
            if let Some(effort) = effort.filter(|effort| *effort != Effort::None) {
                let word = effort.max(Effort::Low).as_str();
                config.string("effort", word);
            }
        } else if let Some(tokens) = reasoning.as_budget() {
            if tokens == 0 {
                self.body
                    .raw("thinking", &ObjectText::typed("disabled").finish());
            } else if self.lacks_thoughts() {
                self.losses.note(
                    self.request.path_of(Field::Reasoning),
                    "the last turn's thoughts were not given back, without which the model cannot think on",
                );
            } else {
                let tokens = tokens.max(LEAST_BUDGET);
                if max_tokens <= tokens {
                    max_tokens = max_tokens.saturating_add(tokens);
                    self.losses.note(
                        self.request.path_of(Field::Reasoning),
                        "thoughts count as tokens of the answer; its bound was raised by their budget",
                    );
                }
                self.budget(tokens);
            }
        }
        self.form(&mut config);
        for extra in &self.request.extras {
            if self.same_format && extra.path.starts_with("output_config.") {
                config.json(&extra.name, &extra.value);
            }
        }
        if !config.is_empty() {
            self.body.raw("output_config", &config.finish());
        }
        max_tokens
    }

    fn budget(&mut self, tokens: u64) {
        let mut thinking = ObjectText::typed("enabled");
        thinking.number("budget_tokens", tokens);
        self.body.raw("thinking", &thinking.finish());
    }

    fn form(&mut self, config: &mut ObjectText) {
        match &self.request.output {
            None => {}
            Some(OutputFormat::JsonSchema {
                schema, strict: _, ..
            }) => {
                let mut format = ObjectText::typed("json_schema");
                format.json("schema", schema);
                config.raw("format", &format.finish());
            }
            Some(OutputFormat::JsonObject) => self.losses.note(
                self.request.path_of(Field::Output),
                "the provider takes a schema only; the model was not told to answer in JSON",
            ),
        }
    }

    fn sampling(&mut self) {
        let sampling = &self.request.sampling;
        let numbers: [(&str, Option<&Json>, Field); 3] = [
            (
                "temperature",
                sampling.temperature.as_ref(),
                Field::Temperature,
            ),
            ("top_p", sampling.top_p.as_ref(), Field::TopP),
            ("top_k", sampling.top_k.as_ref(), Field::TopK),
        ];
        for (name, value, field) in numbers {
            let Some(value) = value else { continue };
            let path = self.request.path_of(field);
            if self.target.traits.no_sampling {
                self.losses.note(path, "the model refuses it");
            } else if self.thinks() && !self.same_format {
                self.losses
                    .note(path, "the model refuses it while it thinks");
            } else if name == "temperature" && value.as_f64().is_some_and(|number| number > 1.0) {
                self.losses.note(path, "sent as 1, the most there is");
                self.body.raw(name, "1");
            } else {
                self.body.json(name, value);
            }
        }
        let unsaid: [(Option<&Json>, Field); 3] = [
            (sampling.seed.as_ref(), Field::Seed),
            (sampling.presence_penalty.as_ref(), Field::PresencePenalty),
            (sampling.frequency_penalty.as_ref(), Field::FrequencyPenalty),
        ];
        for (_, field) in unsaid.iter().filter(|(value, _)| value.is_some()) {
            self.losses.note(
                self.request.path_of(*field),
                "the provider's format has no such member",
            );
        }
        if self.request.logprobs.is_some() {
            self.losses.note(
                self.request.path_of(Field::Logprobs),
                "the provider does not say probabilities",
            );
        }
        let mut stop = ArrayText::new();
        for text in &self.request.stop {
            if text.trim().is_empty() {
                self.losses.note(
                    self.request.path_of(Field::Stop),
                    "the provider refuses blank texts",
                );
            } else {
                stop.push_text(text);
            }
        }
        if !stop.is_empty() {
            self.body.raw("stop_sequences", &stop.finish());
        }
    }

    fn rest(&mut self) {
        let (mut metadata, mut others) = (ObjectText::new(), Vec::new());
        if let Some(user) = &self.request.user {
            metadata.string("user_id", user);
        }
        for extra in &self.request.extras {
            if self.same_format && extra.path.starts_with("metadata.") {
                metadata.json(&extra.name, &extra.value);
            } else if !self.same_format || !extra.path.starts_with("output_config.") {
                others.push(extra.clone());
            }
        }
        if !metadata.is_empty() {
            self.body.raw("metadata", &metadata.finish());
        }
        if self.request.stream {
            self.body.boolean("stream", true);
        }
        // Members of objects that were read are at home there, and cannot be said elsewhere.
        let (top, inner): (Vec<_>, Vec<_>) = others
            .into_iter()
            .partition(|extra| self.same_format && !extra.path.contains('.'));
        self.losses.extras(true, &top, &mut self.body);
        self.losses.drop_extras(&inner);
    }
}

const fn is_instruction(message: &Message) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}
