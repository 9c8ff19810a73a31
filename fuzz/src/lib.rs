#![doc = include_str!("../README.md")]

mod legacy_client;
mod llm;
mod modern_client;
mod token;

use bytes::Bytes;
use portcullis_mcp::{Envelope, SseDecoder, SseError, SseItem};

pub use legacy_client::legacy_client;
pub use llm::{llm_passthrough, llm_request, llm_response, llm_stream};
pub use modern_client::modern_client;
pub use token::{TOKENS, believed, token};

/// Small enough that the limit itself is met.
const EVENT_LIMIT: usize = 256;

/// An event stream says the same however the network cuts it, and never exceeds its limit.
///
/// The first byte is the size of the pieces.
pub fn sse_decoder(input: &[u8]) {
    let Some((size, stream)) = input.split_first() else {
        return;
    };
    let whole = events(std::iter::once(stream));
    let pieces = events(stream.chunks(usize::from(*size).max(1)));
    assert_eq!(whole, pieces, "the network's cuts must not show");
    for item in &whole.0 {
        if let SseItem::Event(event) = item {
            let length = event.data.as_ref().map_or(0, Bytes::len);
            assert!(
                length <= EVENT_LIMIT,
                "an event beyond the limit got through"
            );
        }
    }
}

fn events<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<SseItem>, Option<SseError>) {
    let mut decoder = SseDecoder::new(EVENT_LIMIT);
    let mut items = Vec::new();
    for chunk in chunks {
        decoder.push(Bytes::copy_from_slice(chunk));
        loop {
            match decoder.next_event() {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(error) => return (items, Some(error)),
            }
        }
    }
    (items, None)
}

/// What we accept as one JSON-RPC message is one JSON object to everybody else too.
pub fn jsonrpc_envelope(input: &[u8]) {
    let Ok(envelope) = Envelope::parse(input) else {
        return;
    };
    let value: serde_json::Value =
        serde_json::from_str(envelope.text).expect("we accepted what is not JSON");
    let object = value
        .as_object()
        .expect("we accepted what is not an object");
    assert_eq!(
        object.get("jsonrpc").and_then(|version| version.as_str()),
        Some("2.0")
    );
}

/// Whatever the file says, the reader answers with a configuration or with mistakes.
pub fn config(input: &[u8]) {
    portcullis_config::parse_for_fuzz(input);
}
