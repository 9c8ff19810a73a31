//! The REST form of the tool path, in LiteLLM's paths and shapes.

mod call;
mod list;
mod refusal;

pub(crate) use call::call;
pub(crate) use list::list;
