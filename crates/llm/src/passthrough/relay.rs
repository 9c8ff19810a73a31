//! A stream that is passed on as it comes, and read at the side.

use memchr::memmem;

use crate::caller_error::CallerError;
use crate::error::LlmError;
use crate::format::Format;
use crate::hub::Usage;
use crate::json::{Members, ObjectText, elements, text_of};
use crate::provider_error::{ProviderError, read_error};
use crate::sse::{Frame, FrameReader, push_data, push_event};
use crate::{chat_completions, generate_content, messages, responses};

/// Passes frames on, byte for byte, with two exceptions: the usage that only we asked for is left
/// out, and an error of the provider's ends the stream before it is passed on, because its words
/// are not for the caller.
#[derive(Debug)]
pub struct Relay {
    frames: FrameReader,
    side: Side,
}

#[derive(Debug)]
struct Side {
    format: Format,
    hides_usage: bool,
    usage: Option<Usage>,
    frames: u64,
    complete: bool,
    failed: Option<ProviderError>,
}

impl Relay {
    /// A relay that gives up on an event of more than `max_event_bytes`.
    pub const fn new(format: Format, hides_usage: bool, max_event_bytes: usize) -> Self {
        Self {
            frames: FrameReader::new(max_event_bytes),
            side: Side {
                format,
                hides_usage,
                usage: None,
                frames: 0,
                complete: false,
                failed: None,
            },
        }
    }

    /// Takes the next bytes, and appends the frames that they complete.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), LlmError> {
        let side = &mut self.side;
        self.frames.push(bytes, |frame| {
            if side.failed.is_none() && side.passes(frame) {
                out.extend_from_slice(frame.raw);
            }
        })
    }

    /// The connection ended: appends what is left, or says that the answer was not complete.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if self.side.failed.is_some() {
            return;
        }
        if self.side.complete {
            out.extend_from_slice(self.frames.rest());
        } else {
            self.side.failed = Some(ProviderError::cut_off());
        }
    }

    /// Why the stream cannot go on, once it cannot. Nothing is passed on after that.
    pub const fn failed(&self) -> Option<&ProviderError> {
        self.side.failed.as_ref()
    }

    /// What was used, as far as the provider has said.
    pub const fn usage(&self) -> Option<Usage> {
        self.side.usage
    }

    /// The event that tells the caller of an error, to be sent in place of what follows.
    pub fn error_event(&self, error: &CallerError) -> String {
        let mut out = String::new();
        let body = error.body(self.side.format);
        match self.side.format {
            Format::ChatCompletions | Format::GenerateContent => push_data(&mut out, &body),
            Format::Messages => push_event(&mut out, "error", &body),
            Format::Responses => {
                let mut event = ObjectText::typed("error");
                event
                    .number("sequence_number", self.side.frames)
                    .string("code", error.openai_code().unwrap_or("server_error"))
                    .string(
                        "message",
                        &format!("{} (request {})", error.message, error.request_id),
                    );
                match &error.param {
                    Some(param) => event.string("param", param),
                    None => event.raw("param", "null"),
                };
                push_event(&mut out, "error", &event.finish());
            }
        }
        out
    }
}

impl Side {
    /// Whether a frame is for the caller. Most frames are looked at for two words and not parsed.
    fn passes(&mut self, frame: &Frame<'_>) -> bool {
        if frame.data.is_empty() {
            return true;
        }
        self.frames += 1;
        let data = frame.data.as_bytes();
        let has = |word: &str| memmem::find(data, word.as_bytes()).is_some();
        if (has("\"error\"") || has("\"response.failed\"")) && self.is_error(frame) {
            self.failed = Some(read_error(None, frame.data));
            return false;
        }
        self.complete |= match self.format {
            Format::ChatCompletions => frame.data.trim() == "[DONE]" || says_why(data),
            Format::Messages => has("\"message_stop\""),
            Format::Responses => has("\"response.completed\"") || has("\"response.incomplete\""),
            Format::GenerateContent => has("\"finishReason\"") || has("\"blockReason\""),
        };
        if !has("\"usage") {
            return true;
        }
        let Ok(members) = Members::parse(frame.data) else {
            return true;
        };
        let Some(usage) = usage_in(self.format, &members) else {
            return true;
        };
        self.usage = Some(self.usage.unwrap_or_default().updated(usage));
        let choices = members.get("choices").and_then(elements);
        !(self.hides_usage && choices.is_some_and(|choices| choices.is_empty()))
    }

    fn is_error(&self, frame: &Frame<'_>) -> bool {
        let Ok(members) = Members::parse(frame.data) else {
            return false;
        };
        match self.format {
            Format::ChatCompletions | Format::GenerateContent => {
                members.get("error").is_some_and(|raw| raw.get() != "null")
            }
            Format::Messages => members.string("type").as_deref() == Some("error"),
            Format::Responses => matches!(
                members.string("type").as_deref(),
                Some("error" | "response.failed")
            ),
        }
    }
}

/// Whether a chunk says why the answer ends: a word stands after `"finish_reason"`.
fn says_why(data: &[u8]) -> bool {
    const NAME: &[u8] = b"\"finish_reason\"";
    memmem::find(data, NAME).is_some_and(|at| {
        let rest = data.get(at + NAME.len()..).unwrap_or_default();
        let value = rest
            .iter()
            .find(|byte| !byte.is_ascii_whitespace() && **byte != b':');
        value == Some(&b'"')
    })
}

/// What a whole answer says was used; `None` when it does not say.
pub fn usage_of(format: Format, body: &[u8]) -> Option<Usage> {
    let members = Members::parse(text_of(body).ok()?).ok()?;
    usage_in(format, &members)
}

fn usage_in(format: Format, members: &Members<'_>) -> Option<Usage> {
    match format {
        Format::ChatCompletions => members
            .object("usage")
            .map(|usage| chat_completions::read_usage(&usage)),
        Format::Responses => members
            .object("usage")
            .or_else(|| members.object("response")?.object("usage"))
            .map(|usage| responses::read_usage(&usage)),
        Format::Messages => members
            .object("usage")
            .or_else(|| members.object("message")?.object("usage"))
            .map(|usage| messages::read_usage(&usage)),
        Format::GenerateContent => members
            .object("usageMetadata")
            .map(|usage| generate_content::read_usage(&usage)),
    }
}
