//! Task handles (extension `io.modelcontextprotocol/tasks`). The upstream, called with one service
//! credential, cannot tell our principals apart, so a handle carries our mark: the principal and
//! server that it belongs to. The mark is deterministic, because clients compare handles.

use portcullis_core::{PrincipalId, ServerId, constant_time_eq, hex};
use portcullis_mcp::{Edits, Members};
use serde_json::value::RawValue;

use crate::audit::ChainMac;

/// `mark:server:task`.
pub(crate) fn wrap(
    mac: &dyn ChainMac,
    principal: &PrincipalId,
    server: &ServerId,
    task: &str,
) -> String {
    format!(
        "{}:{server}:{task}",
        mark(mac, principal, server.as_str(), task)
    )
}

/// The server and its own handle, if this handle was given to this principal.
pub(crate) fn unwrap<'a>(
    mac: &dyn ChainMac,
    principal: &PrincipalId,
    handle: &'a str,
) -> Option<(&'a str, &'a str)> {
    let (given, rest) = handle.split_once(':')?;
    let (server, task) = rest.split_once(':')?;
    let expected = mark(mac, principal, server, task);
    constant_time_eq(given.as_bytes(), expected.as_bytes()).then_some((server, task))
}

fn mark(mac: &dyn ChainMac, principal: &PrincipalId, server: &str, task: &str) -> String {
    let tag = mac.mac(&[
        b"task-handle",
        principal.as_str().as_bytes(),
        server.as_bytes(),
        task.as_bytes(),
    ]);
    hex(tag.get(..16).unwrap_or_default())
}

/// Wraps `taskId` of an object found in the text being edited.
pub(crate) fn wrap_member(
    mac: &dyn ChainMac,
    principal: &PrincipalId,
    server: &ServerId,
    object: &RawValue,
    edits: &mut Edits<'_>,
) {
    let Ok(members) = Members::of(object) else {
        return;
    };
    if let (Some(raw), Some(task)) = (members.get("taskId"), members.string("taskId")) {
        let handle = wrap(mac, principal, server, &task);
        edits.replace(raw, serde_json::Value::from(handle).to_string());
    }
}
