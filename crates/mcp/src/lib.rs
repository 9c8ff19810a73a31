#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod batch;
mod capabilities;
pub mod eras;
mod error;
pub mod header_value;
mod json;
mod message;
mod method;
mod modern;
mod param_headers;
mod revision;
mod sameness;
pub mod sse;
mod task_support;

pub use batch::{MAX_BATCH, parse_batch};
pub use capabilities::{ClientCapabilities, Need, PushPolicy, is_presentable};
pub use error::{RpcError, code};
pub use header_value::{HeaderValueError, MAX_HEADER_VALUE_BYTES};
pub use json::{Edits, JsonError, MAX_DEPTH, Members, string_of};
pub use message::{Envelope, Kind, MessageError, RequestId};
pub use method::{Method, Subject};
pub use modern::{ModernMeta, ModernRejection, check_headers, meta_key, unsupported_version};
pub use param_headers::{HeaderMismatch, InvalidAnnotation, ParamHeaders};
pub use revision::{LEGACY_REVISIONS, Revision, SSE_REVISIONS, SUPPORTED_REVISIONS};
pub use sameness::{digest_of, digest_of_text, digest_without};
pub use sse::{SseDecoder, SseError, SseEvent, SseItem};
pub use task_support::answers_with_tasks_only;
