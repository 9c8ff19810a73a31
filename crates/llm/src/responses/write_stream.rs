//! An answer out, event by event, each with its number.

use std::collections::BTreeMap;

use super::write_response::{
    State, call_item, item_id, message_item, refusal_part, response_object, text_part, thought_item,
};
use crate::answer::AnswerHead;
use crate::caller_error::CallerError;
use crate::format::Format;
use crate::hub::{
    BlockKind, ChatEvent, Content, Delta, Losses, Seal, Stop, StopReason, Thinking, ToolCall, Usage,
};
use crate::json::{Json, ObjectText};
use crate::sse::push_event;

/// Writes events from `response.created` to `response.completed`.
#[derive(Debug)]
pub(crate) struct StreamWriter {
    head: AnswerHead,
    begun: bool,
    sequence_number: u64,
    /// Items that are complete; none while one of an earlier number is not.
    items: BTreeMap<usize, String>,
    next_item: usize,
    open: BTreeMap<u32, Open>,
    logprobs: Option<Json>,
    usage: Option<Usage>,
    stop: Option<Stop>,
}

/// A block under way: an item of its own.
#[derive(Debug)]
struct Open {
    index: usize,
    id: String,
    kind: Kind,
    /// All of it so far: the event that ends an item says the whole.
    text: String,
}

#[derive(Debug)]
enum Kind {
    Text,
    Refusal,
    Thinking { maker: Format, seal: Seal },
    Call(ToolCall),
}

impl StreamWriter {
    pub(crate) const fn new(head: AnswerHead) -> Self {
        Self {
            head,
            begun: false,
            sequence_number: 0,
            items: BTreeMap::new(),
            next_item: 0,
            open: BTreeMap::new(),
            logprobs: None,
            usage: None,
            stop: None,
        }
    }

    pub(crate) fn event(&mut self, event: &ChatEvent, losses: &mut Losses, out: &mut String) {
        match event {
            ChatEvent::Started { .. } => self.begin(out),
            ChatEvent::BlockStarted { block, kind } => self.start(*block, kind, out),
            ChatEvent::Delta { block, delta } => self.delta(*block, delta, out),
            ChatEvent::BlockEnded { block } => self.end_block(*block, out),
            ChatEvent::Block { part, .. } => match &part.content {
                Content::Opaque {
                    format: Format::Responses,
                    json,
                } => self.whole(json.as_str(), out),
                Content::Thinking(thinking) => {
                    let id = item_id("rs", &self.head, self.next_item);
                    let item = thought_item(thinking, &id);
                    self.whole(&item, out);
                }
                _ => losses.note(part.path.as_str(), "the caller's format has no such part"),
            },
            ChatEvent::Logprobs(json) => self.logprobs = Some(json.clone()),
            ChatEvent::Usage(usage) => {
                self.usage = Some(self.usage.unwrap_or_default().updated(*usage));
            }
            ChatEvent::Stopped(stop) => self.stop = Some(stop.clone()),
            ChatEvent::Dropped(dropped) => losses.note(dropped.path.as_str(), dropped.reason),
            ChatEvent::Failed(_) => {}
            ChatEvent::Ended => self.finish(out),
        }
    }

    /// The error of a stream that cannot go on: the response has failed.
    pub(crate) fn fail(&mut self, error: &CallerError, out: &mut String) {
        self.begin(out);
        let mut inner = ObjectText::new();
        inner
            .string("code", error.openai_code().unwrap_or("server_error"))
            .string(
                "message",
                &format!("{} (request {})", error.message, error.request_id),
            );
        let state = State::Failed(&inner.finish());
        let failed = response_object(&self.head, &self.complete(), &state, self.usage.as_ref());
        self.send("response.failed", "response", &failed, out);
    }

