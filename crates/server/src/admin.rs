//! Admin paths: keys, limits, usage, teams, organizations, people, toolsets, servers, approvals, the audit
//! trail, revocations and reloads, in LiteLLM's shapes where it
//! has them.

pub(crate) mod access_groups;
mod admit;
pub(crate) mod approvals;
pub(crate) mod audit;
mod body;
pub(crate) mod client_ip;
pub(crate) mod clients;
pub(crate) mod configuration;
mod differing;
pub(crate) mod explain;
pub(crate) mod health;
pub(crate) mod import;
pub mod key_bodies;
pub(crate) mod keys;
mod level_bodies;
pub(crate) mod levels;
mod limit_bodies;
mod limited;
pub(crate) mod limits;
pub(crate) mod members;
mod permission;
pub(crate) mod pins;
mod preconditions;
mod problem;
pub(crate) mod registry;
pub(crate) mod reload;
pub mod revocation_bodies;
pub(crate) mod revocations;
pub(crate) mod roles;
mod server_bodies;
pub(crate) mod server_health;
mod server_rows;
pub(crate) mod servers;
mod strict;
pub(crate) mod submissions;
pub(crate) mod toolsets;
pub(crate) mod try_out;
pub(crate) mod usage;

pub(crate) use admit::admit;
pub(crate) use problem::rule;
