//! What is decided about one entry of the directory, as it is written into its row.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_core::{ServerGrants, ServerId, ToolGrants, ToolsByServer};
use portcullis_store::EntryKind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A team, an organization, a person or an end user. An unknown member is a decision that we would not
/// honour, so it is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Defined {
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// A person's e-mail address, for display: it decides nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The organization that a team is part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Whether everybody is refused who comes with it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub blocked: bool,
    /// What it lets through.
    #[serde(with = "written_grants")]
    pub grants: ServerGrants,
    /// Who of the people whom keys name is in a team; absent: whoever's key names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<BTreeMap<String, MemberRole>>,
    /// Whatever the operator wants to keep with it.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

/// What a member is in their team. Kept for whoever asks; it gives no rights over the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberRole {
    /// Looks after the team.
    Admin,
    /// Is in it.
    User,
}

/// Tools of several servers under one name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Toolset {
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The tools.
    pub tools: ToolsByServer,
}

/// What the configuration file says of the directory, and what it lets callers do who are not in it.
#[derive(Clone, Debug, Default)]
pub struct FileDirectory {
    /// Teams, organizations, people and end users.
    pub levels: BTreeMap<(EntryKind, String), Arc<Defined>>,
    /// Toolsets, by name.
    pub toolsets: BTreeMap<String, Toolset>,
    /// Whether a credential may name a person whom nobody defined although others are.
    pub undefined_users: bool,
    /// Whether whoever has no list anywhere sees every server (`compat: litellm`).
    pub ungranted_sees_all: bool,
    /// Whether an end user without a list of their own lets no server through.
    pub end_users_need_lists: bool,
}

/// The row's form of grants.
mod written_grants {
    use super::{
        Arc, BTreeSet, Deserialize, Serialize, ServerGrants, ServerId, ToolGrants, ToolsByServer,
    };

    #[derive(Default, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Written {
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        all: bool,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        none: bool,
        #[serde(skip_serializing_if = "BTreeSet::is_empty")]
        servers: BTreeSet<ServerId>,
        #[serde(skip_serializing_if = "BTreeSet::is_empty")]
        access_groups: BTreeSet<String>,
        #[serde(skip_serializing_if = "BTreeSet::is_empty")]
        toolsets: BTreeSet<String>,
        #[serde(skip_serializing_if = "ToolsByServer::is_empty")]
        tool_permissions: ToolsByServer,
        #[serde(skip_serializing_if = "BTreeSet::is_empty")]
        blocked_tools: BTreeSet<String>,
    }

    pub(super) fn serialize<S: serde::Serializer>(
        grants: &ServerGrants,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let written = Written {
            all: grants.all,
            none: grants.none,
            servers: grants.servers.clone(),
            access_groups: grants.access_groups.clone(),
            toolsets: grants.toolsets.clone(),
            tool_permissions: grants.tools.permissions.clone(),
            blocked_tools: grants.tools.blocked.clone(),
        };
        written.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<ServerGrants, D::Error> {
        let written = Written::deserialize(deserializer)?;
        Ok(ServerGrants {
            all: written.all,
            none: written.none,
            of_team: false,
            servers: written.servers,
            access_groups: written.access_groups,
            toolsets: written.toolsets,
            toolset_tools: Arc::default(),
            tools: ToolGrants {
                permissions: written.tool_permissions,
                blocked: written.blocked_tools,
            },
        })
    }
}
