//! What a request of 2026-07-28 says twice over HTTP: in its body, and in headers that are made of it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_mcp::{
    Envelope, Members, Method, ParamHeaders, Revision, Subject, header_value, meta_key,
};
use serde_json::Value;

use super::session::PROTOCOL_VERSION;

static METHOD: HeaderName = HeaderName::from_static("mcp-method");
static NAME: HeaderName = HeaderName::from_static("mcp-name");

/// Most tools whose headers are remembered.
const MOST_TOOLS: usize = 10_000;

/// The revision that a request names itself.
fn named(envelope: &Envelope<'_>) -> Option<String> {
    let meta = envelope.meta().ok().flatten()?;
    Some(meta.string(meta_key::PROTOCOL_VERSION)?.into_owned())
}

/// Whether a request is one of those that need no session.
pub(super) fn is_modern(envelope: &Envelope<'_>) -> bool {
    named(envelope).is_some()
}

/// Which arguments of tools stand in headers too, as far as a list of them passed by.
#[derive(Debug, Default)]
pub(super) struct Mirrors(Mutex<HashMap<String, ParamHeaders>>);

impl Mirrors {
    fn known(&self) -> MutexGuard<'_, HashMap<String, ParamHeaders>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The headers of a request.
    pub(super) fn headers(&self, envelope: &Envelope<'_>) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8);
        let (Some(version), Some(name)) = (named(envelope), envelope.kind.method()) else {
            return headers;
        };
        // What cannot stand in a header the gateway misses, and says so.
        if let Ok(version) = HeaderValue::from_str(&version) {
            headers.insert(&PROTOCOL_VERSION, version);
        }
        if let Ok(method) = HeaderValue::from_str(name) {
            headers.insert(&METHOD, method);
        }
        let known = Method::lookup(name, Revision::V2026_07_28);
        let subject = known
            .filter(|known| *known != Method::Complete)
            .and_then(|known| known.subject(envelope.params()).ok());
        match subject {
            Some(
                Subject::Tool(name)
                | Subject::Prompt(name)
                | Subject::Uri(name)
                | Subject::Task(name),
            ) => {
                headers.insert(&NAME, header_value::encode(&name));
                if known == Some(Method::ToolsCall)
                    && let Some(mirrored) = self.known().get(name.as_ref())
                {
                    let arguments = envelope.params().and_then(|params| params.get("arguments"));
                    headers.extend(mirrored.headers_for(arguments));
                }
            }
            Some(Subject::None) | None => {}
        }
        headers
    }

    /// A list of tools passed by; gives where the next page begins.
    pub(super) fn learn(&self, answer: &Envelope<'_>) -> Option<String> {
        let result = Members::of(answer.result()?).ok()?;
        let tools: Vec<Value> = serde_json::from_str(result.get("tools")?.get()).ok()?;
        let mut known = self.known();
        for tool in &tools {
            let Some(name) = tool.get("name").and_then(Value::as_str) else {
                continue;
            };
            let schema = tool.get("inputSchema").unwrap_or(&Value::Null);
            match ParamHeaders::from_schema(schema) {
                Ok(mirrored) if !mirrored.is_empty() && known.len() < MOST_TOOLS => {
                    known.insert(name.to_owned(), mirrored);
                }
                _ => {
                    known.remove(name);
                }
            }
        }
        drop(known);
        result
            .string("nextCursor")
            .map(std::borrow::Cow::into_owned)
    }
}
