//! Admin paths that exist so far: keys, servers, the audit trail and reloads, in LiteLLM's shapes where it
//! has them.

pub(crate) mod audit;
pub mod key_bodies;
pub(crate) mod keys;
mod problem;
pub(crate) mod reload;
pub(crate) mod servers;

pub(crate) use problem::rule;
