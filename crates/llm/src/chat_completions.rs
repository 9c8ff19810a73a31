//! OpenAI Chat Completions.

mod read_message;
mod read_request;
mod read_response;
mod read_stream;
mod usage;
mod write_message;
mod write_request;
mod write_response;
mod write_stream;

pub(crate) use read_request::read_request;
pub(crate) use read_response::read_response;
pub(crate) use read_stream::StreamReader;
pub(crate) use usage::read_usage;
pub(crate) use write_request::write_request;
pub(crate) use write_response::write_response;
pub(crate) use write_stream::StreamWriter;
