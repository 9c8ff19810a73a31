//! Forms of LiteLLM and of guides written for it, lowered to ours. Nothing above this module knows
//! that they exist; each lowering leaves a notice.

pub(crate) mod auth_map;
pub(crate) mod default_oauth2;
pub(crate) mod environment;
pub(crate) mod guardrails;
pub(crate) mod jwt_auth;
pub(crate) mod oauth_flow;
