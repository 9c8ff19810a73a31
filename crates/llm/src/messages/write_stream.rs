//! An answer out, event by event.

use std::collections::VecDeque;

use super::usage::write_usage;
use super::write_response::{call_block, put_stop, write_block};
use crate::answer::AnswerHead;
use crate::caller_error::CallerError;
use crate::format::Format;
use crate::hub::{
    BlockKind, ChatEvent, Delta, Losses, Part, Seal, Stop, Thinking, ToolCall, Usage,
};
use crate::json::ObjectText;
use crate::seal;
use crate::sse::push_event;

/// Writes events, one block at a time: this format's blocks do not overlap. What comes for another
/// block meanwhile waits until the present one ends.
#[derive(Debug)]
pub(crate) struct StreamWriter {
    head: AnswerHead,
    begun: bool,
    next_index: u64,
    open: Option<Open>,
    waiting: VecDeque<(u32, Step)>,
    usage: Usage,
    stop: Option<Stop>,
}

#[derive(Debug)]
struct Open {
    block: u32,
    index: u64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking { maker: Format, sealed: bool },
    Call,
}

#[derive(Clone, Debug)]
enum Step {
    Start(BlockKind),
    Delta(Delta),
    End,
    Whole(Box<Part>),
}

impl StreamWriter {
    pub(crate) const fn new(head: AnswerHead) -> Self {
        Self {
            head,
            begun: false,
            next_index: 0,
            open: None,
            waiting: VecDeque::new(),
            usage: Usage {
                input: 0,
                cache_read: 0,
                cache_write: 0,
                cache_write_hour: 0,
                output: 0,
                reasoning: 0,
            },
            stop: None,
        }
    }

    pub(crate) fn event(&mut self, event: &ChatEvent, losses: &mut Losses, out: &mut String) {
        match event {
            // The beginning says how long the prompt is, so it waits for that if it comes at once.
            ChatEvent::Started { .. } | ChatEvent::Failed(_) => {}
            ChatEvent::Usage(usage) => self.usage = self.usage.updated(*usage),
            ChatEvent::BlockStarted { block, kind } => {
                self.step(*block, Step::Start(kind.clone()), losses, out);
            }
            ChatEvent::Delta { block, delta } => {
                self.step(*block, Step::Delta(delta.clone()), losses, out);
            }
            ChatEvent::BlockEnded { block } => self.step(*block, Step::End, losses, out),
            ChatEvent::Block { block, part } => {
                self.step(*block, Step::Whole(part.clone()), losses, out);
            }
            ChatEvent::Logprobs(_) => {
                losses.note("logprobs", "the caller's format does not say probabilities");
            }
            ChatEvent::Stopped(stop) => self.stop = Some(stop.clone()),
            ChatEvent::Dropped(dropped) => losses.note(dropped.path.as_str(), dropped.reason),
            ChatEvent::Ended => self.finish(out),
        }
    }

    /// The error of a stream that cannot go on.
    pub(crate) fn fail(error: &CallerError, out: &mut String) {
        push_event(out, "error", &error.body(Format::Messages));
    }

