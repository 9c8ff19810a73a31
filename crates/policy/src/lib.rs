#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod approval;
mod arguments;
mod authorize;
mod caller;
mod circumstances;
mod denied;
mod drift;
mod explain;
mod key_rules;
mod limits;
mod permit;
mod rules;
mod schema;
mod scopes;
mod server;
mod sight;
mod tools;

pub use approval::{Approval, ApprovalNeed, ApprovalRules, Described};
pub use authorize::{authorize, authorize_approved, authorize_service, is_let_in};
pub use caller::Caller;
pub use circumstances::Circumstances;
pub use denied::{Denied, DeniedRule};
pub use drift::OnDrift;
pub use explain::{Check, Explanation, Step, explain};
pub use key_rules::{Holder, KeyRule, KeyRules};
pub use limits::{
    Budget, BudgetDuration, InvalidAmount, InvalidDuration, InvalidLimits, Limits, ServerLimits,
    ToolCosts, ToolLimits, nano_usd, requests, usd,
};
pub use permit::{Acting, Evidence, Party, Permit};
pub use rules::{Effect, InvalidCondition, Rule, RuleText, Rules};
pub use schema::{ArgumentSchema, InvalidSchema};
pub use scopes::{MissingScopes, ScopeRules};
pub use server::{Delegation, Operation, ServerPolicy};
pub use sight::sees;
pub use tools::{has_tools_only, shows_tool};
