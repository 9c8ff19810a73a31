//! Which era a server speaks, asked as 2026-07-28 "versioning" says: a modern request first, and
//! only an answer that shows it was not understood means legacy. 401, 403, 429 and 5xx are no evidence.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use portcullis_mcp::{Envelope, Members, Revision, meta_key};
use serde_json::json;

use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::handshake::client_info;
use crate::server::{Endpoint, ProtocolChoice};
use crate::transport::{Outgoing, Presents, Wire};

/// A verdict expires, because an upgraded server still answers the old way.
const VERDICT_LIFE: Duration = Duration::from_mins(5);

/// A verdict this young is not doubted.
const DOUBT_AFTER: Duration = Duration::from_secs(5);

/// What is known of a server's era.
#[derive(Debug, Default)]
pub(crate) struct Era {
    verdict: Mutex<Option<Verdict>>,
    /// Held while the server is being asked: one at a time.
    asking: tokio::sync::Mutex<()>,
}

/// What was found out, and when.
#[derive(Clone, Copy, Debug)]
struct Verdict {
    modern: bool,
    asked: Duration,
    /// Something came that the server should not have said.
    doubted: bool,
}

impl Era {
    /// What is known without asking.
    pub(crate) fn known(&self, wire: &Wire) -> Option<bool> {
        settled(wire).or_else(|| self.verdict().map(|verdict| verdict.modern))
    }

    /// The server said what one of its era would not: it is asked anew before the next request,
    /// unless it was asked just now. Callers can provoke this.
    pub(crate) fn doubt(&self, now: Duration) {
        let mut verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verdict) = &mut *verdict {
            verdict.doubted |= now.saturating_sub(verdict.asked) >= DOUBT_AFTER;
        }
    }

    fn verdict(&self) -> Option<Verdict> {
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known and not yet to be asked again.
    pub(crate) fn lately(&self, wire: &Wire, now: Duration) -> Option<bool> {
        settled(wire).or_else(|| self.fresh(now))
    }

    fn fresh(&self, now: Duration) -> Option<bool> {
        self.verdict()
            .filter(|verdict| !verdict.doubted)
            .filter(|verdict| now.saturating_sub(verdict.asked) < VERDICT_LIFE)
            .map(|verdict| verdict.modern)
    }

    /// Whether the server speaks 2026-07-28.
    pub(crate) async fn speaks_modern(
        &self,
        wire: &Wire,
        presents: &dyn Presents,
        now: Duration,
    ) -> Result<bool, UpstreamError> {
        if let Some(modern) = self.lately(wire, now) {
            return Ok(modern);
        }
        // Also bounds those who wait behind a server that hangs: together, not one by one.
        let asking = async {
            let _asking = self.asking.lock().await;
            if let Some(modern) = self.fresh(now) {
                return Ok(modern);
            }
            let modern = ask(wire, presents).await?;
            let verdict = Verdict {
                modern,
                asked: now,
                doubted: false,
            };
            *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
            Ok(modern)
        };
        tokio::time::timeout(wire.server.timeout, asking)
            .await
            .map_err(|_| wire.error(UpstreamErrorKind::Timeout))?
    }
}

/// What nobody need be asked for: it is written, or the transport knows one era only.
pub(crate) fn settled(wire: &Wire) -> Option<bool> {
    match (wire.server.protocol, &wire.server.endpoint) {
        (_, Endpoint::Sse(_)) => Some(false),
        (ProtocolChoice::Pinned(revision), _) => Some(revision.is_modern()),
        (ProtocolChoice::Auto, _) => None,
    }
}

/// The `_meta` of a request that we make ourselves.
pub fn own_meta() -> serde_json::Value {
    json!({
        meta_key::PROTOCOL_VERSION: Revision::V2026_07_28.as_str(),
        meta_key::CLIENT_CAPABILITIES: {},
        meta_key::CLIENT_INFO: client_info(),
    })
}

/// The same as text, which never changes.
pub fn own_meta_text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| own_meta().to_string());
    &TEXT
}

async fn ask(wire: &Wire, presents: &dyn Presents) -> Result<bool, UpstreamError> {
    let body = json!({
        "jsonrpc": "2.0",
        "id": 0,
        "method": "server/discover",
        "params": {"_meta": own_meta()},
    });
    let mut headers = HeaderMap::new();
    headers.insert(
        HeaderName::from_static("mcp-method"),
        HeaderValue::from_static("server/discover"),
    );
    let outgoing = Outgoing {
        body: Bytes::from(body.to_string()),
        revision: Some(Revision::V2026_07_28),
        headers,
        client: None,
    };
    match wire.probe(presents, outgoing).await {
        Ok(text) => Ok(text.is_some_and(|text| lists_modern(&text))),
        Err(error) => match error.kind {
            // Others are about this request's caller, its size or the moment.
            UpstreamErrorKind::Status(400 | 404 | 405 | 406 | 410 | 415 | 422)
            | UpstreamErrorKind::BadAnswer => Ok(false),
            _ => Err(error),
        },
    }
}

fn lists_modern(text: &[u8]) -> bool {
    let Ok(envelope) = Envelope::parse(text) else {
        return false;
    };
    envelope
        .result()
        .and_then(|result| Members::of(result).ok())
        .and_then(|members| members.get("supportedVersions"))
        .and_then(|versions| serde_json::from_str::<Vec<String>>(versions.get()).ok())
        .is_some_and(|versions| {
            versions
                .iter()
                .any(|version| version == Revision::V2026_07_28.as_str())
        })
}
