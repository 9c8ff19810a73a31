//! An answer in, chunk by chunk.

use serde_json::value::RawValue;

use super::usage::read_usage;
use crate::balance::Balance;
use crate::format::Format;
use crate::hub::{
    BlockKind, ChatEvent, Content, Delta, Dropped, Part, Seal, Stop, StopReason, Thinking, Usage,
};
use crate::json::{Json, Members, elements, string_of};
use crate::provider_error::{ProviderError, read_error};
use crate::sse::Frame;
use crate::tool_names::ToolNames;

/// Reads frames whose data are chunks, up to `[DONE]`.
#[derive(Debug)]
pub(crate) struct StreamReader {
    names: ToolNames,
    started: bool,
    next_block: u32,
    open: Option<(u32, Saying)>,
    calls: Vec<Call>,
    stop: Option<Stop>,
    usage: Option<Usage>,
    noted: Vec<String>,
    over: bool,
}

/// What an open block without an end of its own says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Saying {
    Text,
    Refusal,
    Thought,
}

/// A call under way.
#[derive(Debug)]
struct Call {
    index: Option<u64>,
    id: String,
    block: u32,
    arguments: Balance,
    ended: bool,
}

const KNOWN: &[&str] = &[
    "role",
    "content",
    "refusal",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "thinking_blocks",
    "tool_calls",
];

impl StreamReader {
    pub(crate) fn new(names: ToolNames) -> Self {
        Self {
            names,
            started: false,
            next_block: 0,
            open: None,
            calls: Vec::new(),
            stop: None,
            usage: None,
            noted: Vec::new(),
            over: false,
        }
    }

