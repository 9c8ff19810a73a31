//! An answer in, event by event.

use std::collections::BTreeMap;

use super::read_item::read_reasoning;
use super::read_response::stop_of;
use super::usage::read_usage;
use crate::format::Format;
use crate::hub::{BlockKind, ChatEvent, Content, Delta, Part, Usage};
use crate::json::{Json, Members, Reader, string_of};
use crate::path::Path;
use crate::provider_error::{ProviderError, read_error};
use crate::sse::Frame;
use crate::tool_call_id;
use crate::tool_names::ToolNames;

/// Reads frames from `response.created` to `response.completed`, `.incomplete` or `.failed`.
#[derive(Debug)]
pub(crate) struct StreamReader {
    names: ToolNames,
    next_block: u32,
    /// From item and part to our block.
    open: BTreeMap<(u64, u64), Block>,
    calls_tools: bool,
    over: bool,
}

#[derive(Debug)]
struct Block {
    number: u32,
    /// Whether arguments came in pieces, so that the whole must not come again.
    in_pieces: bool,
    /// How many summaries came: between them is a blank line.
    summaries: u64,
}

impl StreamReader {
    pub(crate) fn new(names: ToolNames) -> Self {
        Self {
            names,
            next_block: 0,
            open: BTreeMap::new(),
            calls_tools: false,
            over: false,
        }
    }

