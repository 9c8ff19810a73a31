//! Task handles (extension `io.modelcontextprotocol/tasks`). The upstream, called with one service
//! credential, cannot tell our principals apart, so a handle carries our mark: the principal and
//! server that it belongs to. The mark is deterministic, because clients compare handles.

use portcullis_core::{PrincipalId, ServerId, constant_time_eq, hex};
use portcullis_mcp::{Edits, Envelope, Members, code};
use serde_json::value::RawValue;

use crate::audit::ChainMac;
use crate::error::EngineError;
use crate::prepare::protocol;

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

/// The tasks that a `subscriptions/listen` asks to be told of: each was given to its principal.
pub(crate) struct Watched<'a> {
    list: Option<&'a RawValue>,
    /// Server and its own handle.
    tasks: Vec<(String, String)>,
}

impl<'a> Watched<'a> {
    /// Reads `params.notifications.taskIds`. A handle that this principal does not hold is refused:
    /// the server could not tell whose it is.
    pub(crate) fn by(
        mac: &dyn ChainMac,
        principal: &PrincipalId,
        listen: &Envelope<'a>,
    ) -> Result<Self, EngineError> {
        let list = listen
            .params()
            .map(|params| params.object("notifications"))
            .transpose()
            .map_err(|_| invalid("params.notifications must be an object"))?
            .flatten()
            .and_then(|wanted| wanted.get("taskIds"));
        let handles: Vec<String> = match list {
            Some(list) => serde_json::from_str(list.get())
                .map_err(|_| invalid("params.notifications.taskIds must be a list of strings"))?,
            None => Vec::new(),
        };
        let tasks = handles
            .iter()
            .map(|handle| {
                unwrap(mac, principal, handle)
                    .map(|(server, task)| (server.to_owned(), task.to_owned()))
                    .ok_or_else(|| unknown(handle))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { list, tasks })
    }

    /// Refuses tasks of servers that are not among these.
    pub(crate) fn require_within<'s>(
        &self,
        servers: impl Iterator<Item = &'s ServerId>,
    ) -> Result<(), EngineError> {
        if self.tasks.is_empty() {
            return Ok(());
        }
        let within: Vec<&str> = servers.map(ServerId::as_str).collect();
        match self
            .tasks
            .iter()
            .find(|(server, _)| !within.contains(&server.as_str()))
        {
            Some((_, task)) => Err(unknown(task)),
            None => Ok(()),
        }
    }

    /// Writes one server's own handles, and no others, into the request that goes to it.
    pub(crate) fn ask(&self, server: &ServerId, request: &mut Edits<'a>) -> Vec<String> {
        let own: Vec<String> = self
            .tasks
            .iter()
            .filter(|(of, _)| of == server.as_str())
            .map(|(_, task)| task.clone())
            .collect();
        if let Some(list) = self.list {
            request.replace(list, serde_json::Value::from(own.clone()).to_string());
        }
        own
    }
}

fn invalid(why: &'static str) -> EngineError {
    protocol(code::INVALID_PARAMS, why)
}

fn unknown(handle: &str) -> EngineError {
    EngineError::Unknown {
        what: "task",
        name: handle.to_owned(),
    }
}
