#![doc = include_str!("../README.md")]

pub mod header_value;
mod param_headers;
pub mod sse;

pub use header_value::{HeaderValueError, MAX_HEADER_VALUE_BYTES};
pub use param_headers::{HeaderMismatch, InvalidAnnotation, ParamHeaders};
pub use sse::{SseDecoder, SseError, SseEvent, SseItem};
