//! An answer out, chunk by chunk.

use std::collections::BTreeMap;

use super::usage::write_usage;
use super::write_message::{put_call, thinking_block};
use super::write_response::finish_reason;
use crate::answer::AnswerHead;
use crate::caller_error::CallerError;
use crate::format::Format;
use crate::hub::{
    BlockKind, ChatEvent, Content, Delta, Losses, Part, Seal, Stop, Thinking, ToolCall, Usage,
};
use crate::json::{ArrayText, ObjectText};
use crate::reasoning_item;
use crate::sse::push_data;

/// Writes chunks with one id, model and moment.
#[derive(Debug)]
pub(crate) struct StreamWriter {
    head: AnswerHead,
    /// What every chunk begins with.
    prelude: String,
    begun: bool,
    blocks: BTreeMap<u32, Block>,
    calls: u64,
    usage: Option<Usage>,
    stop: Option<Stop>,
}

#[derive(Debug)]
enum Block {
    Text,
    Refusal,
    Thinking(Format),
    Call { index: u64, begun: bool },
}

impl StreamWriter {
    pub(crate) fn new(head: AnswerHead) -> Self {
        let mut object = ObjectText::new();
        object
            .string("id", &head.id)
            .string("object", "chat.completion.chunk")
            .raw("created", &head.created_secs.to_string())
            .string("model", &head.model);
        let mut prelude = object.finish();
        prelude.pop();
        Self {
            head,
            prelude,
            begun: false,
            blocks: BTreeMap::new(),
            calls: 0,
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
            ChatEvent::Block { part, .. } => self.whole(part, losses, out),
            ChatEvent::Logprobs(json) => {
                let mut object = ObjectText::new();
                object.json("content", json);
                self.chunk("{}", Some(&object.finish()), None, out);
            }
            ChatEvent::Usage(usage) => {
                self.usage = Some(self.usage.unwrap_or_default().updated(*usage));
            }
            ChatEvent::Stopped(stop) => self.stop = Some(stop.clone()),
            ChatEvent::Dropped(dropped) => losses.note(dropped.path.as_str(), dropped.reason),
            ChatEvent::Failed(_) => {}
            ChatEvent::Ended => self.finish(out),
        }
    }

    /// The error of a stream that cannot go on. There is no `[DONE]` after it.
    pub(crate) fn fail(error: &CallerError, out: &mut String) {
        push_data(out, &error.body(Format::ChatCompletions));
    }

