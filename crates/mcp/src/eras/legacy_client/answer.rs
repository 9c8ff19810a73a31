//! An answer of a stateless server, as a client with a session reads it.

use serde_json::json;

use super::Asked;
use super::object::cleaned;
use crate::error::{RpcError, code};
use crate::json::{Edits, Members};
use crate::message::{Envelope, Kind};
use crate::method::Method;
use crate::revision::Revision;

/// What an answer comes to.
#[derive(Debug)]
pub enum Reading {
    /// The client's answer, whole.
    Answer(String),
    /// The server asks something first.
    Asks(Asked),
    /// It found headers and body in disagreement (`-32020`), and did nothing.
    HeadersRefused,
    /// It does not take the request's revision (`-32022`), and did nothing.
    RevisionRefused {
        /// Whether it names the revision that we asked in all the same.
        speaks_ours: bool,
    },
}

/// A message that is no answer of 2026-07-28.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an answer of 2026-07-28: {0}")]
pub struct NotLegible(pub(super) &'static str);

/// What only the stateless revision puts into results.
const STATELESS: [&str; 3] = ["resultType", "ttlMs", "cacheScope"];

/// Reads the answer to a request of this method; `client_id` is what the client called it.
pub fn read(method: Method, text: &str, client_id: &str) -> Result<Reading, NotLegible> {
    let envelope = Envelope::parse(text.as_bytes()).map_err(|_| NotLegible("no message"))?;
    let Kind::Response { id, .. } = envelope.kind else {
        return Err(NotLegible("no response"));
    };
    let Some(result) = envelope.result() else {
        let error = envelope
            .error()
            .and_then(|error| Members::of(error).ok())
            .ok_or(NotLegible("no error"))?;
        let mut edits = Edits::of(text);
        edits.replace(id.raw(), client_id);
        return refused(method, client_id, &error, edits);
    };
    let result = Members::of(result).map_err(|_| NotLegible("the result is no object"))?;
    match result
        .get("resultType")
        .map(|_| result.string("resultType"))
    {
        None => {}
        Some(kind) if kind.as_deref() == Some("complete") => {}
        Some(kind) if kind.as_deref() == Some("input_required") && may_ask(method) => {
            return Asked::read(&result).map(Reading::Asks);
        }
        Some(_) => return Err(NotLegible("unknown resultType")),
    }
    let result = cleaned(&result, &STATELESS);
    Ok(Reading::Answer(format!(
        r#"{{"jsonrpc":"2.0","id":{client_id},"result":{result}}}"#
    )))
}

/// An error, in the codes that the client knows.
fn refused(
    method: Method,
    client_id: &str,
    error: &Members<'_>,
    mut edits: Edits<'_>,
) -> Result<Reading, NotLegible> {
    let raw = error.get("code").ok_or(NotLegible("no code"))?;
    let data = error.object("data").ok().flatten();
    match raw.get().parse::<i64>() {
        Ok(code::HEADER_MISMATCH) => return Ok(Reading::HeadersRefused),
        Ok(code::UNSUPPORTED_VERSION) => {
            let speaks_ours = data
                .and_then(|data| {
                    serde_json::from_str::<Vec<String>>(data.get("supported")?.get()).ok()
                })
                .is_some_and(|all| all.iter().any(|one| one == Revision::V2026_07_28.as_str()));
            return Ok(Reading::RevisionRefused { speaks_ours });
        }
        // It describes what this request declared, which the client never saw.
        Ok(code::MISSING_CAPABILITY) => {
            let text = lacking(data.as_ref());
            return Ok(Reading::Answer(unable(method, client_id, &text)));
        }
        Ok(code::INVALID_PARAMS) if method == Method::ResourcesRead => {
            edits.replace(raw, code::RESOURCE_NOT_FOUND.to_string());
        }
        Ok(_) => {}
        Err(_) => return Err(NotLegible("the code is no integer")),
    }
    Ok(Reading::Answer(edits.finish()))
}

/// Most capabilities that are named to a client, and longest name of one.
const MOST_NAMED: usize = 8;
const LONGEST_NAME: usize = 64;

fn lacking(data: Option<&Members<'_>>) -> String {
    let required = data.and_then(|data| data.object("requiredCapabilities").ok().flatten());
    let is_name = |name: &&str| {
        name.len() <= LONGEST_NAME
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    let names: Vec<&str> = required.as_ref().map_or_else(Vec::new, |required| {
        let names = required.iter().map(|(name, _)| name);
        names.filter(is_name).take(MOST_NAMED).collect()
    });
    if names.is_empty() {
        return "The server needs a capability that this client did not declare.".to_owned();
    }
    format!(
        "The server needs what this client did not declare: {}.",
        names.join(", ")
    )
}

/// Where a server may ask before it answers (2026-07-28, "Multi round-trip requests").
const fn may_ask(method: Method) -> bool {
    matches!(
        method,
        Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead
    )
}

/// The answer to a request that could not be seen through: of a tool a result, which is what a model
/// reads, of anything else an error.
pub fn unable(method: Method, client_id: &str, text: &str) -> String {
    if method != Method::ToolsCall {
        return RpcError::new(code::INTERNAL_ERROR, text).response(Some(client_id));
    }
    let result = json!({"content": [{"type": "text", "text": text}], "isError": true});
    format!(r#"{{"jsonrpc":"2.0","id":{client_id},"result":{result}}}"#)
}

/// A notification without what only the stateless revision puts into its `_meta`.
pub fn plain(text: &str) -> Option<String> {
    let envelope = Envelope::parse(text.as_bytes()).ok()?;
    let (Kind::Notification { .. }, Some(params)) = (&envelope.kind, envelope.raw_params()) else {
        return Some(text.to_owned());
    };
    if envelope.params()?.get("_meta").is_none() {
        return Some(text.to_owned());
    }
    let mut edits = Edits::of(text);
    edits.replace(params, cleaned(envelope.params()?, &[]));
    Some(edits.finish())
}
