//! The decision, top to bottom, and why in that order: sight first, so that what a principal may
//! not see answers exactly like what does not exist; then the key that would be presented, the tools
//! that the caller's own levels leave, the server's deny list, its allow list, the scopes, the arguments,
//! the operator's own rules, which may ask about all of it, and last whether somebody has to approve the
//! call: nobody is asked to approve what would be denied anyway.

use std::borrow::Cow;
use std::sync::Arc;

use portcullis_core::{Principal, PrincipalKind, ServerId};

use crate::explain::{Check, Silent, Trace};
use crate::rules::{Facts, MOST_ARGUMENT_BYTES};
use crate::scopes::{Counting, Lacking};
use crate::sight::sight;
use crate::tools::{has_more_than_tools, is_not_blocked, is_permitted};
use crate::{
    Acting, Approval, Caller, Circumstances, Denied, DeniedRule, Evidence, KeyRule, Operation,
    Permit, ServerPolicy, arguments,
};

/// Most argument names that a refusal repeats, and most characters of each.
const MOST_NAMED: usize = 8;
const LONGEST_NAMED: usize = 64;

/// Decides one request of a caller on one server. A call that somebody has to approve is denied by
/// [`DeniedRule::ApprovalRequired`], and by nothing else.
pub fn authorize<T>(
    caller: Caller<'_>,
    server: &ServerPolicy,
    operation: Operation<'_>,
    circumstances: Circumstances,
    target: T,
) -> Result<Permit<T>, Denied> {
    let granted = decide(caller, server, operation, circumstances, None, &mut Silent)?;
    Ok(permit(caller, server, granted, target))
}

/// Decides anew about a call for which an approval was redeemed. Everything else that could deny it is
/// asked again; the approval is good for its own caller, server and tool only.
pub fn authorize_approved<T>(
    caller: Caller<'_>,
    server: &ServerPolicy,
    operation: Operation<'_>,
    circumstances: Circumstances,
    approval: &Approval,
    target: T,
) -> Result<Permit<T>, Denied> {
    let used = Some(approval);
    let granted = decide(caller, server, operation, circumstances, used, &mut Silent)?;
    Ok(permit(caller, server, granted, target))
}

fn permit<T>(
    caller: Caller<'_>,
    server: &ServerPolicy,
    granted: Granted<'_>,
    target: T,
) -> Permit<T> {
    let principal = caller.principal;
    let acting = match (granted.key, principal.kind) {
        (Some(key), _) => Acting::Keyed(principal.id.clone(), Arc::clone(&key.name)),
        (None, PrincipalKind::Delegated) => Acting::Delegated(principal.id.clone(), [0; 32]),
        (None, _) => Acting::Principal(principal.id.clone()),
    };
    let mut evidence = Evidence::new(server.id.clone(), acting, granted.rule);
    evidence.approved_by(granted.approval.map(|approval| Arc::new(approval.clone())));
    Permit::new(target, evidence)
}

/// What a decision that allows rests on.
pub(crate) struct Granted<'s> {
    /// The rule that decided.
    pub(crate) rule: Cow<'static, str>,
    /// The one of the server's keys that is used.
    key: Option<&'s KeyRule>,
    /// The approval that it takes.
    approval: Option<&'s Approval>,
}

