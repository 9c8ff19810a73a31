#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod capabilities;
mod error;
mod json;
mod message;
mod method;
mod modern;
mod revision;

pub use capabilities::{ClientCapabilities, PushPolicy};
pub use error::{RpcError, code};
pub use json::{Edits, JsonError, MAX_DEPTH, Members, string_of};
pub use message::{Envelope, Kind, MessageError, RequestId};
pub use method::{Method, Subject};
pub use modern::{ModernMeta, ModernRejection, check_headers, meta_key};
pub use revision::{LEGACY_REVISIONS, Revision, SUPPORTED_REVISIONS};
