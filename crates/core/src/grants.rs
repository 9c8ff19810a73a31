//! What somebody may see and call, and what stands above them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::ids::ServerId;

/// The tools of some servers, by server.
pub type ToolsByServer = BTreeMap<ServerId, BTreeSet<String>>;

/// What toolsets hold, by the names under which they are addressed and granted.
pub type Toolsets = BTreeMap<String, ToolsByServer>;

/// In a list of tools: each of them (LiteLLM).
pub const ALL_TOOLS: &str = "*";

/// What one level, a credential, a team, a person, says of servers and tools. The empty one says
/// nothing: a credential without a list of its own has that of its team, and sees nothing where that
/// has none either.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerGrants {
    /// Every server, now and later: the master key, or a level that says so in words.
    pub all: bool,
    /// No server, whatever else is said (`no-mcp-servers`).
    pub none: bool,
    /// The servers of the team beside those that are named (`all-team-mcpservers`).
    pub of_team: bool,
    /// Single servers.
    pub servers: BTreeSet<ServerId>,
    /// Every server that carries one of these access groups.
    pub access_groups: BTreeSet<String>,
    /// The tools of these toolsets, by their names.
    pub toolsets: BTreeSet<String>,
    /// What those toolsets hold by now. Who recognises a caller looks it up; it is kept nowhere.
    pub toolset_tools: Arc<ToolsByServer>,
    /// Which tools may be used.
    pub tools: ToolGrants,
}

/// Which tools of the servers that a level lets through it lets through. Names are those of the tools'
/// own servers and compare byte by byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolGrants {
    /// On a server that stands here, only these tools (`mcp_tool_permissions`).
    pub permissions: ToolsByServer,
    /// Never these: `tool` on every server, or `server/tool` on one.
    pub blocked: BTreeSet<String>,
}

impl ServerGrants {
    /// Whether anything is said of which servers are seen.
    pub fn is_list(&self) -> bool {
        self.all
            || self.none
            || self.of_team
            || !self.servers.is_empty()
            || !self.access_groups.is_empty()
            || !self.toolsets.is_empty()
    }

    /// Whether nothing of `self` is more than what `own` says.
    pub fn is_within(&self, own: &Self) -> bool {
        let may_be_less =
            |set: &BTreeSet<String>, of: &BTreeSet<String>| own.all || set.is_subset(of);
        let servers = own.all || (!self.all && self.servers.is_subset(&own.servers));
        servers
            && (!own.none || self.none)
            && (own.all || own.of_team || !self.of_team)
            && may_be_less(&self.access_groups, &own.access_groups)
            && may_be_less(&self.toolsets, &own.toolsets)
            && self.tools.is_within(&own.tools)
    }
}

impl ToolGrants {
    /// Whether nothing is said of tools.
    pub fn is_empty(&self) -> bool {
        self.permissions.is_empty() && self.blocked.is_empty()
    }

    /// Whether a tool is among those that may never be used.
    pub fn blocks(&self, server: &ServerId, tool: &str) -> bool {
        let on_one = |name: &String| {
            let rest = name.strip_prefix(server.as_str());
            rest.and_then(|rest| rest.strip_prefix('/')) == Some(tool)
        };
        self.blocked.contains(tool) || self.blocked.iter().any(on_one)
    }

    /// Whether what is said of the tools of a server leaves this one.
    pub fn permits(&self, server: &ServerId, tool: &str) -> bool {
        let listed = self.permissions.get(server);
        listed.is_none_or(|tools| tools.contains(tool) || tools.contains(ALL_TOOLS))
    }

    /// Whether `self` leaves nothing that `own` takes away.
    pub fn is_within(&self, own: &Self) -> bool {
        own.blocked.is_subset(&self.blocked)
            && own.permissions.iter().all(|(server, tools)| {
                let all = tools.contains(ALL_TOOLS);
                let here = self.permissions.get(server);
                all || here.is_some_and(|here| here.is_subset(tools))
            })
    }
}

/// What stands above a credential and narrows what it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LevelKind {
    /// The team of the credential.
    Team,
    /// The organization of the credential, or of its team.
    Organization,
    /// The person or service behind the credential.
    User,
    /// For whom a caller says that it asks (`x-litellm-end-user-id`).
    EndUser,
    /// What the request itself addresses: toolsets.
    Request,
}

impl LevelKind {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Organization => "organization",
            Self::User => "user",
            Self::EndUser => "end_user",
            Self::Request => "request",
        }
    }
}

/// One of those that stand above a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// What it is.
    pub kind: LevelKind,
    /// Which one.
    pub id: Arc<str>,
    /// What it lets through. One that is no list lets every server through.
    pub grants: ServerGrants,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_blocked_tool_is_blocked_everywhere_or_on_the_server_that_is_named() {
        let tools = ToolGrants {
            blocked: texts(&["drop", "github/delete", "a/b/c"]),
            ..ToolGrants::default()
        };
        for (server, tool, blocked) in [
            ("github", "drop", true),
            ("jira", "drop", true),
            ("github", "delete", true),
            ("jira", "delete", false),
            ("git", "hub/delete", false),
            ("a", "b/c", true),
            ("a", "c", false),
            ("github", "Drop", false),
        ] {
            assert_eq!(
                tools.blocks(&server.into(), tool),
                blocked,
                "{server} {tool}"
            );
        }
    }

    #[test]
    fn nobody_gives_more_than_they_have() {
        let github = || ServerGrants {
            servers: ["github".into()].into(),
            ..ServerGrants::default()
        };
        let everything = ServerGrants {
            all: true,
            ..ServerGrants::default()
        };
        let reading = ServerGrants {
            tools: ToolGrants {
                permissions: [("github".into(), texts(&["read"]))].into(),
                blocked: texts(&["drop"]),
            },
            ..github()
        };
        let set = ServerGrants {
            toolsets: texts(&["support"]),
            ..ServerGrants::default()
        };
        assert!(github().is_within(&everything));
        assert!(set.is_within(&everything));
        assert!(reading.is_within(&github()));
        assert!(reading.is_within(&reading));
        assert!(ServerGrants::default().is_within(&github()));
        assert!(!everything.is_within(&github()));
        assert!(!github().is_within(&reading));
        assert!(!set.is_within(&github()));
        let nothing = ServerGrants {
            none: true,
            ..everything.clone()
        };
        assert!(nothing.is_within(&everything) && !everything.is_within(&nothing));
    }
}
