//! One operation as a tool.

use serde_json::value::RawValue;

use crate::call::{ApiRequest, BadArguments, Plan};
use crate::servers::Base;

/// One operation as a tool.
#[derive(Clone, Debug)]
pub struct Tool {
    pub(crate) name: String,
    pub(crate) listed: String,
    pub(crate) structured: bool,
    pub(crate) plan: Plan,
}

impl Tool {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The item of `tools/list`, as JSON.
    pub fn listed(&self) -> &str {
        &self.listed
    }

    /// Whether it promises structured content, by an `outputSchema`.
    pub const fn is_structured(&self) -> bool {
        self.structured
    }

    /// Where its requests go.
    pub const fn base(&self) -> &Base {
        &self.plan.base
    }

    /// The request that a call with these arguments makes.
    pub fn request(&self, arguments: Option<&RawValue>) -> Result<ApiRequest, BadArguments> {
        self.plan.request(arguments)
    }
}
