//! An answer in, event by event.

use std::collections::BTreeMap;

use super::read_part::{Found, read_parts};
use super::usage::read_usage;
use crate::format::Format;
use crate::hub::{BlockKind, ChatEvent, Content, Delta, Dropped, Seal, Stop, StopReason, Usage};
use crate::json::{Members, string_of};
use crate::path::Path;
use crate::provider_error::{ProviderError, read_error};
use crate::sse::Frame;
use crate::tool_names::ToolNames;

/// Reads frames from `message_start` to `message_stop`.
#[derive(Debug)]
pub(crate) struct StreamReader {
    names: ToolNames,
    next_block: u32,
    /// From the provider's index to ours: it counts blocks that we pass over.
    open: BTreeMap<u64, u32>,
    usage: Usage,
    stop: Option<Stop>,
    over: bool,
}

impl StreamReader {
    pub(crate) fn new(names: ToolNames) -> Self {
        Self {
            names,
            next_block: 0,
            open: BTreeMap::new(),
            usage: Usage::default(),
            stop: None,
            over: false,
        }
    }

    pub(crate) fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<ChatEvent>) {
        if self.over || frame.data.is_empty() {
            return;
        }
        let Ok(event) = Members::parse(frame.data) else {
            return self.fail(ProviderError::unreadable(), out);
        };
        let kind = event.string("type").unwrap_or_default();
        match kind.as_ref() {
            "message_start" => self.start(&event, out),
            "content_block_start" => self.block_start(&event, out),
            "content_block_delta" => self.block_delta(&event, out),
            "content_block_stop" => {
                let ended = event.number("index").and_then(|at| self.open.remove(&at));
                out.extend(ended.map(|block| ChatEvent::BlockEnded { block }));
            }
            "message_delta" => self.message_delta(&event),
            "message_stop" => self.finish(out),
            "error" => self.fail(read_error(None, frame.data), out),
            // `ping`, and what is yet to come.
            _ => {}
        }
    }

    /// The connection ended.
    pub(crate) fn end(&mut self, out: &mut Vec<ChatEvent>) {
        if !self.over {
            self.finish(out);
        }
    }

    fn start(&mut self, event: &Members<'_>, out: &mut Vec<ChatEvent>) {
        let message = event.object("message").unwrap_or_default();
        if let Some(usage) = message.object("usage") {
            self.usage = self.usage.updated(read_usage(&usage));
        }
        let text = |name| message.string(name).map(std::borrow::Cow::into_owned);
        out.push(ChatEvent::Started {
            id: text("id"),
            model: text("model"),
        });
        if self.usage != Usage::default() {
            out.push(ChatEvent::Usage(self.usage));
        }
    }

    fn block_start(&mut self, event: &Members<'_>, out: &mut Vec<ChatEvent>) {
        let (Some(index), Some(raw)) = (event.number("index"), event.get("content_block")) else {
            return self.fail(ProviderError::unreadable(), out);
        };
        let list = Path::Root.member("content");
        let Ok(parts) = read_parts(&[raw], &list, Found::Answer) else {
            return self.fail(ProviderError::unreadable(), out);
        };
        let Some(part) = parts.into_iter().next() else {
            return;
        };
        let block = self.next_block;
        self.next_block += 1;
        let mut begun = Vec::new();
        let kind = match part.content {
            Content::Text(text) => {
                begun.extend((!text.is_empty()).then_some(Delta::Text(text)));
                BlockKind::Text
            }
            Content::Thinking(thinking) if !matches!(thinking.seal, Seal::Redacted(_)) => {
                if !thinking.text.is_empty() {
                    begun.push(Delta::Text(thinking.text));
                }
                if thinking.seal != Seal::None {
                    begun.push(Delta::Seal(thinking.seal));
                }
                BlockKind::Thinking {
                    maker: Format::Messages,
                    id: None,
                }
            }
            Content::ToolCall(call) => {
                // It begins with `{}` as a placeholder; whatever else stands there is the whole.
                if call.arguments.trim() != "{}" {
                    begun.push(Delta::Arguments(call.arguments));
                }
                BlockKind::ToolCall {
                    id: call.id,
                    name: self.names.inward(&call.name).to_owned(),
                    signature: call.signature,
                }
            }
            content => {
                // Comes whole: what follows for this index says nothing more that others could read.
                let part = crate::hub::Part {
                    content,
                    ..crate::hub::Part::at(
                        Content::Text(String::new()),
                        list.index(index_of(index)),
                    )
                };
                out.push(ChatEvent::Block {
                    block,
                    part: Box::new(part),
                });
                return;
            }
        };
        self.open.insert(index, block);
        out.push(ChatEvent::BlockStarted { block, kind });
        out.extend(
            begun
                .into_iter()
                .map(|delta| ChatEvent::Delta { block, delta }),
        );
    }

    fn block_delta(&mut self, event: &Members<'_>, out: &mut Vec<ChatEvent>) {
        let delta = event.object("delta").unwrap_or_default();
        let index = event.number("index").unwrap_or(u64::MAX);
        let Some(block) = self.open.get(&index).copied() else {
            return;
        };
        let text = |name: &str| {
            delta
                .get(name)
                .and_then(string_of)
                .map(std::borrow::Cow::into_owned)
                .filter(|text| !text.is_empty())
        };
        let kind = delta.string("type").unwrap_or_default();
        let delta = match kind.as_ref() {
            "text_delta" => text("text").map(Delta::Text),
            "thinking_delta" => text("thinking").map(Delta::Text),
            "signature_delta" => text("signature").map(|text| Delta::Seal(Seal::Signature(text))),
            "input_json_delta" => text("partial_json").map(Delta::Arguments),
            _ => {
                out.push(ChatEvent::Dropped(Dropped {
                    path: format!("content[{index}].citations"),
                    reason: "no other format has such a member",
                }));
                None
            }
        };
        out.extend(delta.map(|delta| ChatEvent::Delta { block, delta }));
    }

    fn message_delta(&mut self, event: &Members<'_>) {
        if let Some(usage) = event.object("usage") {
            self.usage = self.usage.updated(read_usage(&usage));
        }
        let delta = event.object("delta").unwrap_or_default();
        if let Some(word) = delta.string("stop_reason") {
            self.stop = Some(Stop {
                sequence: delta
                    .string("stop_sequence")
                    .map(std::borrow::Cow::into_owned),
                ..Stop::native(StopReason::of_messages(&word), &word)
            });
        }
    }

    /// Blocks that nobody ended are ended: when the tokens run out within a call, the provider
    /// does not.
    fn finish(&mut self, out: &mut Vec<ChatEvent>) {
        let Some(stop) = self.stop.take() else {
            return self.fail(ProviderError::cut_off(), out);
        };
        self.over = true;
        let open = std::mem::take(&mut self.open);
        out.extend(
            open.into_values()
                .map(|block| ChatEvent::BlockEnded { block }),
        );
        out.push(ChatEvent::Usage(self.usage));
        out.push(ChatEvent::Stopped(stop));
        out.push(ChatEvent::Ended);
    }

    fn fail(&mut self, error: ProviderError, out: &mut Vec<ChatEvent>) {
        self.over = true;
        if self.usage != Usage::default() {
            out.push(ChatEvent::Usage(self.usage));
        }
        out.push(ChatEvent::Failed(error));
    }
}

fn index_of(index: u64) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}
