//! What a caller is told whose call waits for an approval, in the form that its revision has for it.
//!
//! | caller | form |
//! |---|---|
//! | 2026-07-28 that can open addresses | `input_required` with an elicitation of mode `url` |
//! | 2025-11-25 that can open addresses | JSON-RPC error `-32042` |
//! | any other | a result with `isError` whose text says how to go on |
//! | REST | 202 with where to ask again |

use portcullis_core::{ApprovalId, ErrorKind, PrincipalId};
use portcullis_mcp::{Method, RpcError, code};
use serde_json::json;

use super::Held;
use crate::call::Call;
use crate::consent::{Opening, answered};
use crate::gateway::Gateway;
use crate::legacy::LegacyClient;

impl Held {
    /// The kind.
    pub const fn kind(&self) -> ErrorKind {
        match self.refused {
            None => ErrorKind::ApprovalRequired,
            Some(_) => ErrorKind::Forbidden,
        }
    }

    /// For whoever called, person or model.
    pub fn message(&self) -> String {
        let Self {
            id, server, tool, ..
        } = self;
        if let Some(refused) = &self.refused {
            let why = match &refused.reason {
                Some(reason) => format!(" The reason given: {reason}"),
                None => String::new(),
            };
            return format!(
                "This call of \"{tool}\" on the server \"{server}\" was not approved (approval {id}), and asking again before {} does not help.{why}",
                self.until
            );
        }
        let page = match &self.url {
            Some(url) => format!(" What becomes of it is shown at {url}."),
            None => String::new(),
        };
        format!(
            "Nothing was called yet: \"{tool}\" on the server \"{server}\" needs an approval for this very call. It was asked for (approval {id}); an approver of this gateway decides, until {}.{page} Once it is approved, make the same call again, with the same arguments, within {} seconds.",
            self.until,
            self.usable.as_secs()
        )
    }

    /// The same beside an address that the client shows by itself.
    fn reason(&self) -> String {
        format!(
            "The tool \"{}\" of the server \"{}\" is called with an approval only. This page says what becomes of it; try again once it is approved.",
            self.tool, self.server
        )
    }

    /// What a client is to open that can.
    pub(crate) fn opening(&self) -> Option<Opening> {
        if self.refused.is_some() {
            return None;
        }
        Some(Opening {
            key: format!("approval/{}", self.id),
            server: self.server.clone(),
            approval: Some(self.id.clone()),
            url: self.url.clone()?,
            reason: self.reason(),
        })
    }

    /// The error of what has no other form.
    pub(crate) fn rpc_error(&self, request_id: &str) -> RpcError {
        RpcError::new(code::INTERNAL_ERROR, self.message()).with_data(&json!({
            "kind": self.kind().as_str(),
            "request_id": request_id,
            "approval_id": self.id.as_str(),
            "url": self.url,
        }))
    }
}

impl Gateway {
    /// The answer to a request of a client with a session.
    pub(crate) fn legacy_held(
        &self,
        call: &Call,
        client: &LegacyClient,
        held: &Held,
        id: &str,
    ) -> String {
        let opening = held.opening();
        let openings = opening.as_ref().map(std::slice::from_ref);
        let text = held.message();
        if let Some(error) = self.url_elicitations(call, client, openings, &text) {
            return error.response(Some(id));
        }
        Self::told(call, held, false, id)
    }

    /// The answer to a request whose client cannot be asked.
    pub(crate) fn told(call: &Call, held: &Held, modern: bool, id: &str) -> String {
        let error = held.rpc_error(&call.id.to_string());
        answered(Some(Method::ToolsCall), modern, id, &held.message(), &error)
    }

    /// Somebody decided: the sessions of the caller that were sent to its page, and are listened to here,
    /// are told.
    pub(super) fn approval_decided(&self, principal: &PrincipalId, id: &ApprovalId) {
        for one in self.elicitations.take_approval(principal, id) {
            self.elicitation_complete(principal, &one);
        }
    }
}
