//! What stands above credentials, and toolsets.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_core::{LevelKind, ServerGrants, ToolsByServer};

/// `teams`, `organizations`, `users`, `end_users` and `toolsets`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    /// Teams, organizations, people and end users, by kind and id.
    pub levels: BTreeMap<(LevelKind, String), WrittenLevel>,
    /// Toolsets, by name.
    pub toolsets: BTreeMap<String, WrittenToolset>,
    /// Whether a credential may name a person whom nobody defined although others are
    /// (`identity.allow_undefined_users`).
    pub undefined_users: bool,
    /// Whether whoever has no list anywhere sees every server (`compat: litellm`).
    pub ungranted_sees_all: bool,
    /// Whether an end user without a list lets no server through
    /// (`general_settings.require_end_user_mcp_access_defined`).
    pub end_users_need_lists: bool,
}

/// One team, organization, person or end user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WrittenLevel {
    /// What people call it.
    pub alias: Option<String>,
    /// A person's e-mail address.
    pub email: Option<String>,
    /// The organization of a team.
    pub organization: Option<String>,
    /// Whether whoever comes with it is refused.
    pub blocked: bool,
    /// Whose keys may name a team; `None`: anybody's.
    pub members: Option<BTreeSet<String>>,
    /// What it lets through.
    pub grants: ServerGrants,
}

/// One toolset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WrittenToolset {
    /// For people.
    pub description: Option<String>,
    /// Its tools.
    pub tools: ToolsByServer,
}
