//! The decision, top to bottom, and why in that order: sight first, so that what a principal may
//! not see answers exactly like what does not exist; then the key that would be presented, the
//! server's deny list, its allow list, the scopes, and last the arguments.

use std::sync::Arc;

use portcullis_core::{ErrorKind, Principal, PrincipalKind, ServerId, Side};

use crate::scopes::Counting;
use crate::scopes::Lacking;
use crate::{Acting, Caller, Evidence, KeyRule, MissingScopes, Operation, Permit, ServerPolicy};

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("denied by {rule}", rule = .rule.as_str())]
pub struct Denied {
    /// The rule that decided.
    pub rule: DeniedRule,
    /// Arguments that are not allowed, for [`DeniedRule::AllowedParams`].
    pub arguments: Vec<String>,
    /// What would help, for [`DeniedRule::InsufficientScope`].
    pub scopes: Option<MissingScopes>,
}

/// The rules that deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeniedRule {
    /// No grant covers the server, or it is hidden from where the caller is: it must look absent.
    NotGranted,
    /// The tool is on the server's deny list.
    DisallowedTools,
    /// The tool is not on the server's allow list.
    AllowedTools,
    /// The server asks for scopes, and the operator did not say which this needs.
    UnmappedScope,
    /// A scope is missing.
    InsufficientScope,
    /// An argument is not on the tool's list.
    AllowedParams,
    /// None of the server's keys was set apart for the caller.
    NoUpstreamKey,
    /// Several were, and none of them is the one that was meant.
    AmbiguousUpstreamKey,
}

impl DeniedRule {
    /// The rule's stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotGranted => "not_granted",
            Self::DisallowedTools => "disallowed_tools",
            Self::AllowedTools => "allowed_tools",
            Self::UnmappedScope => "unmapped_scope",
            Self::InsufficientScope => "insufficient_scope",
            Self::AllowedParams => "allowed_params",
            Self::NoUpstreamKey => "no_upstream_key",
            Self::AmbiguousUpstreamKey => "ambiguous_upstream_key",
        }
    }
}

impl Denied {
    pub(crate) const fn by(rule: DeniedRule) -> Self {
        Self {
            rule,
            arguments: Vec::new(),
            scopes: None,
        }
    }

    /// What a surface reports: whatever the caller cannot see, a hidden server or a tool that its
    /// list does not show, does not exist; what it sees and may not do is forbidden.
    pub const fn kind(&self) -> ErrorKind {
        match self.rule {
            DeniedRule::NotGranted | DeniedRule::DisallowedTools | DeniedRule::AllowedTools => {
                ErrorKind::NotFound
            }
            DeniedRule::UnmappedScope
            | DeniedRule::InsufficientScope
            | DeniedRule::AllowedParams
            | DeniedRule::NoUpstreamKey
            | DeniedRule::AmbiguousUpstreamKey => ErrorKind::Forbidden,
        }
    }
}

/// Whether, and by which rule, the caller sees the server at all. Lists and calls both ask here.
pub fn sees(caller: Caller<'_>, server: &ServerPolicy) -> Option<&'static str> {
    let grants = &caller.principal.grants;
    if caller.principal.kind == PrincipalKind::Delegated {
        // A stranger: no rule about callers whom we know applies.
        return server.delegates(caller.side, &grants.servers);
    }
    if server.inside_only && caller.side == Side::Outside {
        // No grant, not even the operator's own key, opens it from there.
        None
    } else if grants.all {
        Some("grant_all")
    } else if grants.servers.contains(&server.id) {
        Some("grant_server")
    } else if !grants.access_groups.is_disjoint(&server.access_groups) {
        Some("grant_access_group")
    } else if server.allow_all_keys {
        Some("allow_all_keys")
    } else {
        None
    }
}

/// Decides one request of a caller on one server.
pub fn authorize<T>(
    caller: Caller<'_>,
    server: &ServerPolicy,
    operation: Operation<'_>,
    target: T,
) -> Result<Permit<T>, Denied> {
    let Some(rule) = sees(caller, server) else {
        return Err(Denied::by(DeniedRule::NotGranted));
    };
    let principal = caller.principal;
    let key = upstream_key(principal, server)?;
    let scopes = Counting::of(principal, key);
    if let Operation::CallTool { tool, arguments } = operation {
        if server.disallowed_tools.contains(tool) {
            return Err(Denied::by(DeniedRule::DisallowedTools));
        }
        if !server.admits_tool(tool) {
            return Err(Denied::by(DeniedRule::AllowedTools));
        }
        covers_scopes(&scopes, server, Some(tool))?;
        if let Some(allowed) = server.allowed_params.get(tool) {
            let refused: Vec<String> = arguments
                .iter()
                .filter(|name| !allowed.contains(**name))
                .map(|name| (*name).to_owned())
                .collect();
            if !refused.is_empty() {
                return Err(Denied {
                    rule: DeniedRule::AllowedParams,
                    arguments: refused,
                    scopes: None,
                });
            }
        }
    }
    if operation == Operation::Read {
        covers_scopes(&scopes, server, None)?;
    }
    let acting = match (key, principal.kind) {
        (Some(key), _) => Acting::Keyed(principal.id.clone(), Arc::clone(&key.name)),
        (None, PrincipalKind::Delegated) => Acting::Delegated(principal.id.clone(), [0; 32]),
        (None, _) => Acting::Principal(principal.id.clone()),
    };
    Ok(Permit::new(
        target,
        Evidence::new(server.id.clone(), acting, rule),
    ))
}

/// Whether the caller gets past a server that is called with keys of its own: asked at its door, so
/// that a caller without one learns it from the first answer.
pub fn is_let_in(caller: Caller<'_>, server: &ServerPolicy) -> Result<(), Denied> {
    upstream_key(caller.principal, server).map(drop)
}

fn upstream_key<'s>(
    principal: &Principal,
    server: &'s ServerPolicy,
) -> Result<Option<&'s KeyRule>, Denied> {
    server
        .keys
        .as_ref()
        .map(|keys| keys.of(principal))
        .transpose()
}

/// Whether the principal carries the scopes that the server asks for.
fn covers_scopes(
    principal: &Counting<'_>,
    server: &ServerPolicy,
    tool: Option<&str>,
) -> Result<(), Denied> {
    let Some(rules) = &server.scopes else {
        return Ok(());
    };
    rules
        .admits(principal, tool)
        .map_err(|lacking| match lacking {
            Lacking::Mapping => Denied::by(DeniedRule::UnmappedScope),
            Lacking::Scopes(missing) => Denied {
                scopes: Some(missing),
                ..Denied::by(DeniedRule::InsufficientScope)
            },
        })
}

/// Lets the gateway itself ask a server of the operator's file for its lists.
pub fn authorize_service(server: &ServerId) -> Permit<()> {
    Permit::new(
        (),
        Evidence::new(server.clone(), Acting::Service, "service_discovery"),
    )
}

#[cfg(test)]
mod tests;
