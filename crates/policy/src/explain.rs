//! Why, or why not: the steps of a decision in their order, each with what it said.

use crate::authorize::decide;
use crate::{Caller, Circumstances, Denied, Operation, ServerPolicy};

/// What is asked in a decision, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// Whether the caller sees the server at all.
    Sight,
    /// Which of the server's own keys is used.
    UpstreamKey,
    /// The tools that the credential and the levels above it block.
    BlockedTools,
    /// The tools that they list.
    ToolPermissions,
    /// The server's deny list.
    DisallowedTools,
    /// The server's allow list.
    AllowedTools,
    /// The scopes that the operation needs.
    Scopes,
    /// The names of the arguments.
    AllowedParams,
    /// What the arguments hold.
    ArgumentSchemas,
    /// The operator's rules.
    Rules,
    /// Whether somebody has to approve it.
    Approval,
}

impl Check {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sight => "sight",
            Self::UpstreamKey => "upstream_key",
            Self::BlockedTools => "blocked_tools",
            Self::ToolPermissions => "tool_permissions",
            Self::DisallowedTools => "disallowed_tools",
            Self::AllowedTools => "allowed_tools",
            Self::Scopes => "scopes",
            Self::AllowedParams => "allowed_params",
            Self::ArgumentSchemas => "argument_schemas",
            Self::Rules => "rules",
            Self::Approval => "approval",
        }
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What was asked.
    pub check: Check,
    /// By what it passed, empty where nothing in particular let it through; or why not.
    pub result: Result<String, Denied>,
}

/// A decision and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Up to the one that decided.
    pub steps: Vec<Step>,
    /// The rule that allows, or why not: what [`authorize`](crate::authorize) says.
    pub decision: Result<String, Denied>,
}

/// Decides like [`authorize`](crate::authorize), by the same function, and tells why instead of
/// permitting anything.
pub fn explain(
    caller: Caller<'_>,
    server: &ServerPolicy,
    operation: Operation<'_>,
    circumstances: Circumstances,
) -> Explanation {
    let mut steps = Steps(Vec::new());
    let decision = decide(caller, server, operation, circumstances, None, &mut steps);
    Explanation {
        steps: steps.0,
        decision: decision.map(|granted| granted.rule.into_owned()),
    }
}

/// Whoever follows a decision.
pub(crate) trait Trace {
    /// Hears what a step said and hands it on.
    fn step<T>(
        &mut self,
        check: Check,
        result: Result<T, Denied>,
        by: impl FnOnce(&T) -> String,
    ) -> Result<T, Denied>;

    /// The same for a step that says no more than yes or no.
    fn check(&mut self, check: Check, result: Result<(), Denied>) -> Result<(), Denied> {
        self.step(check, result, |()| String::new())
    }
}

/// Nobody: the decision alone matters.
pub(crate) struct Silent;

impl Trace for Silent {
    fn step<T>(
        &mut self,
        _: Check,
        result: Result<T, Denied>,
        _: impl FnOnce(&T) -> String,
    ) -> Result<T, Denied> {
        result
    }
}

struct Steps(Vec<Step>);

impl Trace for Steps {
    fn step<T>(
        &mut self,
        check: Check,
        result: Result<T, Denied>,
        by: impl FnOnce(&T) -> String,
    ) -> Result<T, Denied> {
        let said = match &result {
            Ok(passed) => Ok(by(passed)),
            Err(denied) => Err(denied.clone()),
        };
        self.0.push(Step {
            check,
            result: said,
        });
        result
    }
}

#[cfg(test)]
mod tests;
