#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod arguments;
mod authorize;
mod caller;
mod circumstances;
mod denied;
mod explain;
mod key_rules;
mod permit;
mod rate;
mod rules;
mod schema;
mod scopes;
mod server;

pub use authorize::{authorize, authorize_service, is_let_in, sees};
pub use caller::Caller;
pub use circumstances::Circumstances;
pub use denied::{Denied, DeniedRule};
pub use explain::{Check, Explanation, Step, explain};
pub use key_rules::{Holder, KeyRule, KeyRules};
pub use permit::{Acting, Evidence, Party, Permit};
pub use rate::{Rate, gcra};
pub use rules::{Effect, InvalidCondition, Rule, RuleText, Rules};
pub use schema::{ArgumentSchema, InvalidSchema};
pub use scopes::{MissingScopes, ScopeRules};
pub use server::{Delegation, Operation, ServerPolicy};
