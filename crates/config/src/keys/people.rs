//! `teams`, `organizations`, `users`, `end_users` and `toolsets`.

use super::{Key, Kind, Section};

pub(crate) static LEVEL: Section = Section {
    name: "level",
    doc: "What stands above credentials and narrows what they see: a team, an organization, a person or an end user. One that says nothing of servers lets every server through; a list that is written and empty lets none through.",
    keys: &[
        Key::new("alias", Kind::Prose, "What people call it."),
        Key::new(
            "email",
            Kind::Prose,
            "A person's e-mail address, for display.",
        ),
        Key::new(
            "organization_id",
            Kind::Text,
            "The organization that a team is part of: what it leaves out, the team leaves out.",
        )
        .restricts(),
        Key::new("blocked", Kind::Flag, "Refuse whoever comes with it.")
            .default("false")
            .restricts(),
        Key::new(
            "members",
            Kind::Texts,
            "The people (`user_id`) whose keys may name this team. Absent: whoever's key does.",
        )
        .restricts(),
        Key::new("servers", Kind::Texts, "Servers that it lets through.").restricts(),
        Key::new(
            "access_groups",
            Kind::Texts,
            "Access groups whose servers it lets through.",
        )
        .restricts(),
        Key::new(
            "all_servers",
            Kind::Flag,
            "Every server, now and later; `false` with nothing else: none.",
        )
        .default("false")
        .restricts(),
        Key::new(
            "toolsets",
            Kind::Texts,
            "Toolsets whose tools it lets through.",
        )
        .restricts(),
        Key::new(
            "mcp_tool_permissions",
            Kind::TextsMap,
            "On a server that stands here, only these tools; `*` is all of them.",
        )
        .restricts(),
        Key::new(
            "blocked_tools",
            Kind::Texts,
            "Never these tools: `tool` on every server, `server/tool` on one.",
        )
        .restricts(),
        Key::new(
            "object_permission",
            Kind::Section(&OBJECT_PERMISSION),
            "LiteLLM's form of the same. Not both.",
        )
        .restricts(),
    ],
};

pub(crate) static OBJECT_PERMISSION: Section = Section {
    name: "object_permission",
    doc: "LiteLLM's `object_permission`, as far as it is about MCP.",
    keys: &[
        Key::new(
            "mcp_servers",
            Kind::Texts,
            "Servers; `all-proxy-mcpservers` is every one, `no-mcp-servers` is none whatever else is written.",
        )
        .restricts(),
        Key::new("mcp_access_groups", Kind::Texts, "Access groups.").restricts(),
        Key::new("mcp_toolsets", Kind::Texts, "Toolsets.").restricts(),
        Key::new(
            "mcp_tool_permissions",
            Kind::TextsMap,
            "On a server that stands here, only these tools; `*` is all of them.",
        )
        .restricts(),
        Key::new(
            "blocked_tools",
            Kind::Texts,
            "Never these tools: `tool` on every server, `server/tool` on one.",
        )
        .restricts(),
    ],
};

pub(crate) static TOOLSET: Section = Section {
    name: "toolset",
    doc: "Tools of several servers under one name: an endpoint `/toolset/{name}/mcp`, and something to grant.",
    keys: &[
        Key::new("description", Kind::Prose, "For people."),
        Key::new(
            "tools",
            Kind::TextsMap,
            "Names of servers to the tools that are in it, as their server spells them.",
        )
        .restricts(),
    ],
};
