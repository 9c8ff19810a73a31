//! An answer in, piece by piece: each frame is a response with the next parts.

use super::read_response::{Calls, blocked, read_part};
use super::usage::read_usage;
use crate::format::Format;
use crate::hub::{
    BlockKind, ChatEvent, Content, Delta, Dropped, Part, Seal, Stop, StopReason, Usage,
};
use crate::json::{Members, elements};
use crate::path::Path;
use crate::provider_error::{ProviderError, read_error};
use crate::sse::Frame;
use crate::tool_names::ToolNames;

/// Reads frames of `streamGenerateContent?alt=sse`. The last says why it ended; there is no mark
/// after it.
#[derive(Debug)]
pub(crate) struct StreamReader {
    names: ToolNames,
    started: bool,
    next_block: u32,
    /// The open block, and whether it is a thought.
    open: Option<(u32, bool)>,
    calls: Calls,
    usage: Option<Usage>,
    stop: Option<Stop>,
    over: bool,
}

impl StreamReader {
    pub(crate) fn new(names: ToolNames) -> Self {
        Self {
            names,
            started: false,
            next_block: 0,
            open: None,
            calls: Calls::default(),
            usage: None,
            stop: None,
            over: false,
        }
    }

    pub(crate) fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<ChatEvent>) {
        if self.over || frame.data.is_empty() {
            return;
        }
        let Ok(piece) = Members::parse(frame.data) else {
            return self.fail(ProviderError::unreadable(), out);
        };
        if piece.get("error").is_some() {
            return self.fail(read_error(None, frame.data), out);
        }
        if !self.started {
            self.started = true;
            let text = |name| piece.string(name).map(std::borrow::Cow::into_owned);
            self.calls = Calls::of(text("responseId").as_deref(), frame.data);
            out.push(ChatEvent::Started {
                id: text("responseId"),
                model: text("modelVersion"),
            });
        }
        if let Some(usage) = piece.object("usageMetadata") {
            let seen = self.usage.unwrap_or_default();
            self.usage = Some(seen.updated(read_usage(&usage)));
        }
        if let Some(stop) = blocked(piece.get("promptFeedback")) {
            self.stop = Some(stop);
        }
        let candidates = piece
            .get("candidates")
            .and_then(elements)
            .unwrap_or_default();
        let Some(candidate) = candidates
            .first()
            .and_then(|raw| Members::parse(raw.get()).ok())
        else {
            return;
        };
        let content = candidate.object("content").unwrap_or_default();
        let parts = content.get("parts").and_then(elements).unwrap_or_default();
        let list = Path::Root.member("parts");
        for (index, raw) in parts.iter().enumerate() {
            match read_part(raw, &list.index(index), &self.names, &mut self.calls) {
                Ok(part) => self.part(part, out),
                Err(_) => return self.fail(ProviderError::unreadable(), out),
            }
        }
        if let Some(word) = candidate.string("finishReason") {
            let reason = StopReason::of_generate_content(&word, self.calls.count > 0);
            self.stop = Some(Stop::native(reason, &word));
        }
    }

    /// The connection ended, which is how this format says that the answer has.
    pub(crate) fn end(&mut self, out: &mut Vec<ChatEvent>) {
        if self.over {
            return;
        }
        let Some(stop) = self.stop.take() else {
            return self.fail(ProviderError::cut_off(), out);
        };
        self.over = true;
        self.close(out);
        out.extend(self.usage.map(ChatEvent::Usage));
        out.push(ChatEvent::Stopped(stop));
        out.push(ChatEvent::Ended);
    }

    fn part(&mut self, part: Part, out: &mut Vec<ChatEvent>) {
        for extra in &part.extras {
            // The signature of a text is not needed to go on.
            if extra.name != "thoughtSignature" {
                out.push(ChatEvent::Dropped(Dropped {
                    path: extra.path.clone(),
                    reason: "no other format has such a member",
                }));
            }
        }
        match part.content {
            Content::Text(text) if text.is_empty() => {}
            Content::Text(text) => {
                let block = self.say(false, out);
                let delta = Delta::Text(text);
                out.push(ChatEvent::Delta { block, delta });
            }
            Content::Thinking(thinking) => {
                let block = self.say(true, out);
                if !thinking.text.is_empty() {
                    let delta = Delta::Text(thinking.text);
                    out.push(ChatEvent::Delta { block, delta });
                }
                if thinking.seal != Seal::None {
                    let delta = Delta::Seal(thinking.seal);
                    out.push(ChatEvent::Delta { block, delta });
                }
            }
            Content::ToolCall(call) => {
                self.close(out);
                let block = self.take_block();
                out.push(ChatEvent::BlockStarted {
                    block,
                    kind: BlockKind::ToolCall {
                        id: call.id,
                        name: call.name,
                        signature: call.signature,
                    },
                });
                let delta = Delta::Arguments(call.arguments);
                out.push(ChatEvent::Delta { block, delta });
                out.push(ChatEvent::BlockEnded { block });
            }
            content => {
                self.close(out);
                let block = self.take_block();
                let part = Box::new(Part { content, ..part });
                out.push(ChatEvent::Block { block, part });
            }
        }
    }

    const fn take_block(&mut self) -> u32 {
        let block = self.next_block;
        self.next_block += 1;
        block
    }

    fn say(&mut self, thought: bool, out: &mut Vec<ChatEvent>) -> u32 {
        if let Some((block, open)) = self.open
            && open == thought
        {
            return block;
        }
        self.close(out);
        let block = self.take_block();
        let kind = if thought {
            BlockKind::Thinking {
                maker: Format::GenerateContent,
                id: None,
            }
        } else {
            BlockKind::Text
        };
        out.push(ChatEvent::BlockStarted { block, kind });
        self.open = Some((block, thought));
        block
    }

    fn close(&mut self, out: &mut Vec<ChatEvent>) {
        if let Some((block, _)) = self.open.take() {
            out.push(ChatEvent::BlockEnded { block });
        }
    }

    fn fail(&mut self, error: ProviderError, out: &mut Vec<ChatEvent>) {
        self.over = true;
        out.extend(self.usage.map(ChatEvent::Usage));
        out.push(ChatEvent::Failed(error));
    }
}
