//! A call that needs its caller's own account at a server, which is not connected yet: what the
//! caller is told, in the form that its revision has for it.
//!
//! | caller | form |
//! |---|---|
//! | 2026-07-28 that can open addresses | `input_required` with an elicitation of mode `url` |
//! | 2025-11-25 that can open addresses | JSON-RPC error `-32042` |
//! | any other, calling a tool | a result with `isError` whose text names the address |
//! | any other, asking something else | a JSON-RPC error whose text names the address |
//! | REST | 401 that names the address |
//!
//! The address leads to the gateway's own page, is worth nothing without a signed-in browser, and
//! says of whom it was made for nothing in clear (MCP 2025-11-25 "Elicitation", "Safe URL Handling").

mod asking;
mod elicitations;
mod invitation;
mod people;

use portcullis_core::{ApprovalId, ErrorKind, ServerId};
use portcullis_credentials::CredentialErrorKind;
use portcullis_mcp::{Method, RpcError, code};
use serde_json::{Value, json};

use crate::call::Call;
use crate::error::EngineError;
use crate::gateway::Gateway;
use crate::legacy::LegacyClient;

pub(crate) use self::asking::{Declined, Resumed};
pub(crate) use self::elicitations::Elicitations;
pub use self::invitation::{Invitation, InvitationRefused};

/// An account that is to be connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Where.
    pub server: ServerId,
    /// What its person is to open; `None` when the request does not say under which origin we are
    /// reached.
    pub url: Option<String>,
}

impl Wanted {
    /// For a person: what to open, and why.
    pub(crate) fn message(&self) -> String {
        match &self.url {
            Some(url) => format!(
                "The server \"{}\" is called with your own account, which is not connected yet. Open {url} in your browser, sign in and connect it, then try again. The address is for you alone and good for 10 minutes.",
                self.server
            ),
            None => format!(
                "The server \"{server}\" is called with your own account, which is not connected yet. Open /connect/{server} on this gateway in your browser, sign in and connect it, then try again.",
                server = self.server
            ),
        }
    }

    /// The same beside an address that the client shows by itself.
    pub(crate) fn reason(&self) -> String {
        format!(
            "Connect your account to use the server \"{}\": sign in to the gateway and follow its page.",
            self.server
        )
    }
}

/// An address of ours that a caller's person is to open before a call can be made.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    /// What it is about, among all that are asked for at once.
    pub(crate) key: String,
    /// For a call of which server.
    pub(crate) server: ServerId,
    /// The approval that it shows, where it does not lead to an account.
    pub(crate) approval: Option<ApprovalId>,
    pub(crate) url: String,
    /// Why, for a client that shows the address by itself.
    pub(crate) reason: String,
}

/// What is to be opened; `None` when we do not know under which origin we are reached.
pub(crate) fn openings(wanted: &[Wanted]) -> Option<Vec<Opening>> {
    let opening = |one: &Wanted| {
        Some(Opening {
            key: format!("connect/{}", one.server),
            server: one.server.clone(),
            approval: None,
            url: one.url.clone()?,
            reason: one.reason(),
        })
    };
    wanted.iter().map(opening).collect()
}

/// The message that names everything that is to be connected.
pub(crate) fn message(wanted: &[Wanted]) -> String {
    let messages: Vec<String> = wanted.iter().map(Wanted::message).collect();
    messages.join("\n")
}

/// The error of what has no other form, with the addresses as data too.
pub(crate) fn rpc_error(wanted: &[Wanted], request_id: &str) -> RpcError {
    RpcError::new(code::INTERNAL_ERROR, message(wanted)).with_data(&json!({
        "kind": ErrorKind::ConsentRequired.as_str(),
        "request_id": request_id,
        "connect": addresses(wanted),
    }))
}

fn addresses(wanted: &[Wanted]) -> Vec<Value> {
    let one = |one: &Wanted| json!({"server": one.server.as_str(), "url": one.url});
    wanted.iter().map(one).collect()
}

/// What a client gets that cannot be sent to an address, or whose user did not want to: of a tool a
/// result, which is what a model reads (all revisions), of anything else an error.
pub(crate) fn answered(
    method: Option<Method>,
    modern: bool,
    id: &str,
    text: &str,
    error: &RpcError,
) -> String {
    if method != Some(Method::ToolsCall) {
        return error.response(Some(id));
    }
    let result = tool_error(text, modern);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

fn tool_error(text: &str, modern: bool) -> String {
    let mut result = json!({"content": [{"type": "text", "text": text}], "isError": true});
    if let (true, Some(result)) = (modern, result.as_object_mut()) {
        result.insert("resultType".to_owned(), "complete".into());
    }
    result.to_string()
}

impl Gateway {
    /// The error with the address in it that would help this caller; any other error as it is.
    pub(crate) fn inviting(&self, call: &Call, error: EngineError) -> EngineError {
        match error {
            EngineError::Credential(error)
                if error.kind == CredentialErrorKind::ConsentRequired =>
            {
                match self.wanted(call, &error.server) {
                    Ok(wanted) => EngineError::ConsentRequired(Box::new([wanted])),
                    Err(error) => error,
                }
            }
            other => other,
        }
    }

    /// The answer to a request of a client with a session.
    pub(crate) fn legacy_consent(
        &self,
        call: &Call,
        client: &LegacyClient,
        method: &str,
        wanted: &[Wanted],
        id: &str,
    ) -> String {
        let (openings, text) = (openings(wanted), message(wanted));
        if let Some(error) = self.url_elicitations(call, client, openings.as_deref(), &text) {
            return error.response(Some(id));
        }
        let method = Method::lookup(method, client.revision);
        let error = rpc_error(wanted, &call.id.to_string());
        answered(method, false, id, &text, &error)
    }

    /// The answer to a stateless request whose client cannot be asked.
    pub(crate) fn modern_consent(
        call: &Call,
        method: Option<Method>,
        wanted: &[Wanted],
        id: &str,
    ) -> String {
        let error = rpc_error(wanted, &call.id.to_string());
        answered(method, true, id, &message(wanted), &error)
    }

    /// The answer to a stateless request whose user was asked and said no.
    pub(crate) fn declined(
        call: &Call,
        method: Option<Method>,
        declined: &Declined,
        id: &str,
    ) -> String {
        let word = declined.word;
        let text = match declined.kind {
            ErrorKind::ApprovalRequired => format!(
                "Nothing was asked of the server: the call needs an approval, and the user {word} waiting for it."
            ),
            _ => format!(
                "Nothing was asked of the server: it is called with the user's own account, and the user {word} connecting it."
            ),
        };
        let error = RpcError::new(code::INTERNAL_ERROR, text.as_str()).with_data(&json!({
            "kind": declined.kind.as_str(),
            "request_id": call.id.to_string(),
        }));
        answered(method, true, id, &text, &error)
    }

    /// The same at a request's end: what it was to be asked of is put on record, which may not have
    /// got as far as being found there.
    pub(crate) fn inviting_at_last(&self, call: &mut Call, error: EngineError) -> EngineError {
        let error = self.inviting(call, error);
        if let [wanted] = error.wanted() {
            call.audit.server(&wanted.server);
        }
        error
    }

    fn wanted(&self, call: &Call, server: &ServerId) -> Result<Wanted, EngineError> {
        let url = match &call.origin {
            None => None,
            Some(origin) => {
                let sealed = self.invite(&call.principal.id, server)?;
                // Names are of URL characters, and so is what is sealed.
                Some(format!("{origin}/connect/{server}?for={sealed}"))
            }
        };
        let server = server.clone();
        Ok(Wanted { server, url })
    }
}
