//! `teams`, `organizations`, `users`, `end_users` and `toolsets`: what stands above credentials.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_core::{LevelKind, ServerGrants, ServerId, ToolGrants, ToolsByServer};

use crate::fields::{At, Fields};
use crate::findings::Place;
use crate::keys::people::{LEVEL, TOOLSET};
use crate::model::{Compat, People, WrittenLevel, WrittenToolset};
use crate::sections::grants::{self, Surroundings};

/// The maps of the file, and what stands in them.
const LEVELS: [(&str, LevelKind); 4] = [
    ("teams", LevelKind::Team),
    ("organizations", LevelKind::Organization),
    ("users", LevelKind::User),
    ("end_users", LevelKind::EndUser),
];

/// LiteLLM's words in `mcp_servers`.
const ALL: &str = "all-proxy-mcpservers";
const NONE: &str = "no-mcp-servers";

pub(crate) fn read(
    root: &Fields<'_, '_>,
    identity: &Fields<'_, '_>,
    general: &Fields<'_, '_>,
    around: &Surroundings<'_>,
    compat: Compat,
) -> People {
    let mut people = People {
        ungranted_sees_all: around.ungranted_sees_all,
        undefined_users: undefined_users(identity, compat),
        end_users_need_lists: general.flag("require_end_user_mcp_access_defined") == Some(true),
        ..People::default()
    };
    for (name, place, node) in root.named("toolsets") {
        let fields = Fields::open(root.findings, &TOOLSET, node, place.path.clone());
        if is_usable(&fields, name, &place) {
            people
                .toolsets
                .insert(name.to_owned(), toolset(&fields, around));
        }
    }
    for (map, kind) in LEVELS {
        for (name, place, node) in root.named(map) {
            let fields = Fields::open(root.findings, &LEVEL, node, place.path.clone());
            let level = level(&fields, kind, around);
            people.levels.insert((kind, name.to_owned()), level);
        }
    }
    if around.ungranted_sees_all {
        root.findings.relaxed(
            root.place("compat"),
            "a key of the store or a token without a list, whose team has none either, sees every server, by `compat: litellm`",
        );
    }
    if compat == Compat::LiteLlm && around.has_servers_for_all_keys() {
        root.findings.relaxed(
            root.place("compat"),
            "servers with `allow_all_keys` are seen also where the list of a team, an organization, a person or an end user leaves them out, by `compat: litellm`",
        );
    }
    people
}

fn undefined_users(identity: &Fields<'_, '_>, compat: Compat) -> bool {
    const NAME: &str = "allow_undefined_users";
    let allowed = identity.flag(NAME);
    let allowed = allowed.unwrap_or(compat == Compat::LiteLlm);
    if allowed {
        identity.findings.relaxed(
            identity.place(NAME),
            "a credential may name a person whom nobody defined, although others are: nothing narrows what such a person sees",
        );
    }
    allowed
}

fn level(fields: &Fields<'_, '_>, kind: LevelKind, around: &Surroundings<'_>) -> WrittenLevel {
    let text = |name: &str| fields.text(name).map(|text| text.value);
    for (name, only) in [
        ("organization_id", LevelKind::Team),
        ("members", LevelKind::Team),
        ("email", LevelKind::User),
    ] {
        if fields.has(name) && kind != only {
            fields.findings.error(
                fields.place(name),
                format!("`{name}` is for entries of another kind"),
                "remove it, or write it where it decides something",
            );
        }
    }
    WrittenLevel {
        alias: text("alias"),
        email: text("email"),
        organization: text("organization_id"),
        blocked: fields.flag("blocked").unwrap_or(false),
        members: fields.text_set("members"),
        grants: granted(fields, around),
    }
}

