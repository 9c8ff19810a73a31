//! Server-sent events: the WHATWG event-stream format (HTML Living Standard §9.2.5 and §9.2.6),
//! without I/O.
//!
//! Where this reader departs from a browser it does so for a gateway's sake: a block with an id
//! or a retry but without data is reported (the priming event of MCP 2025-11-25), comments are
//! reported (they prove that the peer is alive), and data stays bytes (the JSON parser behind it
//! refuses invalid UTF-8, which a replacement character would hide).

mod decoder;
mod event;
#[cfg(test)]
mod tests;

pub use decoder::{SseDecoder, SseError};
pub use event::{SseEvent, SseItem};

/// A comment that keeps the connection alive and that every reader skips.
pub const fn keep_alive() -> &'static [u8] {
    b":\r\n\r\n"
}
