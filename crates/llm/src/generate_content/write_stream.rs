//! An answer out, piece by piece. Calls come whole in this format, so their pieces are collected.

use std::collections::BTreeMap;

use super::write_response::{call_part, response_object, thought, write_part};
use crate::answer::AnswerHead;
use crate::caller_error::CallerError;
use crate::format::Format;
use crate::hub::{BlockKind, ChatEvent, Delta, Losses, Stop, ToolCall, Usage};
use crate::json::ObjectText;
use crate::sse::push_data;

/// Writes frames of `streamGenerateContent?alt=sse`.
#[derive(Debug)]
pub(crate) struct StreamWriter {
    head: AnswerHead,
    open: BTreeMap<u32, Block>,
    usage: Option<Usage>,
    stop: Option<Stop>,
}

#[derive(Debug)]
enum Block {
    Text,
    Thinking(Format),
    Call(ToolCall),
}

impl StreamWriter {
    pub(crate) const fn new(head: AnswerHead) -> Self {
        Self {
            head,
            open: BTreeMap::new(),
            usage: None,
            stop: None,
        }
    }

    pub(crate) fn event(&mut self, event: &ChatEvent, losses: &mut Losses, out: &mut String) {
        match event {
            ChatEvent::Started { .. } | ChatEvent::Failed(_) => {}
            ChatEvent::BlockStarted { block, kind } => {
                let kept = match kind {
                    BlockKind::Text | BlockKind::Refusal => Block::Text,
                    BlockKind::Thinking { maker, .. } => Block::Thinking(*maker),
                    BlockKind::ToolCall {
                        id,
                        name,
                        signature,
                    } => Block::Call(ToolCall {
                        id: id.clone(),
                        name: name.clone(),
                        arguments: String::new(),
                        signature: signature.clone(),
                    }),
                };
                self.open.insert(*block, kept);
            }
            ChatEvent::Delta { block, delta } => self.delta(*block, delta, losses, out),
            ChatEvent::BlockEnded { block } => {
                if let Some(Block::Call(call)) = self.open.remove(block) {
                    self.parts(&call_part(&call), out);
                }
            }
            ChatEvent::Block { part, .. } => {
                if let Some(written) = write_part(part, losses) {
                    self.parts(&written, out);
                }
            }
            ChatEvent::Logprobs(_) => {
                losses.note("logprobs", "the caller's format says them in another way");
            }
            ChatEvent::Usage(usage) => {
                self.usage = Some(self.usage.unwrap_or_default().updated(*usage));
            }
            ChatEvent::Stopped(stop) => self.stop = Some(stop.clone()),
            ChatEvent::Dropped(dropped) => losses.note(dropped.path.as_str(), dropped.reason),
            ChatEvent::Ended => {
                let last =
                    response_object(&self.head, None, self.stop.as_ref(), self.usage.as_ref());
                push_data(out, &last);
            }
        }
    }

    /// The error of a stream that cannot go on.
    pub(crate) fn fail(error: &CallerError, out: &mut String) {
        push_data(out, &error.body(Format::GenerateContent));
    }

    fn delta(&mut self, block: u32, delta: &Delta, losses: &mut Losses, out: &mut String) {
        let part = match (self.open.get_mut(&block), delta) {
            (Some(Block::Text), Delta::Text(text)) => {
                let mut object = ObjectText::new();
                object.string("text", text);
                object.finish()
            }
            (Some(Block::Thinking(maker)), Delta::Text(text)) => {
                thought(*maker, text, &crate::hub::Seal::None)
            }
            (Some(Block::Thinking(maker)), Delta::Seal(seal)) => {
                if *maker != Format::GenerateContent {
                    losses.note(
                        "thoughtSignature",
                        "another format's seal has no place here",
                    );
                    return;
                }
                thought(*maker, "", seal)
            }
            (Some(Block::Call(call)), Delta::Arguments(piece)) => {
                call.arguments.push_str(piece);
                return;
            }
            _ => return,
        };
        self.parts(&part, out);
    }

    fn parts(&self, part: &str, out: &mut String) {
        let response = response_object(&self.head, Some(&format!("[{part}]")), None, None);
        push_data(out, &response);
    }
}
