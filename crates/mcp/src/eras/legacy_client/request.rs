//! A request of a client with a session, as a stateless server takes it.

use super::Retry;
use super::object::{Object, own_meta};
use crate::capabilities::ClientCapabilities;
use crate::eras::modern_client::LogLevel;
use crate::json::quote;
use crate::message::Envelope;
use crate::method::Method;
use crate::modern::meta_key;
use crate::revision::Revision;

/// What a request says of its client.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// The id of this attempt; each has another (2026-07-28, "Multi round-trip requests").
    pub id: i64,
    /// What the client can do, as [`declared`](super::declared) says it.
    pub capabilities: &'a ClientCapabilities,
    /// Who asks, as a JSON object.
    pub client_info: &'a str,
    /// From which level on its session wants to hear log messages; `None` for requests during which
    /// there are none.
    pub level: Option<LogLevel>,
}

impl Stamp<'_> {
    /// Puts what every request must say into its `_meta`.
    pub(super) fn put(&self, meta: &mut Object) {
        meta.member(
            meta_key::PROTOCOL_VERSION,
            &quote(Revision::V2026_07_28.as_str()),
        );
        meta.member(meta_key::CLIENT_CAPABILITIES, self.capabilities.as_json());
        meta.member(meta_key::CLIENT_INFO, self.client_info);
        if let Some(level) = self.level {
            meta.member(meta_key::LOG_LEVEL, &quote(level.as_str()));
        }
    }
}

/// The whole message. Parameters stay what they are, but for those that mean something else there:
/// a task of 2025-11-25, and what only a retry of ours may say.
pub fn request(
    method: Method,
    envelope: &Envelope<'_>,
    stamp: &Stamp<'_>,
    retry: &Retry,
) -> String {
    let mut params = Object::new();
    let mut meta = None;
    if let Some(given) = envelope.params() {
        for (name, value) in given.iter() {
            match name {
                "_meta" => meta = own_meta(value),
                "inputResponses" | "requestState" => {}
                "task" if method == Method::ToolsCall => {}
                _ => params.member(name, value.get()),
            }
        }
    }
    let mut meta = meta.unwrap_or_else(Object::new);
    stamp.put(&mut meta);
    params.member("_meta", &meta.finish());
    retry.put(&mut params);
    format!(
        r#"{{"jsonrpc":"2.0","id":{},"method":"{}","params":{}}}"#,
        stamp.id,
        method.as_str(),
        params.finish()
    )
}