/// What is let through: in our words, or in LiteLLM's.
fn granted(fields: &Fields<'_, '_>, around: &Surroundings<'_>) -> ServerGrants {
    const OWN: [&str; 6] = [
        "servers",
        "access_groups",
        "all_servers",
        "toolsets",
        "mcp_tool_permissions",
        "blocked_tools",
    ];
    let Some(permission) = fields.section("object_permission") else {
        let written = grants::written(fields, around);
        let toolsets = fields.text_set("toolsets");
        let says_something = written.is_some() || toolsets.is_some();
        let grants = ServerGrants {
            toolsets: toolsets.unwrap_or_default(),
            tools: tools(fields, around),
            ..written.unwrap_or_default()
        };
        return closing(grants, says_something);
    };
    if let Some(twice) = OWN.iter().find(|name| fields.has(name)) {
        fields.findings.error(
            fields.place(twice),
            format!("`{twice}` and `object_permission` say the same thing twice"),
            "keep one of them",
        );
    }
    let mut names = Vec::new();
    let (mut all, mut none) = (false, false);
    for name in permission.texts("mcp_servers").unwrap_or_default() {
        match name.value.as_str() {
            ALL => all = true,
            NONE => none = true,
            _ => names.push(name),
        }
    }
    let lists = ["mcp_servers", "mcp_access_groups", "mcp_toolsets"];
    let says_something = lists.iter().any(|list| permission.has(list));
    let grants = ServerGrants {
        all,
        none,
        servers: names
            .into_iter()
            .filter_map(|name| server(&permission, around, name))
            .collect(),
        access_groups: permission.text_set("mcp_access_groups").unwrap_or_default(),
        toolsets: permission.text_set("mcp_toolsets").unwrap_or_default(),
        tools: tools(&permission, around),
        ..ServerGrants::default()
    };
    closing(grants, says_something)
}

/// A list that is written and holds nothing lets nothing through.
fn closing(grants: ServerGrants, says_something: bool) -> ServerGrants {
    ServerGrants {
        none: grants.none || (says_something && !grants.is_list()),
        ..grants
    }
}

fn tools(fields: &Fields<'_, '_>, around: &Surroundings<'_>) -> ToolGrants {
    ToolGrants {
        permissions: by_server(fields, "mcp_tool_permissions", around),
        blocked: blocked(fields, around),
    }
}

/// `tool`, or `server/tool` with any name of the server. What names a server that is not there would block
/// nothing: an error.
fn blocked(fields: &Fields<'_, '_>, around: &Surroundings<'_>) -> BTreeSet<String> {
    let written = fields.texts("blocked_tools").unwrap_or_default();
    let resolved = written.into_iter().filter_map(|At { value, place }| {
        let Some((named, tool)) = value.split_once('/') else {
            return Some(value);
        };
        let id = around.find(fields, named, place)?;
        Some(format!("{id}/{tool}"))
    });
    resolved.collect()
}

fn toolset(fields: &Fields<'_, '_>, around: &Surroundings<'_>) -> WrittenToolset {
    WrittenToolset {
        description: fields.text("description").map(|text| text.value),
        tools: by_server(fields, "tools", around),
    }
}

/// Names of servers to tools. A name that is no server's would narrow nothing: an error.
fn by_server(fields: &Fields<'_, '_>, name: &str, around: &Surroundings<'_>) -> ToolsByServer {
    let written: BTreeMap<String, BTreeSet<String>> = fields.texts_map(name);
    let mut found = ToolsByServer::new();
    for (value, tools) in written {
        let place = Place {
            path: format!("{}.{value}", fields.place(name).path),
            ..fields.place(name)
        };
        if let Some(id) = server(fields, around, At { value, place }) {
            found.entry(id).or_default().extend(tools);
        }
    }
    found
}

fn server(
    fields: &Fields<'_, '_>,
    around: &Surroundings<'_>,
    name: At<String>,
) -> Option<ServerId> {
    around.find(fields, &name.value, name.place)
}

fn is_usable(fields: &Fields<'_, '_>, name: &str, place: &Place) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let usable = (1..=64).contains(&name.len()) && name.bytes().all(plain);
    if !usable {
        fields.findings.error(
            place.clone(),
            "not a usable name",
            "1 to 64 letters, digits, `_`, `.` or `-`",
        );
    }
    usable
}