    fn begin(&mut self, out: &mut String) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let mut message = ObjectText::new();
        message
            .string("id", &self.head.id)
            .string("type", "message")
            .string("role", "assistant")
            .string("model", &self.head.model)
            .raw("content", "[]")
            .raw("stop_reason", "null")
            .raw("stop_sequence", "null")
            .raw("usage", &write_usage(&self.usage));
        let mut event = ObjectText::typed("message_start");
        event.raw("message", &message.finish());
        push_event(out, "message_start", &event.finish());
    }

    fn step(&mut self, block: u32, step: Step, losses: &mut Losses, out: &mut String) {
        self.begin(out);
        if self.open.as_ref().is_some_and(|open| open.block != block) {
            self.waiting.push_back((block, step));
            return;
        }
        self.apply(block, step, losses, out);
        // What waited goes on until the next block stands open, and then what is that block's.
        while self.open.is_none()
            && let Some((next, step)) = self.waiting.pop_front()
        {
            self.apply(next, step, losses, out);
            self.catch_up(losses, out);
        }
    }

    fn catch_up(&mut self, losses: &mut Losses, out: &mut String) {
        while let Some(open) = self.open.as_ref().map(|open| open.block)
            && let Some(at) = self.waiting.iter().position(|(block, _)| *block == open)
            && let Some((block, step)) = self.waiting.remove(at)
        {
            self.apply(block, step, losses, out);
        }
    }

    fn apply(&mut self, block: u32, step: Step, losses: &mut Losses, out: &mut String) {
        match step {
            Step::Start(kind) => self.start(block, kind, out),
            Step::Delta(delta) => self.delta(&delta, losses, out),
            Step::End => self.end_block(out),
            Step::Whole(part) => {
                if let Some(written) = write_block(&part, losses) {
                    let index = self.take_index();
                    block_start(index, &written, out);
                    block_stop(index, out);
                }
            }
        }
    }

    const fn take_index(&mut self) -> u64 {
        let index = self.next_index;
        self.next_index += 1;
        index
    }

    fn start(&mut self, block: u32, kind: BlockKind, out: &mut String) {
        let index = self.take_index();
        let (kind, written) = match kind {
            BlockKind::Text | BlockKind::Refusal => {
                let mut object = ObjectText::typed("text");
                object.string("text", "");
                (Kind::Text, object)
            }
            BlockKind::Thinking { maker, .. } => {
                let mut object = ObjectText::typed("thinking");
                object.string("thinking", "").string("signature", "");
                let sealed = false;
                (Kind::Thinking { maker, sealed }, object)
            }
            BlockKind::ToolCall {
                id,
                name,
                signature,
            } => {
                let mut object = call_block(&ToolCall {
                    id,
                    name,
                    arguments: String::new(),
                    signature,
                });
                object.raw("input", "{}");
                (Kind::Call, object)
            }
        };
        block_start(index, &written.finish(), out);
        self.open = Some(Open { block, index, kind });
    }

    fn delta(&mut self, delta: &Delta, losses: &mut Losses, out: &mut String) {
        let Some(open) = &mut self.open else {
            return;
        };
        let object = match (&mut open.kind, delta) {
            (Kind::Text, Delta::Text(text)) => text_delta("text_delta", "text", text),
            (Kind::Thinking { .. }, Delta::Text(text)) => {
                text_delta("thinking_delta", "thinking", text)
            }
            (Kind::Thinking { maker, sealed }, Delta::Seal(seal)) => {
                let thinking = Thinking {
                    maker: *maker,
                    text: String::new(),
                    seal: seal.clone(),
                };
                let Some(signature) = seal::signature_of(&thinking) else {
                    losses.note("thinking", "withheld thoughts come as a block of their own");
                    return;
                };
                *sealed = true;
                text_delta("signature_delta", "signature", &signature)
            }
            (Kind::Call, Delta::Arguments(piece)) => {
                text_delta("input_json_delta", "partial_json", piece)
            }
            _ => return,
        };
        object.insert_delta(open.index, out);
    }

    fn end_block(&mut self, out: &mut String) {
        let Some(open) = self.open.take() else {
            return;
        };
        // A thought without a seal is marked, so that it is known when it comes back.
        if let Kind::Thinking {
            maker,
            sealed: false,
        } = open.kind
        {
            let thinking = Thinking {
                maker,
                text: String::new(),
                seal: Seal::None,
            };
            if let Some(signature) = seal::signature_of(&thinking) {
                text_delta("signature_delta", "signature", &signature)
                    .insert_delta(open.index, out);
            }
        }
        block_stop(open.index, out);
    }

    fn finish(&mut self, out: &mut String) {
        self.begin(out);
        self.end_block(out);
        let mut delta = ObjectText::new();
        let stop = self.stop.take();
        put_stop(
            &stop.unwrap_or(Stop::of(crate::hub::StopReason::EndTurn)),
            &mut delta,
        );
        let mut event = ObjectText::typed("message_delta");
        event
            .raw("delta", &delta.finish())
            .raw("usage", &write_usage(&self.usage));
        push_event(out, "message_delta", &event.finish());
        push_event(
            out,
            "message_stop",
            &ObjectText::typed("message_stop").finish(),
        );
    }
}

/// The inner object of a `content_block_delta`.
struct DeltaText(ObjectText);

fn text_delta(kind: &str, name: &str, text: &str) -> DeltaText {
    let mut delta = ObjectText::typed(kind);
    delta.string(name, text);
    DeltaText(delta)
}

impl DeltaText {
    fn insert_delta(self, index: u64, out: &mut String) {
        let mut event = ObjectText::typed("content_block_delta");
        event.number("index", index).raw("delta", &self.0.finish());
        push_event(out, "content_block_delta", &event.finish());
    }
}

fn block_start(index: u64, block: &str, out: &mut String) {
    let mut event = ObjectText::typed("content_block_start");
    event.number("index", index).raw("content_block", block);
    push_event(out, "content_block_start", &event.finish());
}

fn block_stop(index: u64, out: &mut String) {
    let mut event = ObjectText::typed("content_block_stop");
    event.number("index", index);
    push_event(out, "content_block_stop", &event.finish());
}
