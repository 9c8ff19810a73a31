#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod authorize;
mod caller;
mod key_rules;
mod permit;
mod rate;
mod scopes;
mod server;

pub use authorize::{Denied, DeniedRule, authorize, authorize_service, is_let_in, sees};
pub use caller::Caller;
pub use key_rules::{Holder, KeyRule, KeyRules};
pub use permit::{Acting, Evidence, Party, Permit};
pub use rate::{Rate, gcra};
pub use scopes::{MissingScopes, ScopeRules};
pub use server::{Delegation, Operation, ServerPolicy};