/// The decision itself, told step by step to whoever wants to know: what explains is what decides.
pub(crate) fn decide<'s>(
    caller: Caller<'_>,
    server: &'s ServerPolicy,
    operation: Operation<'_>,
    circumstances: Circumstances,
    approval: Option<&'s Approval>,
    trace: &mut impl Trace,
) -> Result<Granted<'s>, Denied> {
    let principal = caller.principal;
    let seen = sight(caller, server);
    let grant = trace.step(Check::Sight, seen, |rule| (*rule).to_owned())?;
    let key = trace.step(Check::UpstreamKey, upstream_key(principal, server), |key| {
        key.map_or_else(String::new, |key| key.name.as_ref().to_owned())
    })?;
    let scopes = Counting::of(principal, key);
    if let Operation::CallTool {
        tool, arguments, ..
    } = operation
    {
        let listed = |admitted, rule| {
            if admitted {
                Ok(())
            } else {
                Err(Denied::by(rule))
            }
        };
        trace.check(Check::BlockedTools, is_not_blocked(caller, server, tool))?;
        trace.check(Check::ToolPermissions, is_permitted(caller, server, tool))?;
        let not_disallowed = !server.disallowed_tools.contains(tool);
        let lists = listed(not_disallowed, DeniedRule::DisallowedTools);
        trace.check(Check::DisallowedTools, lists)?;
        let lists = listed(server.admits_tool(tool), DeniedRule::AllowedTools);
        trace.check(Check::AllowedTools, lists)?;
        trace.check(Check::Scopes, covers_scopes(&scopes, server, Some(tool)))?;
        trace.check(
            Check::AllowedParams,
            keeps_to_params(server, tool, arguments),
        )?;
        trace.check(
            Check::ArgumentSchemas,
            keeps_to_schema(server, tool, arguments),
        )?;
    }
    if operation == Operation::Read {
        trace.check(Check::ToolPermissions, has_more_than_tools(caller, server))?;
        trace.check(Check::Scopes, covers_scopes(&scopes, server, None))?;
    }
    let mut rule = Cow::Borrowed(grant);
    let mut holding = None;
    if operation != Operation::Use {
        let facts = Facts {
            caller,
            server,
            operation,
            circumstances,
        };
        let judged = trace.step(Check::Rules, server.rules.judge(&facts), |judged| {
            judged.allowing.as_deref().unwrap_or_default().to_owned()
        })?;
        if let Some(allowing) = judged.allowing {
            rule = Cow::Owned(allowing.as_ref().to_owned());
        }
        holding = judged.holding;
    }
    let mut used = None;
    if let Operation::CallTool {
        tool, described, ..
    } = operation
    {
        let needed = server.approval.needed(tool, described).map(Arc::from);
        let needed = needed.or(holding);
        let covering = approval.filter(|one| one.covers(&principal.id, &server.id, tool));
        let decided = match (needed, covering) {
            (None, _) => Ok(None),
            (Some(_), Some(approval)) => Ok(Some(approval)),
            (Some(by), None) => Err(Denied {
                named: Some(by),
                ..Denied::by(DeniedRule::ApprovalRequired)
            }),
        };
        used = trace.step(Check::Approval, decided, |used| {
            used.map_or_else(String::new, |approval| approval.label().into_owned())
        })?;
    }
    if let Some(approval) = used {
        rule = approval.label();
    }
    Ok(Granted {
        rule,
        key,
        approval: used,
    })
}

/// Only listed arguments, for a tool that has a list.
fn keeps_to_params(server: &ServerPolicy, tool: &str, text: Option<&str>) -> Result<(), Denied> {
    let Some(allowed) = server.allowed_params.get(tool) else {
        return Ok(());
    };
    let mut refused = arguments::names(text)?;
    refused.retain(|name| !allowed.contains(name));
    if refused.is_empty() {
        return Ok(());
    }
    Err(Denied {
        arguments: few(refused),
        ..Denied::by(DeniedRule::AllowedParams)
    })
}

/// So many names of a caller's making as a refusal repeats, and as much of each.
pub(crate) fn few(mut names: Vec<String>) -> Vec<String> {
    names.truncate(MOST_NAMED);
    for name in &mut names {
        let end = name.char_indices().nth(LONGEST_NAMED).map(|(at, _)| at);
        name.truncate(end.unwrap_or(name.len()));
    }
    names
}

/// Only what the schema allows, for a tool that has one.
fn keeps_to_schema(server: &ServerPolicy, tool: &str, text: Option<&str>) -> Result<(), Denied> {
    let Some(schema) = server.argument_schemas.get(tool) else {
        return Ok(());
    };
    let bytes = text.map_or(0, str::len);
    if bytes > MOST_ARGUMENT_BYTES {
        return Err(Denied::by(DeniedRule::UnreadableArguments));
    }
    schema.admits(&arguments::values(text)?, bytes)
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
        Evidence::new(server.clone(), Acting::Service, "service_discovery".into()),
    )
}

#[cfg(test)]
mod tests;