    pub(crate) fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<ChatEvent>) {
        if self.over || frame.data.is_empty() || frame.data.trim() == "[DONE]" {
            return;
        }
        let Ok(event) = Members::parse(frame.data) else {
            return self.fail(ProviderError::unreadable(), out);
        };
        let kind = event.string("type").unwrap_or_default();
        match kind.as_ref() {
            "response.created" => {
                let response = event.object("response").unwrap_or_default();
                let text = |name| response.string(name).map(std::borrow::Cow::into_owned);
                out.push(ChatEvent::Started {
                    id: text("id"),
                    model: text("model"),
                });
            }
            "response.output_item.added" => self.item_added(&event, out),
            "response.output_item.done" => self.item_done(&event, out),
            "response.content_part.done" => {
                let place = (item_of(&event), event.number("content_index").unwrap_or(0));
                self.end_block(place, out);
            }
            "response.output_text.delta" => self.words(&event, BlockKind::Text, out),
            "response.refusal.delta" => self.words(&event, BlockKind::Refusal, out),
            "response.reasoning_summary_part.added" => self.summary_added(&event, out),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                let place = (item_of(&event), 0);
                self.push(place, text(&event, "delta").map(Delta::Text), out);
            }
            "response.function_call_arguments.delta" => {
                let place = (item_of(&event), 0);
                if let Some(block) = self.open.get_mut(&place) {
                    block.in_pieces = true;
                }
                self.push(place, text(&event, "delta").map(Delta::Arguments), out);
            }
            "response.completed" | "response.incomplete" => self.completed(&event, out),
            "response.failed" | "error" => self.fail(read_error(None, frame.data), out),
            _ => {}
        }
    }

    /// The connection ended.
    pub(crate) fn end(&mut self, out: &mut Vec<ChatEvent>) {
        if !self.over {
            self.fail(ProviderError::cut_off(), out);
        }
    }

    fn start(&mut self, place: (u64, u64), kind: BlockKind, out: &mut Vec<ChatEvent>) {
        let number = self.next_block;
        self.next_block += 1;
        let block = Block {
            number,
            in_pieces: false,
            summaries: 0,
        };
        self.open.insert(place, block);
        out.push(ChatEvent::BlockStarted {
            block: number,
            kind,
        });
    }

    fn push(&mut self, place: (u64, u64), delta: Option<Delta>, out: &mut Vec<ChatEvent>) {
        if let (Some(block), Some(delta)) = (self.open.get(&place), delta) {
            out.push(ChatEvent::Delta {
                block: block.number,
                delta,
            });
        }
    }

    fn end_block(&mut self, place: (u64, u64), out: &mut Vec<ChatEvent>) {
        if let Some(block) = self.open.remove(&place) {
            out.push(ChatEvent::BlockEnded {
                block: block.number,
            });
        }
    }

    fn item_added(&mut self, event: &Members<'_>, out: &mut Vec<ChatEvent>) {
        let item = event.object("item").unwrap_or_default();
        let place = (item_of(event), 0);
        match item.string("type").as_deref() {
            Some("function_call") => {
                self.calls_tools = true;
                let text = |name: &str| item.string(name).unwrap_or_default().into_owned();
                let (id, signature) = tool_call_id::split(text("call_id"));
                let name = self.names.inward(&text("name")).to_owned();
                let kind = BlockKind::ToolCall {
                    id,
                    name,
                    signature,
                };
                self.start(place, kind, out);
            }
            Some("reasoning") => {
                let kind = BlockKind::Thinking {
                    maker: Format::Responses,
                    id: item.string("id").map(std::borrow::Cow::into_owned),
                };
                self.start(place, kind, out);
            }
            _ => {}
        }
    }

    fn item_done(&mut self, event: &Members<'_>, out: &mut Vec<ChatEvent>) {
        let index = item_of(event);
        let Some(raw) = event.get("item") else {
            return;
        };
        let item = Members::parse(raw.get()).unwrap_or_default();
        match item.string("type").as_deref() {
            Some("message") => {
                let parts: Vec<(u64, u64)> = self
                    .open
                    .range((index, 0)..=(index, u64::MAX))
                    .map(|(at, _)| *at)
                    .collect();
                for place in parts {
                    self.end_block(place, out);
                }
            }
            Some("function_call") => {
                let whole = item.get("arguments").and_then(string_of);
                if let (Some(block), Some(whole)) = (self.open.get(&(index, 0)), whole)
                    && !block.in_pieces
                    && !whole.is_empty()
                {
                    self.push((index, 0), Some(Delta::Arguments(whole.into_owned())), out);
                }
                self.end_block((index, 0), out);
            }
            Some("reasoning") => {
                let root = Path::Root;
                let read = Reader::new(raw, &root).and_then(read_reasoning);
                if let Ok(seal) = read.map(|read| read.seal) {
                    self.push((index, 0), Some(Delta::Seal(seal)), out);
                }
                self.end_block((index, 0), out);
            }
            _ => {
                let block = self.next_block;
                self.next_block += 1;
                let content = Content::Opaque {
                    format: Format::Responses,
                    json: Json::of(raw),
                };
                out.push(ChatEvent::Block {
                    block,
                    part: Box::new(Part::at(content, format!("output[{index}]"))),
                });
            }
        }
    }

    fn words(&mut self, event: &Members<'_>, kind: BlockKind, out: &mut Vec<ChatEvent>) {
        let place = (item_of(event), event.number("content_index").unwrap_or(0));
        if !self.open.contains_key(&place) {
            self.start(place, kind, out);
        }
        self.push(place, text(event, "delta").map(Delta::Text), out);
        if let Some(logprobs) = event
            .get("logprobs")
            .filter(|raw| !matches!(raw.get(), "[]" | "null"))
        {
            out.push(ChatEvent::Logprobs(Json::of(logprobs)));
        }
    }

    fn summary_added(&mut self, event: &Members<'_>, out: &mut Vec<ChatEvent>) {
        let place = (item_of(event), 0);
        let Some(block) = self.open.get_mut(&place) else {
            return;
        };
        block.summaries += 1;
        if block.summaries > 1 {
            self.push(place, Some(Delta::Text("\n\n".to_owned())), out);
        }
    }

    fn completed(&mut self, event: &Members<'_>, out: &mut Vec<ChatEvent>) {
        self.over = true;
        let response = event.object("response").unwrap_or_default();
        for (_, block) in std::mem::take(&mut self.open) {
            out.push(ChatEvent::BlockEnded {
                block: block.number,
            });
        }
        if let Some(usage) = usage_of(&response) {
            out.push(ChatEvent::Usage(usage));
        }
        let reason = response
            .object("incomplete_details")
            .and_then(|details| details.string("reason").map(std::borrow::Cow::into_owned));
        let status = response.string("status").unwrap_or_default();
        let stop = stop_of(&status, reason.as_deref(), self.calls_tools);
        out.push(ChatEvent::Stopped(stop));
        out.push(ChatEvent::Ended);
    }

    fn fail(&mut self, error: ProviderError, out: &mut Vec<ChatEvent>) {
        self.over = true;
        out.push(ChatEvent::Failed(error));
    }
}

fn usage_of(response: &Members<'_>) -> Option<Usage> {
    response.object("usage").map(|usage| read_usage(&usage))
}

fn item_of(event: &Members<'_>) -> u64 {
    event.number("output_index").unwrap_or(0)
}

fn text(event: &Members<'_>, name: &str) -> Option<String> {
    event
        .string(name)
        .filter(|text| !text.is_empty())
        .map(std::borrow::Cow::into_owned)
}
