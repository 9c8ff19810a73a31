//! LiteLLM's `object_permission`: which servers, groups, toolsets and tools. Read strictly; what would
//! restrict and is not understood is refused.
#![expect(
    clippy::option_option,
    reason = "absent, null and a value are three things to a change"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use portcullis_core::{ServerGrants, ServerId, ToolGrants, ToolsByServer};
use portcullis_engine::Snapshot;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// LiteLLM's words in `mcp_servers`: every server, those of the team, and none at all.
const ALL_SERVERS: &str = "all-proxy-mcpservers";
const TEAM_SERVERS: &str = "all-team-mcpservers";
const NO_SERVERS: &str = "no-mcp-servers";

/// What a body says of servers and tools.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ObjectPermission {
    /// Names of servers, or `all-proxy-mcpservers`, `no-mcp-servers`, and for keys `all-team-mcpservers`.
    mcp_servers: Option<Vec<String>>,
    mcp_access_groups: Option<Vec<String>>,
    mcp_toolsets: Option<Vec<String>>,
    /// Names of servers to the only tools of theirs; `*` is all of them.
    #[schema(value_type = Option<Object>)]
    mcp_tool_permissions: Option<BTreeMap<String, BTreeSet<String>>>,
    /// Never these: `tool` on every server, `server/tool` on one.
    #[schema(value_type = Option<Vec<String>>)]
    blocked_tools: Option<BTreeSet<String>>,
}

/// The same as it is shown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ObjectPermissionRow)]
pub(super) struct PermissionRow {
    mcp_servers: Vec<String>,
    mcp_access_groups: Vec<String>,
    mcp_toolsets: Vec<String>,
    #[schema(value_type = Object)]
    mcp_tool_permissions: BTreeMap<String, BTreeSet<String>>,
    blocked_tools: Vec<String>,
}

impl ObjectPermission {
    /// What is granted.
    pub(super) fn into_grants(self) -> ServerGrants {
        let servers = self.mcp_servers.unwrap_or_default();
        let mut names: BTreeSet<String> = servers.into_iter().collect();
        let permissions = self.mcp_tool_permissions.unwrap_or_default();
        ServerGrants {
            all: names.remove(ALL_SERVERS),
            none: names.remove(NO_SERVERS),
            of_team: names.remove(TEAM_SERVERS),
            servers: names.into_iter().map(ServerId::from).collect(),
            access_groups: self.mcp_access_groups.into_iter().flatten().collect(),
            toolsets: self.mcp_toolsets.into_iter().flatten().collect(),
            tools: ToolGrants {
                permissions: permissions
                    .into_iter()
                    .map(|(server, tools)| (ServerId::from(server), tools))
                    .collect(),
                blocked: self.blocked_tools.unwrap_or_default(),
            },
            ..ServerGrants::default()
        }
    }

    /// The same of what stands above a credential: a list that is written and empty lets no server
    /// through.
    pub(super) fn into_level(self) -> Result<ServerGrants, String> {
        let is_written = self.mcp_servers.is_some()
            || self.mcp_access_groups.is_some()
            || self.mcp_toolsets.is_some();
        let mut grants = self.into_grants();
        if grants.of_team {
            return Err(format!(
                "`{TEAM_SERVERS}` is for keys: here nothing stands for the team's servers"
            ));
        }
        grants.none |= is_written && !grants.is_list();
        Ok(grants)
    }
}

/// The same with aliases of servers replaced by their names. What restricts the tools of a server that is
/// not there would restrict nothing: an error.
pub(super) fn resolved(grants: ServerGrants, snapshot: &Snapshot) -> Result<ServerGrants, String> {
    let id = |name: &ServerId| snapshot.named(name.as_str()).map(|(_, server)| &server.id);
    let servers = grants.servers.iter();
    let servers = servers.map(|name| id(name).unwrap_or(name).clone());
    let mut tools = ToolGrants::default();
    for (name, permitted) in grants.tools.permissions {
        let id = id(&name).ok_or_else(|| no_such_server("mcp_tool_permissions", name.as_str()))?;
        let known = tools.permissions.entry(id.clone()).or_default();
        known.extend(permitted);
    }
    for blocked in grants.tools.blocked {
        let Some((server, tool)) = blocked.split_once('/') else {
            tools.blocked.insert(blocked);
            continue;
        };
        let id =
            id(&ServerId::from(server)).ok_or_else(|| no_such_server("blocked_tools", server))?;
        tools.blocked.insert(format!("{id}/{tool}"));
    }
    Ok(ServerGrants {
        servers: servers.collect(),
        tools,
        ..grants
    })
}

/// Names of servers, or their aliases, to tools.
pub(super) fn tools_by_server(
    pairs: impl Iterator<Item = (String, String)>,
    snapshot: &Snapshot,
) -> Result<ToolsByServer, String> {
    let mut tools = ToolsByServer::new();
    for (server, tool) in pairs {
        let (_, entry) = snapshot
            .named(&server)
            .ok_or_else(|| no_such_server("tools", &server))?;
        tools.entry(entry.id.clone()).or_default().insert(tool);
    }
    Ok(tools)
}

fn no_such_server(member: &str, name: &str) -> String {
    format!("`{member}` names a server that is not there: {name:?}")
}

/// How it is shown.
pub(super) fn shown(grants: &ServerGrants) -> PermissionRow {
    let words = [
        (grants.all, ALL_SERVERS),
        (grants.none, NO_SERVERS),
        (grants.of_team, TEAM_SERVERS),
    ];
    let words = words
        .into_iter()
        .filter(|(is, _)| *is)
        .map(|(_, word)| word);
    let servers = grants.servers.iter().map(ServerId::as_str);
    let permissions = grants.tools.permissions.iter();
    PermissionRow {
        mcp_servers: words.chain(servers).map(str::to_owned).collect(),
        mcp_access_groups: grants.access_groups.iter().cloned().collect(),
        mcp_toolsets: grants.toolsets.iter().cloned().collect(),
        mcp_tool_permissions: permissions
            .map(|(server, tools)| (server.to_string(), tools.clone()))
            .collect(),
        blocked_tools: grants.tools.blocked.iter().cloned().collect(),
    }
}

/// An object, by its names: serde would also take an array for it, its members by position.
pub(super) fn object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct ByName<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for ByName<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
            T::deserialize(MapAccessDeserializer::new(members)).map(Some)
        }
    }

    deserializer.deserialize_any(ByName(PhantomData))
}

/// The same, told from one that is not there at all: `null` takes away what is.
pub(super) fn given_object<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    object(deserializer).map(Some)
}

/// A value, told from one that is not there at all: `null` takes away what is.
pub(super) fn given<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}
