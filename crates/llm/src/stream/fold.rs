//! A stream put together into a whole answer.

use std::collections::BTreeMap;

use crate::hub::{
    BlockKind, ChatEvent, ChatResponse, Content, Delta, Extras, Part, Seal, Stop, StopReason,
    Thinking, ToolCall, Usage,
};
use crate::json::{ArrayText, Json};
use crate::provider_error::ProviderError;

/// Collects events. What it holds grows with the answer: whoever feeds it bounds that.
#[derive(Debug, Default)]
pub struct Fold {
    id: Option<String>,
    model: Option<String>,
    parts: BTreeMap<u32, Part>,
    logprobs: Option<ArrayText>,
    usage: Option<Usage>,
    stop: Option<Stop>,
}

impl Fold {
    /// Takes the next event; a failure of the provider's is an error.
    pub fn push(&mut self, event: ChatEvent) -> Result<(), ProviderError> {
        match event {
            ChatEvent::Started { id, model } => {
                self.id = id;
                self.model = model;
            }
            ChatEvent::BlockStarted { block, kind } => {
                self.parts.insert(block, Part::new(begun(kind)));
            }
            ChatEvent::Delta { block, delta } => {
                if let Some(part) = self.parts.get_mut(&block) {
                    extend(&mut part.content, delta);
                }
            }
            ChatEvent::Block { block, part } => {
                self.parts.insert(block, *part);
            }
            ChatEvent::Logprobs(json) => {
                let all = self.logprobs.get_or_insert_with(ArrayText::new);
                let inner = json.as_str().trim();
                let inner = inner
                    .strip_prefix('[')
                    .and_then(|rest| rest.strip_suffix(']'));
                if let Some(inner) = inner.filter(|inner| !inner.trim().is_empty()) {
                    all.push(inner);
                }
            }
            ChatEvent::Usage(usage) => {
                self.usage = Some(self.usage.unwrap_or_default().updated(usage));
            }
            ChatEvent::Stopped(stop) => self.stop = Some(stop),
            ChatEvent::Failed(error) => return Err(error),
            ChatEvent::BlockEnded { .. } | ChatEvent::Dropped(_) | ChatEvent::Ended => {}
        }
        Ok(())
    }

    /// What was used up to now, also of an answer that will not be complete.
    pub const fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// The whole answer.
    pub fn finish(self) -> ChatResponse {
        ChatResponse {
            id: self.id,
            model: self.model,
            parts: self.parts.into_values().collect(),
            stop: self.stop.unwrap_or(Stop::of(StopReason::EndTurn)),
            usage: self.usage,
            logprobs: self.logprobs.map(|all| Json::written(all.finish())),
            extras: Extras::new(),
        }
    }
}

fn begun(kind: BlockKind) -> Content {
    match kind {
        BlockKind::Text => Content::Text(String::new()),
        BlockKind::Refusal => Content::Refusal(String::new()),
        BlockKind::Thinking { maker, id } => Content::Thinking(Thinking {
            maker,
            text: String::new(),
            seal: id.map_or(Seal::None, |id| Seal::Item {
                id: Some(id),
                encrypted: None,
            }),
        }),
        BlockKind::ToolCall {
            id,
            name,
            signature,
        } => Content::ToolCall(ToolCall {
            id,
            name,
            arguments: String::new(),
            signature,
        }),
    }
}

fn extend(content: &mut Content, delta: Delta) {
    match (content, delta) {
        (Content::Text(text) | Content::Refusal(text), Delta::Text(more)) => text.push_str(&more),
        (Content::Thinking(thinking), Delta::Text(more)) => thinking.text.push_str(&more),
        (Content::Thinking(thinking), Delta::Seal(seal)) => thinking.seal = seal,
        (Content::ToolCall(call), Delta::Arguments(more)) => call.arguments.push_str(&more),
        _ => {}
    }
}
