//! What the tests have in common.

use portcullis_llm::{
    AnswerHead, ChatEvent, Fold, Format, LlmError, ProviderRequest, StreamDecoder, StreamEncoder,
    Target, ToolNames, decode_request, encode_request,
};

pub(crate) const LIMIT: usize = 1 << 20;

pub(crate) fn head() -> AnswerHead {
    AnswerHead {
        id: "id-1".to_owned(),
        model: "fast".to_owned(),
        created_secs: 1_700_000_000,
        with_usage: true,
    }
}

/// A request of one format as a model of another is asked.
pub(crate) fn translate(
    from: Format,
    body: &str,
    target: &Target,
) -> Result<ProviderRequest, LlmError> {
    encode_request(&decode_request(from, body.as_bytes())?, target)
}

pub(crate) fn to(format: Format) -> Target {
    Target::new(format, "model-1")
}

/// The events of a stream in these pieces.
pub(crate) fn events<'a>(format: Format, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<ChatEvent> {
    let mut decoder = StreamDecoder::new(format, ToolNames::default(), LIMIT);
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(piece, &mut events).unwrap();
    }
    decoder.end(&mut events);
    events
}

/// The stream that a caller of this format reads of these events.
pub(crate) fn stream(format: Format, events: &[ChatEvent]) -> String {
    let mut encoder = StreamEncoder::new(format, head());
    let mut out = String::new();
    for event in events {
        encoder.push(event, &mut out);
    }
    out
}

pub(crate) fn fold(events: Vec<ChatEvent>) -> portcullis_llm::ChatResponse {
    let mut fold = Fold::default();
    for event in events {
        fold.push(event).unwrap();
    }
    fold.finish()
}

/// A stream of Chat Completions with these chunks' choices.
pub(crate) fn chunks(choices: &[&str]) -> String {
    let chunk = |choice: &&str| {
        format!("data: {{\"id\":\"c\",\"model\":\"m\",\"choices\":[{choice}]}}\n\n")
    };
    let chunks: String = choices.iter().map(chunk).collect();
    format!("{chunks}data: [DONE]\n\n")
}
