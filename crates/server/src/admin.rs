//! Admin paths that exist so far: keys, servers, the audit trail, revocations and reloads, in LiteLLM's shapes where it
//! has them.

pub(crate) mod audit;
mod body;
pub(crate) mod clients;
pub(crate) mod explain;
pub mod key_bodies;
pub(crate) mod keys;
mod problem;
pub(crate) mod reload;
pub mod revocation_bodies;
pub(crate) mod revocations;
pub(crate) mod servers;

pub(crate) use problem::rule;
