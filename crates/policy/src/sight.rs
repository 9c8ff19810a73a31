//! Which servers somebody sees: what their credential is granted, or its team where it has no list of
//! its own, less what each level above it leaves out.

use portcullis_core::{Level, LevelKind, PrincipalKind, ServerGrants, Side};

use crate::{Caller, Denied, DeniedRule, ServerPolicy};

/// Whether, and by which rule, the caller sees the server at all. Lists and calls both ask here.
pub fn sees(caller: Caller<'_>, server: &ServerPolicy) -> Option<&'static str> {
    sight(caller, server).ok()
}

/// The same, with the level that leaves the server out.
pub(crate) fn sight(caller: Caller<'_>, server: &ServerPolicy) -> Result<&'static str, Denied> {
    let absent = || Denied::by(DeniedRule::NotGranted);
    let principal = caller.principal;
    if principal.kind == PrincipalKind::Delegated {
        // A stranger: no rule about callers whom we know applies.
        let addressed = &principal.grants.servers;
        let delegated = server.delegates(caller.side, addressed).ok_or_else(absent);
        return narrowed(&principal.levels, server).and(delegated);
    }
    if server.inside_only && caller.side == Side::Outside {
        // No grant, not even the operator's own key, opens it from there.
        return Err(absent());
    }
    let granted = granted(&principal.grants, &principal.levels, server)?;
    narrowed(&principal.levels, server)?;
    Ok(granted)
}

/// What the credential is granted by itself, or through its team.
fn granted(
    own: &ServerGrants,
    levels: &[std::sync::Arc<Level>],
    server: &ServerPolicy,
) -> Result<&'static str, Denied> {
    if own.none {
        return Err(Denied::by(DeniedRule::NotGranted));
    }
    if let Some(way) = Way::to(own, server) {
        return Ok(match way {
            Way::All => "grant_all",
            Way::Server => "grant_server",
            Way::AccessGroup => "grant_access_group",
            Way::Toolset => "grant_toolset",
        });
    }
    let team = levels.iter().find(|level| level.kind == LevelKind::Team);
    // Nobody's list is the list of a team that has none.
    let inherited = team.filter(|team| team.grants.is_list() && (!own.is_list() || own.of_team));
    if let Some(way) = inherited.and_then(|team| Way::to(&team.grants, server)) {
        return Ok(match way {
            Way::All => "team_all",
            Way::Server => "team_server",
            Way::AccessGroup => "team_access_group",
            Way::Toolset => "team_toolset",
        });
    }
    if server.allow_all_keys {
        return Ok("allow_all_keys");
    }
    Err(match inherited {
        Some(team) => Denied::at(DeniedRule::NotGranted, team),
        None => Denied::by(DeniedRule::NotGranted),
    })
}

/// Every level that has a list must let the server through.
fn narrowed(levels: &[std::sync::Arc<Level>], server: &ServerPolicy) -> Result<(), Denied> {
    let leaves_out = |level: &&std::sync::Arc<Level>| {
        let grants = &level.grants;
        let uncapped = server.allow_all_keys_uncapped && level.kind != LevelKind::Request;
        let let_through = !grants.is_list() || uncapped || Way::to(grants, server).is_some();
        grants.none || !let_through
    };
    match levels.iter().find(leaves_out) {
        Some(level) => Err(Denied::at(DeniedRule::NotGranted, level)),
        None => Ok(()),
    }
}

/// How a list lets a server through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// With every other.
    All,
    /// By its name.
    Server,
    /// By one of its access groups.
    AccessGroup,
    /// As far as toolsets hold tools of it.
    Toolset,
}

impl Way {
    /// The widest; `None`: the list leaves the server out.
    pub(crate) fn to(grants: &ServerGrants, server: &ServerPolicy) -> Option<Self> {
        if grants.none {
            None
        } else if grants.all {
            Some(Self::All)
        } else if grants.servers.contains(&server.id) {
            Some(Self::Server)
        } else if !grants.access_groups.is_disjoint(&server.access_groups) {
            Some(Self::AccessGroup)
        } else if grants.toolset_tools.contains_key(&server.id) {
            Some(Self::Toolset)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests;