    fn begin(&mut self, out: &mut String) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let response = response_object(&self.head, &[], &State::UnderWay, None);
        self.send("response.created", "response", &response, out);
        self.send("response.in_progress", "response", &response, out);
    }

    /// An event with one member beside its type and number.
    fn send(&mut self, kind: &str, name: &str, value: &str, out: &mut String) {
        let mut event = self.event_of(kind);
        event.raw(name, value);
        push_event(out, kind, &event.finish());
    }

    fn event_of(&mut self, kind: &str) -> ObjectText {
        let mut event = ObjectText::typed(kind);
        event.number("sequence_number", self.sequence_number);
        self.sequence_number += 1;
        event
    }

    fn item_event(&mut self, kind: &str, index: usize, item: &str, out: &mut String) {
        let mut event = self.event_of(kind);
        event
            .number("output_index", number(index))
            .raw("item", item);
        push_event(out, kind, &event.finish());
    }

    fn start(&mut self, block: u32, kind: &BlockKind, out: &mut String) {
        self.begin(out);
        let index = self.next_item;
        self.next_item += 1;
        let prefix = match kind {
            BlockKind::Text | BlockKind::Refusal => "msg",
            BlockKind::Thinking { .. } => "rs",
            BlockKind::ToolCall { .. } => "fc",
        };
        let id = match kind {
            BlockKind::Thinking { id: Some(id), .. } => id.clone(),
            _ => item_id(prefix, &self.head, index),
        };
        let (kind, item) = match kind {
            BlockKind::Text => (Kind::Text, message_item(&id, "in_progress", &[])),
            BlockKind::Refusal => (Kind::Refusal, message_item(&id, "in_progress", &[])),
            BlockKind::Thinking { maker, .. } => {
                let kind = Kind::Thinking {
                    maker: *maker,
                    seal: Seal::None,
                };
                (kind, crate::reasoning_item::write(Some(&id), None, ""))
            }
            BlockKind::ToolCall {
                id: call_id,
                name,
                signature,
            } => {
                let call = ToolCall {
                    id: call_id.clone(),
                    name: name.clone(),
                    arguments: String::new(),
                    signature: signature.clone(),
                };
                let item = call_item(&call, &id, "in_progress", "");
                (Kind::Call(call), item)
            }
        };
        self.item_event("response.output_item.added", index, &item, out);
        let begins = match &kind {
            Kind::Text => Some((
                "response.content_part.added",
                "content_index",
                text_part("", None),
            )),
            Kind::Refusal => Some((
                "response.content_part.added",
                "content_index",
                refusal_part(""),
            )),
            Kind::Thinking { .. } => Some((
                "response.reasoning_summary_part.added",
                "summary_index",
                summary_part(""),
            )),
            Kind::Call(_) => None,
        };
        if let Some((event, place, part)) = begins {
            self.part_event(event, &id, index, place, &part, out);
        }
        self.open.insert(
            block,
            Open {
                index,
                id,
                kind,
                text: String::new(),
            },
        );
    }

    fn part_event(
        &mut self,
        kind: &str,
        id: &str,
        index: usize,
        place: &str,
        part: &str,
        out: &mut String,
    ) {
        let mut event = self.event_of(kind);
        event
            .string("item_id", id)
            .number("output_index", number(index))
            .number(place, 0)
            .raw("part", part);
        push_event(out, kind, &event.finish());
    }

    fn delta(&mut self, block: u32, delta: &Delta, out: &mut String) {
        let Some(open) = self.open.get_mut(&block) else {
            return;
        };
        let (kind, place, piece) = match (&mut open.kind, delta) {
            (Kind::Text, Delta::Text(text)) => {
                ("response.output_text.delta", Some("content_index"), text)
            }
            (Kind::Refusal, Delta::Text(text)) => {
                ("response.refusal.delta", Some("content_index"), text)
            }
            (Kind::Thinking { .. }, Delta::Text(text)) => (
                "response.reasoning_summary_text.delta",
                Some("summary_index"),
                text,
            ),
            (Kind::Call(_), Delta::Arguments(piece)) => {
                ("response.function_call_arguments.delta", None, piece)
            }
            (Kind::Thinking { seal, .. }, Delta::Seal(given)) => {
                *seal = given.clone();
                return;
            }
            _ => return,
        };
        open.text.push_str(piece);
        let (id, index) = (open.id.clone(), number(open.index));
        let mut event = self.event_of(kind);
        event.string("item_id", &id).number("output_index", index);
        if let Some(place) = place {
            event.number(place, 0);
        }
        event.string("delta", piece);
        if kind == "response.output_text.delta" {
            match &self.logprobs {
                Some(logprobs) => event.json("logprobs", logprobs),
                None => event.raw("logprobs", "[]"),
            };
            self.logprobs = None;
        }
        push_event(out, kind, &event.finish());
    }

    /// The whole of a text, in the event that ends it.
    fn done(&mut self, kind: &str, open: &Open, name: &str, place: Option<&str>, out: &mut String) {
        let mut event = self.event_of(kind);
        event
            .string("item_id", &open.id)
            .number("output_index", number(open.index));
        if let Some(place) = place {
            event.number(place, 0);
        }
        event.string(name, &open.text);
        if kind == "response.output_text.done" {
            event.raw("logprobs", "[]");
        }
        push_event(out, kind, &event.finish());
    }

    fn end_block(&mut self, block: u32, out: &mut String) {
        let Some(mut open) = self.open.remove(&block) else {
            return;
        };
        let (content, summary) = (Some("content_index"), Some("summary_index"));
        let item = match &mut open.kind {
            Kind::Text => {
                let part = text_part(&open.text, None);
                self.done("response.output_text.done", &open, "text", content, out);
                self.part_done(
                    "response.content_part.done",
                    &open,
                    "content_index",
                    &part,
                    out,
                );
                message_item(&open.id, "completed", &[part])
            }
            Kind::Refusal => {
                let part = refusal_part(&open.text);
                self.done("response.refusal.done", &open, "refusal", content, out);
                self.part_done(
                    "response.content_part.done",
                    &open,
                    "content_index",
                    &part,
                    out,
                );
                message_item(&open.id, "completed", &[part])
            }
            Kind::Thinking { maker, seal } => {
                let thinking = Thinking {
                    maker: *maker,
                    text: open.text.clone(),
                    seal: seal.clone(),
                };
                let part = summary_part(&open.text);
                self.done(
                    "response.reasoning_summary_text.done",
                    &open,
                    "text",
                    summary,
                    out,
                );
                self.part_done(
                    "response.reasoning_summary_part.done",
                    &open,
                    "summary_index",
                    &part,
                    out,
                );
                thought_item(&thinking, &open.id)
            }
            Kind::Call(call) => {
                let call = call.clone();
                if open.text.trim().is_empty() {
                    "{}".clone_into(&mut open.text);
                }
                self.done(
                    "response.function_call_arguments.done",
                    &open,
                    "arguments",
                    None,
                    out,
                );
                call_item(&call, &open.id, "completed", &open.text)
            }
        };
        self.item_event("response.output_item.done", open.index, &item, out);
        self.items.insert(open.index, item);
    }

    fn part_done(&mut self, kind: &str, open: &Open, place: &str, part: &str, out: &mut String) {
        self.part_event(kind, &open.id, open.index, place, part, out);
    }

    fn whole(&mut self, item: &str, out: &mut String) {
        self.begin(out);
        let index = self.next_item;
        self.next_item += 1;
        self.item_event("response.output_item.added", index, item, out);
        self.item_event("response.output_item.done", index, item, out);
        self.items.insert(index, item.to_owned());
    }

    fn complete(&self) -> Vec<String> {
        self.items.values().cloned().collect()
    }

    fn finish(&mut self, out: &mut String) {
        self.begin(out);
        let stop = self.stop.take().unwrap_or(Stop::of(StopReason::EndTurn));
        let response = response_object(
            &self.head,
            &self.complete(),
            &State::Stopped(&stop),
            self.usage.as_ref(),
        );
        let kind = match stop.reason {
            StopReason::MaxTokens | StopReason::Paused | StopReason::ContentFilter => {
                "response.incomplete"
            }
            StopReason::EndTurn
            | StopReason::StopSequence
            | StopReason::ToolCalls
            | StopReason::Malformed => "response.completed",
        };
        self.send(kind, "response", &response, out);
    }
}

fn summary_part(text: &str) -> String {
    let mut part = ObjectText::typed("summary_text");
    part.string("text", text);
    part.finish()
}

fn number(index: usize) -> u64 {
    u64::try_from(index).unwrap_or(u64::MAX)
}
