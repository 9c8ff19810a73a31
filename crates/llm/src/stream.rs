//! The doors of the formats: streams both ways, without I/O.

mod fold;

pub use fold::Fold;

use crate::answer::AnswerHead;
use crate::caller_error::CallerError;
use crate::error::LlmError;
use crate::format::Format;
use crate::hub::{ChatEvent, Dropped, Losses};
use crate::sse::{Frame, FrameReader};
use crate::tool_names::ToolNames;
use crate::{chat_completions, generate_content, messages, responses};

/// Reads a provider's stream. However it is cut, the same events come out.
#[derive(Debug)]
pub struct StreamDecoder {
    frames: FrameReader,
    reader: Reader,
}

#[derive(Debug)]
enum Reader {
    ChatCompletions(chat_completions::StreamReader),
    Responses(responses::StreamReader),
    Messages(messages::StreamReader),
    GenerateContent(generate_content::StreamReader),
}

impl StreamDecoder {
    /// A reader that gives up on an event of more than `max_event_bytes`. `names` are those of the
    /// request that the stream answers.
    pub fn new(format: Format, names: ToolNames, max_event_bytes: usize) -> Self {
        let reader = match format {
            Format::ChatCompletions => {
                Reader::ChatCompletions(chat_completions::StreamReader::new(names))
            }
            Format::Responses => Reader::Responses(responses::StreamReader::new(names)),
            Format::Messages => Reader::Messages(messages::StreamReader::new(names)),
            Format::GenerateContent => {
                Reader::GenerateContent(generate_content::StreamReader::new(names))
            }
        };
        Self {
            frames: FrameReader::new(max_event_bytes),
            reader,
        }
    }

    /// Takes the next bytes, and appends the events that they complete. After an error nothing more
    /// comes.
    pub fn push(&mut self, bytes: &[u8], events: &mut Vec<ChatEvent>) -> Result<(), LlmError> {
        let reader = &mut self.reader;
        self.frames.push(bytes, |frame| reader.frame(frame, events))
    }

    /// The connection ended: appends [`ChatEvent::Ended`], or [`ChatEvent::Failed`] where the answer
    /// was not complete, unless one of them came already.
    pub fn end(&mut self, events: &mut Vec<ChatEvent>) {
        match &mut self.reader {
            Reader::ChatCompletions(reader) => reader.end(events),
            Reader::Responses(reader) => reader.end(events),
            Reader::Messages(reader) => reader.end(events),
            Reader::GenerateContent(reader) => reader.end(events),
        }
    }
}

impl Reader {
    fn frame(&mut self, frame: &Frame<'_>, events: &mut Vec<ChatEvent>) {
        match self {
            Self::ChatCompletions(reader) => reader.frame(frame, events),
            Self::Responses(reader) => reader.frame(frame, events),
            Self::Messages(reader) => reader.frame(frame, events),
            Self::GenerateContent(reader) => reader.frame(frame, events),
        }
    }
}

/// Writes a caller's stream.
#[derive(Debug)]
pub struct StreamEncoder {
    writer: Writer,
    losses: Losses,
}

#[derive(Debug)]
enum Writer {
    ChatCompletions(chat_completions::StreamWriter),
    Responses(responses::StreamWriter),
    Messages(messages::StreamWriter),
    GenerateContent(generate_content::StreamWriter),
}

impl StreamEncoder {
    /// A writer for this format.
    pub fn new(format: Format, head: AnswerHead) -> Self {
        let writer = match format {
            Format::ChatCompletions => {
                Writer::ChatCompletions(chat_completions::StreamWriter::new(head))
            }
            Format::Responses => Writer::Responses(responses::StreamWriter::new(head)),
            Format::Messages => Writer::Messages(messages::StreamWriter::new(head)),
            Format::GenerateContent => {
                Writer::GenerateContent(generate_content::StreamWriter::new(head))
            }
        };
        Self {
            writer,
            losses: Losses::default(),
        }
    }

    /// Appends what the caller is to read of an event. Of [`ChatEvent::Failed`] that is nothing:
    /// what the caller may know of it is for [`StreamEncoder::fail`].
    pub fn push(&mut self, event: &ChatEvent, out: &mut String) {
        let losses = &mut self.losses;
        match &mut self.writer {
            Writer::ChatCompletions(writer) => writer.event(event, losses, out),
            Writer::Responses(writer) => writer.event(event, losses, out),
            Writer::Messages(writer) => writer.event(event, losses, out),
            Writer::GenerateContent(writer) => writer.event(event, losses, out),
        }
    }

    /// Appends an error in the middle of the stream, in its format. The stream ends with it.
    pub fn fail(&mut self, error: &CallerError, out: &mut String) {
        match &mut self.writer {
            Writer::ChatCompletions(_) => chat_completions::StreamWriter::fail(error, out),
            Writer::Responses(writer) => writer.fail(error, out),
            Writer::Messages(_) => messages::StreamWriter::fail(error, out),
            Writer::GenerateContent(_) => generate_content::StreamWriter::fail(error, out),
        }
    }

    /// What could not be said since the last time this was asked.
    pub fn take_dropped(&mut self) -> Vec<Dropped> {
        self.losses.drain()
    }
}