    pub(crate) fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<ChatEvent>) {
        if self.over || frame.data.is_empty() {
            return;
        }
        if frame.data.trim() == "[DONE]" {
            return self.finish(out);
        }
        let Ok(chunk) = Members::parse(frame.data) else {
            return self.fail(ProviderError::unreadable(), out);
        };
        if chunk.get("error").is_some_and(|raw| raw.get() != "null") {
            return self.fail(read_error(None, frame.data), out);
        }
        if !self.started {
            self.started = true;
            let text = |name| chunk.string(name).map(std::borrow::Cow::into_owned);
            out.push(ChatEvent::Started {
                id: text("id"),
                model: text("model"),
            });
        }
        if let Some(usage) = chunk.object("usage") {
            let seen = self.usage.unwrap_or_default();
            self.usage = Some(seen.updated(read_usage(&usage)));
        }
        let choices = chunk.get("choices").and_then(elements).unwrap_or_default();
        for raw in choices {
            self.choice(raw, out);
        }
    }

    /// The connection ended.
    pub(crate) fn end(&mut self, out: &mut Vec<ChatEvent>) {
        if !self.over {
            self.finish(out);
        }
    }

    fn choice(&mut self, raw: &RawValue, out: &mut Vec<ChatEvent>) {
        let Ok(choice) = Members::parse(raw.get()) else {
            return self.fail(ProviderError::unreadable(), out);
        };
        if choice.number("index").unwrap_or(0) != 0 {
            return self.note("choices[1]", out);
        }
        if let Some(delta) = choice.object("delta") {
            self.delta(&delta, out);
        }
        if let Some(logprobs) = choice.object("logprobs")
            && let Some(content) = logprobs.get("content").filter(|raw| raw.get() != "null")
        {
            out.push(ChatEvent::Logprobs(Json::of(content)));
        }
        if let Some(word) = choice.string("finish_reason") {
            let mut reason = StopReason::of_chat_completions(&word);
            if reason == StopReason::EndTurn && !self.calls.is_empty() {
                reason = StopReason::ToolCalls;
            }
            let native = choice.string("native_finish_reason").unwrap_or(word);
            self.stop = Some(Stop::native(reason, &native));
        }
    }

    fn delta(&mut self, delta: &Members<'_>, out: &mut Vec<ChatEvent>) {
        let thought = delta
            .string("reasoning_content")
            .or_else(|| delta.string("reasoning"));
        let blocks = delta
            .get("thinking_blocks")
            .and_then(elements)
            .unwrap_or_default();
        if let Some(text) = thought.filter(|text| !text.is_empty()) {
            let maker = if blocks.is_empty() {
                Format::ChatCompletions
            } else {
                Format::Messages
            };
            let block = self.say(
                Saying::Thought,
                BlockKind::Thinking { maker, id: None },
                out,
            );
            let delta = Delta::Text(text.into_owned());
            out.push(ChatEvent::Delta { block, delta });
        }
        for raw in blocks {
            self.seal(raw, out);
        }
        if let Some(text) = delta.string("content").filter(|text| !text.is_empty()) {
            let block = self.say(Saying::Text, BlockKind::Text, out);
            let delta = Delta::Text(text.into_owned());
            out.push(ChatEvent::Delta { block, delta });
        }
        if let Some(text) = delta.string("refusal").filter(|text| !text.is_empty()) {
            let block = self.say(Saying::Refusal, BlockKind::Refusal, out);
            let delta = Delta::Text(text.into_owned());
            out.push(ChatEvent::Delta { block, delta });
        }
        for raw in delta
            .get("tool_calls")
            .and_then(elements)
            .unwrap_or_default()
        {
            self.tool_call(raw, out);
        }
        for (name, value) in delta.iter() {
            if value.get() != "null" && !KNOWN.contains(&name) {
                self.note(&format!("choices[0].delta.{name}"), out);
            }
        }
    }

    fn seal(&mut self, raw: &RawValue, out: &mut Vec<ChatEvent>) {
        let Ok(block) = Members::parse(raw.get()) else {
            return;
        };
        if let Some(signature) = block.string("signature").filter(|text| !text.is_empty()) {
            let maker = Format::Messages;
            let block = self.say(
                Saying::Thought,
                BlockKind::Thinking { maker, id: None },
                out,
            );
            let delta = Delta::Seal(Seal::Signature(signature.into_owned()));
            out.push(ChatEvent::Delta { block, delta });
            // What is signed is complete.
            self.close(out);
        } else if let Some(data) = block.string("data") {
            self.close(out);
            let thinking = Thinking {
                maker: Format::Messages,
                text: String::new(),
                seal: Seal::Redacted(data.into_owned()),
            };
            let block = self.next_block;
            self.next_block += 1;
            out.push(ChatEvent::Block {
                block,
                part: Box::new(Part::new(Content::Thinking(thinking))),
            });
        }
    }

    /// The open block that says this kind of thing; a new one if it is another.
    fn say(&mut self, saying: Saying, kind: BlockKind, out: &mut Vec<ChatEvent>) -> u32 {
        if let Some((block, open)) = self.open
            && open == saying
        {
            return block;
        }
        self.close(out);
        let block = self.start(kind, out);
        self.open = Some((block, saying));
        block
    }

    fn start(&mut self, kind: BlockKind, out: &mut Vec<ChatEvent>) -> u32 {
        let block = self.next_block;
        self.next_block += 1;
        out.push(ChatEvent::BlockStarted { block, kind });
        block
    }

    fn close(&mut self, out: &mut Vec<ChatEvent>) {
        if let Some((block, _)) = self.open.take() {
            out.push(ChatEvent::BlockEnded { block });
        }
    }

    /// Fragments belong to a call by index. Some providers number all calls alike, and then a new id
    /// is a new call; some send no index, and then the last call goes on.
    fn tool_call(&mut self, raw: &RawValue, out: &mut Vec<ChatEvent>) {
        let Ok(fragment) = Members::parse(raw.get()) else {
            return self.fail(ProviderError::unreadable(), out);
        };
        let index = fragment.number("index");
        let id = fragment.string("id").filter(|id| !id.is_empty());
        let function = fragment.object("function").unwrap_or_default();
        let known = self.calls.iter().rposition(|call| {
            let same_index = index.is_none() || call.index == index;
            same_index && id.as_deref().is_none_or(|id| call.id == id)
        });
        let at = if let Some(at) = known {
            at
        } else {
            self.close(out);
            self.end_complete_calls(out);
            let id = id.map_or_else(
                || format!("call_{}", self.calls.len()),
                std::borrow::Cow::into_owned,
            );
            let (bare, carried) = crate::tool_call_id::split(id.clone());
            let name = function.string("name").unwrap_or_default();
            let kind = BlockKind::ToolCall {
                id: bare,
                name: self.names.inward(&name).to_owned(),
                signature: google_signature(&fragment).or(carried),
            };
            let block = self.start(kind, out);
            self.calls.push(Call {
                index,
                id,
                block,
                arguments: Balance::default(),
                ended: false,
            });
            self.calls.len() - 1
        };
        let piece = function
            .string("arguments")
            .filter(|piece| !piece.is_empty());
        if let (Some(call), Some(piece)) = (self.calls.get_mut(at), piece)
            && !call.ended
        {
            call.arguments.push(&piece);
            out.push(ChatEvent::Delta {
                block: call.block,
                delta: Delta::Arguments(piece.into_owned()),
            });
        }
    }

    /// Ends those calls to which nothing can be added, so that the next one need not wait.
    fn end_complete_calls(&mut self, out: &mut Vec<ChatEvent>) {
        for call in &mut self.calls {
            if !call.ended && call.arguments.is_complete() {
                call.ended = true;
                out.push(ChatEvent::BlockEnded { block: call.block });
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<ChatEvent>) {
        let Some(stop) = self.stop.take() else {
            return self.fail(ProviderError::cut_off(), out);
        };
        self.over = true;
        self.close(out);
        for call in self.calls.iter().filter(|call| !call.ended) {
            out.push(ChatEvent::BlockEnded { block: call.block });
        }
        if let Some(usage) = self.usage {
            out.push(ChatEvent::Usage(usage));
        }
        out.push(ChatEvent::Stopped(stop));
        out.push(ChatEvent::Ended);
    }

    fn fail(&mut self, error: ProviderError, out: &mut Vec<ChatEvent>) {
        self.over = true;
        if let Some(usage) = self.usage {
            out.push(ChatEvent::Usage(usage));
        }
        out.push(ChatEvent::Failed(error));
    }

    /// Each thing that cannot be said is said once.
    fn note(&mut self, path: &str, out: &mut Vec<ChatEvent>) {
        if self.noted.len() < 64 && !self.noted.iter().any(|noted| noted == path) {
            self.noted.push(path.to_owned());
            out.push(ChatEvent::Dropped(Dropped {
                path: path.to_owned(),
                reason: "no other format has such a member",
            }));
        }
    }
}

fn google_signature(fragment: &Members<'_>) -> Option<String> {
    let google = fragment.object("extra_content")?;
    let google = google.object("google")?;
    google
        .get("thought_signature")
        .and_then(string_of)
        .map(std::borrow::Cow::into_owned)
}