    /// The role stands in the first chunk alone.
    fn begin(&mut self, out: &mut String) {
        if !std::mem::replace(&mut self.begun, true) {
            self.chunk(r#"{"role":"assistant","content":""}"#, None, None, out);
        }
    }

    fn start(&mut self, block: u32, kind: &BlockKind, out: &mut String) {
        self.begin(out);
        let kept = match kind {
            BlockKind::Text => Block::Text,
            BlockKind::Refusal => Block::Refusal,
            BlockKind::Thinking { maker, .. } => Block::Thinking(*maker),
            BlockKind::ToolCall {
                id,
                name,
                signature,
            } => {
                let index = self.calls;
                self.calls += 1;
                self.call_begins(index, id, name, signature.clone(), out);
                Block::Call {
                    index,
                    begun: false,
                }
            }
        };
        self.blocks.insert(block, kept);
    }

    fn call_begins(
        &self,
        index: u64,
        id: &str,
        name: &str,
        signature: Option<String>,
        out: &mut String,
    ) {
        let call = ToolCall {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: String::new(),
            signature,
        };
        let mut object = ObjectText::new();
        object.number("index", index);
        put_call(&mut object, &call, "");
        self.calls_chunk(&object.finish(), out);
    }

    fn calls_chunk(&self, call: &str, out: &mut String) {
        let mut calls = ArrayText::new();
        calls.push(call);
        let mut delta = ObjectText::new();
        delta.raw("tool_calls", &calls.finish());
        self.chunk(&delta.finish(), None, None, out);
    }

    fn arguments(&self, index: u64, piece: &str, out: &mut String) {
        let mut function = ObjectText::new();
        function.string("arguments", piece);
        let mut call = ObjectText::new();
        call.number("index", index)
            .raw("function", &function.finish());
        self.calls_chunk(&call.finish(), out);
    }

    fn delta(&mut self, block: u32, delta: &Delta, out: &mut String) {
        let mut object = ObjectText::new();
        match (self.blocks.get_mut(&block), delta) {
            (Some(Block::Text), Delta::Text(text)) => {
                object.string("content", text);
            }
            (Some(Block::Refusal), Delta::Text(text)) => {
                object.string("refusal", text);
            }
            (Some(Block::Thinking(maker)), Delta::Text(text)) => {
                object.string("reasoning_content", text);
                let thinking = Thinking {
                    maker: *maker,
                    text: text.clone(),
                    seal: Seal::None,
                };
                put_thinking(&thinking, &mut object);
            }
            (Some(Block::Thinking(maker)), Delta::Seal(seal)) => {
                let thinking = Thinking {
                    maker: *maker,
                    text: String::new(),
                    seal: seal.clone(),
                };
                put_thinking(&thinking, &mut object);
            }
            (Some(Block::Call { index, begun }), Delta::Arguments(piece)) => {
                *begun = true;
                let index = *index;
                return self.arguments(index, piece, out);
            }
            _ => return,
        }
        if !object.is_empty() {
            self.chunk(&object.finish(), None, None, out);
        }
    }

    fn end_block(&mut self, block: u32, out: &mut String) {
        if let Some(Block::Call {
            index,
            begun: false,
        }) = self.blocks.remove(&block)
        {
            self.arguments(index, "{}", out);
        }
    }

    fn whole(&mut self, part: &Part, losses: &mut Losses, out: &mut String) {
        self.begin(out);
        let mut object = ObjectText::new();
        if let Content::Thinking(thinking) = &part.content {
            if !thinking.text.is_empty() {
                object.string("reasoning_content", &thinking.text);
            }
            put_thinking(thinking, &mut object);
        } else {
            losses.note(part.path.as_str(), "the caller's format has no such part");
        }
        if !object.is_empty() {
            self.chunk(&object.finish(), None, None, out);
        }
    }

    fn finish(&mut self, out: &mut String) {
        self.begin(out);
        if let Some(stop) = self.stop.take() {
            self.chunk("{}", None, Some(&stop), out);
        }
        if let (true, Some(usage)) = (self.head.with_usage, &self.usage) {
            let mut chunk = self.prelude.clone();
            chunk.push_str(r#","choices":[],"usage":"#);
            chunk.push_str(&write_usage(usage));
            chunk.push('}');
            push_data(out, &chunk);
        }
        push_data(out, "[DONE]");
    }

    /// One chunk. The reason of the end is null in all but the last.
    fn chunk(&self, delta: &str, logprobs: Option<&str>, stop: Option<&Stop>, out: &mut String) {
        let mut choice = ObjectText::new();
        choice
            .number("index", 0)
            .raw("delta", delta)
            .raw("logprobs", logprobs.unwrap_or("null"));
        match stop {
            Some(stop) => finish_reason(stop, &mut choice),
            None => {
                choice.raw("finish_reason", "null");
            }
        }
        let mut chunk = self.prelude.clone();
        chunk.push_str(r#","choices":["#);
        chunk.push_str(&choice.finish());
        chunk.push_str("]}");
        push_data(out, &chunk);
    }
}

/// The block of a thought, for clients that give it back.
fn put_thinking(thinking: &Thinking, object: &mut ObjectText) {
    if let Seal::Item { id, encrypted } = &thinking.seal {
        let item = reasoning_item::write(id.as_deref(), encrypted.as_deref(), &thinking.text);
        object.raw("reasoning_items", &format!("[{item}]"));
    } else if let Some(block) = thinking_block(thinking) {
        object.raw("thinking_blocks", &format!("[{block}]"));
    }
}
