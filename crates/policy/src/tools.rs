//! Which tools of a server somebody may use: what their credential and each level above it leave, and
//! what the server's own lists leave.

use portcullis_core::ServerGrants;

use crate::sight::Way;
use crate::{Caller, Denied, DeniedRule, ServerPolicy};

/// Whether a caller who sees the server is shown this tool of it, and may call it as far as lists of
/// names decide: what `tools/list` shows and `tools/call` accepts, one decision for both.
pub fn shows_tool(caller: Caller<'_>, server: &ServerPolicy, tool: &str) -> bool {
    server.admits_tool(tool)
        && is_not_blocked(caller, server, tool).is_ok()
        && is_permitted(caller, server, tool).is_ok()
}

/// Whether the caller has single tools of the server and nothing else of it: what toolsets grant.
pub fn has_tools_only(caller: Caller<'_>, server: &ServerPolicy) -> bool {
    has_more_than_tools(caller, server).is_err()
}

/// No level blocks the tool.
pub(crate) fn is_not_blocked(
    caller: Caller<'_>,
    server: &ServerPolicy,
    tool: &str,
) -> Result<(), Denied> {
    each_level(caller, DeniedRule::BlockedTools, |grants| {
        !grants.tools.blocks(&server.id, tool)
    })
}

/// Every level that lists tools of the server lists this one, and so does every level that lets the
/// server through for its toolsets alone.
pub(crate) fn is_permitted(
    caller: Caller<'_>,
    server: &ServerPolicy,
    tool: &str,
) -> Result<(), Denied> {
    each_level(caller, DeniedRule::ToolPermissions, |grants| {
        grants.tools.permits(&server.id, tool)
            && (!is_by_toolset(grants, server) || is_in_toolset(grants, server, tool))
    })
}

/// A toolset grants tools: no prompts, no resources.
pub(crate) fn has_more_than_tools(caller: Caller<'_>, server: &ServerPolicy) -> Result<(), Denied> {
    each_level(caller, DeniedRule::ToolsOnly, |grants| {
        !is_by_toolset(grants, server)
    })
}

fn is_by_toolset(grants: &ServerGrants, server: &ServerPolicy) -> bool {
    Way::to(grants, server) == Some(Way::Toolset)
}

fn is_in_toolset(grants: &ServerGrants, server: &ServerPolicy, tool: &str) -> bool {
    let tools = grants.toolset_tools.get(&server.id);
    tools.is_some_and(|tools| tools.contains(tool))
}

/// Asks the credential and then what stands above it; the first that says no is named.
fn each_level(
    caller: Caller<'_>,
    rule: DeniedRule,
    lets_through: impl Fn(&ServerGrants) -> bool,
) -> Result<(), Denied> {
    if !lets_through(&caller.principal.grants) {
        return Err(Denied::of_credential(rule));
    }
    let mut levels = caller.principal.levels.iter();
    match levels.find(|level| !lets_through(&level.grants)) {
        Some(level) => Err(Denied::at(rule, level)),
        None => Ok(()),
    }
}
