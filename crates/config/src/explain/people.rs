//! What stands above credentials, and toolsets.

use portcullis_core::{LevelKind, ServerGrants};

use super::page::{Page, quoted};
use crate::model::{People, WrittenLevel};

pub(super) fn people(page: &mut Page<'_>, people: &People) {
    for (map, kind) in [
        ("teams", LevelKind::Team),
        ("organizations", LevelKind::Organization),
        ("users", LevelKind::User),
        ("end_users", LevelKind::EndUser),
    ] {
        let levels = people.levels.iter();
        let mut levels = levels.filter(|((of, _), _)| *of == kind).peekable();
        if levels.peek().is_some() {
            page.heading(0, map);
        }
        for ((_, id), written) in levels {
            page.heading(2, &quoted(id));
            level(page, written);
        }
    }
    if !people.toolsets.is_empty() {
        page.heading(0, "toolsets");
    }
    for (name, toolset) in &people.toolsets {
        page.heading(2, name);
        page.optional(4, "description", toolset.description.as_ref());
        page.heading(4, "tools");
        for (server, tools) in &toolset.tools {
            page.restriction(6, server.as_str(), tools);
        }
    }
}

fn level(page: &mut Page<'_>, written: &WrittenLevel) {
    page.optional(4, "alias", written.alias.as_ref());
    page.optional(4, "email", written.email.as_ref());
    page.optional(4, "organization_id", written.organization.as_ref());
    page.value(4, "blocked", written.blocked);
    if let Some(members) = &written.members {
        page.restriction(4, "members", members);
    }
    grants(page, &written.grants);
}

fn grants(page: &mut Page<'_>, grants: &ServerGrants) {
    if grants.none {
        page.comment(4, "lets no server through");
    } else if !grants.is_list() {
        page.comment(4, "lets every server through");
    }
    page.value(4, "all_servers", grants.all);
    page.list(4, "servers", &grants.servers);
    page.list(4, "access_groups", &grants.access_groups);
    page.list(4, "toolsets", &grants.toolsets);
    if !grants.tools.permissions.is_empty() {
        page.heading(4, "mcp_tool_permissions");
    }
    for (server, tools) in &grants.tools.permissions {
        page.restriction(6, server.as_str(), tools);
    }
    page.list(4, "blocked_tools", &grants.tools.blocked);
}
