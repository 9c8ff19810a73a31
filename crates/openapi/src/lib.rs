#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod answer;
mod api;
mod arguments;
mod body;
mod call;
mod error;
mod limits;
mod name;
mod node;
mod operation;
mod parameter;
mod pointer;
mod query_name;
mod read;
mod schema;
mod serial;
mod servers;
mod template;
mod tool;

pub use answer::{ApiAnswer, refusal_of, result_of};
pub use api::{Api, Origin};
pub use call::{ApiRequest, BadArguments};
pub use error::{DocumentError, Finding};
pub use limits::{MAX_DOCUMENT_BYTES, MAX_ERROR_TEXT, MAX_TOOL_NAME};
pub use servers::{Base, ChosenBy};
pub use tool::Tool;
