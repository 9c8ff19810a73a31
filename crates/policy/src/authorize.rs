//! The decision, top to bottom, and why in that order: sight first, so that what a principal may
//! not see answers exactly like what does not exist; then the server's deny list, its allow list,
//! and last the arguments.

use portcullis_core::{ErrorKind, Principal, ServerId};

use crate::{Acting, Evidence, Operation, Permit, ServerPolicy};

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("denied by {rule}", rule = .rule.as_str())]
pub struct Denied {
    /// The rule that decided.
    pub rule: DeniedRule,
    /// Arguments that are not allowed, for [`DeniedRule::AllowedParams`].
    pub arguments: Vec<String>,
}

/// The rules that deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeniedRule {
    /// No grant covers the server: it must look absent.
    NotGranted,
    /// The tool is on the server's deny list.
    DisallowedTools,
    /// The tool is not on the server's allow list.
    AllowedTools,
    /// An argument is not on the tool's list.
    AllowedParams,
}

impl DeniedRule {
    /// The rule's stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotGranted => "not_granted",
            Self::DisallowedTools => "disallowed_tools",
            Self::AllowedTools => "allowed_tools",
            Self::AllowedParams => "allowed_params",
        }
    }
}

impl Denied {
    const fn by(rule: DeniedRule) -> Self {
        Self {
            rule,
            arguments: Vec::new(),
        }
    }

    /// What a surface reports: whatever the caller cannot see, a hidden server or a tool that its
    /// list does not show, does not exist; only arguments of a visible tool are forbidden.
    pub const fn kind(&self) -> ErrorKind {
        match self.rule {
            DeniedRule::NotGranted | DeniedRule::DisallowedTools | DeniedRule::AllowedTools => {
                ErrorKind::NotFound
            }
            DeniedRule::AllowedParams => ErrorKind::Forbidden,
        }
    }
}

/// Whether, and by which rule, the principal sees the server at all. Lists and calls both ask here.
pub fn sees(principal: &Principal, server: &ServerPolicy) -> Option<&'static str> {
    let grants = &principal.grants;
    if grants.all {
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

/// Decides one request of a principal on one server.
pub fn authorize<T>(
    principal: &Principal,
    server: &ServerPolicy,
    operation: Operation<'_>,
    target: T,
) -> Result<Permit<T>, Denied> {
    let Some(rule) = sees(principal, server) else {
        return Err(Denied::by(DeniedRule::NotGranted));
    };
    if let Operation::CallTool { tool, arguments } = operation {
        if server.disallowed_tools.contains(tool) {
            return Err(Denied::by(DeniedRule::DisallowedTools));
        }
        if !server.admits_tool(tool) {
            return Err(Denied::by(DeniedRule::AllowedTools));
        }
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
                });
            }
        }
    }
    let acting = Acting::Principal(principal.id.clone());
    Ok(Permit::new(
        target,
        Evidence::new(server.id.clone(), acting, rule),
    ))
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
