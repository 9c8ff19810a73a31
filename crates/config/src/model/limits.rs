//! How much callers may do.

use std::collections::BTreeMap;

use portcullis_policy::Limits;

/// `limits`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallerLimits {
    /// What happens while the store cannot count.
    pub on_store_fault: StoreFault,
    /// For those of whom nothing else is said.
    pub defaults: DefaultLimits,
    /// By the ids of the file's keys.
    pub keys: BTreeMap<String, Limits>,
    /// By `user_id`.
    pub users: BTreeMap<String, Limits>,
    /// By the ids of teams.
    pub teams: BTreeMap<String, Limits>,
    /// By the ids of organizations.
    pub organizations: BTreeMap<String, Limits>,
}

/// `limits.on_store_fault`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreFault {
    /// A limited request is refused.
    #[default]
    Deny,
    /// Each replica counts to its share.
    LocalShare,
}

/// `limits.defaults`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DefaultLimits {
    /// Of every key.
    pub key: Limits,
    /// Of every user.
    pub user: Limits,
    /// Of every team.
    pub team: Limits,
    /// Of every organization.
    pub organization: Limits,
}
