//! The REST form of the tool path, in LiteLLM's paths and shapes.

mod approval;
mod call;
mod list;
mod refusal;

pub(crate) use approval::approval;
pub(crate) use call::call;
pub(crate) use list::{__path_tools, list, tools};
