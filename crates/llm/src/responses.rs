//! OpenAI Responses, without what needs a memory: stored responses and conversations are the
//! provider's, and reach it by passthrough alone.

mod read_item;
mod read_request;
mod read_response;
mod read_stream;
mod usage;
mod write_item;
mod write_request;
mod write_response;
mod write_stream;

pub(crate) use read_item::read_reasoning;
pub(crate) use read_request::read_request;
pub(crate) use read_response::read_response;
pub(crate) use read_stream::StreamReader;
pub(crate) use usage::read_usage;
pub(crate) use write_request::write_request;
pub(crate) use write_response::write_response;
pub(crate) use write_stream::StreamWriter;
